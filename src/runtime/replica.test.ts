import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { BOTH, counting, KEY_0, NOTHING, REMIND_MS, rowsOf, type TestWorker, TestWorkers } from './test/workers.ts'

const ID = 'count/0'
const ACTIVE = { active: [ID], standby: [] }
const STANDBY = { active: [], standby: [ID] }
const many = (count: number): string[] => Array.from({ length: count }, (_, n) => String(n))

/** A task moves from one worker to the other, and its standby the other way. */
function swap(site: TestWorkers, from: TestWorker, to: TestWorker): void {
  from.worker.assign(STANDBY)
  site.settle(from)
  assert.deepEqual(from.worker.owned.closing, [])
  to.worker.assign(ACTIVE)
  site.settle(from, to)
  assert.deepEqual(to.worker.owned.active, [ID])
}

function bytesOf({ worker }: TestWorker): number {
  return [...worker.replicas][0]!.states[0]!.table.bytes
}

describe('a standby', () => {
  test('follows the task, without doing anything itself, and says how far it is behind', async () => {
    const site = new TestWorkers()
    const first = await site.add(ACTIVE)
    const second = await site.add(STANDBY)
    site.settle(first, second)
    site.send(KEY_0, 'x', 'y', 'z')
    site.settle(first)
    site.send(KEY_0, 'last')
    site.settle(first)
    assert.deepEqual(second.worker.owned.standby, [{ id: ID, lag: 2 }])
    assert.equal(second.worker.state, 'running')
    site.settle(second)
    assert.deepEqual(second.worker.owned, { ...NOTHING, restoring: [], closing: [], standby: [{ id: ID, lag: 0 }] })
    assert.deepEqual(rowsOf(second, ID), [{ count: 4, last: 'last' }])
    site.clock.advance(REMIND_MS)
    site.settle(second)
    assert.deepEqual(rowsOf(second, ID), [{ count: 4, last: 'last' }])
    assert.deepEqual(second.reports, [])
  })

  test('becomes the task with the tables it has: nothing is read again', async () => {
    const site = new TestWorkers()
    const first = await site.add(ACTIVE)
    const second = await site.add(STANDBY)
    site.send(KEY_0, ...many(50))
    site.settle(first, second)
    swap(site, first, second)
    assert.equal(second.measures.get('restoredRecords'), 0)
    site.send(KEY_0, 'more')
    site.settle(first, second)
    assert.deepEqual(site.told(KEY_0).slice(-2), [50, 51])
    assert.deepEqual(rowsOf(first, ID), [{ count: 51, last: 'more' }])
    // Timers came with the rows.
    site.clock.advance(REMIND_MS + 1)
    site.settle(first, second)
    assert.deepEqual(rowsOf(second, ID), [{ count: 1051, last: 'more' }])
    assert.deepEqual(rowsOf(first, ID), [{ count: 1051, last: 'more' }])
  })

  test('reads what it has not read yet when it is promoted, and runs only then', async () => {
    const site = new TestWorkers()
    const first = await site.add(ACTIVE)
    const second = await site.add(STANDBY, { restoreBytes: 1 })
    site.settle(first, second)
    for (const word of many(10)) {
      site.send(KEY_0, word)
      site.settle(first)
    }
    first.worker.assign(NOTHING)
    site.settle(first)
    second.worker.assign(ACTIVE)
    for (let step = 0; step < 9; step++) {
      second.worker.step()
      assert.deepEqual(second.worker.owned.restoring, [ID])
    }
    site.send(KEY_0, 'more')
    site.settle(second)
    assert.deepEqual(site.told(KEY_0).at(-1), 11)
    assert.equal(second.measures.get('restoredRecords'), 10)
  })

  test('that was a task goes on from there, and may become one again, many times', async () => {
    const site = new TestWorkers()
    const small = { changelogRecords: 8 }
    let [active, standby] = [await site.add(ACTIVE, small), await site.add(STANDBY, small)]
    let count = 0
    for (let round = 0; round < 90; round++) {
      site.sendAll(many(5).map(n => [round % 3 === 0 ? `${n}-${round % 4}` : KEY_0, n]))
      if (round % 3 !== 0) count += 5
      site.settle(active, standby)
      assert.deepEqual(rowsOf(standby, ID), rowsOf(active, ID))
      swap(site, active, standby)
      ;[active, standby] = [standby, active]
    }
    assert.deepEqual(
      site.told(KEY_0),
      many(count).map(n => Number(n) + 1),
    )
    assert.ok(site.log.client().partition('counting.count.counts.changelog', 0).start > 0)
    const third = await site.add(STANDBY)
    site.settle(third)
    assert.deepEqual(rowsOf(third, ID)?.sort(), rowsOf(active, ID)?.sort())
  })

  test('does not grow, however long it follows', async () => {
    const site = new TestWorkers()
    const first = await site.add(ACTIVE, { changelogRecords: 100 })
    const second = await site.add(STANDBY)
    const follow = (units: number): number => {
      for (let unit = 0; unit < units; unit++) {
        site.sendAll(many(100).map(n => [`${n}-${unit % 3}`, 'word']))
        site.settle(first, second)
      }
      return bytesOf(second)
    }
    const early = follow(30)
    assert.equal(follow(150), early)
  })

  test('that was too slow begins anew, with what is there', async () => {
    const site = new TestWorkers()
    const first = await site.add(ACTIVE, { changelogRecords: 8 })
    const second = await site.add(STANDBY)
    site.send('gone', 'x')
    site.settle(first, second)
    for (const word of many(100)) {
      site.send(KEY_0, word)
      site.settle(first)
    }
    while (site.log.maintain());
    assert.ok(site.log.client().partition('counting.count.counts.changelog', 0).start > 50)
    site.settle(second)
    assert.deepEqual(second.worker.owned.standby, [{ id: ID, lag: 0 }])
    assert.deepEqual(rowsOf(second, ID)?.sort(), rowsOf(first, ID)?.sort())
    swap(site, first, second)
    site.send(KEY_0, 'more')
    site.settle(first, second)
    assert.equal(site.told(KEY_0).at(-1), 101)
  })

  test('stays when a unit of its worker fails; what ran is restored, as the latest assignment says', async () => {
    const site = new TestWorkers()
    const other = await site.add(ACTIVE)
    const first = await site.add({ active: ['count/1'], standby: [ID] })
    site.send(KEY_0, ...many(20))
    site.settle(other, first)
    const [standby] = first.worker.replicas
    site.send('d', '1')
    site.store.diskBytes = site.store.usedBytes()
    while (first.worker.state !== 'waiting') site.settle(first)
    // Until it starts again, units that it submitted before may be under way.
    assert.deepEqual(first.worker.owned.closing, ['count/1'])
    assert.equal([...first.worker.replicas][0], standby)
    site.store.diskBytes = Number.POSITIVE_INFINITY
    other.worker.assign(NOTHING)
    site.settle(other)
    first.worker.assign(BOTH)
    site.clock.advance(250)
    site.settle(first)
    assert.deepEqual(first.worker.owned.active, [ID, 'count/1'])
    assert.deepEqual([site.told(KEY_0).length, site.told('d')], [20, [1]])
    assert.equal(first.measures.get('restoredRecords'), 0)
  })

  test('of a worker that is short of memory does not take more', async () => {
    const site = new TestWorkers()
    const first = await site.add(ACTIVE)
    const second = await site.add(STANDBY, { memory: 1e6 })
    site.settle(first, second)
    second.budget.charge(950_000, true)
    site.send(KEY_0, 'x')
    site.settle(first, second)
    assert.equal(second.worker.owned.standby[0]?.lag, 1)
    second.budget.charge(-950_000)
    site.settle(second)
    assert.equal(second.worker.owned.standby[0]?.lag, 0)
  })

  test('reads rows of a version that came after it was started', async () => {
    const site = new TestWorkers()
    const old = await site.add(STANDBY)
    site.settle(old)
    const next = await site.add(ACTIVE, { app: counting(true) })
    site.send(KEY_0, 'x', 'y')
    site.settle(next, old)
    assert.deepEqual(rowsOf(next, ID), [{ count: 2, last: 'y', note: '' }])
    assert.deepEqual(rowsOf(old, ID), [{ count: 2, last: 'y' }])
    assert.equal(old.worker.problem, null)
  })
})
