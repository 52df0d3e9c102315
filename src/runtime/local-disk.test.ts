/** Disk tables beside a log whose units cannot carry their rows: workers of two machines, each with a folder. */
import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, test } from 'node:test'
import fc from 'fast-check'
import type { Log } from '../log/contract.ts'
import { LocalTableFolder } from '../log/local-table-folder.ts'
import { readTopic } from '../testing/read-topic.ts'
import type { Clock } from '../time/clock.ts'
import type { Assignment } from './assignment.ts'
import {
  BOTH,
  counting,
  KEY_0,
  KEY_1,
  NOTHING,
  REMIND_MS,
  rowsOf,
  type TestWorker,
  TestWorkers,
  words,
} from './test/workers.ts'

const ID = 'count/0'
const ACTIVE = { active: [ID], standby: [] }
const STANDBY = { active: [], standby: [ID] }
const CHANGELOG = 'counting.count.counts.changelog'
const many = (count: number): string[] => Array.from({ length: count }, (_, n) => String(n))

/** A machine: its folder, and what was opened there. */
class Machine {
  readonly folder = mkdtempSync(join(tmpdir(), 'aldebaran-disk-'))
  identity = 'topic 1'
  readonly #clock: Clock
  #opened: LocalTableFolder[] = []

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** For one thread. */
  wrap(): (log: Log) => Log {
    const { folder } = this
    const tables = new LocalTableFolder({ folder, clock: this.#clock, identityOf: () => this.identity })
    this.#opened.push(tables)
    return log =>
      new Proxy(log, {
        get(target, name) {
          if (name === 'capabilities') return { ...target.capabilities, tables: false }
          if (name === 'localTables') return tables
          if (name === 'tableGet' || name === 'tableRange') throw new Error('this log has no tables')
          const value: unknown = Reflect.get(target, name)
          return typeof value === 'function' ? value.bind(target) : value
        },
      })
  }

  /** Everything there is closed, as when the process ends. */
  async end(): Promise<void> {
    await Promise.all(this.#opened.map(tables => tables.close()))
    this.#opened = []
  }

  get store(): string {
    return join(this.folder, CHANGELOG, '0', 'store.mdb')
  }

  async remove(): Promise<void> {
    await this.end()
    rmSync(this.folder, { recursive: true, force: true })
  }
}

const app = counting(false, 'disk')
let site: TestWorkers
let machine: Machine
let other: Machine

beforeEach(() => {
  site = new TestWorkers()
  machine = new Machine(site.clock)
  other = new Machine(site.clock)
})

afterEach(async () => {
  await machine.remove()
  await other.remove()
})

function add(at: Machine, assignment: Assignment = ACTIVE, more: object = {}): Promise<TestWorker> {
  return site.add(assignment, { app, wrap: at.wrap(), ...more })
}

/** Its process ends in an orderly way. */
async function end(worker: TestWorker, at: Machine): Promise<void> {
  worker.worker.stop()
  site.settle(worker)
  assert.equal(worker.worker.state, 'stopped')
  await at.end()
}

/** 100 units, and the process ends. */
async function prepared(): Promise<void> {
  const worker = await add(machine)
  for (const word of many(100)) {
    site.send(KEY_0, word)
    site.settle(worker)
  }
  await end(worker, machine)
}

const WARNING = 'the rows of a disk table on this machine are not used; they are read from the changelog'

async function assertRestored(records: number, counted = 100): Promise<TestWorker> {
  const worker = await add(machine)
  site.settle(worker)
  assert.equal(worker.measures.get('restoredRecords'), records)
  assert.deepEqual(rowsOf(worker, ID), [{ count: counted, last: '99' }])
  return worker
}

describe('a disk table beside the log', () => {
  test('is read from its folder after a restart, and from the changelog only what is not there', async () => {
    await prepared()
    const again = await assertRestored(0)
    assert.deepEqual(again.reports, ['tasks are running'])
    await end(again, machine)

    const elsewhere = await add(other)
    site.send(KEY_0, 'x', 'y')
    site.settle(elsewhere)
    assert.equal(elsewhere.measures.get('restoredRecords'), 100)
    await end(elsewhere, other)

    const back = await add(machine)
    site.settle(back)
    assert.equal(back.measures.get('restoredRecords'), 1)
    assert.deepEqual(rowsOf(back, ID), [{ count: 102, last: 'y' }])
  })

  test('whose process ends within units has what was committed, once', async () => {
    const worker = await add(machine)
    site.send(KEY_0, '1', '2')
    site.settle(worker)
    site.send(KEY_0, '3')
    // The unit is submitted, and nobody hears whether it is committed.
    for (let step = 0; step < 3; step++) worker.worker.step()
    await machine.end()
    site.log.step()
    const again = await add(machine)
    site.settle(again)
    assert.deepEqual(site.told(KEY_0), [1, 2, 3])
    assert.deepEqual(rowsOf(again, ID), [{ count: 3, last: '3' }])
    assert.equal(again.measures.get('restoredRecords'), 1)
  })

  test('keeps a row deleted that was deleted elsewhere meanwhile, and forgets its timer', async () => {
    await prepared()
    const elsewhere = await add(other)
    site.send(KEY_0, 'forget')
    site.settle(elsewhere)
    assert.equal(site.told(KEY_0).at(-1), -1)
    await end(elsewhere, other)
    const back = await add(machine)
    site.settle(back)
    assert.deepEqual(rowsOf(back, ID), [])
    assert.equal(back.worker.tasks[0]!.states[0]!.table.rows, 0)
    site.clock.advance(REMIND_MS * 2)
    site.settle(back)
    assert.deepEqual(rowsOf(back, ID), [])
    assert.equal(back.measures.get('timersFired'), 0)
  })

  test('has its timers after a restart, and after it was read from the changelog', async () => {
    await prepared()
    const again = await assertRestored(0)
    site.clock.advance(REMIND_MS + 1)
    site.settle(again)
    assert.deepEqual(rowsOf(again, ID), [{ count: 1100, last: '99' }])
    site.send(KEY_0, 'more')
    site.settle(again)
    await end(again, machine)
    const elsewhere = await add(other)
    site.settle(elsewhere)
    site.clock.advance(REMIND_MS + 1)
    site.settle(elsewhere)
    assert.deepEqual(rowsOf(elsewhere, ID), [{ count: 2101, last: 'more' }])
    assert.equal(elsewhere.measures.get('timersFired'), 1)
  })

  test('whose folder is gone is read from the changelog', async () => {
    await prepared()
    rmSync(machine.folder, { recursive: true })
    const worker = await assertRestored(100)
    assert.deepEqual(worker.reports, ['tasks are running'])
  })

  const damages: [what: string, how: (store: string) => void][] = [
    ['is cut', store => writeFileSync(store, readFileSync(store).subarray(0, 5000))],
    ['is not one', store => writeFileSync(store, Buffer.alloc(100_000, 'x'))],
    ['is empty', store => writeFileSync(store, '')],
  ]
  for (const [what, damage] of damages) {
    test(`whose store ${what} is read from the changelog`, async () => {
      await prepared()
      damage(machine.store)
      const worker = await assertRestored(100)
      assert.deepEqual(worker.reports, [WARNING, 'tasks are running'])
    })
  }

  test('never gives a row that was changed on the disk: the table is read from the changelog', async () => {
    await prepared()
    const bytes = readFileSync(machine.store)
    const at = Buffer.from('99')
    let changed = 0
    for (let place = bytes.indexOf(at); place >= 0; place = bytes.indexOf(at, place + 1)) {
      bytes.write('77', place)
      changed++
    }
    assert.ok(changed > 0)
    writeFileSync(machine.store, bytes)
    const worker = await add(machine)
    site.settle(worker)
    assert.deepEqual(worker.worker.owned.active, [ID])
    site.send(KEY_0, 'more')
    site.settle(worker)
    site.clock.advance(REMIND_MS / 2)
    site.settle(worker)
    assert.deepEqual(site.told(KEY_0).slice(-2), [100, 101])
    assert.equal(worker.measures.get('deadLetters'), 0)
    assert.equal(worker.measures.get('restarts'), 1)
  })

  test('is not taken for one of another topic of its name, or one with other timers', async () => {
    await prepared()
    machine.identity = 'topic 2'
    const worker = await assertRestored(100)
    assert.deepEqual(worker.reports, [WARNING, 'tasks are running'])
  })

  test('that is older than records of deletions are kept is read from the changelog, if that has more', async () => {
    await prepared()
    site.clock.advance(8 * 86_400_000)
    const same = await add(machine)
    site.settle(same)
    assert.equal(same.measures.get('restoredRecords'), 0)
    await end(same, machine)
    const elsewhere = await add(other)
    site.send(KEY_0, 'x', 'y')
    site.settle(elsewhere)
    site.send(KEY_0, 'z')
    site.settle(elsewhere)
    await end(elsewhere, other)
    site.clock.advance(8 * 86_400_000)
    const back = await add(machine)
    site.settle(back)
    assert.ok(back.reports.includes(WARNING))
    assert.equal(back.worker.tasks[0]!.states[0]!.table.rows, 1)
  })

  test('may become a memory table, and that a disk table again', async () => {
    await prepared()
    const memory = await add(other, ACTIVE, { app: counting() })
    site.settle(memory)
    assert.deepEqual(rowsOf(memory, ID), [{ count: 100, last: '99' }])
    site.send(KEY_0, 'in memory')
    site.settle(memory)
    await end(memory, other)
    for (const at of [machine, other]) {
      const disk = await add(at)
      site.settle(disk)
      assert.deepEqual(rowsOf(disk, ID), [{ count: 101, last: 'in memory' }])
      assert.ok(disk.worker.tasks[0]!.nextDeadline() > site.clock.now())
      await end(disk, at)
    }
  })

  test('reads rows of an older form, and writes those of the new one', async () => {
    await prepared()
    const newer = await add(machine, ACTIVE, { app: counting(true, 'disk') })
    site.send(KEY_0, 'new')
    site.settle(newer)
    assert.equal(newer.measures.get('restoredRecords'), 0)
    assert.deepEqual(rowsOf(newer, ID), [{ count: 101, last: 'new', note: '' }])
    await end(newer, machine)
    const older = await add(other)
    site.settle(older)
    assert.deepEqual(rowsOf(older, ID), [{ count: 101, last: 'new' }])
  })
})

describe('a standby of a disk table', () => {
  test('of an older version leaves rows of a newer one to the other workers of its machine', async () => {
    const old = await add(machine, STANDBY)
    const successor = await add(machine, NOTHING)
    const newer = await add(other, ACTIVE, { app: counting(true, 'disk') })
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
    const first = await add(machine)
    const second = await add(other, STANDBY)
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
    const first = await add(machine)
    const second = await add(machine, STANDBY)
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
  const first = await add(machine, BOTH)
  const second = await add(machine, NOTHING)
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
      const run = new TestWorkers()
      const machines = [new Machine(run.clock), new Machine(run.clock)] as const
      let here = 0
      const start = (): Promise<TestWorker> => run.add(ACTIVE, { app, wrap: machines[here]!.wrap() })
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
        for (const at of machines) await at.remove()
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
