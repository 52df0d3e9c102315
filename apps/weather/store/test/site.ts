/** The sink of forecasts in an application on the embedded log. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { embedded, Producer, type Running, run, type SourceState } from 'aldebaran'
import type { Forecast } from '../../schemas.ts'
import { type ForecastSinkSettings, forecastSink } from '../forecast-sink.ts'
import { app, forecasts } from './application.ts'

export const MINUTE = 60_000

export function forecast(city: string, windowStart: number, more: Partial<Forecast> = {}): Forecast {
  return {
    city,
    windowStart,
    windowEnd: windowStart + MINUTE,
    heatIndex: 80,
    temperature: 81,
    humidity: 50,
    readings: 1,
    rollingHeatIndex: null,
    timing: 'onTime',
    ...more,
  }
}

export class StoreSite {
  readonly folder = mkdtempSync(join(tmpdir(), 'aldebaran-weather-store-'))
  running!: Running

  static async open(settings: Omit<ForecastSinkSettings, 'topic'>): Promise<StoreSite> {
    const site = new StoreSite()
    site.running = await run(app, {
      log: embedded(join(site.folder, 'log'), { durability: 'process' }),
      entry: new URL('./application.ts', import.meta.url),
      http: { port: 0, tokens: [] },
      signals: false,
      report: () => {},
      sources: [forecastSink({ batch: { time: '20ms' }, ...settings, topic: forecasts })],
    })
    return site
  }

  async send(rows: readonly Forecast[]): Promise<void> {
    const producer = new Producer(this.running.log)
    for (const row of rows) producer.send(forecasts, row.city, row)
    await producer.flush()
  }

  state(): SourceState {
    return this.running.sources[0]!.state()
  }

  /** Resolves when so many records were written since the start. */
  async written(records: number): Promise<void> {
    while (this.state().records < records) await new Promise(resolve => setTimeout(resolve, 5))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.running.stop()
    rmSync(this.folder, { recursive: true, force: true })
  }
}
