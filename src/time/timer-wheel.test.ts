import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { TimerWheel } from './timer-wheel.ts'

const STRIDE = 6

/** A wheel with its own rows: deadline, then sequence, next, previous. */
function wheelOf(nodes: number): TimerWheel {
  const rows = new ArrayBuffer((nodes + 1) * STRIDE * 4)
  const words = { stride: STRIDE, deadline: 0, sequence: 2, next: 3, previous: 4 }
  return new TimerWheel(words, new Int32Array(rows), new Float64Array(rows))
}

/** Sorted by deadline, equal ones by the order they were set. */
class SortedModel {
  readonly timers = new Map<number, { deadline: number; sequence: number }>()

  first(): { node: number; deadline: number } | undefined {
    let best: { node: number; deadline: number; sequence: number } | undefined
    for (const [node, { deadline, sequence }] of this.timers) {
      if (best === undefined || deadline < best.deadline || (deadline === best.deadline && sequence < best.sequence)) {
        best = { node, deadline, sequence }
      }
    }
    return best
  }
}

const NODES = 24
/** Deadlines that are dense, that lie at the borders of levels, and that are far. */
const someDeadline = fc.oneof(
  fc.integer({ min: 1, max: 40 }),
  fc.integer({ min: 1, max: 2000 }),
  fc.constantFrom(255, 256, 257, 65535, 65536, 65537, 2 ** 24, 2 ** 32 - 1, 2 ** 32, 2 ** 32 + 1, 2 ** 40, 2 ** 48),
  fc.integer({ min: 1_700_000_000_000, max: 1_700_000_100_000 }),
  fc.constant(Number.MAX_SAFE_INTEGER),
)

const someStep = fc.oneof(
  { weight: 4, arbitrary: fc.tuple(fc.constant('set'), fc.integer({ min: 1, max: NODES }), someDeadline) },
  { weight: 1, arbitrary: fc.tuple(fc.constant('cancel'), fc.integer({ min: 1, max: NODES }), fc.constant(0)) },
  { weight: 2, arbitrary: fc.tuple(fc.constant('advance'), fc.constant(0), someDeadline) },
)

test('fires as a sorted array does, whatever is set, moved and cancelled while the clock goes on and back', () => {
  fc.assert(
    fc.property(fc.array(someStep, { maxLength: 120, size: 'max' }), steps => {
      const wheel = wheelOf(NODES)
      const model = new SortedModel()
      let sequence = 2 ** 31 - 20 // wraps on the way
      let order = 0
      for (const [step, node, time] of steps) {
        if (step === 'set') {
          sequence = (sequence + 1) | 0
          wheel.set(node, time, sequence)
          model.timers.set(node, { deadline: time, sequence: order++ })
        } else if (step === 'cancel') {
          wheel.cancel(node)
          model.timers.delete(node)
        } else {
          for (;;) {
            const due = wheel.due(time)
            const expected = model.first()
            if (expected === undefined || expected.deadline > time) {
              assert.equal(due, 0)
              break
            }
            assert.equal(due, expected.node)
            assert.equal(wheel.deadlineOf(due), expected.deadline)
            wheel.cancel(due)
            model.timers.delete(due)
          }
        }
        assert.equal(wheel.count, model.timers.size)
        const next = wheel.nextDeadline()
        const expected = model.first()?.deadline ?? Number.POSITIVE_INFINITY
        assert.ok(next <= expected, `${next} is after ${expected}`)
        assert.ok(next === expected || next > expected - 1000, `${next} is long before ${expected}`)
      }
    }),
    { numRuns: 400 },
  )
})

test('a timer hung again with its old sequence fires where it would have', () => {
  const wheel = wheelOf(3)
  wheel.set(1, 5000, 1)
  wheel.set(2, 5000, 2)
  wheel.set(3, 5000, 3)
  wheel.cancel(2)
  wheel.cancel(1)
  wheel.set(1, 5000, 1)
  wheel.set(2, 5000, 2)
  const fired: number[] = []
  for (let node = wheel.due(5000); node !== 0; node = wheel.due(5000)) {
    fired.push(node)
    wheel.cancel(node)
  }
  assert.deepEqual(fired, [1, 2, 3])
})

test('after the clock was set back, timers set by it fire in order', () => {
  const count = 2000
  const wheel = wheelOf(count)
  wheel.set(1, 10_000_000, 1)
  assert.equal(wheel.due(9_000_000), 0)
  for (let node = 2; node <= count; node++) wheel.set(node, 5_000_000 + ((node * 7919) % count), node)
  assert.equal(wheel.due(1_000_000), 0)
  let previous = 0
  let fired = 0
  for (let node = wheel.due(20_000_000); node !== 0; node = wheel.due(20_000_000)) {
    const deadline = wheel.deadlineOf(node)
    assert.ok(deadline >= previous)
    previous = deadline
    wheel.cancel(node)
    fired++
  }
  assert.equal(fired, count)
})

test('the bound of the next deadline follows the earliest timer when it is moved away', () => {
  const wheel = wheelOf(3)
  wheel.set(1, 10_000_000, 1)
  wheel.set(2, 10_030_000, 2)
  assert.equal(wheel.nextDeadline(), 10_000_000)
  wheel.set(1, 90_000_000, 3)
  assert.equal(wheel.nextDeadline(), 10_030_000)
  wheel.set(3, 10_020_000, 4)
  assert.equal(wheel.nextDeadline(), 10_020_000)
})
