import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { CommitUnit, Log, LogCapabilities } from '../log/contract.ts'
import { BOTH, KEY_0, REMIND_MS, TestWorkers } from './test/workers.ts'

/** The same log, as one that fences in another way; what is submitted is noted. */
function fencing(log: Log, way: LogCapabilities['fencing'], units: CommitUnit[]): Log {
  const submit: Log['submit'] = (unit, done) => {
    units.push(unit)
    log.submit(unit, done)
  }
  const capabilities: LogCapabilities = { ...log.capabilities, fencing: way }
  return new Proxy(log, {
    get(_, name) {
      if (name === 'submit') return submit
      if (name === 'capabilities') return capabilities
      const value: unknown = Reflect.get(log, name, log)
      return typeof value === 'function' ? value.bind(log) : value
    },
  })
}

/** What the units say of positions, each as 'partition:offset'. */
async function positionsOf(way: LogCapabilities['fencing']): Promise<string[][]> {
  const site = new TestWorkers()
  const units: CommitUnit[] = []
  const worker = await site.add(BOTH, { wrap: log => fencing(log, way, units) })
  site.send(KEY_0, 'x')
  site.settle(worker)
  site.send(KEY_0, 'y')
  site.settle(worker)
  site.clock.advance(REMIND_MS + 1)
  site.settle(worker)
  return units.map(unit => unit.positions!.map(({ partition, offset }) => `${partition}:${offset}`))
}

test('where the log fences by positions, a unit has those of every task that did anything, timers too', async () => {
  // Of a task that never read anything the first unit says where it stands.
  assert.deepEqual(await positionsOf('positions'), [['0:1', '1:0'], ['0:2'], ['0:2']])
})

test('where it does not, a unit has those that moved', async () => {
  assert.deepEqual(await positionsOf('none'), [['0:1', '1:0'], ['0:2'], []])
})
