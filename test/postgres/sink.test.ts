/** A sink writes each record once, and what PostgreSQL refuses becomes a dead letter. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { AldebaranError, Producer } from 'aldebaran'
import { postgresDatabase } from '../servers/postgres.ts'
import { measurements } from './sink-application.ts'
import { COLUMNS, rowsOf, SinkScene, sinkOf, TABLE } from './sink-scene.ts'

let database: Awaited<ReturnType<typeof postgresDatabase>>

before(async () => {
  database = await postgresDatabase()
})

after(() => database.drop())

const numbers = async (table: string) =>
  (await rowsOf<{ number: number }>(database.url, `SELECT number FROM ${table} ORDER BY number`)).map(row => row.number)
const upTo = (count: number) => Array.from({ length: count }, (_, i) => i)
const table = (name: string) => TABLE.replace('measurements', name)

test('records become rows, each once, over restarts of the application', async () => {
  const sink = () =>
    sinkOf({
      mode: 'append',
      url: database.url,
      table: 'kept',
      batch: { rows: 64, time: '20ms' },
      setup: async ({ query }) => void (await query(table('kept'))),
    })
  await using scene = await SinkScene.open(sink())
  await scene.send(0, 1000, number => (number % 3 === 0 ? { level: null } : {}))
  await scene.until(() => scene.state().records === 1000)
  assert.equal(scene.state().status, 'running')
  assert.equal(scene.state().lag, 0)
  assert.ok(scene.state().newestAt! > 0)
  await scene.running.stop()
  await scene.start()
  await scene.send(1000, 500)
  await scene.running.stop()
  await scene.start(sink())
  await scene.until(() => scene.state().records === 500)
  assert.deepEqual(await numbers('kept'), upTo(1500))
  const [row] = await rowsOf<object>(
    database.url,
    `SELECT station, at, level, (SELECT count(level)::int FROM kept) AS levels FROM kept WHERE number = 13`,
  )
  assert.deepEqual({ ...row }, { station: 'station 3', at: new Date(1_700_000_013_000), level: 3.25, levels: 1166 })
  const positions = await rowsOf<{ sink: string; sum: string }>(
    database.url,
    'SELECT sink, sum("offset") FROM aldebaran_positions GROUP BY sink',
  )
  assert.deepEqual(
    positions.map(one => ({ ...one })),
    [{ sink: 'gauges.gauges', sum: '1500' }],
  )
})

test('an upsert keeps the last record of a key, also of two in one batch', async () => {
  await using scene = await SinkScene.open(
    sinkOf({
      name: 'latest',
      mode: 'upsert',
      key: ['station'],
      url: database.url,
      table: 'latest',
      batch: { time: '50ms' },
      setup: async ({ query }) =>
        void (await query(`${table('latest')}; CREATE UNIQUE INDEX IF NOT EXISTS by_station ON latest (station)`)),
    }),
  )
  await scene.send(0, 995)
  await scene.drained()
  assert.deepEqual(await numbers('latest'), [985, 986, 987, 988, 989, 990, 991, 992, 993, 994])
  await scene.send(995, 1)
  await scene.drained()
  assert.deepEqual(
    await numbers('latest'),
    [986, 987, 988, 989, 990, 991, 992, 993, 994, 995].filter(n => n !== 985),
  )
})

test('rows that PostgreSQL refuses and records that are no rows become dead letters, with place and bytes', async () => {
  await using scene = await SinkScene.open(
    sinkOf({
      name: 'strict',
      mode: 'append',
      url: database.url,
      table: 'strict',
      batch: { rows: 500, time: '20ms' },
      columns: {
        ...COLUMNS,
        number: {
          type: 'integer',
          from: ({ value }) => {
            if (value.number === 7) throw new Error('seven is not taken')
            return value.number
          },
        },
      },
      setup: async ({ query }) =>
        void (await query(`${table('strict')}; ALTER TABLE strict DROP CONSTRAINT IF EXISTS low,
          ADD CONSTRAINT low CHECK (level < 200 OR level > 250)`)),
    }),
  )
  const producer = new Producer(scene.running.log)
  producer.sendBytes(measurements, Buffer.from('station 1'), Buffer.from([255]))
  await producer.flush()
  await scene.send(0, 1000, number => (number === 900 || number === 33 ? { level: 225 } : { level: 1 }))
  await scene.send(1000, 2, () => ({ station: 'no\0text' }))
  await scene.drained()
  assert.deepEqual(
    await numbers('strict'),
    upTo(1000).filter(number => ![7, 33, 900].includes(number)),
  )
  const letters = await scene.letters(6)
  assert.equal(scene.state().rejected, 6)
  assert.equal(scene.state().records, 997)
  const codes = letters.map(letter => letter.headers['aldebaran.code']).sort()
  assert.deepEqual(codes, [
    'HANDLER_THREW',
    'POSTGRES_REFUSED',
    'POSTGRES_REFUSED',
    'VALUE_INVALID',
    'VALUE_INVALID',
    'VALUE_UNDECODABLE',
  ])
  const refused = letters.filter(letter => letter.headers['aldebaran.code'] === 'POSTGRES_REFUSED')
  const found = refused.map(({ value, key, headers }) => {
    assert.match(headers['aldebaran.message']!, /violates check constraint "low"/)
    assert.equal(headers['aldebaran.topic'], 'measurements')
    assert.equal(headers['aldebaran.pipeline'], 'strict')
    const { number, station } = measurements.value.decode(value, 0, value.length)
    assert.equal(key, station)
    return number
  })
  assert.deepEqual(found.sort(), [33, 900])
  const raw = letters.find(letter => letter.headers['aldebaran.code'] === 'VALUE_UNDECODABLE')!
  assert.deepEqual([...raw.value], [255])
  assert.equal(raw.headers['aldebaran.offset'], '0')
})

test('of two sinks of one name one writes, and the other goes on when it has gone', async () => {
  const sink = (name: string) =>
    sinkOf({
      mode: 'append',
      url: database.url,
      table: 'shared',
      setup: async ({ query }) => void (await query(table('shared'))),
      name,
    })
  // Two processes, so to speak: each has a log of its own with the same records.
  await using first = await SinkScene.open(sink('shared'))
  await first.until(() => first.state().status === 'running')
  await using second = await SinkScene.open(sink('shared'))
  await second.until(() => second.state().status === 'standby')
  await first.send(0, 100)
  await second.send(0, 100)
  await first.drained()
  assert.equal(second.state().records, 0)
  assert.equal(second.state().lag, null)
  await first.close()
  await second.send(100, 50)
  await second.until(() => second.state().status === 'running')
  await second.drained()
  assert.equal(second.state().records, 50)
  assert.deepEqual(await numbers('shared'), upTo(150))
})

test('who writes without the lock is fenced by the position', async () => {
  await using scene = await SinkScene.open(
    sinkOf({
      name: 'fenced',
      mode: 'append',
      url: database.url,
      table: 'fenced',
      setup: async ({ query }) => void (await query(table('fenced'))),
    }),
  )
  await scene.send(0, 30)
  await scene.drained()
  await scene.until(() => scene.state().records === 30)
  // As another would have written the next records: at those places are rows already.
  await rowsOf(
    database.url,
    `UPDATE aldebaran_positions SET "offset" = "offset" + 2 WHERE sink = 'gauges.fenced' AND "offset" > 0`,
  )
  const moved = await rowsOf<{ partition: number }>(
    database.url,
    `SELECT partition FROM aldebaran_positions WHERE sink = 'gauges.fenced' AND "offset" > 0`,
  )
  await scene.send(30, 100)
  await scene.until(() => scene.state().records > 30 && scene.state().lag === 0)
  assert.equal((await numbers('fenced')).length, 130 - 2 * moved.length)
})

test('a table that is missing, or a partition for its rows, is waited for, and nothing becomes a dead letter', async () => {
  await using scene = await SinkScene.open(
    sinkOf({ name: 'later', mode: 'append', url: database.url, table: 'public.later' }),
  )
  await scene.send(0, 10)
  await scene.until(() => scene.state().status === 'waiting' && scene.state().problem !== null)
  assert.equal(scene.state().problem?.code, 'POSTGRES_REFUSED')
  assert.match(scene.state().problem!.message, /"public.later" does not exist/)
  await rowsOf(database.url, `${table('later')} PARTITION BY RANGE (number)`)
  await scene.until(() => /no partition of relation/.test(scene.state().problem?.message ?? ''))
  await rowsOf(database.url, 'CREATE TABLE later_all PARTITION OF later DEFAULT')
  await scene.until(() => scene.state().records === 10)
  assert.equal(scene.state().rejected, 0)
  assert.equal(scene.state().problem, null)
  assert.deepEqual(await numbers('later'), upTo(10))
})

test('a position that the topic does not have is told, and not passed over', async () => {
  await rowsOf(
    database.url,
    `INSERT INTO aldebaran_positions (sink, topic, partition, "offset") VALUES ('gauges.gone', 'measurements', 1, 5000)`,
  )
  await using scene = await SinkScene.open(
    sinkOf({
      name: 'gone',
      mode: 'append',
      url: database.url,
      table: 'gone',
      setup: async ({ query }) => void (await query(table('gone'))),
    }),
  )
  await scene.send(0, 10)
  await scene.until(() => scene.state().problem?.code === 'OFFSET_OUT_OF_RANGE')
  assert.match(scene.state().problem!.message, /at 5000 in partition 1.*aldebaran_positions/)
  await rowsOf(database.url, `DELETE FROM aldebaran_positions WHERE sink = 'gauges.gone'`)
  await scene.until(() => scene.state().records === 10)
})

test('settings that cannot be right are refused', () => {
  const refused = (message: RegExp) => (error: unknown) =>
    error instanceof AldebaranError && error.code === 'OPTION_INVALID' && message.test(error.message)
  assert.throws(() => sinkOf({ mode: 'append' }), refused(/url, pglite/))
  assert.throws(() => sinkOf({ mode: 'upsert', url: 'postgres://h/d' }), refused(/^key/))
  assert.throws(() => sinkOf({ mode: 'upsert', key: ['nothing'], url: 'postgres://h/d' }), refused(/^key/))
  assert.throws(() => sinkOf({ mode: 'append', url: 'postgres://h/d', batch: { rows: 0 } }), refused(/^batch.rows/))
  assert.throws(
    () => sinkOf({ mode: 'append', url: 'postgres://h/d', columns: { a: { type: 'text); DROP TABLE b' } } }),
    refused(/is no type/),
  )
  assert.throws(() => sinkOf({ mode: 'append', url: 'postgres://h/d', table: 'a.b.c' }), refused(/^table/))
})
