/** The relay of an outbox is killed at chosen moments: every event comes to its endpoint, and comes once. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, afterEach, before, beforeEach, test } from 'node:test'
import { Client } from 'pg'
import { webhookOutboxSql } from '../../apps/webhooks/outbox.ts'
import { newKey } from '../../apps/webhooks/sealing.ts'
import { Receiver } from '../../apps/webhooks/test/receiver.ts'
import { postgresDatabase } from '../servers/postgres.ts'
import { until, WebhooksProcess } from './webhooks-process.ts'

const INSERT = "INSERT INTO webhooks_outbox (id, account, type, data) VALUES ($1, 'acme', 'a.b', '{}')"
/** What the triggers below wait for, and the test holds. */
const GATE = 4711
const HOLD = `SELECT pg_advisory_lock(${GATE})`
const RELEASE = `SELECT pg_advisory_unlock(${GATE})`
const WAIT = `CREATE FUNCTION gate() RETURNS trigger LANGUAGE plpgsql AS $$
  BEGIN PERFORM pg_advisory_xact_lock(${GATE}); RETURN COALESCE(NEW, OLD); END $$;`

let receiver: Receiver
let environment: Record<string, string>

before(async () => {
  receiver = await Receiver.open()
})
after(() => receiver.close())

let database: { url: string; drop(): Promise<void> }
let client: Client
let gate: Client
let folder: string
const processes: WebhooksProcess[] = []

beforeEach(async () => {
  receiver.calls.length = 0
  database = await postgresDatabase()
  client = await connect()
  gate = await connect()
  await client.query(webhookOutboxSql('webhooks_outbox'))
  folder = mkdtempSync(join(tmpdir(), 'aldebaran-outbox-'))
  environment = {
    WEBHOOKS_KEY: newKey(),
    WEBHOOKS_TRUSTED: receiver.origin,
    WEBHOOKS_PARTITIONS: '1',
    WEBHOOKS_OUTBOX_URL: database.url,
  }
})

afterEach(async () => {
  await Promise.all(processes.splice(0).map(one => one.kill()))
  await client.end()
  await gate.end()
  await database.drop()
  rmSync(folder, { recursive: true, force: true })
})

async function connect(): Promise<Client> {
  const made = new Client({ connectionString: database.url })
  await made.connect()
  return made
}

async function start(name = 'data'): Promise<WebhooksProcess> {
  const started = await WebhooksProcess.start({ data: join(folder, name), environment })
  processes.push(started)
  return started
}

const ids = () => receiver.calls.map(call => String(call.headers['webhook-id']))
const isEmpty = async () => (await client.query('SELECT FROM webhooks_outbox')).rowCount === 0

/** Resolves when the relay waits for a lock of PostgreSQL. */
async function relayWaits(): Promise<void> {
  const waiting = `SELECT FROM pg_stat_activity WHERE datname = current_database()
    AND application_name LIKE 'aldebaran%' AND wait_event_type = 'Lock'`
  await until(client, async () => ((await client.query(waiting)).rowCount ?? 0) > 0)
}

/** The process is killed while its relay waits at the gate; then the gate is opened, and it is started again. */
async function killAtGate(started: WebhooksProcess): Promise<void> {
  await relayWaits()
  await started.kill()
  await gate.query(RELEASE)
}

async function assertOnce(expected: readonly string[]): Promise<void> {
  // Comes behind all that is still on its way: the account has one partition.
  await client.query(INSERT, ['last'])
  await until(client, () => ids().includes('last'))
  await until(client, isEmpty)
  assert.deepEqual(ids().toSorted(), [...expected, 'last'].toSorted())
}

test('killed before it has read the rows', async () => {
  const started = await start()
  await started.endpoint(`${receiver.origin}/in`)
  await gate.query('BEGIN; LOCK TABLE webhooks_outbox IN ACCESS EXCLUSIVE MODE')
  await relayWaits()
  await gate.query(INSERT, ['one'])
  await started.kill()
  await gate.query('COMMIT')
  await start()
  await assertOnce(['one'])
})

test('killed when the records are durable and the rows not deleted', async () => {
  const started = await start()
  await started.endpoint(`${receiver.origin}/in`)
  await client.query(
    `${WAIT} CREATE TRIGGER gate BEFORE DELETE ON webhooks_outbox FOR EACH ROW EXECUTE FUNCTION gate()`,
  )
  await gate.query(HOLD)
  await client.query(INSERT, ['one'])
  await until(client, () => started.hasTried('one'))
  await killAtGate(started)
  assert.equal(await isEmpty(), false)
  const again = await start()
  await assertOnce(['one'])
  // It was written twice, and told by its id.
  assert.equal(await again.metric('aldebaran_source_records_total'), 2)
  assert.equal(await again.metric('aldebaran_delivery_duplicates_total'), 1)
})

test('killed when the rows are deleted and the transaction not committed', async () => {
  const started = await start()
  await started.endpoint(`${receiver.origin}/in`)
  await client.query(`${WAIT} CREATE CONSTRAINT TRIGGER gate AFTER DELETE ON webhooks_outbox
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION gate()`)
  await gate.query(HOLD)
  await client.query(INSERT, ['one'])
  await client.query(INSERT, ['two'])
  await until(client, () => started.hasTried('one'))
  await killAtGate(started)
  await start()
  await assertOnce(['one', 'two'])
})

test('killed while it puts a row aside', async () => {
  const started = await start()
  await started.endpoint(`${receiver.origin}/in`)
  await client.query(
    `${WAIT} CREATE TRIGGER gate BEFORE INSERT ON webhooks_outbox_rejected FOR EACH ROW EXECUTE FUNCTION gate()`,
  )
  await gate.query(HOLD)
  await client.query("INSERT INTO webhooks_outbox (id, account, type, data) VALUES ('bad', 'acme', 'no type', '{}')")
  await killAtGate(started)
  await start()
  await assertOnce([])
  const { rows } = await client.query("SELECT record->>'id' AS id FROM webhooks_outbox_rejected")
  assert.deepEqual(rows, [{ id: 'bad' }])
})

test('of two nodes one takes rows in, and the other goes on when it is killed', async () => {
  const first = await start('first')
  await until(client, async () => (await first.metric('aldebaran_source_up')) === 1)
  const second = await start('second')
  await until(client, async () => (await second.metric('aldebaran_source_up')) === 1)
  for (const one of [first, second]) await one.endpoint(`${receiver.origin}/in`)
  const expected = Array.from({ length: 20 }, (_, i) => `first-${i}`)
  for (const id of expected) await client.query(INSERT, [id])
  await until(client, isEmpty)
  await until(client, async () => (await first.metric('aldebaran_source_records_total')) === 20)
  assert.equal(await second.metric('aldebaran_source_records_total'), 0)
  await until(client, () => ids().length === 20)
  await first.kill()
  await client.query(INSERT, ['afterwards'])
  await until(client, () => ids().includes('afterwards'))
  await assertOnce([...expected, 'afterwards'])
  assert.equal(await second.metric('aldebaran_source_records_total'), 2)
})
