import { existsSync } from 'node:fs'
import { AldebaranError } from 'aldebaran'
import { serverDatabase } from 'aldebaran/postgres'
import { type ExportSettings, exportChunks } from './export.ts'
import { ForecastStore } from './forecast-store.ts'
import { type StoreSettings, storeFromEnvironment } from './settings.ts'

/** As PostgreSQL calls the lack of a table. */
const UNDEFINED_TABLE = '42P01'

export interface DatabaseSettings extends ExportSettings {
  /** postgres://…; null: what the environment names. */
  url: string | null
  environment: Readonly<Record<string, string | undefined>>
}

/**
 * The bytes of an export from a database that nobody needs to serve; returns the number of rows.
 * @throws AldebaranError OPTION_INVALID, NOT_FOUND: no forecasts are there, STORE_LOCKED: a process has the embedded one open,
 *   POSTGRES_UNAVAILABLE, POSTGRES_REFUSED, PACKAGE_MISSING
 */
export async function* databaseChunks(settings: DatabaseSettings): AsyncGenerator<Uint8Array, number> {
  const { url, environment } = settings
  const store = await ForecastStore.open(
    url === null ? fromEnvironment(environment) : { database: serverDatabase(url, '--url'), readUrls: [] },
  )
  try {
    return yield* exportChunks(store, settings)
  } catch (error) {
    throw explained(error)
  } finally {
    await store.close()
  }
}

function fromEnvironment(environment: DatabaseSettings['environment']): StoreSettings {
  const { WEATHER_DATABASE_URL: url, WEATHER_DATABASE_FOLDER: folder, WEATHER_READ_URLS: reads } = environment
  // To read, replicas are enough.
  const [replica] = reads?.split(',').map(one => one.trim()) ?? []
  const only = url || folder || !replica ? {} : { WEATHER_DATABASE_URL: replica }
  const found = storeFromEnvironment({ ...environment, ...only })
  if (found === null) {
    throw new AldebaranError(
      'OPTION_INVALID',
      'no database is named: set WEATHER_DATABASE_URL, or name one with --url postgres://…, or a weather platform that ' +
        'runs with --url http://…',
      { option: '--url' },
    )
  }
  // Opening would make one.
  if (!url && folder && !existsSync(folder)) {
    throw new AldebaranError('NOT_FOUND', `WEATHER_DATABASE_FOLDER: there is no ${folder}`, { folder })
  }
  return found
}

function explained(error: unknown): unknown {
  if (!(error instanceof AldebaranError)) return error
  const { code, message, details } = error
  if (code === 'STORE_LOCKED') {
    const instead = 'ask that process, with --url http://…, or let the platform write to a server: WEATHER_DATABASE_URL'
    return new AldebaranError(code, `${message}. One process at a time can: ${instead}`, details, error)
  }
  if (code === 'POSTGRES_REFUSED' && details.state === UNDEFINED_TABLE) {
    return new AldebaranError('NOT_FOUND', `${message}: no weather platform has written there`, details, error)
  }
  return error
}
