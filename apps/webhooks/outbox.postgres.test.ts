/** Events that come by way of a table of PostgreSQL, to the endpoints. */
import assert from 'node:assert/strict'
import { after, afterEach, before, beforeEach, describe, test } from 'node:test'
import type { SourceState } from 'aldebaran'
import { Client } from 'pg'
import { postgresDatabase } from '../../test/servers/postgres.ts'
import { webhookOutboxSql } from './outbox.ts'
import { newKey } from './sealing.ts'
import { WebhooksSite } from './test/site.ts'

const INSERT = 'INSERT INTO webhooks_outbox (id, account, type, data) VALUES ($1, $2, $3, $4)'

let database: { url: string; drop(): Promise<void> }
let client: Client
let site: WebhooksSite

before(() => {
  process.env.WEBHOOKS_KEY = newKey()
})

after(() => {
  delete process.env.WEBHOOKS_OUTBOX_URL
})

beforeEach(async () => {
  database = await postgresDatabase()
  client = await connect()
})

afterEach(async () => {
  await site.close()
  await client.end()
  await database.drop()
})

async function connect(): Promise<Client> {
  const made = new Client({ connectionString: database.url })
  await made.connect()
  return made
}

async function open(url = database.url): Promise<void> {
  site = await WebhooksSite.open({ WEBHOOKS_OUTBOX_URL: url })
}

function source(): SourceState {
  return site.running.sources[0]!.state()
}

const idsAt = (path: string) => site.receiver.to(path).map(call => call.headers['webhook-id'])

/** Whatever came before is with the receiver when this is, and the transaction of the relay has ended. */
async function marked(path: string, account: string): Promise<void> {
  await client.query(INSERT, ['marker', account, 'test.marker', '{}'])
  await site.until(() => idsAt(path).includes('marker'))
  await site.until(async () => (await client.query('SELECT FROM webhooks_outbox')).rowCount === 0)
}

describe('with its tables', () => {
  beforeEach(async () => {
    await client.query(webhookOutboxSql('webhooks_outbox'))
    await open()
  })

  test('an event that a transaction wrote comes when it commits, as it would have come over HTTP', async () => {
    await site.endpoint('acme', '/in')
    const data = { invoice: 17, text: 'naïve “quotes”', nested: [null, true, 1.5] }
    await client.query('BEGIN')
    await client.query(INSERT, ['one', 'acme', 'invoice.paid', JSON.stringify(data)])
    await client.query('COMMIT')
    await site.until(() => idsAt('/in').length === 1)
    const [call] = site.receiver.to('/in')
    assert.equal(call!.headers['webhook-id'], 'one')
    const { timestamp, ...rest } = JSON.parse(call!.body)
    assert.deepEqual(rest, { type: 'invoice.paid', data })
    assert.equal(new Date(timestamp).toISOString(), timestamp)
    await site.until(() => source().records === 1)
    assert.equal((await client.query('SELECT FROM webhooks_outbox')).rowCount, 0)
  })

  test('what is rolled back is not sent', async () => {
    await site.endpoint('acme', '/in')
    await client.query('BEGIN')
    await client.query(INSERT, ['never', 'acme', 'invoice.paid', '{}'])
    await client.query('ROLLBACK')
    await marked('/in', 'acme')
    assert.deepEqual(idsAt('/in'), ['marker'])
  })

  test('a transaction that commits after later ones is not lost', async () => {
    await site.endpoint('acme', '/in')
    const slow = await connect()
    await slow.query('BEGIN')
    await slow.query(INSERT, ['first', 'acme', 'invoice.paid', '{}'])
    await client.query(INSERT, ['second', 'acme', 'invoice.paid', '{}'])
    await site.until(() => idsAt('/in').length === 1)
    await slow.query('COMMIT')
    await slow.end()
    await site.until(() => idsAt('/in').length === 2)
    assert.deepEqual(idsAt('/in'), ['second', 'first'])
  })

  test('an id that was written twice is sent once, and rows without an id have one', async () => {
    await site.endpoint('acme', '/in')
    await client.query(INSERT, ['twice', 'acme', 'invoice.paid', '{}'])
    await client.query(INSERT, ['twice', 'acme', 'invoice.paid', '{}'])
    await client.query("INSERT INTO webhooks_outbox (account, type, data) VALUES ('acme', 'a.b', '1')")
    await marked('/in', 'acme')
    const ids = idsAt('/in')
    assert.equal(ids.filter(id => id === 'twice').length, 1)
    assert.equal(ids.filter(id => /^[0-9a-f-]{36}$/.test(String(id))).length, 1)
  })

  test('more rows than a batch has, large ones too, all come once', async () => {
    await site.endpoint('acme', '/in')
    await client.query(`INSERT INTO webhooks_outbox (id, account, type, data)
      SELECT 'many-' || i, 'acme', 'a.b', jsonb_build_object('i', i, 'text', repeat('x', CASE WHEN i % 50 = 0 THEN 200000 ELSE 10 END))
      FROM generate_series(1, 1200) AS i`)
    await site.until(() => idsAt('/in').length >= 1200)
    await marked('/in', 'acme')
    assert.equal(idsAt('/in').length, 1201)
    assert.equal(new Set(idsAt('/in')).size, 1201)
    await site.until(() => source().records === 1201)
    assert.equal(source().oldestAgeMs, 0)
  })

  test('rows that cannot be sent lie beside the table with the reason, and the others go on', async () => {
    await site.endpoint('acme', '/in')
    const put = await site.call('PUT', '/strict/event-types', { eventTypes: [{ name: 'only.this' }] })
    assert.equal(put.status, 200)
    await client.query('ALTER TABLE webhooks_outbox ALTER account DROP NOT NULL, ALTER id DROP NOT NULL')
    await client.query('BEGIN')
    await client.query(INSERT, ['good-1', 'acme', 'a.b', '{}'])
    await client.query(INSERT, ['no-account', null, 'a.b', '{}'])
    await client.query(INSERT, ['bad-account', 'no such!', 'a.b', '{}'])
    await client.query(INSERT, ['bad-type', 'acme', 'a b', '{}'])
    await client.query(INSERT, ['bad id', 'acme', 'a.b', '{}'])
    await client.query(INSERT, [null, 'acme', 'a.b', '{"no": "id"}'])
    await client.query(INSERT, ['undeclared', 'strict', 'a.b', '{}'])
    await client.query(INSERT, ['too-large', 'acme', 'a.b', JSON.stringify('x'.repeat(300_000))])
    await client.query(
      "INSERT INTO webhooks_outbox (id, account, type, data, created_at) VALUES ('no-time', 'acme', 'a.b', '1', 'infinity')",
    )
    await client.query(INSERT, ['good-2', 'acme', 'a.b', '{}'])
    await client.query('COMMIT')
    await marked('/in', 'acme')
    assert.deepEqual(idsAt('/in'), ['good-1', 'good-2', 'marker'])
    const { rows } = await client.query('SELECT record, code, error FROM webhooks_outbox_rejected ORDER BY seq')
    assert.deepEqual(
      rows.map(({ record, code }) => [record.id, code]),
      [
        ['no-account', 'VALUE_INVALID'],
        ['bad-account', 'VALUE_INVALID'],
        ['bad-type', 'VALUE_INVALID'],
        ['bad id', 'VALUE_INVALID'],
        [null, 'VALUE_INVALID'],
        ['undeclared', 'VALUE_INVALID'],
        ['too-large', 'BODY_TOO_LARGE'],
        ['no-time', 'VALUE_INVALID'],
      ],
    )
    assert.match(rows[0].error, /account/)
    assert.match(rows[2].error, /type/)
    await site.until(() => source().records === 3)
    const metrics = await (await fetch(`${site.running.url}/metrics`)).text()
    assert.match(metrics, /^aldebaran_source_rejected_total\{[^}]*source="outbox"[^}]*\} 8$/m)
    assert.match(metrics, /^aldebaran_source_records_total\{[^}]*source="outbox"[^}]*\} 3$/m)
    assert.match(metrics, /^aldebaran_source_up\{[^}]*source="outbox"[^}]*\} 1$/m)
    assert.match(metrics, /^aldebaran_source_oldest_seconds\{[^}]*source="outbox"[^}]*\} [0-9.]+$/m)
  })

  test('without the trigger it finds rows by looking', async () => {
    await site.endpoint('acme', '/in')
    await client.query('DROP TRIGGER webhooks_outbox_wake ON webhooks_outbox')
    await marked('/in', 'acme')
    assert.deepEqual(idsAt('/in'), ['marker'])
  })

  test('what came while nothing ran comes with the next start', async () => {
    await site.endpoint('acme', '/in')
    await site.running.stop()
    await client.query(INSERT, ['meanwhile', 'acme', 'a.b', '{}'])
    await site.restart()
    await site.until(() => idsAt('/in').length === 1)
    assert.deepEqual(idsAt('/in'), ['meanwhile'])
  })

  test('a trigger that keeps rows is told, and nothing is committed', async () => {
    await client.query(`CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
      CREATE TRIGGER keep BEFORE DELETE ON webhooks_outbox FOR EACH ROW EXECUTE FUNCTION keep()`)
    await client.query(INSERT, ['kept', 'acme', 'a.b', '{}'])
    await site.until(() => source().problem !== null)
    const { problem } = source()
    assert.equal(problem?.code, 'POSTGRES_REFUSED')
    assert.match(problem.message, /trigger/)
    assert.equal((await client.query('SELECT FROM webhooks_outbox')).rowCount, 1)
  })
})

test('without its table the notifier starts, says how the table is made, and goes on when it is there', async () => {
  await open()
  await site.until(() => source().problem !== null)
  const { status, problem } = source()
  assert.equal(status, 'waiting')
  assert.equal(problem?.code, 'POSTGRES_REFUSED')
  assert.match(problem.message, /webhooks_outbox.*aldebaran webhooks outbox-sql/)
  const metrics = await (await fetch(`${site.running.url}/metrics`)).text()
  assert.match(metrics, /^aldebaran_source_up\{[^}]*\} 0$/m)
  await site.endpoint('acme', '/in')
  await client.query(webhookOutboxSql('webhooks_outbox'))
  await marked('/in', 'acme')
  assert.equal(source().status, 'running')
})

test('a wrong password is told, and is in nothing that is told', async () => {
  const wrong = new URL(database.url)
  wrong.password = 'not-the-password'
  await open(wrong.href)
  await site.until(() => source().problem !== null)
  // The stats are taken once a second.
  let stats = await site.get('/stats')
  await site.until(async () => {
    stats = await site.get('/stats')
    return stats.body.applications[0].sources[0]?.problem
  })
  const { problem } = stats.body.applications[0].sources[0]
  assert.equal(problem.code, 'POSTGRES_REFUSED')
  assert.match(problem.message, /authentication failed/)
  assert.match(problem.remedy, /password/)
  assert.doesNotMatch(JSON.stringify(stats.body), /not-the-password/)
})
