/**
 * Stores that fail under the running auditor: each ends in an error that says what, where and what to do, or is waited
 * out; never in a crash, a standstill nobody is told of, or a record passed over.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { buildAudit } from '../../apps/audit/app.ts'
import type { AldebaranError } from '../../src/errors.ts'
import { application, int64, pipeline, t, topic } from '../../src/index.ts'
import { inlineLog } from '../../src/log/inline.ts'
import { WriteList } from '../../src/log/key-value.ts'
import { batchKey } from '../../src/log/keys.ts'
import { changelogOf } from '../../src/runtime/application.ts'
import { Producer } from '../../src/runtime/producer.ts'
import { drive } from '../../src/testing/drive.ts'
import { SimulatedStore } from '../../src/testing/simulated-store.ts'
import { VirtualClock } from '../../src/time/clock.ts'
import { batchOf, withCode } from '../contract/log-data.ts'
import {
  alertsOf,
  appendOrders,
  audit,
  deadLetters,
  driverOn,
  IDS,
  inFolder,
  PURCHASE,
  problemCode,
  processed,
  REQUEST,
  until,
  withAuditor,
} from './auditor.ts'
import { fillClosed, inStore, spoilBatch } from './spoil-store.ts'

test('a damaged batch stops its task alone, is told with its place, and is passed over only when it is trimmed', async () => {
  await inFolder(async folder => {
    await fillClosed(folder, IDS)
    await inStore(folder, store => spoilBatch(store, audit.requests.name, 1, 5))
    // One worker has both partitions: the damage in one must not hold up the other.
    await withAuditor(
      folder,
      async running => {
        const { log } = running
        const at = (name: string, partition: number) => log.position('audit.audit', name, partition)?.offset ?? 0
        const isThrough = (name: string, partition: number) =>
          at(name, partition) === log.partition(name, partition).end
        await until(log, () => isThrough('purchase-requests', 0) && isThrough('purchases', 0))
        await until(log, () => at('purchase-requests', 1) === 5 && running.health().problems.length === 1)
        const { status, ready, problems } = running.health()
        assert.deepEqual([status, ready, problems[0]?.code], ['failing', false, 'BATCH_CORRUPT'])
        assert.deepEqual(problems[0]?.details, { topic: 'purchase-requests', partition: 1, offset: 5 })
        assert.match(problems[0]?.message ?? '', /offset 5 of purchase-requests\/1/)
        // What comes later is processed where nothing is damaged.
        const { end } = log.partition('purchase-requests', 0)
        for (let i = 0; log.partition('purchase-requests', 0).end === end; i++) await appendOrders(log, [`late ${i}`])
        await until(log, () => isThrough('purchase-requests', 0) && isThrough('purchases', 0))
        assert.equal(at('purchase-requests', 1), 5)
        await log.commit({ trims: [{ topic: 'purchase-requests', partition: 1, before: 6 }] })
        await processed(running)
        await until(log, () => running.health().status === 'ok')
        const alerts = alertsOf(log).map(alert => alert.orderId)
        const all = IDS.length + alerts.filter(id => id.startsWith('late')).length
        // The order of the batch that was lost has no request.
        assert.deepEqual([alerts.length, new Set(alerts).size], [all - 1, all - 1])
      },
      { workers: 1 },
    )
  })
})

test('a damaged changelog keeps its own task from running, tells where, and no other task', async () => {
  await inFolder(async folder => {
    await withAuditor(folder, async running => {
      await appendOrders(running.log, IDS)
      await processed(running)
    })
    const changelog = changelogOf('audit', 'audit', 'books')
    await inStore(folder, store => spoilBatch(store, changelog, 0, 0))
    await withAuditor(
      folder,
      async running => {
        const [problem, ...others] = running.health().problems
        assert.equal(others.length, 0)
        assert.deepEqual(
          [problem?.code, problem?.details],
          ['BATCH_CORRUPT', { topic: changelog, partition: 0, offset: 0 }],
        )
        const before = alertsOf(running.log).length
        const at = () => running.log.position('audit.audit', 'purchases', 1)?.offset
        const end = running.log.partition('purchases', 1).end
        for (let i = 0; running.log.partition('purchases', 1).end === end; i++) {
          await appendOrders(running.log, [`after ${i}`])
        }
        await until(running.log, () => at() === running.log.partition('purchases', 1).end)
        await until(running.log, () => alertsOf(running.log).length > before)
        assert.equal(running.health().status, 'failing')
      },
      { workers: 1 },
    )
  })
})

test('retention and search by time get over a damaged batch, which readers are told of', async () => {
  const store = new SimulatedStore()
  const clock = new VirtualClock(1_000_000)
  const log = inlineLog(store, { clock, durability: 'disk' })
  const client = log.client()
  await client.createTopic('t', { partitions: 1, retentionMs: 5000 })
  for (let i = 0; i < 6; i++) {
    await client.commit({ appends: [{ topic: 't', partition: 0, batch: batchOf([`${i}`], clock.now() + i) }] })
  }
  const spoilt = [Buffer.alloc(3), Buffer.alloc(61, 0xff), Buffer.from(batchOf(['x'])).fill(0x80, 20, 30)]
  const writes = new WriteList()
  for (const [i, bytes] of spoilt.entries()) writes.put(batchKey(0, i), bytes)
  store.transact(writes)
  const reader = client.reader('t', 0, 'earliest')
  assert.throws(() => reader.poll(1 << 20), withCode('BATCH_CORRUPT'))
  reader.seekToTime(clock.now() + 5)
  assert.throws(() => reader.poll(1 << 20), withCode('BATCH_CORRUPT'))
  clock.advance(1000)
  log.maintain()
  clock.advance(60_000)
  while (log.maintain());
  assert.deepEqual(client.partition('t', 0), { start: 6, end: 6, bytes: 0 })
})

test('on a full disk the auditor waits, says so, and goes on where it was when there is room', async () => {
  const store = new SimulatedStore()
  const { driver, client } = await driverOn(store)
  await appendOrders(client, IDS)
  store.diskBytes = store.usedBytes()
  driver.advance(0)
  assert.equal(problemCode(driver), 'DISK_FULL')
  for (let i = 0; i < 10; i++) driver.advance(1000)
  assert.equal(problemCode(driver), 'DISK_FULL')
  assert.equal(driver.outputs(audit.alerts).length, 0)
  store.diskBytes = Number.POSITIVE_INFINITY
  driver.advance(1000)
  assert.equal(driver.problem, null)
  assert.equal(new Set(alertsOf(client).map(alert => alert.orderId)).size, IDS.length)
  assert.equal(alertsOf(client).length, IDS.length)
})

test('at its byte budget the store refuses, the auditor says so, and goes on after a trim', async () => {
  const budget = 2_000_000
  const { driver, log, client } = await driverOn(new SimulatedStore(), budget)
  await client.createTopic('ballast', { partitions: 1 })
  await appendOrders(client, IDS)
  const ballast = batchOf(['b'.repeat(2000)])
  const fill = async (): Promise<void> => {
    for (;;) await client.commit({ appends: [{ topic: 'ballast', partition: 0, batch: ballast }] })
  }
  await assert.rejects(fill(), error => {
    assert.match((error as AldebaranError).remedy, /maxBytes|maxSize/)
    return withCode('STORE_FULL')(error)
  })
  driver.advance(0)
  assert.equal(problemCode(driver), 'STORE_FULL')
  assert.equal(alertsOf(client).length, 0)
  await client.commit({ trims: [{ topic: 'ballast', partition: 0, before: client.partition('ballast', 0).end }] })
  while (log.maintain());
  driver.advance(1000)
  assert.equal(driver.problem, null)
  assert.equal(alertsOf(client).length, IDS.length)
})

test('at its memory budget the auditor stops reading and says so; timers go on, and every order is judged once', async () => {
  const short = buildAudit({ ids: 'integer', deltaMs: 10_000, partitions: 2 })
  const driver = await drive(short.application, { startMs: 1_000_000, memoryBytes: 3_000_000 })
  const orders = 60_000
  for (let first = 1; first <= orders; first += 1000) {
    const records = Array.from({ length: 1000 }, (_, i) => {
      const orderId = first + i
      return [orderId, { id: orderId, orderId, shares: 5, stock: 'XYZ', ts: 1 }] as const
    })
    driver.sendAll(short.purchases, records)
  }
  assert.equal(problemCode(driver), 'MEMORY_BUDGET')
  const read = driver.rows('audit', 'books').length
  assert.ok(read > 1000 && read < orders / 2, `${read} books`)
  const alerts: unknown[] = []
  for (let round = 0; alerts.length < orders && round < 200; round++) {
    driver.advance(200)
    driver.advance(9_800)
    alerts.push(...driver.outputs(short.alerts).map(record => record.key))
  }
  assert.equal(alerts.length, orders)
  assert.equal(new Set(alerts).size, orders)
  for (let i = 0; i < 3; i++) driver.advance(10_000)
  assert.deepEqual([driver.rows('audit', 'books').length, driver.problem, driver.deadLetters().length], [0, null, 0])
})

test('a full table takes what fits of a batch, says that it is full, and takes the rest as timers make room', async () => {
  const inputs = topic('inputs', { key: int64(), value: int64(), partitions: 1 })
  const done = topic('done', { key: int64(), value: int64(), partitions: 1 })
  const filling = pipeline('filling')
  const rows = filling.table('rows', { key: int64(), row: { n: t.long }, timers: { end: 'processing' }, maxRows: 10 })
  filling.from(inputs).into(rows, (n, row, { now }) => {
    row.n = n
    row.end = now + 1000
  })
  rows
    .on('end', row => {
      const { n } = row
      row.delete()
      return n
    })
    .to(done)
  const driver = await drive(application('full', { pipelines: [filling] }))
  const records = Array.from({ length: 35 }, (_, i) => [i, i] as const)
  driver.sendAll(inputs, records)
  assert.equal(problemCode(driver), 'TABLE_FULL')
  assert.equal(driver.rows('filling', 'rows').length, 10)
  driver.restart()
  assert.equal(driver.rows('filling', 'rows').length, 10)
  for (let i = 0; i < 8; i++) driver.advance(1000)
  assert.deepEqual(
    driver.outputs(done).map(record => record.value),
    records.map(([n]) => n),
  )
  assert.deepEqual([driver.problem, driver.deadLetters().length], [null, 0])
})

test('dead letters and alerts survive a stop in the middle of bad and good input, each once', async () => {
  await inFolder(async folder => {
    const bad = 300
    for (let round = 0; round < 3; round++) {
      // The stop comes while there is still much to do.
      await withAuditor(folder, async running => {
        const producer = new Producer(running.log)
        for (let i = 0; i < bad; i++) {
          const id = `${round} ${i}`
          producer.sendBytes(audit.requests, Buffer.from(id), Buffer.from(id))
          producer.send(audit.requests, id, { id, ...REQUEST })
          producer.send(audit.purchases, id, { orderId: id, ...PURCHASE })
        }
        await producer.flush()
      })
    }
    await withAuditor(folder, async running => {
      await processed(running)
      assert.equal(deadLetters(running.log).length, 3 * bad)
      assert.equal(new Set(deadLetters(running.log).map(letter => String(letter.value))).size, 3 * bad)
      assert.equal(new Set(alertsOf(running.log).map(alert => alert.orderId)).size, 3 * bad)
      assert.equal(alertsOf(running.log).length, 3 * bad)
    })
  })
})
