/** The client against a registry that is slow, busy, away, behind TLS or asks who is there. */
import assert from 'node:assert/strict'
import { after, afterEach, before, test } from 'node:test'
import { avro, schemaRegistry, t } from '../../src/index.ts'
import { ByteWriter } from '../../src/schema/byte-writer.ts'
import { TestSite } from '../e2e/http-site.ts'
import { makeCertificates } from '../servers/certificates.ts'
import { Gate } from './gate.ts'

const TOKEN = 'a-token-of-enough-characters'

let site: TestSite
let gate: Gate
before(async () => {
  site = await TestSite.open({ tokens: [TOKEN] })
  gate = await new Gate(`${site.url}/registry`).open()
})
afterEach(() => {
  gate.next = []
  gate.otherwise = 'open'
  gate.requests.length = 0
})
after(async () => {
  await gate.close()
  await site.close()
})

const auth = { username: 'anyone', password: TOKEN }
const schema = JSON.stringify({ type: 'record', name: 'One', fields: [{ name: 'a', type: 'int' }] })

test('what cannot change is asked once, also by many at a time', async () => {
  const client = schemaRegistry({ url: gate.url, auth })
  const ids = await Promise.all(Array.from({ length: 10 }, () => client.register('cache', { schema })))
  assert.equal(new Set(ids).size, 1)
  await client.register('cache', { schema })
  await Promise.all([client.schema(ids[0]!), client.schema(ids[0]!), client.definition(ids[0]!)])
  assert.deepEqual(await client.definition(ids[0]!), JSON.parse(schema))
  assert.deepEqual(gate.requests, ['POST /subjects/cache/versions', `GET /schemas/ids/${ids[0]}`])
  await client.delete('cache', null)
  await client.register('cache', { schema })
  assert.equal(gate.requests.length, 4)
  client.close()
})

test('a server that is busy, away or silent for a moment is asked again', async () => {
  const client = schemaRegistry({ url: gate.url, auth, timeout: 200 })
  gate.next = [{ status: 503 }, { status: 429, headers: { 'retry-after': '0' } }, 'shut', 'silent', { status: 500 }]
  assert.deepEqual(await client.versions('cache'), [2])
  assert.equal(gate.requests.length, 6)
  client.close()
})

test('it gives up after its tries, and after one where another try would change nothing', async () => {
  const client = schemaRegistry({ url: gate.url, auth, retries: 1 })
  gate.otherwise = { status: 503 }
  await assert.rejects(client.subjects(), { code: 'REGISTRY_UNREACHABLE', fate: 'retry', message: /503: not now/ })
  assert.equal(gate.requests.length, 2)
  gate.otherwise = 'open'
  await assert.rejects(client.versions('none'), { code: 'REGISTRY_REFUSED', details: { errorCode: 40401 } })
  assert.equal(gate.requests.length, 3)
  const stranger = schemaRegistry({ url: gate.url, auth: { token: 'wrong-token-wrong-token' } })
  await assert.rejects(stranger.subjects(), { code: 'REGISTRY_UNREACHABLE', message: /credentials/ })
  assert.equal(gate.requests.length, 4)
  const elsewhere = schemaRegistry({ url: `${site.url}/elsewhere`, auth: { token: TOKEN }, retries: 0 })
  await assert.rejects(elsewhere.subjects(), { code: 'REGISTRY_UNREACHABLE', message: /no schema registry/ })
  for (const one of [client, stranger, elsewhere]) one.close()
})

test('of several servers the one that answered last is asked, and another one when it is away', async () => {
  const second = await new Gate(`${site.url}/registry`).open()
  try {
    const client = schemaRegistry({ url: [gate.url, second.url], auth })
    gate.otherwise = 'shut'
    await client.versions('cache')
    await client.subjects()
    assert.deepEqual([gate.requests.length, second.requests.length], [1, 2])
    gate.otherwise = 'open'
    second.otherwise = { status: 502 }
    await client.versions('cache')
    await client.subjects()
    assert.deepEqual([gate.requests.length, second.requests.length], [3, 3])
    client.close()
  } finally {
    await second.close()
  }
})

test('credentials may stand in the address, which no message tells', async () => {
  const url = gate.url.replace('://', `://any%20one:${TOKEN}@`)
  const client = schemaRegistry({ url, retries: 0 })
  assert.deepEqual(await client.versions('cache'), [2])
  gate.otherwise = 'shut'
  await assert.rejects(client.subjects(), (error: Error) => {
    assert.ok(!JSON.stringify([error.message, error]).includes(TOKEN))
    return true
  })
  assert.throws(
    () => schemaRegistry({ url: `ftp://a:${TOKEN}@x` }),
    (error: Error) => !error.message.includes(TOKEN),
  )
  for (const wrong of [
    { url: [] },
    { url: 'nonsense' },
    { url: gate.url, retries: -1 },
    { url: gate.url, timeout: 'x' },
  ]) {
    assert.throws(() => schemaRegistry(wrong), { code: 'OPTION_INVALID' })
  }
  client.close()
})

test('with TLS it trusts whom it is told to, and nobody else', async () => {
  const { authority, server } = makeCertificates()
  const tls = await new Gate(`${site.url}/registry`, { cert: server.certificate, key: server.key }).open()
  try {
    const client = schemaRegistry({ url: tls.url, auth, tls: { ca: authority } })
    assert.deepEqual(await client.versions('cache'), [2])
    const stranger = schemaRegistry({ url: tls.url, auth, retries: 0 })
    await assert.rejects(stranger.subjects(), { code: 'REGISTRY_UNREACHABLE', message: /certificate/ })
    client.close()
    stranger.close()
  } finally {
    await tls.close()
  }
})

test('subjects are called as Confluent calls them', () => {
  const client = schemaRegistry({ url: gate.url })
  const order = avro('shop.Order', { id: t.long })
  const subject = (names: Parameters<typeof client.avro>[1]['subject'], part: 'key' | 'value' = 'value') =>
    client.avro(order, { topic: 'orders', part, ...(names === undefined ? {} : { subject: names }) }).subject
  assert.deepEqual(
    [subject(undefined), subject('topic', 'key'), subject('record'), subject('topic-record'), subject({ name: 'x' })],
    ['orders-value', 'orders-key', 'shop.Order', 'orders-shop.Order', 'x'],
  )
  const nameless = avro.parse<number[]>({ type: 'array', items: 'int' })
  assert.throws(() => client.avro(nameless, { topic: 't', subject: 'record' }), { code: 'OPTION_INVALID' })
  assert.equal(client.avro(nameless, { topic: 't' }).subject, 't-value')
  client.close()
})

test('without leave to register the schema must be there; with useLatest the latest one is written', async () => {
  const client = schemaRegistry({ url: gate.url, auth })
  const one = avro('Late', { a: t.int })
  const strict = client.avro(one, { topic: 'late', autoRegister: false })
  await assert.rejects(strict.ready(), { code: 'REGISTRY_REFUSED', details: { errorCode: 40401 } })
  const out = new ByteWriter(64)
  assert.throws(() => strict.encode({ a: 1 }, out), { fate: 'retry' })
  await client.register('late-value', { schema: one.definition })
  const wider = avro('Late', { a: t.int, b: t.withDefault(t.string, 'x') })
  const id = await client.register('late-value', { schema: wider.definition })
  await strict.ready()
  const latest = client.avro(one, { topic: 'late', useLatest: true })
  await latest.ready()
  latest.encode({ a: 1, b: 'y' } as { a: number }, out)
  assert.deepEqual([...out.bytes.subarray(0, out.position)], [0, 0, 0, 0, id, 2, 2, 121])
  assert.deepEqual({ ...latest.decode(out.bytes, 0, out.position) }, { a: 1 })
  const other = client.avro(avro('Late', { c: t.string }), { topic: 'late', useLatest: true })
  await assert.rejects(other.ready(), { code: 'SCHEMA_INCOMPATIBLE' })
  client.close()
})
