/**
 * What aggregates take and give. Nothing here runs: `npm run check` compiles it, and an error that no longer comes is an
 * error itself.
 */
import {
  type AggregateSpec,
  count,
  first,
  last,
  max,
  mean,
  min,
  quantile,
  quantiles,
  type Ranked,
  type ResultOf,
  reduce,
  sum,
  t,
  topK,
} from '../../src/index.ts'

interface Reading {
  city: string
  heat: number | null
}

/** As windows take them: the type of the values is known. */
function aggregate<const A extends AggregateSpec<Reading>>(aggregates: A): ResultOf<A> {
  throw new Error(Object.keys(aggregates).join())
}

const result = aggregate({
  count: count(),
  hot: count(reading => reading.heat !== null && reading.heat > 100),
  sum: sum(reading => reading.heat),
  mean: mean(reading => reading.heat),
  min: min(reading => reading.heat),
  max: max((reading, context) => (reading.heat ?? 0) + context.timestamp),
  first: first(reading => reading.city, t.string),
  last: last(reading => reading.heat, t.double),
  median: quantile(reading => reading.heat, 0.5, { accuracy: 0.001 }),
  parts: quantiles(reading => reading.heat, [0.1, 0.9]),
  top: topK(3, { by: reading => reading.heat, value: reading => reading.city, type: t.string }),
  cities: reduce({ type: t.array(t.string), initial: [], add: (cities, reading) => [...cities, reading.city] }),
  product: reduce({ type: t.double, initial: 1, of: reading => reading.heat, item: t.double, add: (a, b) => a * b }),
})

type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false
type Expected = {
  count: number
  hot: number
  sum: number
  mean: number | null
  min: number | null
  max: number | null
  first: string | null
  last: number | null
  median: number | null
  parts: (number | null)[]
  top: Ranked<string>[]
  cities: string[]
  product: number
}
export const isExact: Same<typeof result, Expected> = true

aggregate({
  // @ts-expect-error a text is no number
  sum: sum(reading => reading.city),
  // @ts-expect-error there is no such field
  mean: mean(reading => reading.humidity),
})
// @ts-expect-error the column is one of numbers
aggregate({ first: first(reading => reading.city, t.double) })
// @ts-expect-error the state is a number
aggregate({ reduce: reduce({ type: t.long, initial: 'none', add: (state: number) => state }) })
// @ts-expect-error no aggregate
aggregate({ five: 5 })
