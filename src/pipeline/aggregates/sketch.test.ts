import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { DDSketch } from '@datadog/sketches-js'
import fc from 'fast-check'
import { RECENT_VALUES, Sketch } from './sketch.ts'

const QS = [0, 0.01, 0.25, 0.5, 0.75, 0.99, 1]
const EMPTY = Buffer.alloc(0)

interface State {
  recent: Buffer
  bins: Buffer
}

function add(sketch: Sketch, state: State, value: number): void {
  if (sketch.isFull(state.recent)) {
    state.bins = Buffer.from(sketch.fold(state.bins, state.recent, value))
    state.recent = EMPTY
  } else state.recent = Buffer.from(sketch.append(state.recent, value))
}

function stateOf(sketch: Sketch, values: Iterable<number>): State {
  const state = { recent: EMPTY, bins: EMPTY }
  for (const value of values) add(sketch, state, value)
  return state
}

const answers = (sketch: Sketch, { bins, recent }: State) => sketch.quantiles(bins, recent, QS)

const signed = fc
  .tuple(fc.double({ min: 1e-6, max: 1e6, noNaN: true }), fc.constantFrom(1, -1, 0))
  .map(([n, s]) => n * s)
const accuracy = fc.constantFrom(0.001, 0.01, 0.1)

describe('a sketch', () => {
  test('answers as the one of the library does', () => {
    fc.assert(
      fc.property(fc.array(signed, { minLength: RECENT_VALUES + 1, maxLength: 300 }), accuracy, (values, relative) => {
        const sketch = new Sketch(relative)
        const library = new DDSketch({ relativeAccuracy: relative })
        for (const value of values) library.accept(value)
        assert.deepEqual(
          answers(sketch, stateOf(sketch, values)).map(value => value! + 0),
          QS.map(q => library.getValueAtQuantile(q) + 0),
        )
      }),
    )
  })

  test('answers exactly up to as many values as it keeps as they are, then within its accuracy, whatever the numbers', () => {
    const anything = fc.double({ noNaN: true, noDefaultInfinity: true })
    fc.assert(
      fc.property(fc.array(anything, { minLength: 1, maxLength: 200 }), values => {
        const sketch = new Sketch(0.01)
        const sorted = Float64Array.from(values).sort()
        const given = answers(sketch, stateOf(sketch, values))
        for (const [i, q] of QS.entries()) {
          const exact = sorted[Math.floor(q * (sorted.length - 1))]!
          if (values.length <= RECENT_VALUES) assert.equal(given[i], exact)
          // What is nearer to zero than the smallest normal number is taken for zero.
          else assert.ok(Math.abs(given[i]! - exact) <= 0.0101 * Math.abs(exact) + 2.3e-308, `${given[i]} for ${exact}`)
        }
      }),
    )
  })

  test('is the same for values taken in any parts and put together', () => {
    fc.assert(
      fc.property(
        fc.array(signed, { maxLength: 200 }),
        fc.array(signed, { minLength: 40, maxLength: 200 }),
        (one, two) => {
          const sketch = new Sketch(0.01)
          const left = stateOf(sketch, one)
          const right = stateOf(sketch, two)
          left.bins = Buffer.from(sketch.merge(left.bins, right.bins))
          for (let at = 0; at < right.recent.length; at += 8) add(sketch, left, right.recent.readDoubleLE(at))
          assert.deepEqual(answers(sketch, left), answers(sketch, stateOf(sketch, [...one, ...two])))
        },
      ),
    )
  })

  test('gives values back until none is left, and says when it does not have one', () => {
    const sketch = new Sketch(0.01)
    const values = Array.from({ length: 500 }, (_, i) => (i - 250) * 1.7)
    const state = stateOf(sketch, values)
    assert.equal(sketch.lessen(state.bins, 1e9), null)
    for (const value of values) {
      const recent = sketch.remove(state.recent, value)
      if (recent !== null) state.recent = Buffer.from(recent)
      else state.bins = Buffer.from(sketch.lessen(state.bins, value)!)
    }
    assert.deepEqual([state.bins.length, state.recent.length], [0, 0])
    assert.deepEqual(
      answers(sketch, state),
      QS.map(() => null),
    )
  })

  test('of a hundred thousand temperatures takes less than 400 bytes', () => {
    const sketch = new Sketch(0.01)
    const { bins, recent } = stateOf(
      sketch,
      Array.from({ length: 100_000 }, (_, i) => 20 + ((i * 7919) % 1000) / 10),
    )
    assert.ok(bins.length + recent.length < 400, `${bins.length} + ${recent.length}`)
  })

  test('stays bounded over all magnitudes: what is farthest from zero keeps its rank and accuracy', () => {
    const sketch = new Sketch(0.01)
    const values = Array.from({ length: 12_000 }, (_, i) => (i % 3 === 0 ? -1 : 1) * 1.12 ** (i - 6000))
    const state = stateOf(sketch, values)
    assert.ok(state.bins.length < 2048 * 15)
    const sorted = Float64Array.from(values).sort()
    const qs = [0, 0.02, 0.95, 1]
    for (const [i, given] of sketch.quantiles(state.bins, state.recent, qs).entries()) {
      const exact = sorted[Math.floor(qs[i]! * (sorted.length - 1))]!
      assert.ok(Math.abs(given! - exact) <= 0.0101 * Math.abs(exact), `${given} for ${exact}`)
    }
    assert.equal(sketch.lessen(state.bins, 1e-200), null)
  })
})
