/** The weather platform as the environment sets it up (see environment.ts): what `aldebaran run` and the worker threads import. */
import { isMainThread } from 'node:worker_threads'
import { embedded, type RunSettings, run } from 'aldebaran'
import { weatherFromEnvironment } from './environment.ts'

const weather = weatherFromEnvironment(process.env)
const settings: RunSettings = { log: embedded('./data/weather') }
if (isMainThread) {
  // A worker thread needs the pipeline alone.
  const { assembleWeather } = await import('./assemble.ts')
  const { routes, sources } = assembleWeather(weather, process.env)
  settings.http = { routes }
  settings.sources = sources
}
await run(weather.application, settings)
