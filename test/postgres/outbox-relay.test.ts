/** An outbox of one's own: what `record` may do, and tables with other names. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, test } from 'node:test'
import { AldebaranError, embedded, type Running, run } from 'aldebaran'
import { type OutboxSettings, outboxSql, postgresOutbox } from 'aldebaran/postgres'
import { Client } from 'pg'
import { readTopic } from '../../src/testing/read-topic.ts'
import { app, notes } from '../e2e/http-application.ts'
import { postgresDatabase } from '../servers/postgres.ts'
import { until } from './webhooks-process.ts'

type Settings = OutboxSettings<string, unknown>

const TABLE = 'app.Events'
const SCHEMA = `CREATE SCHEMA app; CREATE TABLE app."Events" (n int PRIMARY KEY, word text, at timestamptz DEFAULT now());
  ${outboxSql(TABLE)}`

let folder: string
let database: { url: string; drop(): Promise<void> }
let client: Client
let running: Running | null = null

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'aldebaran-relay-'))
  database = await postgresDatabase()
  client = new Client({ connectionString: database.url })
  await client.connect()
  await client.query(SCHEMA)
})

afterEach(async () => {
  await running?.stop()
  await client.end()
  await database.drop()
  rmSync(folder, { recursive: true })
})

async function start(record: Settings['record'], more: Partial<Settings> = {}): Promise<void> {
  const settings: Settings = { url: database.url, table: TABLE, to: notes, record, sequence: 'n', time: 'at' }
  running = await run(app, {
    log: embedded(folder, { durability: 'process' }),
    entry: new URL('../e2e/http-application.ts', import.meta.url),
    http: false,
    signals: false,
    report: () => {},
    sources: [postgresOutbox({ ...settings, ...more })],
  })
}

const wordsIn = () => readTopic(running!.log, notes).map(({ value }) => value)
const rejected = async () =>
  (await client.query('SELECT record, code, error FROM app."Events_rejected" ORDER BY seq')).rows
const isDone = async () => (await client.query('SELECT FROM app."Events"')).rowCount === 0
const insert = (from: number, to: number) =>
  client.query(`INSERT INTO app."Events" (n, word) SELECT i, 'word ' || i FROM generate_series(${from}, ${to}) AS i`)

test('rows of a table with its own names come in order', async () => {
  await insert(1, 300)
  await start(row => ({ key: 'same', value: row.word }), { batch: 70 })
  await until(client, isDone)
  assert.deepEqual(
    wordsIn(),
    Array.from({ length: 300 }, (_, i) => `word ${i + 1}`),
  )
  assert.deepEqual(await rejected(), [])
})

test('what is no fault of the row is tried again, and puts nothing aside', async () => {
  let calls = 0
  await insert(1, 3)
  await start(async row => {
    if (calls++ < 4) throw new AldebaranError('BUSY', 'not yet')
    return { key: 'same', value: row.word }
  })
  await until(client, isDone)
  assert.deepEqual(wordsIn(), ['word 1', 'word 2', 'word 3'])
  assert.deepEqual(await rejected(), [])
})

test('what record throws, and what does not fit the topic, puts the row aside', async () => {
  await insert(1, 5)
  await start(row => {
    if (row.n === 1) throw new TypeError('no \0 word')
    if (row.n === 2) return { key: 17 as unknown as string, value: row.word }
    if (row.n === 3) return { key: 'same', value: 'x'.repeat(5_000_000) }
    if (row.n === 4) return undefined as never
    return { key: 'same', value: row.word }
  })
  await until(client, isDone)
  assert.deepEqual(wordsIn(), ['word 5'])
  const rows = await rejected()
  assert.deepEqual(
    rows.map(({ record, code }) => [record.n, code]),
    [
      [1, 'HANDLER_THREW'],
      [2, 'VALUE_INVALID'],
      [3, 'BATCH_TOO_LARGE'],
      [4, 'HANDLER_THREW'],
    ],
  )
  assert.equal(rows[0].error, 'no  word')
  assert.equal(running!.sources[0]!.state().rejected, 4)
})

test('a user without the right is told which, and goes on when it has it', async () => {
  await client.query(`CREATE ROLE ${roleOf()} LOGIN PASSWORD 'secret-word'; GRANT USAGE ON SCHEMA app TO ${roleOf()}`)
  try {
    const url = new URL(database.url)
    url.username = roleOf()
    url.password = 'secret-word'
    await start(row => ({ key: 'same', value: row.word }), { url: url.href })
    const { state } = running!.sources[0]!
    await until(client, () => state().problem !== null)
    assert.match(state().problem!.message, /permission denied for table Events/)
    assert.equal(state().problem!.code, 'POSTGRES_REFUSED')
    await client.query(`GRANT SELECT, UPDATE, DELETE ON app."Events" TO ${roleOf()};
      GRANT INSERT ON app."Events_rejected" TO ${roleOf()}`)
    await insert(1, 2)
    await until(client, isDone)
    assert.deepEqual(wordsIn(), ['word 1', 'word 2'])
    await running!.stop()
  } finally {
    await client.query(`DROP OWNED BY ${roleOf()}; DROP ROLE ${roleOf()}`)
  }
})

/** Roles are of the whole server. */
function roleOf(): string {
  return `role_${new URL(database.url).pathname.slice(1)}`
}
