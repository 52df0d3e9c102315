import assert from 'node:assert/strict'
import { test } from 'node:test'
import { KEYS, mortal, orders } from '../../test/crash/programs/mortal-application.ts'
import { inlineLog } from '../log/inline.ts'
import { MemoryBudget } from '../state/memory-budget.ts'
import { SimulatedStore } from '../testing/simulated-store.ts'
import { VirtualClock } from '../time/clock.ts'
import { allActive } from './assignment.ts'
import { Measures } from './measures.ts'
import { prepare } from './prepare.ts'
import { Producer } from './producer.ts'
import { countTables, plansById, planTasks } from './task-plan.ts'
import { DEFAULT_WORKER_SETTINGS, TaskWorker } from './worker.ts'

test('a worker whose unit failed stops when it is told to, however often', async () => {
  const store = new SimulatedStore()
  const clock = new VirtualClock(0)
  const log = inlineLog(store, { clock, durability: 'disk' })
  const client = log.client()
  const versions = await prepare(mortal, client)
  const plans = planTasks(mortal)
  const worker = new TaskWorker(
    plansById(plans),
    allActive(plans),
    {
      log: client,
      clock,
      measures: new Measures(countTables(plans)),
      budget: new MemoryBudget(2 ** 30),
      versions,
      report: () => {},
    },
    DEFAULT_WORKER_SETTINGS,
  )
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
