import { extname } from 'node:path'
import { type Running, run, runSettingsOf, type ServeSettings } from 'aldebaran'
import { assembleWeather, withDatabaseBeside } from './assemble.ts'
import { weatherFromEnvironment } from './environment.ts'
import { runSamples } from './samples.ts'

/**
 * Runs the weather platform, with real readings of three airports and simulated ones of 15,000 cities. Forecasts are kept in an
 * embedded database beside the log, unless the environment names another.
 */
export async function serveApplication(settings: ServeSettings): Promise<Running> {
  // Worker threads get the environment as it is when they are started. The sample cities are of all climates.
  const { WEATHER_FORMULA: formula } = process.env
  if (settings.speed !== 0 && !formula) process.env.WEATHER_FORMULA = 'nws'
  const weather = weatherFromEnvironment(process.env)
  const { directory, routes, sources } = assembleWeather(
    weather,
    withDatabaseBeside(process.env, settings.data),
    settings.report,
  )
  const entry = new URL(`./entry${extname(import.meta.url)}`, import.meta.url)
  const running = await run(weather.application, runSettingsOf(settings, { entry, routes, sources }))
  if (settings.speed === 0) return running
  const stop = new AbortController()
  const samples = runSamples(weather, running.log, directory, { signal: stop.signal }).catch((error: unknown) => {
    // The platform goes on without sample data.
    settings.report?.('error', 'the sample readings ended', { error: String(error) })
  })
  running.onStop(async () => {
    stop.abort()
    await samples
    if (!formula) delete process.env.WEATHER_FORMULA
  })
  return running
}
