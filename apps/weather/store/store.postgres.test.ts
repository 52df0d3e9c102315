/** Forecasts in PostgreSQL, of a server and embedded: corrections, parts by time, views, reads, exports. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Writable } from 'node:stream'
import { after, before, describe, test } from 'node:test'
import { AldebaranError } from 'aldebaran'
import { type Database, pglite, serverDatabase } from 'aldebaran/postgres'
import { parquetReadObjects } from 'hyparquet'
import { postgresDatabase } from '../../../test/servers/postgres.ts'
import type { Forecast } from '../schemas.ts'
import { exportForecasts } from './export.ts'
import { ForecastStore } from './forecast-store.ts'
import { ForecastPartitions } from './partitions.ts'
import { makeTables } from './schema.ts'
import { storeFromEnvironment } from './settings.ts'
import { forecast, MINUTE, StoreSite } from './test/site.ts'

const DAY = 86_400_000
const START = Date.parse('2013-07-18T23:58:00Z')
const CITIES = [
  { id: 'JFK', name: 'Kennedy', country: 'US', lat: 40.6, lon: -73.8, population: 0, timezone: 'America/New_York' },
  { id: '2643743', name: "London's", country: 'GB', lat: 51.5, lon: -0.1, population: 9e6, timezone: 'Europe/London' },
]
const settings = { readUrls: [], retention: null, partition: 'day' as const }

class Collected extends Writable {
  readonly chunks: Buffer[] = []
  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.chunks.push(Buffer.from(chunk))
    setImmediate(done)
  }
  get bytes(): Buffer {
    return Buffer.concat(this.chunks)
  }
}

let server: Awaited<ReturnType<typeof postgresDatabase>>
let folder: string
const databases: Record<string, () => Database> = {
  server: () => serverDatabase(server.url),
  embedded: () => pglite(join(folder, 'postgres')),
}

before(async () => {
  server = await postgresDatabase()
  folder = mkdtempSync(join(tmpdir(), 'aldebaran-weather-'))
})

after(async () => {
  await server.drop()
  rmSync(folder, { recursive: true })
})

async function ask<R extends object>(database: Database, text: string): Promise<R[]> {
  const session = await database.connect('test', () => {})
  try {
    return (await session.query<R>(text)).rows.map(row => ({ ...row }))
  } finally {
    await session.close()
  }
}

for (const [name, open] of Object.entries(databases)) {
  describe(`on PostgreSQL, ${name}`, () => {
    test('a late correction replaces its row; parts are made as needed; the views and reads tell the same', async () => {
      const database = open()
      await using site = await StoreSite.open({ ...settings, database, cities: CITIES })
      const rows: Forecast[] = []
      for (let minute = 0; minute < 4; minute++) {
        rows.push(forecast('JFK', START + minute * MINUTE, { heatIndex: 90 + minute, rollingHeatIndex: 90.5 }))
        rows.push(forecast('2643743', START + minute * MINUTE, { heatIndex: minute === 3 ? null : 70 }))
      }
      rows.push(forecast('nowhere', START + 3 * MINUTE, { heatIndex: 99 }))
      await site.send(rows)
      await site.written(9)
      await site.send([forecast('JFK', START + MINUTE, { heatIndex: 101.25, readings: 7, timing: 'late' })])
      await site.written(10)
      assert.equal(site.state().rejected, 0)

      const store = await ForecastStore.open({ database, readUrls: [] })
      const expected = rows.filter(row => row.city === 'JFK')
      expected[1] = forecast('JFK', START + MINUTE, { heatIndex: 101.25, readings: 7, timing: 'late' })
      const plain = (found: readonly Forecast[]) => found.map(row => ({ ...row }))
      assert.deepEqual(plain(await store.history('JFK', START, START + DAY, 10)), expected)
      assert.deepEqual(plain(await store.history('JFK', START + MINUTE, START + 3 * MINUTE, 1)), [expected[2]])
      assert.deepEqual(
        (await store.hottest(START + 3.5 * MINUTE, 5)).map(row => [row.city, row.heatIndex]),
        [
          ['nowhere', 99],
          ['JFK', 93],
        ],
      )
      assert.deepEqual(
        (await store.hottest(START + MINUTE, 1)).map(row => row.heatIndex),
        [101.25],
      )
      assert.deepEqual(
        (await store.latest()).map(row => [row.city, row.windowStart]),
        ['2643743', 'JFK', 'nowhere'].map(city => [city, START + 3 * MINUTE]),
      )
      await store.close()

      assert.deepEqual(
        await ask(
          database,
          `SELECT day::text, windows::int, readings::int, max_heat_index, corrected::int FROM weather_daily
            WHERE name = 'Kennedy' ORDER BY day`,
        ),
        [
          { day: '2013-07-18', windows: 2, readings: 8, max_heat_index: 101.25, corrected: 1 },
          { day: '2013-07-19', windows: 2, readings: 2, max_heat_index: 93, corrected: 0 },
        ],
      )
      assert.deepEqual(await ask(database, 'SELECT rank::int, city, country FROM weather_hottest_now ORDER BY rank'), [
        { rank: 1, city: 'nowhere', country: null },
        { rank: 2, city: 'JFK', country: 'US' },
      ])
      assert.deepEqual(
        await ask(
          database,
          `SELECT name, count(*)::int AS hours, min(mean_heat_index) AS low FROM weather_city_hours
            WHERE country = 'GB' GROUP BY name`,
        ),
        [{ name: "London's", hours: 2, low: 70 }],
      )
      const parts = await ask<{ name: string }>(
        database,
        `SELECT inhrelid::regclass::text AS name FROM pg_inherits WHERE inhparent = 'forecasts'::regclass ORDER BY 1`,
      )
      assert.deepEqual(
        parts.slice(0, 2).map(one => one.name),
        ['forecasts_20130718', 'forecasts_20130719'],
      )
      // Of today, and three days more.
      assert.equal(parts.length, 6)
    })

    test('a range of time is exported as CSV and as Parquet, page by page', async () => {
      const database = open()
      await using site = await StoreSite.open({ ...settings, database, name: 'more' })
      const begin = Date.parse('2024-02-01T00:00:00Z')
      const rows = Array.from({ length: 12_000 }, (_, i) =>
        forecast(i % 2 === 0 ? 'a, "b"' : 'c', begin + (i >> 1) * MINUTE, { heatIndex: i % 5 === 0 ? null : i / 8 }),
      )
      await site.send(rows)
      await site.written(12_000)
      const store = await ForecastStore.open({ database, readUrls: [] })
      const range = { from: begin, to: begin + 5999 * MINUTE }
      const csv = new Collected({ highWaterMark: 1000 })
      assert.equal(await exportForecasts(store, { ...range, format: 'csv' }, csv), 11_998)
      const lines = csv.bytes.toString().trimEnd().split('\n')
      assert.equal(lines.length, 11_999)
      assert.equal(
        lines[0],
        'city,window_start,window_end,heat_index,rolling_heat_index,temperature,humidity,readings,timing',
      )
      assert.equal(lines[3], '"a, ""b""",2024-02-01T00:01:00.000Z,2024-02-01T00:02:00.000Z,0.25,,81,50,1,onTime')
      const parquet = new Collected({ highWaterMark: 1000 })
      assert.equal(await exportForecasts(store, { ...range, format: 'parquet' }, parquet), 11_998)
      const { bytes } = parquet
      const file = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length) as ArrayBuffer
      const read = await parquetReadObjects({ file })
      assert.equal(read.length, 11_998)
      for (const at of [0, 5, 11_997]) {
        const { city, windowStart, heatIndex, readings } = rows[at]!
        const found = read[at]!
        assert.deepEqual(
          [found.city, (found.window_start as Date).getTime(), found.heat_index ?? null, found.readings],
          [city, windowStart, heatIndex, readings],
        )
      }
      const nothing = new Collected()
      assert.equal(await exportForecasts(store, { from: 0, to: 1, format: 'parquet' }, nothing), 0)
      assert.ok(nothing.bytes.length > 0)
      await store.close()
    })

    test('what is older than the retention goes as whole parts, and what comes later finds its part again', async () => {
      const database = open()
      let now = Date.parse('2031-03-10T12:00:00Z')
      const partitions = new ForecastPartitions({ unit: 'day', retention: '2d' }, () => now)
      const session = await database.connect('test', () => {})
      await makeTables(session, 'day')
      const dropped = await partitions.care(session.query)
      assert.ok(dropped.includes('forecasts_20130718'))
      assert.ok(!dropped.includes('forecasts_20310310'))
      assert.deepEqual(await partitions.care(session.query), [])
      const rows = { column: () => '{"2031-03-08T10:00:00.000Z","2013-07-18T00:00:00.000Z"}' }
      await partitions.prepare(session.query, rows)
      now += DAY
      assert.deepEqual(await partitions.care(session.query), ['forecasts_20130718', 'forecasts_20310308'])
      await assert.rejects(
        makeTables(session, 'month'),
        error => error instanceof AldebaranError && error.code === 'OPTION_INVALID',
      )
      await session.close()
    })
  })
}

test('reads go to the replicas in turn, past one that is away, and to the primary in the end', async () => {
  const [first, second] = await Promise.all([postgresDatabase(), postgresDatabase()])
  const mark = async (url: string, heatIndex: number) => {
    const database = serverDatabase(url)
    const session = await database.connect('test', () => {})
    await makeTables(session, 'month')
    await new ForecastPartitions({ unit: 'month', retention: null }, () => START).care(session.query)
    await session.query(
      `INSERT INTO forecasts VALUES ('x', to_timestamp(${START / 1000}), to_timestamp(${START / 1000 + 60}), ${heatIndex},
        NULL, NULL, NULL, 1, 'onTime')`,
    )
    await session.close()
  }
  const primary = await postgresDatabase()
  await mark(first.url, 1)
  await mark(second.url, 2)
  await mark(primary.url, 3)
  const away = 'postgres://nobody@127.0.0.1:1/none'
  const told = storeFromEnvironment({
    WEATHER_DATABASE_URL: primary.url,
    WEATHER_READ_URLS: `${first.url}, ${away},${second.url}`,
    WEATHER_PARTITION: 'month',
  })!
  const store = await ForecastStore.open(told)
  const read = async () => (await store.history('x', 0, Date.now(), 1))[0]!.heatIndex
  const seen = [await read(), await read(), await read(), await read(), await read(), await read()]
  assert.deepEqual(new Set(seen), new Set([1, 2]))
  await first.drop()
  await second.drop()
  assert.equal(await read(), 3)
  await store.close()
  await primary.drop()
})

test('the environment says where forecasts are kept', () => {
  assert.equal(storeFromEnvironment({}), null)
  const told = storeFromEnvironment({ WEATHER_DATABASE_FOLDER: '/tmp/none', WEATHER_RETENTION: '30d' })!
  assert.deepEqual([told.readUrls, told.retention, told.partition], [[], 30 * 86_400_000, 'day'])
  assert.throws(() => storeFromEnvironment({ WEATHER_DATABASE_FOLDER: '/tmp/none', WEATHER_RETENTION: 'long' }), {
    code: 'OPTION_INVALID',
    message: /WEATHER_RETENTION/,
  })
  assert.throws(() => storeFromEnvironment({ WEATHER_PARTITION: 'week' }), /WEATHER_PARTITION: 'week'/)
  assert.throws(() => storeFromEnvironment({ WEATHER_DATABASE_URL: 'mysql://x' }), /WEATHER_DATABASE_URL/)
})
