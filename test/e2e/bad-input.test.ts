/**
 * Bad input through the auditor, on the real log and in worker threads where it matters: a record is processed as it
 * says, or it is a dead letter with reason, place and bytes. Nothing stops, and what comes after is processed.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { buildAudit } from '../../apps/audit/app.ts'
import { inlineLog } from '../../src/log/inline.ts'
import { MAX_RECORD_BYTES, MAX_STORED_BYTES } from '../../src/log/unit.ts'
import type { AnyTopic } from '../../src/pipeline/topic.ts'
import { BatchWriter } from '../../src/record/batch-writer.ts'
import { partitionOf } from '../../src/record/partitioner.ts'
import { Producer } from '../../src/runtime/producer.ts'
import { drive } from '../../src/testing/drive.ts'
import { SimulatedStore } from '../../src/testing/simulated-store.ts'
import { VirtualClock } from '../../src/time/clock.ts'
import { withCode } from '../contract/log-data.ts'
import {
  alertsOf,
  app,
  audit,
  deadLetters,
  driverOn,
  encode,
  inFolder,
  PURCHASE,
  processed,
  REQUEST,
  sendGoodOrder,
  withAuditor,
} from './auditor.ts'

const KEY = Buffer.from('order-1')
const REQUEST_BYTES = encode(audit.requests.value, { id: 'order-1', ...REQUEST })
const PURCHASE_BYTES = encode(audit.purchases.value, { orderId: 'order-1', ...PURCHASE })

/** What the auditor takes: it decodes as far as it is looked at (the id is not), and its shares are in their range. */
function isTaken(topic: AnyTopic, value: Buffer): boolean {
  try {
    const { shares, ...texts } = lookedAt(topic.value.decode(value, 0, value.length))
    return shares >= 1 && Object.keys(texts).length === 2
  } catch {
    return false
  }
}

function lookedAt(record: unknown): { shares: number; client: string | undefined; stock: string } {
  const { shares, client, stock } = record as { shares: number; client?: string; stock: string }
  return { shares, client, stock }
}

function damaged(bytes: Buffer): Buffer[] {
  const cut = Array.from(bytes, (_, length) => bytes.subarray(0, length))
  const flipped = Array.from({ length: bytes.length * 8 }, (_, bit) => {
    const copy = Buffer.from(bytes)
    copy[bit >> 3]! ^= 1 << (bit & 7)
    return copy
  })
  return [...cut, ...flipped]
}

for (const [topic, bytes] of [
  [audit.requests, REQUEST_BYTES],
  [audit.purchases, PURCHASE_BYTES],
] as const) {
  test(`every cut and every flipped bit of a value of ${topic.name} is taken as it says, or is a dead letter`, async () => {
    const driver = await drive(app)
    const expected: string[] = []
    const counts = [0, 0]
    for (const [i, value] of damaged(bytes).entries()) {
      const key = Buffer.from(`o-${i}`)
      driver.sendBytes(topic, key, value)
      const partition = partitionOf(key, 0, key.length, 2)
      const offset = counts[partition]!++
      if (!isTaken(topic, value)) expected.push(`${topic.name}/${partition}/${offset} ${key} ${value.toString('hex')}`)
    }
    const letters = driver.deadLetters()
    assert.deepEqual(
      letters.map(one => `${one.topic}/${one.partition}/${one.offset} ${one.key} ${one.value?.toString('hex')}`),
      expected,
    )
    assert.ok(letters.every(one => one.code.startsWith('VALUE_') && one.message !== ''))
    assert.ok(letters.length >= bytes.length && letters.length < damaged(bytes).length)
    assert.equal(driver.rows('audit', 'books').length, damaged(bytes).length - letters.length)
    sendGoodOrder(driver, 'last')
    assert.equal(driver.outputs(audit.alerts).length, 1)
    assert.equal(driver.problem, null)
  })
}

/** Values that no sender of ours writes, under keys that are fine. */
function strangeValues(): Buffer[] {
  const other = audit.alerts.value
  const alert = { orderId: 'o', kind: 'OVERBOUGHT', requested: 1, purchased: 2, ts: 3, client: 'c', stock: 's' }
  return [
    Buffer.alloc(0),
    Buffer.alloc(1),
    Buffer.alloc(1_000_000),
    Buffer.alloc(1_000_000, 0xff),
    Buffer.from('{"id":"order-1","#shares":1}'),
    // A text where a number is expected, and another record.
    encode(other, alert),
    Buffer.concat([REQUEST_BYTES, Buffer.alloc(1)]),
    // A length of 2^62 for the id, and one that is negative.
    Buffer.from([0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f]),
    Buffer.from([0x01]),
    // Shares of 0, −1 and the least.
    ...[0, -1, -(2 ** 31)].map(shares => encode(audit.requests.value, { id: 'order-1', ...REQUEST, shares })),
  ]
}

test('in worker threads, strange values and keys are dead letters, and good orders between them are processed', async () => {
  await inFolder(async folder => {
    await withAuditor(folder, async running => {
      const producer = new Producer(running.log)
      const good: string[] = []
      const bad: string[] = []
      const sendGood = (): void => {
        const id = `good-${good.push('') - 1}`
        good[good.length - 1] = id
        producer.send(audit.requests, id, { id, ...REQUEST })
        producer.send(audit.purchases, id, { orderId: id, ...PURCHASE })
      }
      for (const topic of [audit.requests, audit.purchases]) {
        for (const value of strangeValues()) {
          sendGood()
          producer.sendBytes(topic, KEY, value)
          bad.push(`${topic.name} ${value.toString('hex', 0, 40)} ${value.length}`)
        }
        const fine = topic === audit.requests ? REQUEST_BYTES : PURCHASE_BYTES
        for (const key of [null, Buffer.from([0xff]), Buffer.from([0xed, 0xa0, 0x80]), Buffer.alloc(70_000, 0x61)]) {
          sendGood()
          producer.sendBytes(topic, key, fine)
          bad.push(`${topic.name} ${fine.toString('hex', 0, 40)} ${fine.length}`)
        }
      }
      await producer.flush()
      sendGood()
      await producer.flush()
      await processed(running)
      const letters = deadLetters(running.log)
      assert.deepEqual(
        letters.map(one => `${one.topic} ${one.value?.toString('hex', 0, 40)} ${one.value?.length}`).sort(),
        bad.sort(),
      )
      assert.deepEqual(
        alertsOf(running.log)
          .map(alert => `${alert.orderId} ${alert.kind}`)
          .sort(),
        good.map(id => `${id} OVERBOUGHT`).sort(),
      )
      assert.deepEqual(running.health(), { status: 'ok', ready: true, problems: [] })
    })
  })
})

test('with integer ids, keys of another size and beyond 2^53 are dead letters at once, and no timer meets them', async () => {
  const integers = buildAudit({ ids: 'integer', deltaMs: 1000, partitions: 2 })
  const driver = await drive(integers.application)
  const value = encode(integers.purchases.value, { orderId: 1, ...PURCHASE, id: 2 })
  const keys = [Buffer.alloc(0), Buffer.alloc(4), Buffer.alloc(7), Buffer.alloc(9), Buffer.alloc(8, 0x7f)]
  for (const key of keys) driver.sendBytes(integers.purchases, key, value)
  const letters = driver.deadLetters()
  assert.deepEqual(
    letters.map(letter => [letter.code, letter.key]),
    keys.map(key => ['VALUE_UNDECODABLE', key]),
  )
  driver.send(integers.purchases, 1, { orderId: 1, ...PURCHASE, id: 2 })
  driver.advance(1000)
  assert.deepEqual([driver.outputs(integers.alerts).length, driver.deadLetters().length, driver.problem], [1, 0, null])
})

test('a null value is a dead letter of its own kind', async () => {
  const store = new SimulatedStore()
  const log = inlineLog(store, { clock: new VirtualClock(), durability: 'disk' })
  const client = log.client()
  await client.createTopic(audit.requests.name, { partitions: 2 })
  const writer = new BatchWriter()
  writer.begin()
  writer.append(1, KEY, 0, KEY.length, null, -1, -1)
  await client.commit({ appends: [{ topic: audit.requests.name, partition: 0, batch: writer.finish() }] })
  const { driver } = await driverOn(store)
  const [letter] = driver.deadLetters()
  assert.deepEqual([letter?.code, letter?.message, letter?.value], ['VALUE_UNDECODABLE', 'the value is null', null])
})

test('a record as large as the log takes is a dead letter with all of its bytes; a larger one is refused to its sender', async () => {
  const driver = await drive(app)
  const largest = Buffer.alloc(MAX_RECORD_BYTES - KEY.length - 1, 0x61)
  assert.throws(
    () => driver.sendBytes(audit.requests, KEY, Buffer.alloc(MAX_RECORD_BYTES)),
    error => withCode('BATCH_TOO_LARGE')(error) && /4128768/.test((error as Error).message),
  )
  assert.throws(() => driver.sendBytes(audit.requests, KEY, Buffer.alloc(5_000_000)), withCode('BATCH_TOO_LARGE'))
  // Small ones before it must not fill its batch so far that it finds no room.
  for (let i = 0; i < 3; i++) driver.sendBytes(audit.requests, KEY, Buffer.alloc(400_000, 0x62))
  driver.sendBytes(audit.requests, KEY, largest)
  sendGoodOrder(driver, 'after')
  assert.deepEqual(
    driver.deadLetters().map(letter => letter.value?.length),
    [400_000, 400_000, 400_000, largest.length],
  )
  assert.equal(driver.outputs(audit.alerts).length, 1)
  assert.equal(driver.problem, null)
})

test('a record that is too large even for a dead letter is cut there, and says so', async () => {
  const store = new SimulatedStore()
  const client = inlineLog(store, { clock: new VirtualClock(), durability: 'disk' }).client()
  await client.createTopic(audit.requests.name, { partitions: 2 })
  // Compressed it is small; 20 MB come out of it.
  const writer = new BatchWriter({ compression: 'gzip' })
  const value = Buffer.alloc(20_000_000, 0x61)
  const headers = [{ key: 'trace', value: Buffer.from('t') }]
  writer.begin()
  writer.append(1, KEY, 0, KEY.length, value, 0, value.length, headers)
  const batch = writer.finish()
  assert.ok(batch.length < 100_000)
  await client.commit({ appends: [{ topic: audit.requests.name, partition: 0, batch }] })
  const { driver } = await driverOn(store)
  const [letter] = driver.deadLetters()
  assert.equal(letter?.code, 'VALUE_UNDECODABLE')
  const bytes = letter?.value?.length ?? 0
  assert.ok(bytes > 4_000_000 && bytes < MAX_STORED_BYTES)
  sendGoodOrder(driver, 'after')
  assert.equal(driver.outputs(audit.alerts).length, 1)
})

test('10,000 bad records in a row are 10,000 dead letters, and the good one behind them is processed', async () => {
  await inFolder(async folder => {
    await withAuditor(folder, async running => {
      const producer = new Producer(running.log)
      const values = [
        Buffer.alloc(0),
        REQUEST_BYTES.subarray(0, 5),
        encode(audit.requests.value, { id: 'order-1', ...REQUEST, shares: -1 }),
      ]
      for (let i = 0; i < 10_000; i++) producer.sendBytes(audit.requests, KEY, values[i % values.length]!)
      producer.send(audit.requests, 'order-1', { id: 'order-1', ...REQUEST })
      producer.send(audit.purchases, 'order-1', { orderId: 'order-1', ...PURCHASE })
      await producer.flush()
      await processed(running)
      const letters = deadLetters(running.log)
      assert.equal(letters.length, 10_000)
      assert.deepEqual(
        letters.map(letter => letter.offset),
        Array.from(letters, (_, i) => i),
      )
      assert.equal(alertsOf(running.log).length, 1)
    })
  })
})
