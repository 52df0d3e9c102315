/** The parts of the weather platform around its pipeline, put together: the API, and the database. */
import type { HttpRoute, Report, Source } from 'aldebaran'
import type { Exporter } from './api/exports.ts'
import { type History, WeatherApi } from './api/routes.ts'
import type { Weather } from './app.ts'
import { CityDirectory } from './cities.ts'
import { type ExportSettings, exportChunks } from './store/export.ts'
import { forecastSink } from './store/forecast-sink.ts'
import { ForecastStore } from './store/forecast-store.ts'
import { type StoreSettings, storeFromEnvironment } from './store/settings.ts'

export interface WeatherParts {
  readonly directory: CityDirectory
  readonly routes: readonly HttpRoute[]
  readonly sources: readonly Source[]
}

/** @throws AldebaranError OPTION_INVALID */
export function assembleWeather(weather: Weather, environment: NodeJS.ProcessEnv, report?: Report): WeatherParts {
  const directory = CityDirectory.load()
  const settings = storeFromEnvironment(environment)
  const store = settings === null ? null : new LazyStore(settings)
  const api = new WeatherApi(weather, {
    directory,
    ...(store === null ? {} : { history: store.history, exporter: store.exporter }),
    ...(report === undefined ? {} : { report }),
  })
  if (settings === null || store === null) return { directory, routes: api.routes, sources: [] }
  const sink = forecastSink({ ...settings, topic: weather.forecasts, cities: directory.cities })
  const source: Source = {
    name: sink.name,
    async start(running, told) {
      // The first request would have it read the forecasts, and wait for that.
      api.attach(running)
      const started = await sink.start(running, told)
      return {
        state: () => started.state(),
        async stop() {
          await started.stop()
          await store.close()
        },
      }
    },
  }
  return { directory, routes: api.routes, sources: [source] }
}

/** The environment with an embedded database beside the folder of the log, where it names none. */
export function withDatabaseBeside(environment: NodeJS.ProcessEnv, data: string): NodeJS.ProcessEnv {
  if (environment.WEATHER_DATABASE_URL || environment.WEATHER_DATABASE_FOLDER) return environment
  return { WEATHER_RETENTION: '2d', ...environment, WEATHER_DATABASE_FOLDER: `${data}.postgres` }
}

/** Connected to when something is asked for that only it has. */
class LazyStore {
  readonly #settings: StoreSettings
  #opened: Promise<ForecastStore> | null = null

  constructor(settings: StoreSettings) {
    this.#settings = settings
  }

  readonly history: History = async (city, from, to, limit) => {
    const store = await this.#open()
    return (await store.history(city, from, to, limit)).reverse()
  }

  readonly exporter: Exporter = settings => exported(() => this.#open(), settings)

  async close(): Promise<void> {
    const store = await this.#opened?.catch(() => null)
    await store?.close()
  }

  async #open(): Promise<ForecastStore> {
    this.#opened ??= ForecastStore.open(this.#settings)
    return await this.#opened.catch((error: unknown) => {
      this.#opened = null
      throw error
    })
  }
}

async function* exported(open: () => Promise<ForecastStore>, settings: ExportSettings): AsyncGenerator<Uint8Array> {
  yield* exportChunks(await open(), settings)
}
