/** What a disk table finds in its folder, beside a log whose units cannot carry its rows. */
import assert from 'node:assert/strict'
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { afterEach, beforeEach, describe, test } from 'node:test'
import { ACTIVE, DiskSite, ID, type Machine, many } from './test/machine.ts'
import { counting, KEY_0, REMIND_MS, rowsOf, type TestWorker } from './test/workers.ts'

let site: DiskSite

beforeEach(() => {
  site = new DiskSite()
})

afterEach(() => site.remove())

/** Its process ends in an orderly way. */
async function end(worker: TestWorker, at: Machine): Promise<void> {
  worker.worker.stop()
  site.settle(worker)
  assert.equal(worker.worker.state, 'stopped')
  await at.end()
}

/** 100 units, and the process ends. */
async function prepared(): Promise<void> {
  const worker = await site.addAt(site.machine)
  for (const word of many(100)) {
    site.send(KEY_0, word)
    site.settle(worker)
  }
  await end(worker, site.machine)
}

const WARNING = 'the rows of a disk table on this machine are not used; they are read from the changelog'

async function assertRestored(records: number, counted = 100): Promise<TestWorker> {
  const worker = await site.addAt(site.machine)
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
    await end(again, site.machine)

    const elsewhere = await site.addAt(site.other)
    site.send(KEY_0, 'x', 'y')
    site.settle(elsewhere)
    assert.equal(elsewhere.measures.get('restoredRecords'), 100)
    await end(elsewhere, site.other)

    const back = await site.addAt(site.machine)
    site.settle(back)
    assert.equal(back.measures.get('restoredRecords'), 1)
    assert.deepEqual(rowsOf(back, ID), [{ count: 102, last: 'y' }])
  })

  test('whose process ends within units has what was committed, once', async () => {
    const worker = await site.addAt(site.machine)
    site.send(KEY_0, '1', '2')
    site.settle(worker)
    site.send(KEY_0, '3')
    // The unit is submitted, and nobody hears whether it is committed.
    for (let step = 0; step < 3; step++) worker.worker.step()
    await site.machine.end()
    site.log.step()
    const again = await site.addAt(site.machine)
    site.settle(again)
    assert.deepEqual(site.told(KEY_0), [1, 2, 3])
    assert.deepEqual(rowsOf(again, ID), [{ count: 3, last: '3' }])
    assert.equal(again.measures.get('restoredRecords'), 1)
  })

  test('keeps a row deleted that was deleted elsewhere meanwhile, and forgets its timer', async () => {
    await prepared()
    const elsewhere = await site.addAt(site.other)
    site.send(KEY_0, 'forget')
    site.settle(elsewhere)
    assert.equal(site.told(KEY_0).at(-1), -1)
    await end(elsewhere, site.other)
    const back = await site.addAt(site.machine)
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
    await end(again, site.machine)
    const elsewhere = await site.addAt(site.other)
    site.settle(elsewhere)
    site.clock.advance(REMIND_MS + 1)
    site.settle(elsewhere)
    assert.deepEqual(rowsOf(elsewhere, ID), [{ count: 2101, last: 'more' }])
    assert.equal(elsewhere.measures.get('timersFired'), 1)
  })

  test('whose folder is gone is read from the changelog', async () => {
    await prepared()
    rmSync(site.machine.folder, { recursive: true })
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
      damage(site.machine.store)
      const worker = await assertRestored(100)
      assert.deepEqual(worker.reports, [WARNING, 'tasks are running'])
    })
  }

  test('never gives a row that was changed on the disk: the table is read from the changelog', async () => {
    await prepared()
    const bytes = readFileSync(site.machine.store)
    const at = Buffer.from('99')
    let changed = 0
    for (let place = bytes.indexOf(at); place >= 0; place = bytes.indexOf(at, place + 1)) {
      bytes.write('77', place)
      changed++
    }
    assert.ok(changed > 0)
    writeFileSync(site.machine.store, bytes)
    const worker = await site.addAt(site.machine)
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
    site.machine.identity = 'topic 2'
    const worker = await assertRestored(100)
    assert.deepEqual(worker.reports, [WARNING, 'tasks are running'])
  })

  test('that is older than records of deletions are kept is read from the changelog, if that has more', async () => {
    await prepared()
    site.clock.advance(8 * 86_400_000)
    const same = await site.addAt(site.machine)
    site.settle(same)
    assert.equal(same.measures.get('restoredRecords'), 0)
    await end(same, site.machine)
    const elsewhere = await site.addAt(site.other)
    site.send(KEY_0, 'x', 'y')
    site.settle(elsewhere)
    site.send(KEY_0, 'z')
    site.settle(elsewhere)
    await end(elsewhere, site.other)
    site.clock.advance(8 * 86_400_000)
    const back = await site.addAt(site.machine)
    site.settle(back)
    assert.ok(back.reports.includes(WARNING))
    assert.equal(back.worker.tasks[0]!.states[0]!.table.rows, 1)
  })

  test('may become a memory table, and that a disk table again', async () => {
    await prepared()
    const memory = await site.addAt(site.other, ACTIVE, { app: counting() })
    site.settle(memory)
    assert.deepEqual(rowsOf(memory, ID), [{ count: 100, last: '99' }])
    site.send(KEY_0, 'in memory')
    site.settle(memory)
    await end(memory, site.other)
    for (const at of [site.machine, site.other]) {
      const disk = await site.addAt(at)
      site.settle(disk)
      assert.deepEqual(rowsOf(disk, ID), [{ count: 101, last: 'in memory' }])
      assert.ok(disk.worker.tasks[0]!.nextDeadline() > site.clock.now())
      await end(disk, at)
    }
  })

  test('reads rows of an older form, and writes those of the new one', async () => {
    await prepared()
    const newer = await site.addAt(site.machine, ACTIVE, { app: counting(true, 'disk') })
    site.send(KEY_0, 'new')
    site.settle(newer)
    assert.equal(newer.measures.get('restoredRecords'), 0)
    assert.deepEqual(rowsOf(newer, ID), [{ count: 101, last: 'new', note: '' }])
    await end(newer, site.machine)
    const older = await site.addAt(site.other)
    site.settle(older)
    assert.deepEqual(rowsOf(older, ID), [{ count: 101, last: 'new' }])
  })
})
