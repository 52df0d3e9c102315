/** Events that are given what a PostgreSQL database knows, also while it is away. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { Client } from 'pg'
import { postgresServer } from '../../test/servers/postgres.ts'
import { parseEnrichments } from './enrichment-sources.ts'
import { newKey } from './sealing.ts'
import { WebhooksSite } from './test/site.ts'

type Server = Awaited<ReturnType<typeof postgresServer>>

const QUERY = 'select id::text as key, name, since from customers where id = any($1::bigint[])'

let server: Server
let site: WebhooksSite

before(async () => {
  server = await postgresServer()
  await execute(
    'create table customers (id bigint primary key, name text, since timestamptz)',
    "insert into customers values (1, 'Ann', '2020-01-01T00:00:00Z'), (2, 'Bob', null), (9007199254740993, 'Cy', null)",
  )
  const usual = { types: ['invoice'], key: 'data.customer', query: QUERY, wait: '10ms' }
  site = await WebhooksSite.open({
    WEBHOOKS_KEY: newKey(),
    WEBHOOKS_ENRICH_URL: server.url,
    WEBHOOKS_ENRICH: JSON.stringify([{ ...usual, into: 'data.customer', expireAfter: 0 }]),
  })
})

after(async () => {
  await site.close()
  await server.end()
  delete process.env.WEBHOOKS_ENRICH
  delete process.env.WEBHOOKS_ENRICH_URL
})

async function execute(...statements: string[]): Promise<void> {
  const client = new Client({ connectionString: server.url })
  await client.connect()
  try {
    for (const statement of statements) await client.query(statement)
  } finally {
    await client.end()
  }
}

const customersAt = (path: string) => site.receiver.to(path).map(({ body }) => JSON.parse(body).data.customer)
const deadOf = async (endpoint: string) => (await site.get(`/dead-letters?destination=${endpoint}`)).body.letters

test('the columns of its row are what an event is given; without a row it goes as it came', async () => {
  await site.endpoint('rows', '/rows')
  const events = [1, 2, '9007199254740993', 77].map(customer => ({ type: 'invoice', data: { customer } }))
  await site.call('POST', '/rows/events', events)
  await site.until(() => site.receiver.to('/rows').length === 4)
  const found = customersAt('/rows')
  for (const one of [{ name: 'Ann', since: '2020-01-01T00:00:00.000Z' }, { name: 'Bob', since: null }, 77]) {
    assert.equal(
      found.some(other => JSON.stringify(other) === JSON.stringify(one)),
      true,
      JSON.stringify(one),
    )
  }
  assert.equal(
    found.some(one => one.name === 'Cy'),
    true,
  )
})

test('a key that PostgreSQL refuses is a dead letter after its tries, and fails none that is asked for with it', async () => {
  const { id } = await site.endpoint('odd', '/odd')
  const events = [1, 'no number', 2].map(customer => ({ type: 'invoice', data: { customer } }))
  await site.call('POST', '/odd/events', events)
  await site.until(() => site.receiver.to('/odd').length === 2)
  await site.until(async () => (await deadOf(id)).length === 1)
  assert.match((await deadOf(id))[0].message, /after 3 tries: .*without data\.customer.*invalid input syntax/)
  assert.deepEqual(
    customersAt('/odd')
      .map(({ name }) => name)
      .sort(),
    ['Ann', 'Bob'],
  )
})

test('a thread that ends gives its connections back', async () => {
  const text = JSON.stringify([{ key: 'data.id', into: 'data.x', query: QUERY }])
  const [one] = parseEnrichments(text, server.url)
  const client = new Client({ connectionString: server.url })
  await client.connect()
  const connected = async (): Promise<number[]> => {
    const found = await client.query("select pid from pg_stat_activity where application_name = 'aldebaran webhooks'")
    return found.rows.map(({ pid }) => pid)
  }
  try {
    const before = await connected()
    await one!.load(['1'], new AbortController().signal)
    const own = (await connected()).filter(pid => !before.includes(pid))
    assert.equal(own.length, 1)
    await one!.close!()
    await site.until(async () => !(await connected()).includes(own[0]!))
  } finally {
    await client.end()
  }
})

test('while it is away events wait, and no endpoint is blamed; when it is back they are sent', async () => {
  const { id } = await site.endpoint('away', '/away')
  await server.stop()
  await site.event('away', 'invoice', { customer: 1 })
  let attempts: { outcome: string; error: string }[] = []
  await site.until(async () => {
    attempts = (await site.call('GET', `/away/endpoints/${id}/attempts`)).body.attempts
    return attempts.length >= 2
  })
  for (const { outcome, error } of attempts) {
    assert.equal(outcome, 'throttle')
    assert.match(error, /without data\.customer: the look-up failed: PostgreSQL at /)
    assert.doesNotMatch(error, /password/)
  }
  assert.equal(site.receiver.to('/away').length, 0)
  await server.start()
  await site.until(() => site.receiver.to('/away').length === 1)
  assert.equal(customersAt('/away')[0].name, 'Ann')
  assert.deepEqual(await deadOf(id), [])
  assert.equal((await site.call('GET', `/away/endpoints/${id}`)).body.status, 'enabled')
})
