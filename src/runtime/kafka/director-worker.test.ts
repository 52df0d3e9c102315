import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type AssignedWorker, type Assignment, NOTHING_OWNED, type Owned } from '../assignment.ts'
import { DirectedWorker } from './director-worker.ts'

/** Shows what it has when it is told to, as a thread that is behind. */
class SlowWorker implements AssignedWorker {
  owned: Owned = NOTHING_OWNED
  readonly assigned: Assignment[] = []
  #listener: () => void = () => {}

  assign(assignment: Assignment): void {
    this.assigned.push(assignment)
  }

  onOwned(listener: () => void): void {
    this.#listener = listener
  }

  show(owned: Partial<Owned>): void {
    this.owned = { ...NOTHING_OWNED, ...owned }
    this.#listener()
  }
}

function active(...tasks: string[]): Assignment {
  return { active: tasks, standby: [] }
}

test('a worker is handed the sum of what its groups want, each task once', () => {
  const worker = new SlowWorker()
  const directed = new DirectedWorker(worker)
  directed.want('a', { active: ['a/0'], standby: ['a/1'] })
  worker.show({ active: ['a/0'] })
  directed.want('b', { active: ['b/0'], standby: ['b/1', 'b/0'] })
  assert.deepEqual(worker.assigned.at(-1), { active: ['a/0', 'b/0'], standby: ['a/1', 'b/1'] })
  directed.close()
})

test('a task is held from when it is handed over until it is closed', () => {
  const worker = new SlowWorker()
  const directed = new DirectedWorker(worker)
  directed.want('a', active('a/0', 'a/1'))
  assert.deepEqual([...directed.held].sort(), ['a/0', 'a/1'])
  worker.show({ restoring: ['a/0', 'a/1'] })
  directed.want('a', active('a/0'))
  assert.ok(directed.held.has('a/1'))
  worker.show({ active: ['a/0'], closing: ['a/1'] })
  assert.ok(directed.held.has('a/1'))
  worker.show({ active: ['a/0'] })
  assert.deepEqual([...directed.held], ['a/0'])
  directed.close()
})

test('a task that is taken away before the worker has heard of it is held until the worker has closed it', () => {
  const worker = new SlowWorker()
  const directed = new DirectedWorker(worker)
  directed.want('a', active('a/0'))
  directed.want('a', active())
  assert.equal(worker.assigned.length, 1)
  assert.ok(directed.held.has('a/0'))
  worker.show({ standby: [{ id: 'a/1', lag: 0 }] })
  assert.ok(directed.held.has('a/0'))
  worker.show({ restoring: ['a/0'] })
  assert.deepEqual(worker.assigned.at(-1), active())
  assert.ok(directed.held.has('a/0'))
  worker.show({})
  assert.equal(directed.held.size, 0)
  directed.close()
})

test('a task that comes back while it is being closed is held, whatever was told before', () => {
  const worker = new SlowWorker()
  const directed = new DirectedWorker(worker)
  directed.want('a', active('a/0'))
  worker.show({ active: ['a/0'] })
  directed.want('a', active())
  directed.want('a', active('a/0'))
  worker.show({ active: ['a/0'] })
  assert.equal(worker.assigned.length, 2)
  worker.show({ closing: ['a/0'] })
  assert.deepEqual(worker.assigned.at(-1), active('a/0'))
  directed.want('a', active())
  worker.show({})
  assert.ok(directed.held.has('a/0'), 'the worker has not begun it again yet')
  worker.show({ restoring: ['a/0'] })
  assert.deepEqual(worker.assigned.at(-1), active())
  worker.show({})
  assert.equal(directed.held.size, 0)
  directed.close()
})

test('what one damaged task keeps silent about is handed on after a while', t => {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const worker = new SlowWorker()
  const directed = new DirectedWorker(worker)
  directed.want('a', active('a/0'))
  directed.want('a', active('a/1'))
  assert.equal(worker.assigned.length, 1)
  t.mock.timers.tick(5000)
  assert.deepEqual(worker.assigned.at(-1), active('a/1'))
  directed.close()
})
