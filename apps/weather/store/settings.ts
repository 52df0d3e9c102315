/**
 * Where forecasts are kept, as the environment says:
 *
 * WEATHER_DATABASE_URL       postgres://user:password@host/database?sslmode=…, the primary (default none: embedded)
 * WEATHER_DATABASE_FOLDER    of the embedded PostgreSQL, when there is no URL (default none: forecasts are not stored)
 * WEATHER_READ_URLS          replicas to read from, with commas between them (default none: the primary)
 * WEATHER_RETENTION          forecasts older than that are deleted (default none: they are kept)
 * WEATHER_PARTITION          day (default) or month: what the table is divided by; it stays as it was made
 */
import { AldebaranError, parseDuration } from 'aldebaran'
import { type Database, pglite, serverDatabase } from 'aldebaran/postgres'
import type { PartitionUnit } from './schema.ts'

export interface StoreSettings {
  /** Written to, and read from where there are no `readUrls`. */
  database: Database
  readUrls: readonly string[]
  /** '30d' or ms; null: forecasts are kept. */
  retention: string | number | null
  partition: PartitionUnit
}

/** null: forecasts are not to be stored. @throws AldebaranError OPTION_INVALID */
export function storeFromEnvironment(environment: Readonly<Record<string, string | undefined>>): StoreSettings | null {
  const { WEATHER_DATABASE_URL: url, WEATHER_DATABASE_FOLDER: folder, WEATHER_READ_URLS: reads } = environment
  const { WEATHER_RETENTION: retention } = environment
  const partition = environment.WEATHER_PARTITION || 'day'
  if (partition !== 'day' && partition !== 'month') {
    throw new AldebaranError('OPTION_INVALID', `WEATHER_PARTITION: '${partition}' is neither day nor month`, {
      option: 'WEATHER_PARTITION',
    })
  }
  if (!url && !folder) return null
  return {
    database: url ? serverDatabase(url, 'WEATHER_DATABASE_URL') : pglite(folder!),
    readUrls: (reads ?? '')
      .split(',')
      .map(one => one.trim())
      .filter(one => one !== ''),
    retention: retention ? parseDuration(retention, 'WEATHER_RETENTION') : null,
    partition,
  }
}
