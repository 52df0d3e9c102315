/**
 * What an aggregate is. Words: its *state* is in columns of a row, an *item* is what of a value counts for it. Items are
 * added, and for windows whose records leave them one by one they are kept beside and taken away again.
 *
 * 1. Between `clear` and the next `add` the result is that of nothing: null, 0 or what was given as the beginning.
 * 2. All of the state is in the columns: a copy of them merges, is rolled back and is restored like any row.
 * 3. What does not count (null, undefined, NaN; of numbers also the infinite ones) changes nothing.
 */
import { type Fields, type FieldType, t } from '../../schema/field-types.ts'
import type { Context } from '../context.ts'

declare const resultType: unique symbol

/** What the functions of an aggregate may know of the record at hand. They send nothing. */
export type AggregateContext = Context<unknown, never>

/**
 * Source text over `row`, `item` and `time` (of the item, ms since 1970). `column` gives the name of a column on the
 * row, `bound` the name of one of `bindings`.
 */
export type Code = (column: (local: string) => string, bound: (local: string) => string) => string

/** An aggregate of values V; R: what it gives. Made by `count`, `sum`, `reduce` … */
export interface Aggregate<V, R> {
  readonly kind: string
  /** Columns it needs. Local names have letters and digits only, and are not `item`. */
  readonly fields: Fields
  /** Type of an item; null: every value counts and nothing of it needs to be kept; undefined: not known. */
  readonly item: FieldType<unknown> | null | undefined
  /** `number`: finite numbers count, and what is no number is an error. `value`: all but null, undefined and NaN. */
  readonly counts: 'number' | 'value'
  readonly itemOf: (value: V, context: AggregateContext) => unknown
  /** What the code calls beside the row. */
  readonly bindings: Readonly<Record<string, unknown>>
  /** Statements: the state of nothing. */
  readonly clear: Code
  readonly add: Code
  /**
   * Takes away an item that was added; the statement `anew = true` says that the state does not tell what is left. null:
   * it never does.
   */
  readonly subtract: Code | null
  /** Adds the state in `other`, an object with the same columns, to `row`. null: two states cannot be put together. */
  readonly merge: Code | null
  /** An expression. */
  readonly result: Code
  readonly [resultType]?: R
}

/** Aggregates by their names in the result. */
export type AggregateSpec<V> = Readonly<Record<string, Aggregate<V, unknown>>>

/** What a set of aggregates gives: `{ hottest: number | null }` for `{ hottest: max(…) }`. */
export type ResultOf<S> = {
  -readonly [Name in keyof S]: S[Name] extends Aggregate<never, infer R> ? R : never
}

/** The column of something that may not be there. */
export function orNull(type: FieldType<unknown>): FieldType<unknown> {
  const { definition } = type
  return Array.isArray(definition) && definition.includes('null') ? type : t.optional(type)
}
