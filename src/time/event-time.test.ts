import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { EventTime, type TimedInput } from './event-time.ts'
import { formatMark, RelayedTime, SourceTime, type TimeRules } from './input-time.ts'
import { formatStoredTime, parseStoredTime, type StoredTime } from './stored-time.ts'

const NONE = Number.NEGATIVE_INFINITY
const RULES: TimeRules = {
  outOfOrderness: 10,
  idleAfter: 100,
  maxAhead: Number.POSITIVE_INFINITY,
  maxJump: Number.POSITIVE_INFINITY,
}
const NOTHING: StoredTime = { newest: NONE, watermark: NONE, writers: [] }

const someTime = fc.oneof(fc.constant(NONE), fc.integer({ min: -1000, max: 2_000_000_000_000 }))

test('what is stored of time is found again', () => {
  fc.assert(
    fc.property(
      someTime,
      someTime,
      fc.array(fc.record({ watermark: someTime, isIdle: fc.boolean() }, { noNullPrototype: true }), {
        minLength: 2,
        maxLength: 20,
      }),
      (newest, watermark, writers) => {
        const stored = { newest, watermark, writers }
        assert.deepEqual(parseStoredTime(formatStoredTime(stored)), stored)
      },
    ),
  )
})

test('it fits into a position: writers that would not are left out', () => {
  const writers = Array.from({ length: 10_000 }, () => ({ watermark: 1_700_000_000_000, isIdle: true }))
  const text = formatStoredTime({ newest: 5, watermark: 6, writers })
  assert.deepEqual(parseStoredTime(text), { newest: 5, watermark: 6, writers: [] })
})

test('positions of releases that stored the newest timestamp alone are understood', () => {
  assert.deepEqual(parseStoredTime('1700000000000'), { newest: 1_700_000_000_000, watermark: NONE, writers: [] })
  assert.deepEqual(parseStoredTime(''), NOTHING)
})

test('it wakes when event time gets there by the wall clock, and not before', () => {
  fc.assert(
    fc.property(
      fc.array(
        fc.record({
          idleAfter: fc.constantFrom(50, 100, Number.POSITIVE_INFINITY),
          at: fc.integer({ min: 0, max: 500 }),
          silentFrom: fc.integer({ min: 0, max: 400 }),
        }),
        { minLength: 1, maxLength: 3 },
      ),
      fc.constantFrom(NONE, 200, 600),
      fc.integer({ min: 0, max: 1000 }),
      (given, before, deadline) => {
        const inputs = given.map(({ idleAfter, at }): TimedInput => {
          const time = new SourceTime({ ...RULES, idleAfter }, NOTHING)
          time.saw(at, 0)
          return { time, idleAfter }
        })
        const time = new EventTime(inputs, before)
        for (const [i, input] of inputs.entries()) time.silent(input, given[i]!.silentFrom)
        const isPassed = (now: number): boolean => time.target(now) >= deadline
        // From one wake to the next, as a task does that has nothing else to do.
        let now = Math.max(...given.map(({ silentFrom }) => silentFrom))
        for (let wakes = 0; !isPassed(now); wakes++) {
          const next = time.wakeAt(deadline, now)
          if (next === Number.POSITIVE_INFINITY) {
            assert.ok(!isPassed(now + 1_000_000), 'it would have passed, and nobody was woken')
            return
          }
          assert.ok(next > now, `it is woken at ${now} for nothing`)
          assert.ok(!isPassed(next - 1), `it passed before ${next}`)
          assert.ok(wakes <= inputs.length)
          now = next
        }
      },
    ),
  )
})

test('of inputs that are all idle, the last to become so says how far time is', () => {
  const [behind, ahead] = [10, 1000].map((at): TimedInput => {
    const time = new SourceTime({ ...RULES, outOfOrderness: 0 }, NOTHING)
    time.saw(at, 0)
    return { time, idleAfter: 100 }
  }) as [TimedInput, TimedInput]
  const time = new EventTime([behind, ahead], NONE)
  time.silent(behind, 0)
  time.silent(ahead, 50)
  assert.deepEqual(
    [99, 100, 149, 150, 250].map(now => time.target(now)),
    [10, 1000, 1000, 1100, 1200],
  )
  time.silent(behind, 300)
  assert.equal(time.target(300), 1250, 'another look at what is silent changes nothing')
  time.active(behind)
  time.silent(behind, 300)
  assert.equal(time.target(399), 10, 'it holds back again')
  assert.equal(time.target(400), 110)
})

test('after a restart in silence time goes on from where it was', () => {
  const input: TimedInput = { time: new SourceTime(RULES, { ...NOTHING, newest: 500 }), idleAfter: 100 }
  const time = new EventTime([input], 5000)
  time.silent(input, 10)
  assert.deepEqual(
    [109, 110, 210].map(now => time.target(now)),
    [5000, 5100, 5200],
  )
})

test('a watermark that writers tell is that of the slowest one with something to read', () => {
  const time = new RelayedTime(3, NOTHING)
  const tell = (writer: number, watermark: number, isIdle = false): void =>
    time.heard(formatMark(writer, { watermark, isIdle }))
  tell(0, 50)
  tell(1, 70)
  assert.equal(time.watermark, NONE)
  tell(2, NONE, true)
  assert.equal(time.watermark, 50)
  tell(0, 55, true)
  assert.equal(time.watermark, 70)
  tell(1, 90, true)
  assert.deepEqual([time.watermark, time.isIdle], [55, true])
  time.savepoint()
  tell(0, 95)
  assert.equal(time.watermark, 95)
  time.rollback()
  assert.equal(time.watermark, 55)
  for (const nonsense of ['', 'x', '9 5', '-1 5', '0']) time.heard(nonsense)
  assert.deepEqual(time.writers[1], { watermark: 90, isIdle: true })
})
