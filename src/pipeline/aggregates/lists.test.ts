/** Aggregates that keep values: by time, by rank, by functions of the user. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { AldebaranError } from '../../errors.ts'
import { t } from '../../schema/field-types.ts'
import { first, last } from './by-time.ts'
import { compileAggregates } from './compile-aggregates.ts'
import { count, max, sum } from './numbers.ts'
import { quantile, quantiles } from './quantiles.ts'
import { reduce } from './reduce.ts'
import { AggregateRows } from './test-rows.ts'
import { topK } from './top-k.ts'

function invalid(reason: RegExp) {
  return (error: unknown) =>
    error instanceof AldebaranError && error.code === 'PIPELINE_INVALID' && reason.test(error.message)
}

describe('first and last', () => {
  test('go by event time; of equal times by the order in which records came', () => {
    const rows = new AggregateRows({
      first: first((text: string) => text, t.string),
      last: last((text: string) => text, t.string),
    })
    assert.deepEqual(rows.result(), { first: null, last: null })
    rows.add(['five', 'five again'], 'a', 5)
    rows.add(['nine', 'nine again'], 'a', 9)
    rows.add(['seven'], 'a', 7)
    assert.deepEqual(rows.result(), { first: 'five', last: 'nine again' })
    rows.add(['two', ''], 'a', 2)
    assert.deepEqual(rows.result(), { first: 'two', last: 'nine again' })
    const leaves = (first_item: string | null, last_item: string | null, time: number) =>
      rows.compiled.subtractItems(rows.row('a'), { first_item, last_item }, time)
    assert.deepEqual([leaves('seven', 'seven', 7), leaves('nine', null, 9), leaves(null, 'two', 2)], [true, true, true])
    assert.deepEqual([leaves('two', null, 2), leaves(null, 'nine again', 9)], [false, false])
  })
})

describe('topK', () => {
  const settings = { by: (text: string) => text.length, value: (text: string) => text, type: t.string }

  test('keeps the highest ranks, of equal ones what came first', () => {
    const rows = new AggregateRows({ top: topK(2, settings) })
    assert.deepEqual(rows.result(), { top: [] })
    rows.add(['aa', 'b', 'cc', 'd', 'dd'])
    assert.deepEqual(rows.result(), {
      top: [
        { by: 2, value: 'aa' },
        { by: 2, value: 'cc' },
      ],
    })
  })

  test('distinct: a value is there once, by its highest rank', () => {
    const rows = new AggregateRows({
      top: topK(2, {
        by: ([, rank]: [string, number]) => rank,
        value: ([name]) => name,
        type: t.string,
        distinct: true,
      }),
    })
    rows.add([
      ['Oslo', 3],
      ['Lima', 2],
      ['Oslo', 5],
      ['Oslo', 4],
      ['Bern', 5],
      ['Oslo', 5],
      ['Rome', 1],
    ])
    assert.deepEqual(rows.result(), {
      top: [
        { by: 5, value: 'Oslo' },
        { by: 5, value: 'Bern' },
      ],
    })
  })

  test('takes 1 to 1,000 values', () => {
    for (const k of [0, 1.5, -1, 1001, Number.NaN]) assert.throws(() => topK(k, settings), invalid(/1 to 1000/))
  })
})

describe('reduce', () => {
  const words = reduce({
    type: t.array(t.string),
    initial: [],
    // Changes the state that it is given.
    add(state, word: string) {
      state.push(word)
      return state
    },
  })

  test('begins anew in each row, whatever its functions do to the state that they are given', () => {
    const rows = new AggregateRows({ words })
    rows.add(['a', 'b'], 'a')
    rows.add(['c'], 'b')
    assert.deepEqual(rows.result('a'), { words: ['a', 'b'] })
    assert.deepEqual(rows.result('b'), { words: ['c'] })
    ;(rows.result('none').words as string[]).push('x')
    rows.compiled.clear(rows.row('a'))
    assert.deepEqual(rows.result('a'), { words: [] })
  })

  test('a state that equals that of nothing is told from it', () => {
    const least = reduce({ type: t.long, initial: 7, add: (state, n: number) => Math.min(state, n) })
    const rows = new AggregateRows({ least })
    assert.deepEqual(rows.result(), { least: 7 })
    rows.add([0])
    rows.add([9])
    assert.deepEqual(rows.result(), { least: 0 })
  })

  test('without the type of its items, or a merge, it is named as one that cannot be kept, or put together', () => {
    const compiled = compileAggregates({ count: count<string>(), words })
    assert.deepEqual([compiled.unkept, compiled.unmerged], [['words'], ['words']])
    assert.throws(() => compiled.itemsOf('a', {} as never, {}), invalid(/'words' has items of no known type/))
    assert.throws(() => compiled.merge({}, {}), invalid(/'words' cannot be put together/))
    const whole = compileAggregates({ count: count<string>(), longest: max<string>(word => word.length) })
    assert.deepEqual([whole.unkept, whole.unmerged], [[], []])
  })

  test('one without subtract says that what is left is to be added anew', () => {
    const least = reduce({ type: t.long, initial: 7, item: t.long, add: (state, n: number) => Math.min(state, n) })
    const rows = new AggregateRows({ count: count<number>(), least })
    rows.add([3, 5])
    assert.equal(rows.compiled.subtractItems(rows.row('a'), { least_item: 5 }, 0), false)
    assert.equal(rows.compiled.subtractItems(rows.row('a'), { least_item: null }, 0), true)
  })
})

test('names have the letters of Avro; columns of different aggregates are different', () => {
  for (const name of ['', 'a-b', '1st', 'a.b', '__proto__', 'a b', "a'"]) {
    assert.throws(() => compileAggregates(Object.fromEntries([[name, count()]])), invalid(/is no name of an aggregate/))
  }
  const { fields } = compileAggregates({ a: sum(Number), a_sum: count(), key: count(), constructor: count() })
  assert.deepEqual(Object.keys(fields), [
    'a_sum',
    'a_carry',
    'a_count',
    'a_sum_count',
    'key_count',
    'constructor_count',
  ])
})

test('quantiles lie in 0 to 1, their accuracy in 0.001 to 0.1', () => {
  for (const q of [-0.1, 1.1, Number.NaN]) assert.throws(() => quantile(Number, q), invalid(/lies in 0 to 1/))
  for (const accuracy of [0, 1e-4, 0.2, Number.NaN]) {
    assert.throws(() => quantiles(Number, [0.5], { accuracy }), invalid(/accuracy lies in/))
  }
})
