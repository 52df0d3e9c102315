import type { Forecast } from '../schemas.ts'
import { type Reader, Readers } from './readers.ts'
import type { StoreSettings } from './settings.ts'

const TIMES = `(extract(epoch FROM window_start) * 1000)::float8 AS "windowStart",
  (extract(epoch FROM window_end) * 1000)::float8 AS "windowEnd"`
const FIELDS = `city, ${TIMES}, heat_index AS "heatIndex", temperature, humidity, readings,
  rolling_heat_index AS "rollingHeatIndex", timing`
const LATEST = `SELECT ${FIELDS} FROM weather_latest ORDER BY city`
const HISTORY = `SELECT ${FIELDS} FROM forecasts WHERE city = $1
  AND window_start >= to_timestamp($2::float8 / 1000) AND window_start < to_timestamp($3::float8 / 1000)
  ORDER BY window_start DESC LIMIT $4::int`
const HOTTEST = `SELECT ${FIELDS} FROM forecasts WHERE heat_index IS NOT NULL AND window_start = (
    SELECT max(window_start) FROM forecasts WHERE window_start <= to_timestamp($1::float8 / 1000)
      AND window_start > to_timestamp($1::float8 / 1000) - interval '1 day')
  ORDER BY heat_index DESC, city LIMIT $2::int`
const PAGE = `SELECT ${FIELDS} FROM forecasts
  WHERE window_start >= to_timestamp($1::float8 / 1000) AND window_start < to_timestamp($2::float8 / 1000)
    AND (window_start, city) > (to_timestamp($3::float8 / 1000), $4::text)
  ORDER BY window_start, city LIMIT $5::int`

/** A place between two rows, in the order of time and city. */
export interface PageMark {
  windowStart: number
  city: string
}

/**
 * Reads forecasts that were written. Times are ms since 1970. Each method throws POSTGRES_UNAVAILABLE when neither a
 * replica nor the primary answers.
 */
export class ForecastStore {
  readonly #reader: Reader

  constructor(reader: Reader) {
    this.#reader = reader
  }

  /** Connects to nothing yet. @throws AldebaranError OPTION_INVALID, PACKAGE_MISSING */
  static async open({ database, readUrls }: Pick<StoreSettings, 'database' | 'readUrls'>): Promise<ForecastStore> {
    return new ForecastStore(await Readers.open(readUrls, database))
  }

  /** The newest forecast of each city, of those from the last day before the newest of all; by city. */
  latest(): Promise<Forecast[]> {
    return this.#reader.query<Forecast>(LATEST)
  }

  /** Of the windows of a city that began in [from, to), the newest `limit`, in the order of time. */
  async history(city: string, from: number, to: number, limit: number): Promise<Forecast[]> {
    return (await this.#reader.query<Forecast>(HISTORY, [city, from, to, limit])).reverse()
  }

  /** The cities with the highest heat index, of the newest windows that began at `at` or in the day before it. */
  hottest(at: number, limit: number): Promise<Forecast[]> {
    return this.#reader.query<Forecast>(HOTTEST, [at, limit])
  }

  /** Windows that began in [from, to), by time and city, those behind `after`. */
  page(from: number, to: number, after: PageMark | null, limit: number): Promise<Forecast[]> {
    // No part of the table from before it is looked into again.
    const start = after?.windowStart ?? from
    return this.#reader.query<Forecast>(PAGE, [start, to, start, after?.city ?? '', limit])
  }

  close(): Promise<void> {
    return this.#reader.close()
  }
}
