/** Odd records, batches and clocks, handlers that throw, and random bytes: through the auditor, as in bad-input.test.ts. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { buildAudit } from '../../apps/audit/app.ts'
import type { AldebaranError } from '../../src/errors.ts'
import { application, bytes, pipeline, text, topic } from '../../src/index.ts'
import type { Log } from '../../src/log/contract.ts'
import { inlineLog } from '../../src/log/inline.ts'
import { Producer } from '../../src/runtime/producer.ts'
import { drive } from '../../src/testing/drive.ts'
import { readTopic } from '../../src/testing/read-topic.ts'
import { SimulatedStore } from '../../src/testing/simulated-store.ts'
import { VirtualClock } from '../../src/time/clock.ts'
import { batchOf, readAll } from '../contract/log-data.ts'
import {
  alertsOf,
  app,
  audit,
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

test('a request told again, and a purchase of a closed book, change nothing', async () => {
  const driver = await drive(app)
  for (let i = 0; i < 3; i++) driver.send(audit.requests, 'o', { id: 'o', ...REQUEST, shares: 5 + i })
  const purchase = { orderId: 'o', ...PURCHASE, shares: 3 }
  for (let i = 0; i < 4; i++) driver.send(audit.purchases, 'o', purchase)
  const alerts = driver.outputs(audit.alerts).map(record => record.value as { requested: number; purchased: number })
  assert.deepEqual(
    alerts.map(alert => [alert.requested, alert.purchased]),
    [[5, 6]],
  )
  assert.equal(driver.deadLetters().length, 0)
})

test('headers of any bytes go with a dead letter, but for those that are its own', async () => {
  const { driver, client } = await driverOn(new SimulatedStore())
  const headers = [
    { key: '', value: null },
    { key: 'same', value: Buffer.from([0, 255]) },
    { key: 'same', value: Buffer.alloc(0) },
    { key: '\u0000𝕏\u202e', value: Buffer.alloc(100_000, 7) },
    { key: 'aldebaran.offset', value: Buffer.from('lie') },
  ]
  const producer = new Producer(client, driver.clock)
  producer.sendBytes(audit.requests, KEY, Buffer.alloc(0), { headers })
  await producer.flush()
  driver.advance(0)
  const [record] = readTopic(client, app.deadLetters)
  assert.deepEqual(
    record!.headers.slice(0, 4).map(({ key, value }) => [key, value === null ? null : Buffer.from(value)]),
    headers.slice(0, 4).map(({ key, value }) => [key, value]),
  )
  const offsets = record!.headers.filter(header => header.key === 'aldebaran.offset')
  assert.deepEqual(
    offsets.map(header => String(header.value)),
    ['0'],
  )
})

test('timestamps of any time are taken; what they make impossible is a dead letter', async () => {
  const driver = await drive(app)
  const times = [-1, 0, 1, -(2 ** 52), 2 ** 52, 2 ** 53 - 1, 1 - 2 ** 53, 8.64e15]
  for (const [i, time] of times.entries()) {
    driver.send(audit.trades, null, { id: `t-${i}`, '#shares': 1, client: 'c', stock: 's' }, time)
    driver.send(audit.requests, `r-${i}`, { id: `r-${i}`, ...REQUEST }, time)
  }
  sendGoodOrder(driver, 'after')
  const letters = driver.deadLetters()
  // ts is in microseconds: beyond ±2^53 of them there is none.
  assert.deepEqual(
    letters.map(letter => [letter.topic, letter.code]),
    times.filter(time => Math.abs(time) * 1000 > Number.MAX_SAFE_INTEGER).map(() => ['trades', 'VALUE_INVALID']),
  )
  assert.equal(driver.rows('audit', 'books').length, 2 * times.length - letters.length + 1)
  assert.equal(driver.outputs(audit.alerts).length, 1)
})

test('a clock that jumps, forward and back, raises no alert twice and loses none', async () => {
  const short = buildAudit({ ids: 'text', deltaMs: 1000, partitions: 2 })
  const driver = await drive(short.application, { startMs: 10_000_000 })
  for (const jump of [-5_000_000, 3_000_000, -1, 2_000_000, -9_000_000, 0, 40_000_000]) {
    const id = `jump ${jump}`
    driver.send(short.purchases, id, { orderId: id, ...PURCHASE })
    driver.clock.jump(jump)
    driver.advance(0)
  }
  driver.advance(100_000_000)
  driver.advance(1000)
  const alerts = driver.outputs(short.alerts).map(record => (record.value as { orderId: string }).orderId)
  assert.equal(alerts.length, 7)
  assert.equal(new Set(alerts).size, 7)
  assert.deepEqual([driver.rows('audit', 'books').length, driver.problem], [0, null])
})

test('a batch that is cut, or has a flipped bit, is refused by the commit, and the units beside it are not', async () => {
  const log = inlineLog(new SimulatedStore(), { clock: new VirtualClock(), durability: 'disk', auto: false })
  const good = log.client()
  const bad = log.client()
  await good.createTopic('t', { partitions: 1 })
  const batch = batchOf(['one', 'two'])
  const versions = Array.from(batch, (_, length) => batch.subarray(0, length))
  for (let bit = 0; bit < batch.length * 8; bit++) {
    // The base offset is the log's to set, and the leader epoch nobody's: the checksum does not cover them.
    if (bit >> 3 < 8 || (bit >> 3 >= 12 && bit >> 3 < 16)) continue
    const copy = Buffer.from(batch)
    copy[bit >> 3]! ^= 1 << (bit & 7)
    versions.push(copy)
  }
  let sent = 0
  const answer = (client: Log, bytes: Buffer): { code: string | null } => {
    const told = { code: null as string | null }
    const unit = { appends: [{ topic: 't', partition: 0, batch: bytes }] }
    client.submit(unit, error => {
      told.code = error === null ? 'committed' : (error as AldebaranError).code
    })
    return told
  }
  for (const version of versions) {
    const before = answer(good, batchOf([`before ${sent}`]))
    const damagedOne = answer(bad, version)
    const after = answer(good, batchOf([`after ${sent++}`]))
    log.step()
    good.pump()
    bad.pump()
    assert.deepEqual([before.code, after.code], ['committed', 'committed'])
    assert.match(damagedOne.code ?? '', /^BATCH_(?:CORRUPT|UNSUPPORTED)$/)
  }
  assert.equal(readAll(good.reader('t', 0, 'earliest')).length, 2 * sent)
})

test('whatever a handler throws is a dead letter, also what has no text', async () => {
  const inputs = topic('inputs', { key: text(), value: bytes(), partitions: 1 })
  const thrown: unknown[] = [
    undefined,
    null,
    '',
    Symbol('s'),
    Object.create(null),
    Object.assign(new Error('x'), { message: Object.create(null) }),
    Object.assign(new Error('x'), { message: 5 }),
    new Proxy({}, { get: () => assert.fail('looked at') }),
    Object.defineProperty(new Error('x'), 'message', {
      get() {
        throw new Error('no message')
      },
    }),
    new Error('🧨'.repeat(5000)),
    'half a pair \ud800',
  ]
  const throwing = pipeline('throwing')
  throwing.from(inputs).each(value => {
    throw thrown[value[0]!]
  })
  const driver = await drive(application('thrower', { pipelines: [throwing] }))
  for (let i = 0; i < thrown.length; i++) driver.sendBytes(inputs, null, Buffer.from([i]))
  const letters = driver.deadLetters()
  assert.deepEqual(
    letters.map(letter => [letter.code, letter.offset, letter.value?.[0]]),
    thrown.map((_, i) => ['HANDLER_THREW', i, i]),
  )
  assert.equal(driver.problem, null)
})

const anyRecord = fc.record({
  topic: fc.constantFrom(audit.trades, audit.requests, audit.purchases),
  key: fc.option(fc.oneof(fc.uint8Array({ maxLength: 12 }), fc.constant(new Uint8Array(KEY)))),
  value: fc.oneof(
    fc.uint8Array({ maxLength: 60 }),
    fc.json().map(json => new Uint8Array(Buffer.from(json))),
    fc
      .record({ at: fc.nat(REQUEST_BYTES.length - 1), byte: fc.nat(255) })
      .map(({ at, byte }) => new Uint8Array(REQUEST_BYTES.with(at, byte))),
  ),
})

test('random bytes in every topic, with good orders between: each good one is processed, nothing stops, nothing is lost', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(anyRecord, { maxLength: 40 }), async records => {
      const driver = await drive(app)
      for (const [i, { topic, key, value }] of records.entries()) {
        driver.sendBytes(topic, key, value)
        sendGoodOrder(driver, `good ${i}`)
      }
      driver.restart()
      assert.equal(driver.problem, null)
      const alerts = driver.outputs(audit.alerts).map(record => (record.value as { orderId: string }).orderId)
      for (let i = 0; i < records.length; i++) assert.equal(alerts.filter(id => id === `good ${i}`).length, 1)
      const letters = driver.deadLetters()
      const places = letters.map(letter => `${letter.topic}/${letter.partition}/${letter.offset}`)
      assert.equal(new Set(places).size, places.length)
      for (const letter of letters) {
        const sent = records.some(one => one.topic.name === letter.topic && letter.value?.equals(one.value) === true)
        assert.ok(sent, 'a dead letter has the bytes of a record')
      }
      await driver.close()
    }),
    { numRuns: 150 },
  )
})

test('the same through worker threads', async () => {
  await inFolder(async folder => {
    await withAuditor(folder, async running => {
      let runs = 0
      await fc.assert(
        fc.asyncProperty(fc.array(anyRecord, { maxLength: 40 }), async records => {
          const run = runs++
          const producer = new Producer(running.log)
          for (const [i, { topic, key, value }] of records.entries()) {
            producer.sendBytes(topic, key, value)
            const id = `${run} ${i}`
            producer.send(audit.requests, id, { id, ...REQUEST })
            producer.send(audit.purchases, id, { orderId: id, ...PURCHASE })
          }
          await producer.flush()
          await processed(running)
          const alerts = alertsOf(running.log).filter(alert => alert.orderId.startsWith(`${run} `))
          assert.equal(alerts.length, records.length)
          assert.equal(new Set(alerts.map(alert => alert.orderId)).size, records.length)
          assert.equal(running.health().status, 'ok')
        }),
        { numRuns: 25 },
      )
    })
  })
})
