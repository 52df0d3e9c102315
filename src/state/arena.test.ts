import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { Arena } from './arena.ts'
import { Meter } from './memory-budget.ts'

interface Piece {
  start: number
  length: number
  text: string
}

type Operation = { kind: 'put'; text: string } | { kind: 'give'; which: number } | { kind: 'savepoint' | 'rollback' }

const operation: fc.Arbitrary<Operation> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({ kind: fc.constant('put' as const), text: fc.string({ unit: 'grapheme', maxLength: 60 }) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant('put' as const), text: fc.string({ minLength: 200, maxLength: 400 }) }),
  },
  { weight: 5, arbitrary: fc.record({ kind: fc.constant('give' as const), which: fc.nat() }) },
  { weight: 2, arbitrary: fc.constant({ kind: 'savepoint' as const }) },
  { weight: 1, arbitrary: fc.constant({ kind: 'rollback' as const }) },
)

test('every piece that is held keeps its text, over pieces taken again, savepoints and rollbacks', () => {
  fc.assert(
    fc.property(fc.array(operation, { maxLength: 200 }), operations => {
      const arena = new Arena(64, new Meter(undefined), true)
      arena.savepoint()
      let held: Piece[] = []
      let saved: Piece[] = []
      for (const step of operations) {
        if (step.kind === 'put' && step.text !== '') {
          const start = arena.putText(step.text)
          held.push({ start, length: arena.textLength, text: step.text })
        } else if (step.kind === 'give' && held.length > 0) {
          const [piece] = held.splice(step.which % held.length, 1)
          arena.give(piece!.start, piece!.length)
        } else if (step.kind === 'savepoint') {
          arena.savepoint()
          saved = [...held]
        } else if (step.kind === 'rollback') {
          arena.rollback()
          held = [...saved]
        }
        for (const { start, length, text } of [...held, ...saved]) {
          assert.equal(arena.bytes.toString('utf8', start, start + length), text)
        }
        const live = held.reduce((sum, { length }) => sum + (length > 256 ? length : (length + 3) & -4), 0)
        assert.equal(arena.position - arena.garbage, live)
      }
    }),
    { numRuns: 500 },
  )
})

test('rows that come and go at a steady rate take no more room', () => {
  const arena = new Arena(64, new Meter(undefined), true)
  const held: Piece[] = []
  let least = 0
  for (let i = 0; i < 20_000; i++) {
    const text = `client-${i % 1000}`
    held.push({ start: arena.putText(text), length: text.length, text })
    if (held.length > 500) {
      const old = held.shift()!
      arena.give(old.start, old.length)
    }
    if (i % 50 === 0) arena.savepoint()
    if (i === 2000) least = arena.position
  }
  assert.equal(arena.position, least)
  assert.equal(arena.isSparse, false)
})
