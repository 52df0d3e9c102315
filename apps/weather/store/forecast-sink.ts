import type { Source, Topic } from 'aldebaran'
import { postgresSink, type RunQuery } from 'aldebaran/postgres'
import type { City } from '../cities.ts'
import type { Forecast } from '../schemas.ts'
import { ForecastPartitions } from './partitions.ts'
import { makeTables } from './schema.ts'
import type { StoreSettings } from './settings.ts'

export interface ForecastSinkSettings extends Omit<StoreSettings, 'readUrls'> {
  topic: Topic<string, Forecast>
  /** Written to the table `cities` at the start. A city that is none of them gets a row with its id alone. */
  cities?: readonly City[]
  /** Default 'forecasts'. */
  name?: string
  /** As of `postgresSink`. */
  batch?: NonNullable<Parameters<typeof postgresSink>[0]['batch']>
}

const CITIES = `INSERT INTO cities (id, name, country, latitude, longitude, population, timezone)
  SELECT id, name, country, lat, lon, population, timezone FROM jsonb_to_recordset($1::text::jsonb)
    AS city (id text, name text, country text, lat double precision, lon double precision, population bigint, timezone text)
  ON CONFLICT (id) DO UPDATE SET name = EXCLUDED.name, country = EXCLUDED.country, latitude = EXCLUDED.latitude,
    longitude = EXCLUDED.longitude, population = EXCLUDED.population, timezone = EXCLUDED.timezone`
const NEW_CITIES = `INSERT INTO cities (id) SELECT DISTINCT city FROM unnest($1::text::text[]) AS city
  WHERE NOT EXISTS (SELECT FROM cities WHERE id = city) ON CONFLICT DO NOTHING`

/** Writes forecasts to the table of that name: one row for each city and window, which a correction replaces. */
export function forecastSink(settings: ForecastSinkSettings): Source {
  const { topic, cities = [], name = 'forecasts', database, partition, retention, batch } = settings
  const partitions = new ForecastPartitions({ unit: partition, retention })
  return postgresSink<string, Forecast>({
    name,
    topic,
    database,
    table: 'forecasts',
    mode: 'upsert',
    key: ['city', 'window_start'],
    columns: {
      city: { type: 'text' },
      window_start: { type: 'timestamptz', from: ({ value }) => value.windowStart },
      window_end: { type: 'timestamptz', from: ({ value }) => value.windowEnd },
      heat_index: { type: 'double precision', from: ({ value }) => value.heatIndex },
      rolling_heat_index: { type: 'double precision', from: ({ value }) => value.rollingHeatIndex },
      temperature: { type: 'double precision' },
      humidity: { type: 'double precision' },
      readings: { type: 'integer' },
      timing: { type: 'text' },
    },
    ...(batch === undefined ? {} : { batch }),
    async setup(session) {
      await makeTables(session, partition)
      if (cities.length > 0) await session.query(CITIES, [JSON.stringify(cities)])
      partitions.forget()
      await partitions.care(session.query)
    },
    async prepare(query: RunQuery, rows) {
      await partitions.prepare(query, rows)
      await query(NEW_CITIES, [rows.column('city')])
    },
  })
}
