import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { AldebaranError } from '../errors.ts'
import { partitionOf } from '../record/partitioner.ts'
import { BOTH, KEY_0, KEY_1, NOTHING, rowsOf, TestWorkers } from './test/workers.ts'

const many = (count: number, text = ''): string[] => Array.from({ length: count }, (_, n) => `${n}${text}`)
const FIRST = { active: ['count/0'], standby: [] }

describe('an assignment', () => {
  test('brings a task, whose tables are read back, while those that run go on as they are', async () => {
    const site = new TestWorkers()
    const before = await site.add(BOTH)
    site.send(KEY_0, '1')
    site.send(KEY_1, '1', '2')
    site.settle(before)
    before.worker.assign(NOTHING)
    site.settle(before)
    assert.deepEqual(before.worker.owned, { active: [], restoring: [], closing: [], standby: [] })

    const after = await site.add(FIRST)
    site.settle(after)
    const [task] = after.worker.tasks
    after.worker.assign(BOTH)
    assert.equal(after.worker.state, 'starting')
    site.send(KEY_0, '2')
    site.send(KEY_1, '3')
    site.settle(after)
    assert.equal(after.worker.state, 'running')
    assert.deepEqual(after.worker.owned.active, ['count/0', 'count/1'])
    assert.equal(after.worker.tasks[0], task)
    assert.deepEqual(site.told(KEY_0), [1, 2])
    assert.deepEqual(site.told(KEY_1), [1, 2, 3])
    assert.deepEqual(after.reports, ['tasks are running', 'tasks are running'])
  })

  test('restores a large table in steps, between which other tasks work', async () => {
    const site = new TestWorkers()
    const before = await site.add(FIRST)
    for (let unit = 0; unit < 20; unit++) {
      site.send(KEY_0, ...many(10))
      site.settle(before)
    }
    const after = await site.add({ active: ['count/1'], standby: [] }, { restoreBytes: 1 })
    site.settle(after)
    after.worker.assign(BOTH)
    before.worker.assign(NOTHING)
    site.settle(before)
    let steps = 0
    for (; after.worker.owned.active.length < 2; steps++) {
      site.send(KEY_1, 'x')
      assert.deepEqual(after.worker.owned.restoring, steps === 0 ? [] : ['count/0'])
      after.worker.step()
      site.log.step()
    }
    assert.ok(steps > 15, `${steps} steps`)
    site.settle(after)
    assert.equal(site.told(KEY_1).length, steps)
    assert.deepEqual(rowsOf(after, 'count/0'), [{ count: 200, last: '9' }])
  })

  test('takes a task away when the unit with its last work is committed', async () => {
    const site = new TestWorkers()
    const first = await site.add(BOTH)
    site.settle(first)
    site.send(KEY_0, '1')
    first.worker.step()
    first.worker.assign({ active: ['count/1'], standby: [] })
    site.send(KEY_0, 'unread')
    site.send(KEY_1, '1')
    for (let step = 0; step < 10; step++) first.worker.step()
    // Submitted, and not committed: the log was not stepped.
    assert.deepEqual(first.worker.owned.closing, ['count/0'])
    assert.equal(first.worker.state, 'running')
    site.settle(first)
    assert.deepEqual(first.worker.owned, { active: ['count/1'], restoring: [], closing: [], standby: [] })
    assert.deepEqual([site.told(KEY_0), site.told(KEY_1)], [[1], [1]])
    assert.equal(first.measures.table(0).rows, 0)
  })

  test('counts only as the latest, however often it changes before a step', async () => {
    const site = new TestWorkers()
    const first = await site.add(BOTH)
    site.send(KEY_0, '1')
    site.settle(first)
    const [task] = first.worker.tasks
    first.worker.assign(NOTHING)
    first.worker.assign({ active: ['count/1'], standby: ['count/0'] })
    first.worker.assign(BOTH)
    site.settle(first)
    assert.equal(first.worker.tasks[0], task)
    // It leaves, and is wanted again before it has left: its tables are not read again.
    site.send(KEY_0, '2')
    first.worker.step()
    first.worker.assign(NOTHING)
    first.worker.step()
    first.worker.assign(FIRST)
    first.worker.step()
    assert.deepEqual(first.worker.owned.closing, ['count/0', 'count/1'])
    site.settle(first)
    site.send(KEY_0, '3')
    site.settle(first)
    assert.deepEqual(first.worker.owned, { active: ['count/0'], restoring: [], closing: [], standby: [] })
    assert.deepEqual(site.told(KEY_0), [1, 2, 3])
    assert.equal(first.measures.get('restoredRecords'), 0)
  })

  test('of a task that there is not is refused', async () => {
    const { worker } = await new TestWorkers().add(NOTHING)
    assert.throws(() => worker.assign({ active: ['count/7'], standby: [] }), { code: 'OPTION_INVALID' })
    worker.step()
    assert.equal(worker.state, 'running')
  })

  test('gives all memory of a task back when it leaves', async () => {
    const site = new TestWorkers()
    const first = await site.add(NOTHING)
    site.settle(first)
    const empty = first.budget.used
    first.worker.assign(BOTH)
    site.send(KEY_0, ...many(100, 'x'.repeat(500)))
    site.settle(first)
    assert.ok(first.budget.used > empty + 1000)
    first.worker.assign({ active: [], standby: ['count/0'] })
    site.settle(first)
    first.worker.assign(NOTHING)
    site.settle(first)
    assert.ok(Math.abs(first.budget.used - empty) <= 1024, `${first.budget.used} bytes, not ${empty}`)
  })
})

test('a task that finds no memory to be restored holds up no other, and is tried again', async () => {
  const site = new TestWorkers()
  const before = await site.add(BOTH)
  const keys = many(300).filter(key => partitionOf(Buffer.from(key), 0, key.length, 2) === 1)
  site.sendAll(keys.map(key => [key, key.padEnd(1000)]))
  site.settle(before)
  before.worker.assign(NOTHING)
  site.settle(before)

  const after = await site.add(NOTHING, { memory: 1e6 })
  after.budget.charge(850_000)
  after.worker.assign(BOTH)
  site.settle(after)
  const { problem } = after.worker
  assert.equal((problem as AldebaranError).code, 'MEMORY_BUDGET')
  assert.deepEqual(after.worker.owned, { active: ['count/0'], restoring: ['count/1'], closing: [], standby: [] })
  assert.equal(after.worker.state, 'starting')
  after.budget.charge(-850_000)
  site.settle(after)
  assert.deepEqual(after.worker.owned.active, ['count/0'])
  site.clock.advance(250)
  site.settle(after)
  assert.deepEqual(after.worker.owned.active, ['count/0', 'count/1'])
  assert.equal(after.worker.problem, null)
  assert.equal(after.reports.filter(message => /could not be restored/.test(message)).length, 1)
})
