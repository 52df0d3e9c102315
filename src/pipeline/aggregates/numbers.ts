/**
 * Aggregates of numbers in columns of their own: nothing is allocated for a record.
 *
 * Sums are compensated: what an addition loses is gathered in a second column, `carry` (A. Neumaier, "Rundungsfehleranalyse
 * einiger Verfahren zur Summation endlicher Summen", ZAMM 54, 1974). So taking away what was added leaves nothing behind,
 * however many records a window has seen; and when none is left, the sum is exactly 0.
 */
import { t } from '../../schema/field-types.ts'
import type { Aggregate, AggregateContext, Code } from './aggregate.ts'

/** What of a value is added up; null, undefined, NaN and the infinite numbers do not count. */
export type NumberOf<V> = (value: V, context: AggregateContext) => number | null | undefined

/** How many values there are, or how many pass the test. */
export function count<V>(test?: (value: V, context: AggregateContext) => boolean): Aggregate<V, number> {
  return {
    kind: 'count',
    fields: { count: t.long },
    item: test === undefined ? null : t.boolean,
    counts: 'value',
    itemOf: (value, context) => (test?.(value, context) === true ? true : undefined),
    bindings: {},
    clear: column => `row.${column('count')} = 0`,
    add: column => `row.${column('count')}++`,
    subtract: column => `row.${column('count')}--`,
    merge: column => `row.${column('count')} += other.${column('count')}`,
    result: column => `row.${column('count')}`,
  }
}

/** The sum; of no numbers 0. */
export function sum<V>(of: NumberOf<V>): Aggregate<V, number> {
  return { ...compensated('sum', of), result: total }
}

/** The arithmetic mean; of no numbers null. */
export function mean<V>(of: NumberOf<V>): Aggregate<V, number | null> {
  return {
    ...compensated('mean', of),
    result: (column, bound) =>
      `(row.${column('count')} === 0 ? null : ${total(column, bound)} / row.${column('count')})`,
  }
}

/** A sum beyond the largest number is infinite; its carry says nothing then. */
const total: Code = column =>
  `(row.${column('sum')} - row.${column('sum')} === 0 ? row.${column('sum')} + row.${column('carry')} : row.${column('sum')})`

function compensated<V>(kind: string, of: NumberOf<V>): Omit<Aggregate<V, never>, 'result'> {
  const clear: Code = column => `row.${column('sum')} = 0; row.${column('carry')} = 0; row.${column('count')} = 0`
  const addTo = (column: (local: string) => string, item: string): string => `
    const before = row.${column('sum')}
    const after = before + ${item}
    const lost = Math.abs(before) >= Math.abs(${item}) ? before - after + ${item} : ${item} - after + before
    if (lost !== 0) row.${column('carry')} += lost
    row.${column('sum')} = after`
  return {
    kind,
    fields: { sum: t.double, carry: t.double, count: t.long },
    item: t.double,
    counts: 'number',
    itemOf: of,
    bindings: {},
    clear,
    add: column => `${addTo(column, 'item')}; row.${column('count')}++`,
    subtract: (column, bound) => `
      if (row.${column('count')} <= 1) { ${clear(column, bound)} }
      else if (row.${column('sum')} - row.${column('sum')} !== 0) anew = true
      else { const less = -item; ${addTo(column, 'less')}; row.${column('count')}-- }`,
    merge: column => `
      const item = other.${column('sum')}
      ${addTo(column, 'item')}
      row.${column('carry')} += other.${column('carry')}
      row.${column('count')} += other.${column('count')}`,
  }
}

/** The smallest number; of no numbers null. */
export function min<V>(of: NumberOf<V>): Aggregate<V, number | null> {
  return extreme('min', of, '<')
}

/** The largest number; of no numbers null. */
export function max<V>(of: NumberOf<V>): Aggregate<V, number | null> {
  return extreme('max', of, '>')
}

function extreme<V>(kind: string, of: NumberOf<V>, beats: '<' | '>'): Aggregate<V, number | null> {
  const take = (column: (local: string) => string, item: string): string => `
    const best = row.${column('value')}
    if (best === null || ${item} ${beats} best) row.${column('value')} = ${item}`
  return {
    kind,
    fields: { value: t.optional(t.double) },
    item: t.double,
    counts: 'number',
    itemOf: of,
    bindings: {},
    clear: column => `row.${column('value')} = null`,
    add: column => take(column, 'item'),
    // Only the best one leaves a gap, and the state does not know the second.
    subtract: column => `const best = row.${column('value')}
      if (best === null || !(best ${beats} item)) anew = true`,
    merge: column => `const item = other.${column('value')}
      if (item !== null) { ${take(column, 'item')} }`,
    result: column => `row.${column('value')}`,
  }
}
