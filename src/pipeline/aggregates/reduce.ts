import type { FieldType } from '../../schema/field-types.ts'
import { t } from '../../schema/field-types.ts'
import type { Aggregate, AggregateContext } from './aggregate.ts'

interface ReduceRules<S, I> {
  /** The column of the state. Numbers, booleans and enums cost the least: `docs/state.md`. */
  type: FieldType<S>
  /** The state of nothing. */
  initial: NoInfer<S>
  /** The column of an item, for windows whose records leave them one by one. Default: not known, such windows refuse it. */
  item?: FieldType<I>
  /** The state with one item more. */
  add(state: NoInfer<S>, item: NoInfer<I>): NoInfer<S>
  /** The state without an item that was added. Default: what is left is added up anew. */
  subtract?(state: NoInfer<S>, item: NoInfer<I>): NoInfer<S>
  /** Two states put together. Default: none, and session windows refuse it. */
  merge?(state: NoInfer<S>, other: NoInfer<S>): NoInfer<S>
}

export interface ReduceSettings<V, S> extends ReduceRules<S, V> {
  of?: undefined
}

export interface ReduceItemSettings<V, S, I> extends ReduceRules<S, I> {
  /** What of a value counts; null and undefined do not. Default: the value itself. */
  of(value: V, context: AggregateContext): I | null | undefined
}

/** An aggregate of your own: one typed column, and functions that must give the same state for the same items. */
export function reduce<V, S, I>(settings: ReduceItemSettings<V, S, I>): Aggregate<V, S>
export function reduce<V, S>(settings: ReduceSettings<V, S>): Aggregate<V, S>
export function reduce<V, S>(settings: ReduceItemSettings<V, S, unknown> | ReduceSettings<V, S>): Aggregate<V, S> {
  const { type, initial, item, of, add, subtract, merge } = settings as ReduceRules<S, unknown> &
    Partial<ReduceItemSettings<V, S, unknown>>
  // A function may change the state it is given and return it: that must not be the beginning of all others.
  const begin = typeof initial === 'object' && initial !== null ? () => structuredClone(initial) : () => initial
  const state = (column: (local: string) => string, bound: (local: string) => string): string =>
    `row.${column('count')} === 0 ? ${bound('begin')}() : row.${column('state')}`
  return {
    kind: 'reduce',
    // The count tells the state of nothing from an equal one; a new row has the zero value of its type.
    fields: { state: type, count: t.long },
    item,
    counts: 'value',
    itemOf: of ?? (value => value),
    bindings: { begin, add, subtract, merge },
    clear: (column, bound) => `row.${column('state')} = ${bound('begin')}(); row.${column('count')} = 0`,
    add: (column, bound) =>
      `row.${column('state')} = ${bound('add')}(${state(column, bound)}, item); row.${column('count')}++`,
    subtract:
      subtract === undefined
        ? null
        : (column, bound) => `
      if (row.${column('count')} <= 1) { row.${column('state')} = ${bound('begin')}(); row.${column('count')} = 0 }
      else { row.${column('state')} = ${bound('subtract')}(row.${column('state')}, item); row.${column('count')}-- }`,
    merge:
      merge === undefined
        ? null
        : (column, bound) => `
      if (other.${column('count')} > 0) {
        row.${column('state')} = row.${column('count')} === 0
          ? other.${column('state')}
          : ${bound('merge')}(row.${column('state')}, other.${column('state')})
        row.${column('count')} += other.${column('count')}
      }`,
    result: (column, bound) => `(${state(column, bound)})`,
  }
}
