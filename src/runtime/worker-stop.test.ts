import assert from 'node:assert/strict'
import { test } from 'node:test'
import { KEYS, mortal, orders } from '../../test/crash/programs/mortal-application.ts'
import { inlineLog } from '../log/inline.ts'
import { SimulatedStore } from '../testing/simulated-store.ts'
import { VirtualClock } from '../time/clock.ts'
import { prepare } from './prepare.ts'
import { Producer } from './producer.ts'
import { soleWorker } from './test/workers.ts'

test('a worker whose unit failed stops when it is told to, however often', async () => {
  const store = new SimulatedStore()
  const clock = new VirtualClock(0)
  const log = inlineLog(store, { clock, durability: 'disk' })
  const client = log.client()
  const versions = await prepare(mortal, client)
  const worker = soleWorker(mortal, { log: client, clock, versions })
  const producer = new Producer(log.client(), clock)
  producer.send(orders, KEYS[0], { n: 1 })
  await producer.flush()
  store.diskBytes = 0
  while (worker.state !== 'waiting') worker.step()
  for (let again = 0; again < 3; again++) {
    worker.stop()
    worker.step()
    assert.equal(worker.state, 'stopped')
  }
  await log.close()
})
