import assert from 'node:assert/strict'
import { afterEach, beforeEach, test } from 'node:test'
import { type InlineLog, inlineLog } from '../log/inline.ts'
import { pipeline } from '../pipeline/pipeline.ts'
import { topic } from '../pipeline/topic.ts'
import { t } from '../schema/field-types.ts'
import { int64 } from '../schema/primitives.ts'
import { SimulatedStore } from '../testing/simulated-store.ts'
import { VirtualClock } from '../time/clock.ts'
import { application } from './application.ts'
import { prepare } from './prepare.ts'
import { Producer } from './producer.ts'
import { soleWorker } from './test/workers.ts'
import type { TaskWorker } from './worker.ts'

const LINGER_MS = 2
const QUIET_MS = 10
/** A batch of MANY fills a unit, one of one record does not. */
const UNIT_BYTES = 200
const MANY = 50
const FOREVER = Number.POSITIVE_INFINITY

const numbers = topic('numbers', { key: int64(), value: int64(), partitions: 1 })
const loud = topic('loud', { key: int64(), value: int64(), partitions: 1 })

/** Only what is over 0 is sent on. Each number is a row, that is due 100 ms after it came. */
const sorting = pipeline('sorting')
const rows = sorting.table('rows', { key: int64(), row: { value: t.long }, timers: { due: 'processing' } })
sorting
  .from(numbers)
  .into(rows, (value, row, { now }) => {
    row.value = value
    row.due = now + 100
    return value
  })
  .filter(value => value > 0)
  .to(loud)
rows.on('due', row => {
  row.due = 0
})
const app = application('lingering', { pipelines: [sorting] })

let clock: VirtualClock
let log: InlineLog
let worker: TaskWorker
let producer: Producer

beforeEach(async () => {
  clock = new VirtualClock(1000)
  const store = new SimulatedStore()
  const first = inlineLog(store, { clock, durability: 'disk' })
  const versions = await prepare(app, first.client())
  await first.close()
  log = inlineLog(store, { clock, durability: 'disk', auto: false })
  const client = log.client()
  worker = soleWorker(
    app,
    { log: client, clock, versions },
    { lingerMs: LINGER_MS, unitsUnderWay: 2, unitBytes: UNIT_BYTES },
  )
  producer = new Producer(log.client(), clock)
  while (worker.step());
  commit()
  while (worker.step());
})

afterEach(() => log.close())

function commit(): void {
  while (log.step());
}

/** Written in batches of so many, and read by the worker. */
function send(value: number, ...counts: number[]): void {
  for (const count of counts) {
    for (let i = 0; i < count; i++) producer.send(numbers, value, value)
    void producer.flush()
  }
  commit()
  while (worker.step());
}

function underWay(): boolean {
  return !worker.settled
}

test('what sends nothing waits for more, what sends something is submitted at once', () => {
  send(0, 1)
  assert.equal(worker.idleMs(), QUIET_MS)
  clock.advance(QUIET_MS - 1)
  assert.equal(worker.step(), false)
  send(1, 1)
  assert.ok(underWay())
  assert.equal(worker.idleMs() > QUIET_MS, true)
  commit()
  worker.step()
  assert.ok(!underWay())
})

test('what sends something waits for more while another unit is under way', () => {
  send(1, MANY, 1)
  assert.equal(worker.idleMs(), LINGER_MS)
  clock.advance(LINGER_MS)
  assert.equal(worker.step(), true)
  assert.equal(worker.idleMs(), FOREVER)
})

test('while as many units are under way as may be, nothing is waited for but their answers', () => {
  send(1, MANY, MANY, 1)
  // The timers of those rows are due.
  clock.advance(1000)
  assert.equal(worker.step(), false)
  assert.equal(worker.idleMs(), FOREVER)
  commit()
  assert.equal(worker.step(), true)
})
