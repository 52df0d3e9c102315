import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, test } from 'node:test'
import { setTimeout } from 'node:timers/promises'
import { KEYS, mortal, orders } from '../../test/crash/programs/mortal-application.ts'
import { type LogHost, openLog } from '../log/host.ts'
import { MemoryBudget } from '../state/memory-budget.ts'
import { allActive, NOTHING_OWNED, type Owned } from './assignment.ts'
import { prepare } from './prepare.ts'
import { Producer } from './producer.ts'
import { measureSizes, planTasks } from './task-plan.ts'
import { DEFAULT_WORKER_SETTINGS } from './worker.ts'
import { WorkerHost } from './worker-host.ts'

const ENTRY = new URL('../../test/crash/programs/mortal-application.ts', import.meta.url).href

let folder = ''
let log: LogHost
let worker: WorkerHost
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'aldebaran-worker-'))
  log = await openLog({ path: join(folder, 'store'), durability: 'process', maxBytes: 2 ** 28 })
})
afterEach(async () => {
  await worker.stop()
  await log.close()
  rmSync(folder, { recursive: true, force: true })
})

/** A worker of all tasks that tells its events, and waits for `gate` before it is told that its address was released. */
async function startWorker(entry: string, tell: (event: string) => void, gate: Promise<void>): Promise<WorkerHost> {
  const plans = planTasks(mortal)
  const host = new WorkerHost({
    entry,
    application: mortal.name,
    worker: 0,
    budget: new MemoryBudget(2 ** 30),
    versions: await prepare(mortal, log.client()),
    settings: DEFAULT_WORKER_SETTINGS,
    sizes: measureSizes(plans),
    newAddress() {
      tell('address taken')
      return log.address()
    },
    async release(address) {
      await log.release(address)
      tell('units answered')
      await gate
      tell('address released')
    },
    respawnMs: 1,
    report: (_level, message) => tell(message),
  })
  host.assign(allActive(plans))
  return host
}

test('the successor of a thread that died is started when the units of the dead one are answered', async () => {
  const events: string[] = []
  const running = Promise.withResolvers<void>()
  const answered = Promise.withResolvers<void>()
  const gate = Promise.withResolvers<void>()
  let starts = 0
  worker = await startWorker(
    ENTRY,
    event => {
      events.push(event)
      if (event === 'units answered') answered.resolve()
      if (event === 'tasks are running' && ++starts === 2) running.resolve()
    },
    gate.promise,
  )
  const client = log.client()
  const producer = new Producer(client)
  for (let n = 0; n < 50; n++) producer.send(orders, KEYS[0], { n })
  producer.send(orders, KEYS[0], { n: 50, fate: 'exits', file: join(folder, 'died') })
  await producer.flush()
  await answered.promise
  // A query has no one to answer it meanwhile, and says so.
  const query = {
    kind: 'scan',
    pipeline: 'work',
    table: 'counts',
    partition: 0,
    from: null,
    to: null,
    limit: 9,
  } as const
  await assert.rejects(worker.query(query), { code: 'WORKER_DIED' })
  assert.equal(worker.problem?.code, 'WORKER_DIED')
  // A timer set now fires after one that would start the successor already.
  await setTimeout(1)
  gate.resolve()
  await running.promise
  assert.deepEqual(events, [
    'address taken',
    'tasks are running',
    'a worker thread ended; it is started again',
    'units answered',
    'address released',
    'address taken',
    'tasks are running',
  ])
  await worker.stop()
  assert.equal(worker.state, 'stopped')
})

test('a worker that is stopped while its thread is missed is not started again', async () => {
  const events: string[] = []
  const answered = Promise.withResolvers<void>()
  const gate = Promise.withResolvers<void>()
  const tell = (event: string) => {
    events.push(event)
    if (event === 'units answered') answered.resolve()
  }
  worker = await startWorker('file:///there/is/no/such/module.ts', tell, gate.promise)
  await answered.promise
  assert.match(worker.failure?.message ?? '', /worker threads cannot use file:.*no\/such\/module/)
  const stopped = worker.stop()
  gate.resolve()
  await stopped
  assert.deepEqual(
    events.filter(event => event === 'address taken'),
    ['address taken'],
  )
})

test('tells what its thread has, and the successor of one that died gets the latest assignment', async () => {
  const events: string[] = []
  const answered = Promise.withResolvers<void>()
  const gate = Promise.withResolvers<void>()
  const tell = (event: string) => {
    events.push(event)
    if (event === 'units answered') answered.resolve()
  }
  worker = await startWorker(ENTRY, tell, gate.promise)
  const owned = async (test: (owned: Owned) => boolean): Promise<void> => {
    const { promise, resolve } = Promise.withResolvers<void>()
    const look = () => test(worker.owned) && resolve()
    worker.onOwned(look)
    look()
    await promise
  }
  assert.deepEqual(worker.owned, NOTHING_OWNED)
  assert.equal(worker.state, 'starting')
  const [first, second] = planTasks(mortal).map(plan => plan.id) as [string, string]
  await owned(({ active }) => active.length === 2)
  worker.assign({ active: [first], standby: [second] })
  assert.notEqual(worker.state, 'running')
  await owned(({ active, standby }) => active.join() === first && standby[0]?.id === second)

  const producer = new Producer(log.client())
  producer.send(orders, KEYS[0], { n: 1, fate: 'exits', file: join(folder, 'died') })
  await producer.flush()
  await answered.promise
  // Until its units are answered, nobody else may have what it had.
  assert.deepEqual(worker.owned, { ...NOTHING_OWNED, closing: [first] })
  worker.assign({ active: [second], standby: [] })
  gate.resolve()
  await owned(({ closing }) => closing.length === 0)
  await owned(({ active }) => active.join() === second)
  await worker.stop()
  assert.deepEqual(worker.owned, NOTHING_OWNED)
})
