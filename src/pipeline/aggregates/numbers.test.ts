import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { AldebaranError } from '../../errors.ts'
import { count, max, mean, min, sum } from './numbers.ts'
import { AggregateRows } from './test-rows.ts'

const numbers = {
  sum: sum<number | null | undefined>(n => n),
  mean: mean<number | null | undefined>(n => n),
  min: min<number | null | undefined>(n => n),
  max: max<number | null | undefined>(n => n),
}

describe('sums', () => {
  test('a million values of up to a million that come and go leave less than 1e-9, and at the end exactly nothing', () => {
    const rows = new AggregateRows(numbers)
    const { compiled } = rows
    const kept = { sum_item: 0, mean_item: 0, min_item: null, max_item: null }
    const window: number[] = []
    let state = 12345
    for (let i = 0; i < 1_000_000; i++) {
      state = (Math.imul(state, 1664525) + 1013904223) | 0
      const n = (state / 2 ** 31) * 1e6 + 1 / 3
      kept.sum_item = n
      kept.mean_item = n
      compiled.addItems(rows.row('a'), kept, 0)
      window.push(n)
      if (window.length <= 100) continue
      kept.sum_item = window.shift()!
      kept.mean_item = kept.sum_item
      compiled.subtractItems(rows.row('a'), kept, 0)
    }
    // The exact sum: the numbers as they are, in units of 2^-60.
    const units = window.reduce((all, n) => all + BigInt(Math.trunc(n * 2 ** 30)) * 2n ** 30n + fractionOf(n), 0n)
    const exact = Number(units >> 30n) / 2 ** 30
    const { sum: total, mean: middle } = rows.result() as { sum: number; mean: number }
    assert.ok(Math.abs(total - exact) < 1e-9, `${total} for ${exact}`)
    assert.ok(Math.abs(middle - exact / 100) < 1e-10)
    for (const n of window) {
      kept.sum_item = n
      kept.mean_item = n
      compiled.subtractItems(rows.row('a'), kept, 0)
    }
    assert.deepEqual(rows.result(), { sum: 0, mean: null, min: null, max: null })
    assert.equal((rows.copyOf('a') as { sum_carry: number }).sum_carry, 0)
  })

  test('a large value that goes gives the small ones back', () => {
    const rows = new AggregateRows({ sum: numbers.sum })
    rows.add([1, 1e100, 0.25])
    assert.equal(rows.compiled.subtractItems(rows.row('a'), { sum_item: 1e100 }, 0), true)
    assert.equal(rows.result().sum, 1.25)
  })

  test('what two sums have lost is not lost when they are put together', () => {
    const rows = new AggregateRows({ sum: numbers.sum })
    rows.add([1, 1e100])
    rows.add([0.25, 1e100], 'b')
    const other = rows.copyOf('b')
    rows.compiled.merge(rows.row('a'), other)
    for (let i = 0; i < 2; i++) rows.compiled.subtractItems(rows.row('a'), { sum_item: 1e100 }, 0)
    assert.equal(rows.result().sum, 1.25)
  })

  test('a sum beyond the largest number is infinite, and is known to be of no use when something leaves', () => {
    const rows = new AggregateRows({ sum: numbers.sum })
    rows.add([1.7e308, 1.7e308])
    assert.equal(rows.result().sum, Number.POSITIVE_INFINITY)
    assert.equal(rows.compiled.subtractItems(rows.row('a'), { sum_item: 1.7e308 }, 0), false)
  })

  /** What `Math.trunc(n * 2 ** 30)` leaves out, in units of 2^-60. */
  function fractionOf(n: number): bigint {
    const scaled = n * 2 ** 30
    return BigInt(Math.round((scaled - Math.trunc(scaled)) * 2 ** 30))
  }
})

describe('what counts', () => {
  test('of nothing the sum is 0 and the others are null, also in a row that does not exist', () => {
    const rows = new AggregateRows({ ...numbers, count: count() })
    const nothing = { sum: 0, mean: null, min: null, max: null, count: 0 }
    assert.deepEqual(rows.result(), nothing)
    rows.add([1, 2])
    assert.deepEqual(rows.result(), { sum: 3, mean: 1.5, min: 1, max: 2, count: 2 })
    rows.compiled.clear(rows.row('a'))
    assert.deepEqual(rows.result(), nothing)
  })

  test('null, undefined, NaN and infinite numbers do not', () => {
    const rows = new AggregateRows(numbers)
    rows.add([null, undefined, Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY])
    assert.deepEqual(rows.result(), { sum: 0, mean: null, min: null, max: null })
    rows.add([4, Number.NaN, -2])
    assert.deepEqual(rows.result(), { sum: 2, mean: 1, min: -2, max: 4 })
  })

  test('what is no number is an error that names the aggregate', () => {
    const rows = new AggregateRows({ warmest: max<string>(value => value as unknown as number) })
    assert.throws(
      () => rows.add(['12']),
      (error: unknown) =>
        error instanceof AldebaranError && error.code === 'VALUE_INVALID' && error.message.includes("'warmest'"),
    )
  })

  test('what a function throws goes through as it is', () => {
    const own = new Error('mine')
    const rows = new AggregateRows({
      sum: sum<number>(() => {
        throw own
      }),
    })
    assert.throws(() => rows.add([1]), own)
  })
})
