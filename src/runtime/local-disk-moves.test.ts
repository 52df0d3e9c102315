/** Disk tables whose tasks move between workers and machines. */
import assert from 'node:assert/strict'
import { rmSync } from 'node:fs'
import { afterEach, beforeEach, describe, test } from 'node:test'
import fc from 'fast-check'
import type { Log } from '../log/contract.ts'
import { readTopic } from '../testing/read-topic.ts'
import { ACTIVE, app, DiskSite, ID, many, STANDBY } from './test/machine.ts'
import { BOTH, counting, KEY_0, KEY_1, NOTHING, REMIND_MS, rowsOf, type TestWorker, words } from './test/workers.ts'

let site: DiskSite

beforeEach(() => {
  site = new DiskSite()
})

afterEach(() => site.remove())

describe('a standby of a disk table', () => {
  test('of an older version leaves rows of a newer one to the other workers of its machine', async () => {
    const old = await site.addAt(site.machine, STANDBY)
    const successor = await site.addAt(site.machine, NOTHING)
    const newer = await site.addAt(site.other, ACTIVE, { app: counting(true, 'disk') })
    site.send(KEY_0, 'new')
    site.settle(newer, old)
    assert.deepEqual(rowsOf(old, ID), [{ count: 1, last: 'new' }])
    newer.worker.assign(NOTHING)
    old.worker.assign(NOTHING)
    site.settle(newer, old)
    successor.worker.assign(ACTIVE)
    site.send(KEY_0, 'old')
    site.settle(successor)
    assert.equal(successor.measures.get('deadLetters'), 0)
    assert.equal(successor.measures.get('restoredRecords'), 0)
    assert.deepEqual(rowsOf(successor, ID), [{ count: 2, last: 'old' }])
  })

  test('is promoted without a restore', async () => {
    const first = await site.addAt(site.machine)
    const second = await site.addAt(site.other, STANDBY)
    site.send(KEY_0, ...many(50))
    site.settle(first, second)
    assert.deepEqual(second.worker.owned.standby, [{ id: ID, lag: 0 }])
    first.worker.assign(STANDBY)
    site.settle(first)
    second.worker.assign(ACTIVE)
    site.send(KEY_0, 'more')
    site.settle(first, second)
    assert.equal(second.measures.get('restoredRecords'), 0)
    assert.deepEqual(site.told(KEY_0).slice(-2), [50, 51])
    assert.deepEqual(rowsOf(first, ID), [{ count: 51, last: 'more' }])
    site.clock.advance(REMIND_MS + 1)
    site.settle(first, second)
    assert.deepEqual(rowsOf(first, ID), [{ count: 1051, last: 'more' }])
  })

  test('may have the store of the task that it follows, on the same machine', async () => {
    const first = await site.addAt(site.machine)
    const second = await site.addAt(site.machine, STANDBY)
    for (const word of many(20)) {
      site.send(KEY_0, word)
      site.send(KEY_0, word)
      site.settle(first, second)
      if (Number(word) % 3 === 0) site.clock.advance(REMIND_MS + 1)
      site.settle(second, first)
    }
    const expected = rowsOf(first, ID)
    assert.deepEqual(rowsOf(second, ID), expected)
    first.worker.assign(STANDBY)
    site.settle(first)
    second.worker.assign(ACTIVE)
    site.settle(first, second)
    site.send(KEY_0, 'more')
    site.settle(first, second)
    const [row] = rowsOf(second, ID)!
    assert.equal(row!.count, Number(expected![0]!.count) + 1)
    assert.deepEqual(rowsOf(first, ID), [row])
    assert.equal(second.worker.tasks[0]!.states[0]!.table.rows, 1)
    assert.equal(second.measures.get('restoredRecords'), 0)
  })
})

test('tasks that come back find their rows, also in another worker of the machine', async () => {
  const first = await site.addAt(site.machine, BOTH)
  const second = await site.addAt(site.machine, NOTHING)
  site.send(KEY_0, ...many(10))
  site.send(KEY_1, ...many(5))
  site.settle(first, second)
  first.worker.assign({ active: ['count/1'], standby: [] })
  site.settle(first)
  second.worker.assign(ACTIVE)
  site.settle(first, second)
  assert.equal(second.measures.get('restoredRecords'), 0)
  assert.deepEqual(rowsOf(second, ID), [{ count: 10, last: '9' }])
  assert.deepEqual(rowsOf(first, 'count/1'), [{ count: 5, last: '4' }])
})

const someEvent = fc.oneof(
  { weight: 5, arbitrary: fc.constantFrom('send', 'step', 'log') },
  { weight: 2, arbitrary: fc.constantFrom('settle', 'advance', 'forget') },
  { weight: 1, arbitrary: fc.constantFrom('crash', 'crash and lose', 'move', 'move and lose') },
)

test('whatever happens between steps, rows and what was told are those of one task that never stopped', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(someEvent, { maxLength: 60, size: 'max' }), async events => {
      const run = new DiskSite()
      const machines = [run.machine, run.other] as const
      let here = 0
      const start = (): Promise<TestWorker> => run.addAt(machines[here]!)
      try {
        let worker = await start()
        let word = 0
        for (const event of events) {
          if (event === 'send') run.send(KEY_0, String(word++))
          else if (event === 'forget') run.send(KEY_0, 'forget')
          else if (event === 'step') worker.worker.step()
          else if (event === 'log') run.log.step()
          else if (event === 'settle') run.settle(worker)
          else if (event === 'advance') run.clock.advance(10)
          else {
            await machines[here]!.end()
            // What was submitted may be committed, and nobody hears of it.
            run.log.step()
            if (event.endsWith('lose')) rmSync(machines[here]!.folder, { recursive: true, force: true })
            if (event.startsWith('move')) here = 1 - here
            worker = await start()
          }
        }
        run.settle(worker)
        let count = 0
        const expected = readTopic(run.log.client(), words).map(({ value }) => {
          count = value === 'forget' ? 0 : count + 1
          return value === 'forget' ? -1 : count
        })
        assert.deepEqual(run.told(KEY_0), expected)
        const counts = (): unknown[] => rowsOf(worker, ID)!.map(row => row.count)
        assert.deepEqual(counts(), count === 0 ? [] : [count])
        // Every second time its timer comes from the changelog, else from the store.
        await machines[here]!.end()
        if (events.length % 2 === 0) rmSync(machines[here]!.folder, { recursive: true, force: true })
        worker = await start()
        run.settle(worker)
        assert.equal(worker.worker.tasks[0]!.states[0]!.table.rows, count === 0 ? 0 : 1)
        run.clock.advance(REMIND_MS * 2)
        run.settle(worker)
        assert.deepEqual(counts(), count === 0 ? [] : [count + 1000])
      } finally {
        await run.remove()
      }
    }),
    { numRuns: 60 },
  )
})

test('without a folder, an application with disk tables is refused', async () => {
  const log = (inner: Log): Log =>
    new Proxy(inner, {
      get(target, name) {
        if (name === 'capabilities') return { ...target.capabilities, tables: false }
        const value: unknown = Reflect.get(target, name)
        return typeof value === 'function' ? value.bind(target) : value
      },
    })
  await assert.rejects(site.add(ACTIVE, { app, wrap: log }), { code: 'OPTION_INVALID' })
})
