/**
 * The tables of the weather platform in PostgreSQL, and the views that reports read.
 *
 * 1. Each step is applied once, in order, in one transaction with the number that says so; a step is never changed.
 * 2. Every unique key of `forecasts` begins with `city`, so that it can be spread over shards by city, and has
 *    `window_start`, by which it is divided.
 */
import { AldebaranError } from 'aldebaran'
import type { DatabaseSession } from 'aldebaran/postgres'

export type PartitionUnit = 'day' | 'month'

const STEPS: readonly string[] = [
  `CREATE TABLE cities (
    id text PRIMARY KEY,
    name text,
    country text,
    latitude double precision,
    longitude double precision,
    population bigint,
    timezone text
  );
  CREATE TABLE forecasts (
    city text NOT NULL,
    window_start timestamptz NOT NULL,
    window_end timestamptz NOT NULL,
    heat_index double precision,
    rolling_heat_index double precision,
    temperature double precision,
    humidity double precision,
    readings integer NOT NULL,
    timing text NOT NULL,
    PRIMARY KEY (city, window_start)
  ) PARTITION BY RANGE (window_start);
  CREATE INDEX forecasts_by_time ON forecasts (window_start, city);

  CREATE VIEW weather_latest AS
    SELECT c.id AS city, c.name, c.country, c.latitude, c.longitude, c.population, f.window_start, f.window_end,
      f.heat_index, f.rolling_heat_index, f.temperature, f.humidity, f.readings, f.timing
    FROM cities c
    CROSS JOIN (SELECT max(window_start) AS at FROM forecasts) newest
    CROSS JOIN LATERAL (
      SELECT * FROM forecasts
      WHERE city = c.id AND window_start > newest.at - interval '1 day' AND window_start <= newest.at
      ORDER BY window_start DESC LIMIT 1
    ) f;

  CREATE VIEW weather_hottest_now AS
    SELECT rank() OVER (ORDER BY f.heat_index DESC) AS rank, f.city, c.name, c.country, c.latitude, c.longitude,
      f.heat_index, f.rolling_heat_index, f.temperature, f.humidity, f.window_start, f.window_end
    FROM forecasts f LEFT JOIN cities c ON c.id = f.city
    WHERE f.window_start = (SELECT max(window_start) FROM forecasts) AND f.heat_index IS NOT NULL;

  CREATE VIEW weather_city_hours AS
    SELECT f.city, c.name, c.country, date_trunc('hour', f.window_start) AS hour, count(*) AS windows,
      sum(f.readings) AS readings, avg(f.heat_index) AS mean_heat_index, min(f.heat_index) AS min_heat_index,
      max(f.heat_index) AS max_heat_index, avg(f.temperature) AS mean_temperature, avg(f.humidity) AS mean_humidity
    FROM forecasts f LEFT JOIN cities c ON c.id = f.city
    GROUP BY f.city, c.name, c.country, date_trunc('hour', f.window_start);

  CREATE VIEW weather_daily AS
    SELECT f.city, c.name, c.country, (f.window_start AT TIME ZONE 'UTC')::date AS day, count(*) AS windows,
      sum(f.readings) AS readings, avg(f.heat_index) AS mean_heat_index, min(f.heat_index) AS min_heat_index,
      max(f.heat_index) AS max_heat_index, avg(f.temperature) AS mean_temperature, avg(f.humidity) AS mean_humidity,
      count(*) FILTER (WHERE f.timing = 'late') AS corrected
    FROM forecasts f LEFT JOIN cities c ON c.id = f.city
    GROUP BY f.city, c.name, c.country, (f.window_start AT TIME ZONE 'UTC')::date;`,
]

/** Resolves when the tables are as this version wants them. @throws AldebaranError OPTION_INVALID, POSTGRES_… */
export async function makeTables(session: Pick<DatabaseSession, 'transaction'>, unit: PartitionUnit): Promise<void> {
  await session.transaction(async query => {
    await query(`SELECT pg_advisory_xact_lock(hashtextextended('aldebaran weather schema', 0))`)
    await query(
      `CREATE TABLE IF NOT EXISTS weather_schema
        (step integer PRIMARY KEY, partitioned_by text NOT NULL, made_at timestamptz NOT NULL DEFAULT now())`,
    )
    const { rows } = await query<{ step: number; partitioned_by: string }>(
      'SELECT step, partitioned_by FROM weather_schema ORDER BY step',
    )
    const made = rows.at(-1)
    if (made !== undefined && made.partitioned_by !== unit) {
      throw new AldebaranError(
        'OPTION_INVALID',
        `partition: the table forecasts is divided by ${made.partitioned_by}, not by ${unit}`,
        { option: 'partition' },
      )
    }
    for (const [index, step] of STEPS.entries()) {
      if (index < (made?.step ?? 0)) continue
      await query(step)
      await query('INSERT INTO weather_schema (step, partitioned_by) VALUES ($1, $2)', [index + 1, unit])
    }
  })
}
