/** All aggregates together in rows of a table, against lists of the same records. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { t } from '../../schema/field-types.ts'
import { first, last } from './by-time.ts'
import { count, max, mean, min, sum } from './numbers.ts'
import { quantile, quantiles } from './quantiles.ts'
import { reduce } from './reduce.ts'
import { AggregateRows, contextAt, type Reading } from './test-rows.ts'
import { topK } from './top-k.ts'

const ACCURACY = 0.01
const QS = [0, 0.1, 0.5, 0.9, 1]
const kinds = t.enum(['low', 'high'], 'Kind')
const kindOf = (reading: Reading) => ((reading.n ?? 0) < 0 ? 'low' : 'high')

const spec = {
  count: count<Reading>(),
  warm: count<Reading>(reading => (reading.n ?? 0) > 10),
  sum: sum<Reading>(reading => reading.n),
  mean: mean<Reading>(reading => reading.n),
  min: min<Reading>(reading => reading.n),
  max: max<Reading>(reading => reading.n),
  first: first((reading: Reading) => reading.name, t.string),
  last: last((reading: Reading) => reading.n, t.optional(t.double)),
  kind_first: first(kindOf, kinds),
  kind_last: last(kindOf, kinds),
  median: quantile<Reading>(reading => reading.n, 0.5, { accuracy: ACCURACY }),
  quantiles: quantiles<Reading>(reading => reading.n, QS, { accuracy: ACCURACY }),
  top: topK(3, { by: (reading: Reading) => reading.n, value: reading => reading.name, type: t.string }),
  names: topK(2, {
    by: (reading: Reading) => reading.n,
    value: reading => reading.name,
    type: t.string,
    distinct: true,
  }),
  letters: reduce({
    type: t.long,
    initial: 100,
    of: (reading: Reading) => (reading.name === '' ? null : reading.name),
    item: t.string,
    add: (state, name) => state + name.length,
    subtract: (state, name) => state - name.length,
    merge: (state, other) => state + other - 100,
  }),
}

const counts = (n: number | null): n is number => n !== null && !Number.isNaN(n)

/** What the aggregates have to give for the readings, in the order they came. */
function expected(readings: readonly Reading[]) {
  const numbers = readings.map(reading => reading.n).filter(counts)
  const total = numbers.reduce((a, b) => a + b, 0)
  const byTime = readings.toSorted((a, b) => a.time - b.time)
  const ranked = readings
    .filter(reading => counts(reading.n))
    .map(reading => ({ by: reading.n!, value: reading.name }))
    .toSorted((a, b) => b.by - a.by)
  const seen = new Set<string>()
  return {
    count: readings.length,
    warm: numbers.filter(n => n > 10).length,
    sum: total,
    mean: numbers.length === 0 ? null : total / numbers.length,
    min: numbers.length === 0 ? null : Math.min(...numbers),
    max: numbers.length === 0 ? null : Math.max(...numbers),
    first: byTime[0]?.name ?? null,
    last: byTime.findLast(reading => counts(reading.n))?.n ?? null,
    kind_first: byTime[0] === undefined ? null : kindOf(byTime[0]),
    kind_last: byTime.length === 0 ? null : kindOf(byTime.at(-1)!),
    top: ranked.slice(0, 3),
    names: ranked.filter(({ value }) => !seen.has(value) && seen.add(value)).slice(0, 2),
    letters: readings.reduce((state, { name }) => state + name.length, 100),
  }
}

function assertQuantiles(actual: unknown, readings: readonly Reading[], qs: readonly number[]): void {
  const numbers = readings
    .map(reading => reading.n)
    .filter(counts)
    .toSorted((a, b) => a - b)
  for (const [i, q] of qs.entries()) {
    const given = (actual as (number | null)[])[i]!
    const exact = numbers[Math.floor(q * (numbers.length - 1))] ?? null
    if (exact === null) assert.equal(given, null)
    else assert.ok(Math.abs(given - exact) <= ACCURACY * Math.abs(exact) * (1 + 1e-9), `${given} for ${exact}`)
  }
}

type Operation =
  | { do: 'add'; key: 'a' | 'b'; readings: Omit<Reading, 'time'>[] }
  | { do: 'leave'; key: 'a' | 'b'; many: number; from: number }
  | { do: 'merge' | 'clear' | 'restart' | 'undo' }

const key = fc.constantFrom('a' as const, 'b' as const)
// Fractions of 1,024 add up exactly in any order.
const number = fc.oneof(
  { weight: 6, arbitrary: fc.integer({ min: -3_000_000, max: 3_000_000 }).map(n => n / 1024) },
  { weight: 2, arbitrary: fc.integer({ min: -3, max: 3 }) },
  { weight: 1, arbitrary: fc.constantFrom(null, Number.NaN, 0) },
)
const names = fc.constantFrom('', 'Oslo', 'Lima', 'Zürich', 'Rio de Janeiro')
const operation: fc.Arbitrary<Operation> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant('add' as const),
      key,
      readings: fc.array(fc.record({ n: number, name: names }), { maxLength: 40 }),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({ do: fc.constant('leave' as const), key, many: fc.nat(20), from: fc.nat(100) }),
  },
  {
    weight: 2,
    arbitrary: fc.constantFrom<Operation>({ do: 'merge' }, { do: 'clear' }, { do: 'restart' }, { do: 'undo' }),
  },
)

test('aggregates give what lists of the same records give, whatever is added, leaves, merges, is undone or read back', () => {
  fc.assert(
    fc.property(fc.array(operation, { maxLength: 25 }), fc.boolean(), (operations, isKept) => {
      const rows = new AggregateRows(spec)
      const { compiled } = rows
      const held = { a: [] as { id: number; reading: Reading }[], b: [] as { id: number; reading: Reading }[] }
      let id = 0
      // Times that no two records share, and that do not grow.
      const timeOf = (i: number) => (i * 7919) % 100_003
      const addUp = (of: 'a' | 'b') => {
        compiled.clear(rows.row(of))
        for (const one of held[of]) compiled.addItems(rows.row(of), rows.item(one.id), one.reading.time)
      }
      const add = (of: 'a' | 'b', readings: readonly Omit<Reading, 'time'>[]) => {
        for (const each of readings) {
          const reading = { ...each, time: timeOf(++id) }
          const context = contextAt(reading.time)
          compiled.itemsOf(reading, context, rows.item(id))
          if (isKept) compiled.addItems(rows.row(of), rows.item(id), reading.time)
          else compiled.add(rows.row(of), reading, context)
          held[of].push({ id, reading })
        }
      }
      for (const step of operations) {
        if (step.do === 'add') add(step.key, step.readings)
        else if (step.do === 'leave') {
          const list = held[step.key]
          let isKnown = true
          for (const one of list.splice(step.from % (list.length + 1), step.many)) {
            isKnown = compiled.subtractItems(rows.row(step.key), rows.item(one.id), one.reading.time) && isKnown
          }
          if (!isKnown) addUp(step.key)
        } else if (step.do === 'merge') {
          const copy = rows.copyOf('b')
          rows.delete('b')
          compiled.merge(rows.row('a'), copy)
          held.a.push(...held.b.splice(0))
        } else if (step.do === 'clear') {
          compiled.clear(rows.row('b'))
          held.b = []
        } else if (step.do === 'restart') rows.restart()
        else {
          rows.savepoint()
          const before = structuredClone(held)
          add('a', [{ n: 1e9, name: 'undone' }])
          addUp('b')
          rows.rollback()
          Object.assign(held, before)
        }
        for (const each of ['a', 'b'] as const) {
          const { median, quantiles: several, ...rest } = rows.result(each)
          const readings = held[each].map(one => one.reading)
          assert.deepEqual(rest, expected(readings))
          assertQuantiles([median], readings, [0.5])
          assertQuantiles(several, readings, QS)
        }
      }
    }),
    { numRuns: 150 },
  )
})
