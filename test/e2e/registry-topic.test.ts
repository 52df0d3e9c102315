/** Tasks that read and write with the ids of a registry, which comes and goes. */
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { serve } from '../../src/http/serve.ts'
import { embedded, Producer, type Running, schemaRegistry } from '../../src/index.ts'
import { start } from '../../src/runtime/start.ts'
import { readDeadLetters, readTopic } from '../../src/testing/read-topic.ts'
import { Gate } from '../registry/gate.ts'
import { TestSite } from './http-site.ts'

let site: TestSite
let gate: Gate
let folder: string
let running: Running
let shop: typeof import('./registry-application.ts')
/** Other programs, which write with schemas of their own. */
let others: ReturnType<typeof schemaRegistry>

before(async () => {
  site = await TestSite.open()
  gate = await new Gate(`${site.url}/registry`).open()
  others = schemaRegistry({ url: `${site.url}/registry` })
  process.env.TEST_REGISTRY_URL = gate.url
  shop = await import('./registry-application.ts')
  folder = await mkdtemp(join(tmpdir(), 'aldebaran-registry-'))
  const entry = new URL('./registry-application.ts', import.meta.url)
  running = await start(shop.app, { log: embedded(folder, { durability: 'process' }), entry, workers: 1 })
  await running.ready()
})
after(async () => {
  await running.stop()
  others.close()
  await gate.close()
  await site.close()
  await rm(folder, { recursive: true })
  delete process.env.TEST_REGISTRY_URL
})

function letters() {
  return readDeadLetters(running.log, shop.app.deadLetters)
}

async function send(schemaId: number, ...ids: number[]): Promise<void> {
  const producer = new Producer(running.log)
  for (const id of ids) {
    // The envelope, then a record of one long.
    const value = Buffer.from([0, 0, 0, 0, 0, id * 2])
    value.writeInt32BE(schemaId, 1)
    const key = Buffer.alloc(8)
    key.writeBigInt64BE(BigInt(id))
    producer.sendBytes(shop.readings, key, value)
  }
  await producer.flush()
}

function seenIds(): number[] {
  return readTopic(running.log, shop.seen).map(record => record.value!.id)
}

async function until(condition: () => boolean, lettersAllowed = 0): Promise<void> {
  while (!condition()) {
    // Nothing would come of waiting for records that were given up.
    assert.ok(letters().length <= lettersAllowed, `dead letters: ${letters().at(-1)?.message}`)
    await running.log.changed(50)
  }
}

const OLDER = JSON.stringify({ type: 'record', name: 'Reading', fields: [{ name: 'id', type: 'long' }] })

test('a task waits for a registry that is away, and then reads every record, once and in order', async () => {
  const id = await others.register('readings-value', { schema: OLDER })
  gate.otherwise = 'shut'
  const ids = Array.from({ length: 30 }, (_, i) => i + 1)
  await send(id, ...ids)
  await until(() => running.health().problems.some(problem => problem.code === 'REGISTRY_UNREACHABLE'))
  assert.equal(running.health().ready, false)
  assert.deepEqual(seenIds(), [])
  gate.otherwise = 'open'
  await until(() => seenIds().length >= ids.length)
  assert.deepEqual(seenIds(), ids)
  assert.deepEqual(letters(), [])
  await until(() => running.health().ready)
})

test('what it writes has the id of a schema that it registered by itself', async () => {
  await until(() => running.log.partition('checked', 0).end >= 30)
  assert.ok((await others.subjects()).includes('checked-Checked'))
  await (shop.checked.value as ReturnType<typeof others.avro>).ready()
  assert.deepEqual(
    readTopic(running.log, shop.checked).map(record => record.value!.id),
    seenIds(),
  )
})

test('an id that the registry does not know, and a schema that cannot be read, make dead letters', async () => {
  const before = seenIds().length
  const foreign = JSON.stringify({ type: 'record', name: 'Else', fields: [{ name: 'x', type: 'string' }] })
  const foreignId = await others.register('else', { schema: foreign })
  const known = await others.register('readings-value', { schema: OLDER })
  await send(77_777, 1)
  await send(foreignId, 2)
  await send(known, 3)
  await until(() => seenIds().length > before, 2)
  assert.deepEqual(seenIds().slice(before), [3])
  assert.deepEqual(
    letters().map(letter => letter.code),
    ['VALUE_UNDECODABLE', 'VALUE_UNDECODABLE'],
  )
})

test('what comes over HTTP while the registry is away may be sent again, and nothing of it was written', async () => {
  const { end } = running.log.partition('readings', 0)
  const server = await serve([running], { port: 0, tokens: [] })
  const post = () =>
    fetch(`${server.url}/topics/readings/records?key=50`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: '[{"id":50,"note":null},{"id":"no number"}]',
    })
  try {
    gate.otherwise = 'shut'
    const refused = await post()
    assert.equal(refused.status, 503)
    assert.equal(refused.headers.get('retry-after'), '1')
    const { error } = (await refused.json()) as { error: { code: string } }
    assert.match(error.code, /^(SCHEMA_PENDING|REGISTRY_UNREACHABLE)$/)
    assert.equal(running.log.partition('readings', 0).end, end)
    gate.otherwise = 'open'
    let taken = await post()
    for (; taken.status === 503; taken = await post()) await running.log.changed(50)
    const { accepted, rejected } = (await taken.json()) as { accepted: number; rejected: number }
    assert.deepEqual({ accepted, rejected }, { accepted: 1, rejected: 1 })
    assert.equal(running.log.partition('readings', 0).end, end + 1)
  } finally {
    gate.otherwise = 'open'
    await server.close()
  }
})
