import assert from 'node:assert/strict'
import { test } from 'node:test'
import { inlineLog } from '../log/inline.ts'
import { pipeline } from '../pipeline/pipeline.ts'
import { topic } from '../pipeline/topic.ts'
import { int32, text } from '../schema/primitives.ts'
import { SimulatedStore } from '../testing/simulated-store.ts'
import { VirtualClock } from '../time/clock.ts'
import { application } from './application.ts'
import { prepare } from './prepare.ts'
import { Producer } from './producer.ts'
import { soleWorker } from './test/workers.ts'

test('the topic of a keyBy is trimmed behind its reader, in the same commit as its position', async () => {
  const numbers = topic('numbers', { key: text(), value: int32(), partitions: 1 })
  const results = topic('results', { key: int32(), value: int32(), partitions: 1 })
  const p = pipeline('p')
  p.from(numbers)
    .keyBy('by-number', n => n, { key: int32(), value: int32() })
    .to(results)
  const app = application('a', { pipelines: [p] })
  const clock = new VirtualClock(0)
  const log = inlineLog(new SimulatedStore(), { clock, durability: 'disk' }).client()
  const worker = soleWorker(app, { log, clock, versions: await prepare(app, log) }, { changelogRecords: 400 })
  const producer = new Producer(log, clock)
  for (let unit = 0; unit < 10; unit++) {
    for (let n = 0; n < 100; n++) producer.send(numbers, 'k', n)
    void producer.flush()
    for (let quiet = 0; quiet < 2; ) {
      log.pump()
      quiet = worker.step() ? 0 : quiet + 1
    }
  }
  assert.equal(log.partition('results', 0).end, 1000)
  assert.deepEqual(log.partition('a.p.by-number.repartition', 0), { start: 1000, end: 1000, bytes: 0 })
  assert.equal(log.partition('numbers', 0).start, 0)
  await log.close()
})
