/** `aldebaran weather export`: from a server, from an embedded database, and from a weather platform that runs. */
import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { gunzipSync } from 'node:zlib'
import { parquetReadObjects } from 'hyparquet'
import { WeatherSite } from '../../apps/weather/api/test/site.ts'
import { exportChunks } from '../../apps/weather/store/export.ts'
import { ForecastStore } from '../../apps/weather/store/forecast-store.ts'
import { forecast, MINUTE, StoreSite } from '../../apps/weather/store/test/site.ts'
import { pglite, serverDatabase } from '../../src/connect/postgres/index.ts'
import { postgresDatabase } from '../servers/postgres.ts'
import { aldebaran } from './command-here.ts'

const START = Date.parse('2024-02-01T00:00:00Z')
const ROWS = 7
const LINE = '2024-02-01T00:0'
const settings = { readUrls: [], retention: null, partition: 'day' as const }

const folder = mkdtempSync(join(tmpdir(), 'aldebaran-weather-export-'))
const embedded = join(folder, 'postgres')
let server: Awaited<ReturnType<typeof postgresDatabase>>

async function fill(site: StoreSite): Promise<void> {
  await site.send(Array.from({ length: ROWS }, (_, i) => forecast('JFK', START + i * MINUTE)))
  await site.written(ROWS)
}

before(async () => {
  server = await postgresDatabase()
  await using site = await StoreSite.open({ ...settings, database: serverDatabase(server.url) })
  await fill(site)
})
after(async () => {
  await server.drop()
  rmSync(folder, { recursive: true })
})

const linesOf = (csv: string) => csv.trimEnd().split('\n').slice(1)

test('a time of the database that the environment names is written, and to standard output', async () => {
  const range = ['--from', '2024-02-01T00:02:00Z', '--to', String(START + 5 * MINUTE)]
  for (const env of [{ WEATHER_DATABASE_URL: server.url }, { WEATHER_READ_URLS: ` ${server.url},` }]) {
    const { code, out, err } = await aldebaran(['weather', 'export', '-', ...range], { env })
    assert.deepEqual([code, err], [0, ''])
    const starts = linesOf(out).map(line => line.split(',')[1])
    assert.deepEqual(
      starts,
      [2, 3, 4].map(minute => `${LINE}${minute}:00.000Z`),
    )
  }
})

test('files are CSV, packed or not, or Parquet, by their name, and whole', async () => {
  const paths = ['all.csv', 'all.csv.gz', 'all.parquet'].map(name => join(folder, name))
  for (const path of paths) {
    const { code, err } = await aldebaran(['weather', 'export', path, '--url', server.url])
    assert.deepEqual([code, err], [0, `wrote ${ROWS} forecasts to ${path}\n`])
  }
  const [csv, packed, parquet] = paths.map(path => readFileSync(path))
  assert.equal(linesOf(csv!.toString()).length, ROWS)
  assert.equal(gunzipSync(packed!).toString(), csv!.toString())
  const file = parquet!.buffer.slice(parquet!.byteOffset, parquet!.byteOffset + parquet!.length) as ArrayBuffer
  assert.equal((await parquetReadObjects({ file })).length, ROWS)
  assert.deepEqual(
    readdirSync(folder).filter(name => name.endsWith('.part')),
    [],
  )
})

test('what is wrong is told, and leaves no file', async () => {
  const path = join(folder, 'none.csv')
  const told = async (args: string[], env: NodeJS.ProcessEnv = { WEATHER_DATABASE_URL: server.url }) => {
    const { code, err } = await aldebaran(['weather', 'export', ...args], { env })
    assert.equal(existsSync(path), false)
    return `${code} ${err}`
  }
  assert.match(await told(['none.txt']), /^2 .*none\.txt': name a file in \.csv/)
  assert.match(await told([path, '--from', 'yesterday']), /^1 .*--from: 'yesterday' is not a time/)
  assert.match(await told([path, '--from', '2024-02-02', '--to', '2024-02-01']), /^2 .*--from: it is not before --to/)
  assert.match(await told([path], {}), /^1 .*no database is named: set WEATHER_DATABASE_URL/)
  assert.match(await told([path, '--url', 'postgres://127.0.0.1:1/x']), /^1 .*127\.0\.0\.1:1\/x: .*ECONNREFUSED/)
  assert.match(await told([path, '--url', 'http://127.0.0.1:1']), /^1 .*nothing answers at http:\/\/127\.0\.0\.1:1/)
  const missing = join(folder, 'missing')
  assert.match(await told([path], { WEATHER_DATABASE_FOLDER: missing }), /^1 .*WEATHER_DATABASE_FOLDER: there is no/)
  assert.equal(existsSync(missing), false)
  const empty = await postgresDatabase()
  assert.match(await told([path, '--url', empty.url]), /^1 .*no weather platform has written there/)
  await empty.drop()
  assert.deepEqual(
    readdirSync(folder).filter(name => name.endsWith('.part')),
    [],
  )
})

test('an embedded database that a process has open is not opened: its platform exports, and afterwards the folder can be read', async () => {
  const env = { WEATHER_DATABASE_FOLDER: embedded }
  const path = join(folder, 'embedded.csv')
  const database = pglite(embedded)
  const site = await StoreSite.open({ ...settings, database })
  const platform = await WeatherSite.open({
    async *exporter(range) {
      const store = await ForecastStore.open({ database, readUrls: [] })
      yield* exportChunks(store, range)
      await store.close()
    },
  })
  try {
    await fill(site)
    const locked = await aldebaran(['weather', 'export', path], { env })
    assert.equal(locked.code, 1)
    assert.match(locked.err, /is open already, by process \d+.*--url http:\/\/.*WEATHER_DATABASE_URL/s)
    assert.equal(existsSync(path), false)
    const asked = await aldebaran([
      'weather',
      'export',
      path,
      '--url',
      platform.running.url!,
      '--to',
      '2024-02-01T00:03Z',
    ])
    assert.deepEqual([asked.code, asked.err], [0, `wrote forecasts to ${path}\n`])
    assert.equal(linesOf(readFileSync(path, 'utf8')).length, 3)
  } finally {
    await platform.close()
    await site[Symbol.asyncDispose]()
  }
  const alone = await aldebaran(['weather', 'export', '-'], { env })
  assert.deepEqual([alone.code, linesOf(alone.out).length], [0, ROWS])
})

test('an answer that breaks off leaves no file', async () => {
  const platform = await WeatherSite.open({
    async *exporter() {
      yield Buffer.from('city\n')
      throw new Error('the database is gone')
    },
  })
  try {
    const path = join(folder, 'broken.csv')
    const { code, err } = await aldebaran(['weather', 'export', path, '--url', platform.running.url!])
    assert.equal(code, 1)
    assert.match(err, /broke off before its end/)
    assert.equal(existsSync(path), false)
    assert.deepEqual(
      readdirSync(folder).filter(name => name.endsWith('.part')),
      [],
    )
  } finally {
    await platform.close()
  }
})
