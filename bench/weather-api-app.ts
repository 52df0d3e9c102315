/** The weather API in a process of its own, over a topic of forecasts that the benchmark writes to. */
import { isMainThread } from 'node:worker_threads'
import { application, embedded, Producer, run, text, topic } from 'aldebaran'
import type { LatestForecasts } from '../apps/weather/api/latest-forecasts.ts'
import { WeatherApi } from '../apps/weather/api/routes.ts'
import { type Forecast, forecastSchema } from '../apps/weather/schemas.ts'
import { cpuSeconds, peakRssMb } from './measure.ts'
import { answerCalls } from './webhooks-process.ts'

const forecasts = topic('forecast_output_topic', { key: text(), value: forecastSchema(), partitions: 4 })
export const app = application('weather-api-bench', { topics: [forecasts] })

let producer: Producer | null = null
let view: LatestForecasts | null = null

const calls = {
  async start({ folder, windowMs }: { folder: string; windowMs: number }): Promise<{ url: string; ids: string[] }> {
    const api = new WeatherApi({ forecasts, windowMs })
    const running = await run(app, {
      log: embedded(folder, { durability: 'process' }),
      http: { port: 0, tokens: [], routes: api.routes },
      signals: false,
      workers: 1,
      report: () => {},
    })
    view = api.attach(running)
    await view.ready
    producer = new Producer(running.log)
    return { url: running.url!, ids: api.directory.cities.map(({ id }) => id) }
  },
  /** Resolves when they are durable. */
  async write(values: readonly Forecast[]): Promise<void> {
    for (const value of values) producer!.send(forecasts, value.city, value, { timestamp: value.windowEnd })
    await producer!.flush()
  },
  usage: (_: null) => ({ cpuSeconds: cpuSeconds(), peakRssMb: peakRssMb(), withValue: view!.withValue }),
}
export type ApiCalls = typeof calls

// Worker threads import this file too.
if (isMainThread) answerCalls(calls)
