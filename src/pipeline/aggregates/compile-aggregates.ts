/**
 * Aggregates as functions over the rows of one table, compiled together: a record costs one call, and property names
 * are literals, so that the accessors of the row are inlined.
 *
 * 1. A column is called NAME_LOCAL, that of a kept item NAME_item. Locals have no underscore, so no two are the same, and
 *    none is a name without underscore.
 * 2. User functions are called in the order of the aggregates; what they throw is not caught. Undoing what was written
 *    before is the savepoint's.
 */
import { AldebaranError } from '../../errors.ts'
import type { Fields } from '../../schema/field-types.ts'
import { type Aggregate, type AggregateContext, type AggregateSpec, type Code, orNull } from './aggregate.ts'

/** A row of a table that has the columns. */
export type AggregateRow = { [column: string]: unknown }

export interface CompiledAggregates<V> {
  /** The columns of all of them. */
  readonly fields: Fields
  /** The columns for the items of one record: null where its value does not count. */
  readonly items: Fields
  /** Names of aggregates whose items are of no known type: with one, `itemsOf` throws PIPELINE_INVALID. */
  readonly unkept: readonly string[]
  /** Names of aggregates whose states cannot be put together: with one, `merge` throws PIPELINE_INVALID. */
  readonly unmerged: readonly string[]
  /** @throws what the user's functions throw; AldebaranError VALUE_INVALID for what is no number where one is meant. */
  add(row: object, value: V, context: AggregateContext): void
  /** Writes the items of a value to a row that has the columns `items`. */
  itemsOf(value: V, context: AggregateContext, into: object): void
  /** Adds kept items. `time`: of their record, ms since 1970. */
  addItems(row: object, items: object, time: number): void
  /**
   * Takes kept items away that were added. False: the row does not tell what is left (the largest of them has gone), so it
   * must be cleared, and what is left added anew.
   */
  subtractItems(row: object, items: object, time: number): boolean
  /** Adds the state in `other`, as `copyOf` gives it, to the row. */
  merge(row: object, other: object): void
  /** `{ NAME: result }` of all. */
  result(row: object): Record<string, unknown>
  clear(row: object): void
  /** The columns as a plain object. */
  copyOf(row: object): AggregateRow
}

type Functions<V> = Pick<
  CompiledAggregates<V>,
  'add' | 'itemsOf' | 'addItems' | 'subtractItems' | 'merge' | 'result' | 'clear' | 'copyOf'
>

const NAME = /^[A-Za-z_][A-Za-z0-9_]*$/

/**
 * @throws AldebaranError PIPELINE_INVALID for a name that is not one of Avro (letters, digits and _, not beginning with
 *   a digit).
 */
export function compileAggregates<V>(spec: AggregateSpec<V>): CompiledAggregates<V> {
  const parts = Object.entries(spec).map(([name, aggregate], index) => new Part(name, aggregate, index))
  const unkept = parts.filter(part => part.aggregate.item === undefined).map(part => part.name)
  const unmerged = parts.filter(part => part.aggregate.merge === null).map(part => part.name)
  const bindings = Object.assign(
    { notNumber, unkept, unmerged, refuse },
    ...parts.map(part => part.bindings),
  ) as Record<string, unknown>
  const all = (code: (part: Part<V>) => string) => parts.map(code).join('\n')
  const source = `'use strict'
return {
  add(row, value, context) {
    const time = context.timestamp
    ${all(part => part.ofValue(part.code('add')))}
  },
  itemsOf(value, context, into) {
    ${unkept.length > 0 ? REFUSE_ITEMS : all(part => part.keep())}
  },
  addItems(row, items, time) {
    ${all(part => part.ofItem(part.code('add')))}
  },
  subtractItems(row, items, time) {
    let anew = false
    ${all(part => part.ofItem(part.code('subtract')))}
    return !anew
  },
  merge(row, other) {
    ${unmerged.length > 0 ? "refuse(unmerged, 'cannot be put together: give it a merge')" : all(part => `{ ${part.code('merge')} }`)}
  },
  result(row) {
    return { ${parts.map(part => `${part.name}: ${part.code('result')}`).join(', ')} }
  },
  clear(row) {
    ${all(part => part.code('clear'))}
  },
  copyOf(row) {
    return { ${parts.flatMap(part => part.columns.map(column => `${column}: row.${column}`)).join(', ')} }
  },
}`
  const build = new Function(...Object.keys(bindings), source) as (...values: unknown[]) => Functions<V>
  return {
    fields: Object.assign({}, ...parts.map(part => part.fields)) as Fields,
    items: Object.assign({}, ...parts.map(part => part.items)) as Fields,
    unkept,
    unmerged,
    ...build(...Object.values(bindings)),
  }
}

const REFUSE_ITEMS = "refuse(unkept, 'has items of no known type: give it one')"

/** One aggregate under its name. */
class Part<V> {
  readonly name: string
  readonly aggregate: Aggregate<V, unknown>
  /** Of its bindings in the source. */
  readonly #prefix: string

  constructor(name: string, aggregate: Aggregate<V, unknown>, index: number) {
    if (!NAME.test(name) || name === '__proto__') {
      const reason = `'${name}' is no name of an aggregate (letters, digits and _, not beginning with a digit)`
      throw new AldebaranError('PIPELINE_INVALID', reason, { aggregate: name })
    }
    this.name = name
    this.aggregate = aggregate
    this.#prefix = `bound${index}`
  }

  get columns(): string[] {
    return Object.keys(this.aggregate.fields).map(local => this.#column(local))
  }

  get fields(): Fields {
    return Object.fromEntries(
      Object.entries(this.aggregate.fields).map(([local, type]) => [this.#column(local), type] as const),
    )
  }

  get items(): Fields {
    const { item } = this.aggregate
    return item === null || item === undefined ? {} : { [this.#column('item')]: orNull(item) }
  }

  get bindings(): Record<string, unknown> {
    const all = Object.entries({ ...this.aggregate.bindings, itemOf: this.aggregate.itemOf })
    return Object.fromEntries(all.map(([local, value]) => [this.#bound(local), value] as const))
  }

  #column(local: string): string {
    return `${this.name}_${local}`
  }

  #bound(local: string): string {
    return `${this.#prefix}_${local}`
  }

  code(of: 'clear' | 'add' | 'subtract' | 'merge' | 'result'): string {
    const code: Code | null = this.aggregate[of]
    if (code === null) return of === 'subtract' ? 'anew = true' : ''
    return code(
      local => this.#column(local),
      local => this.#bound(local),
    )
  }

  /** The statements for a value that counts. */
  ofValue(statements: string): string {
    if (this.aggregate.item === null) return `{ ${statements} }`
    return `{
      const item = ${this.#bound('itemOf')}(value, context)
      if (${this.#counts()}) { ${statements} }
    }`
  }

  /** The statements for a kept item. */
  ofItem(statements: string): string {
    if (this.aggregate.item === null) return `{ ${statements} }`
    return `{
      const item = items.${this.#column('item')}
      if (item !== null) { ${statements} }
    }`
  }

  keep(): string {
    if (this.aggregate.item === null) return ''
    return `{
      const item = ${this.#bound('itemOf')}(value, context)
      into.${this.#column('item')} = ${this.#counts()} ? item : null
    }`
  }

  #counts(): string {
    if (this.aggregate.counts === 'value') return '(item !== undefined && item !== null && item === item)'
    // Finite: an infinite number minus itself is NaN.
    return `(typeof item === 'number' ? item - item === 0 : notNumber(item, '${this.name}'))`
  }
}

/** False for nothing. */
function notNumber(item: unknown, name: string): boolean {
  if (item === null || item === undefined) return false
  const shown = typeof item === 'string' ? `'${item.slice(0, 40)}'` : typeof item
  throw new AldebaranError('VALUE_INVALID', `the aggregate '${name}' takes numbers, not ${shown}`, { aggregate: name })
}

function refuse(names: readonly string[], reason: string): never {
  throw new AldebaranError('PIPELINE_INVALID', `the aggregate '${names[0]}' ${reason}`, { aggregate: names[0]! })
}
