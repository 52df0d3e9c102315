/** PostgreSQL goes away and comes back while events are written: none is lost, and none comes twice. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { Client } from 'pg'
import { webhookOutboxSql } from '../../apps/webhooks/outbox.ts'
import { newKey } from '../../apps/webhooks/sealing.ts'
import { WebhooksSite } from '../../apps/webhooks/test/site.ts'
import { postgresServer } from '../servers/postgres.ts'
import type { PostgresServer } from '../servers/postgres-process.ts'

const CUT = `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
  WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'`
/** Events that come between two disturbances. */
const BETWEEN = 40

let server: PostgresServer
let site: WebhooksSite

before(async () => {
  server = await postgresServer()
  await withClient(client => client.query(webhookOutboxSql('webhooks_outbox')))
  process.env.WEBHOOKS_KEY = newKey()
  site = await WebhooksSite.open({ WEBHOOKS_OUTBOX_URL: server.url, WEBHOOKS_PARTITIONS: '1' })
})

after(async () => {
  await site.close()
  await server.end()
  delete process.env.WEBHOOKS_OUTBOX_URL
  delete process.env.WEBHOOKS_PARTITIONS
})

async function withClient<T>(work: (client: Client) => Promise<T>): Promise<T> {
  const client = new Client({ connectionString: server.url })
  // Connections are meant to be lost here.
  client.on('error', () => {})
  try {
    await client.connect()
    return await work(client)
  } finally {
    await client.end().catch(() => {})
  }
}

/** Transactions of an application that goes on whatever happens; PostgreSQL sets its pace. */
class Writer {
  readonly committed: string[] = []
  /** Nobody knows what became of them: the connection was lost before the answer came. */
  readonly unknown: string[] = []
  #isStopping = false
  readonly #ended = this.#run()

  async stop(): Promise<void> {
    this.#isStopping = true
    await this.#ended
  }

  async #run(): Promise<void> {
    for (let number = 0; !this.#isStopping; ) {
      await withClient(async client => {
        while (!this.#isStopping) {
          const id = `load-${number++}`
          this.unknown.push(id)
          await client.query('BEGIN')
          await client.query("INSERT INTO webhooks_outbox (id, account, type, data) VALUES ($1, 'acme', 'a.b', '1')", [
            id,
          ])
          await client.query('COMMIT')
          this.unknown.pop()
          this.committed.push(id)
          await client.query('SELECT pg_sleep(0.002)')
        }
      }).catch(() => new Promise(resolve => setImmediate(resolve)))
    }
  }
}

test('connections are cut, the server restarts and crashes under load', async () => {
  await site.endpoint('acme', '/in')
  const { calls } = site.receiver
  const writer = new Writer()
  const more = async () => {
    const wanted = calls.length + BETWEEN
    await site.until(() => calls.length >= wanted)
  }
  await more()
  for (let round = 0; round < 2; round++) {
    await withClient(client => client.query(CUT))
    await more()
    await server.stop()
    await site.until(() => site.running.sources[0]!.state().status === 'waiting')
    assert.equal(site.running.sources[0]!.state().problem?.code, 'POSTGRES_UNAVAILABLE')
    await server.start()
    await more()
    await server.kill()
    await server.start()
    await more()
  }
  await writer.stop()
  await site.until(() => withClient(async client => (await client.query('SELECT FROM webhooks_outbox')).rowCount === 0))
  await site.processed()
  const written = [...writer.committed, ...writer.unknown]
  await site.until(() => {
    const came = new Set(calls.map(call => call.headers['webhook-id']))
    return writer.committed.every(id => came.has(id))
  })
  const ids = calls.map(call => String(call.headers['webhook-id']))
  assert.equal(new Set(ids).size, ids.length, 'an event came twice')
  assert.deepEqual(
    ids.filter(id => !written.includes(id)),
    [],
  )
  assert.ok(writer.committed.length > 6 * BETWEEN)
})
