import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { t } from '../schema/field-types.ts'
import { int64, text } from '../schema/primitives.ts'
import type { Schema } from '../schema/schema.ts'
import { keyOf, TestTable, tableOf } from './test-tables.ts'

/** Many rows come or go at once; or something happens to the table as a whole. */
const someStep = fc.oneof(
  fc.record({ kind: fc.constant('put' as const), first: fc.nat(800), count: fc.nat(400), value: fc.nat(1000) }),
  fc.record({ kind: fc.constant('delete' as const), first: fc.nat(800), count: fc.nat(1200) }),
  fc.record({ kind: fc.constantFrom('shrink' as const, 'commit' as const, 'restore' as const) }),
)

for (const store of ['memory', 'disk'] as const) {
  for (const [format, key] of [
    ['int64', int64() as Schema<unknown>],
    ['text', text() as Schema<unknown>],
  ] as const) {
    describe(`${store} table with keys of ${format}`, () => {
      test('gives memory back and keeps what it holds', () => {
        const definition = tableOf({ n: t.long, s: t.string }, { store, key, timers: { end: 'processing' } })
        const bytesOf = (i: number) => keyOf(key, format === 'text' ? `key ${i}` : i)
        fc.assert(
          fc.property(fc.array(someStep, { maxLength: 25 }), steps => {
            let charged = 0
            const charge = (bytes: number): void => {
              charged += bytes
            }
            const tested = new TestTable(definition, { charge, cacheRows: 300 })
            const model = new Map<number, number>()
            for (const step of steps) {
              const { table } = tested
              if (step.kind === 'put' || step.kind === 'delete') {
                for (let i = step.first; i < step.first + step.count; i++) {
                  const bytes = bytesOf(i)
                  const row = table.locate(bytes, 0, bytes.length) as {
                    n: number
                    s: string
                    end: number
                  } & typeof table.row
                  if (step.kind === 'delete') {
                    row.delete()
                    model.delete(i)
                  } else {
                    row.n = step.value
                    row.s = `text ${step.value}`
                    row.end = step.value + 1
                    model.set(i, step.value)
                  }
                }
              } else if (step.kind === 'shrink') table.shrink()
              else {
                tested.collect()
                tested.commitAll()
                if (step.kind === 'commit') continue
                charged = 0
                tested.crash()
              }
            }
            const { table } = tested
            table.shrink()
            assert.equal(table.bytes, charged)
            const rows = table.scan(undefined, undefined, 10_000)
            assert.equal(rows.length, model.size)
            for (const [i, value] of model) {
              const bytes = bytesOf(i)
              const row = table.get(bytes, 0, bytes.length)
              assert.deepEqual(row?.fields, { n: value, s: `text ${value}` })
              assert.deepEqual(row?.timers, { end: value + 1 })
            }
            for (let due = model.size; due > 0; due--) assert.ok(table.nextDue('processing', 10_000))
            assert.equal(table.nextDue('processing', 10_000), false)
          }),
          { numRuns: 100 },
        )
      })
    })
  }
}

test('a memory table that was large and is empty takes little more than a new one', () => {
  const tested = new TestTable(tableOf({ n: t.long, s: t.string }, { key: int64() as Schema<unknown> }))
  const { table } = tested
  const before = table.bytes
  const each = (change: (row: { n: number; s: string; delete(): void }) => void): void => {
    for (let i = 0; i < 20_000; i++) {
      const bytes = keyOf(int64() as Schema<unknown>, i)
      change(table.locate(bytes, 0, bytes.length) as unknown as { n: number; s: string; delete(): void })
      if (i % 1000 === 999) {
        table.savepoint()
        tested.collect()
        tested.commitAll()
      }
    }
  }
  each(row => {
    row.n = 1
    row.s = 'text'
  })
  const full = table.bytes
  each(row => row.delete())
  tested.collect()
  tested.commitAll()
  table.shrink()
  assert.ok(full > 1_000_000 && table.bytes < before + 100_000, `${before}, ${full}, ${table.bytes}`)
})
