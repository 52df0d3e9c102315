/** The earliest and the latest value by event time, which need not be the order in which records come. */
import { type FieldType, t } from '../../schema/field-types.ts'
import { type Aggregate, type AggregateContext, type Code, orNull } from './aggregate.ts'

type PartOf<V, T> = (value: V, context: AggregateContext) => T | null | undefined

/** The value of the earliest record, of equally early ones that which came first; of none null. `type`: of its column. */
export function first<V, T>(of: PartOf<V, NoInfer<T>>, type: FieldType<T>): Aggregate<V, T | null> {
  return byTime('first', of, type, '<', '>')
}

/** The value of the latest record, of equally late ones that which came last; of none null. `type`: of its column. */
export function last<V, T>(of: PartOf<V, NoInfer<T>>, type: FieldType<T>): Aggregate<V, T | null> {
  return byTime('last', of, type, '>=', '<')
}

/** `takes`: how the time of an item compares that takes the place; `spares`: of one that left no gap. */
function byTime<V, T>(
  kind: string,
  of: PartOf<V, T>,
  type: FieldType<T>,
  takes: '<' | '>=',
  spares: '<' | '>',
): Aggregate<V, T | null> {
  // The time says whether there is a value: a text would be decoded to be compared with null.
  const take = (column: (local: string) => string, item: string, time: string): string => `
    const held = row.${column('time')}
    if (held === null || ${time} ${takes} held) { row.${column('value')} = ${item}; row.${column('time')} = ${time} }`
  const clear: Code = column => `row.${column('value')} = null; row.${column('time')} = null`
  return {
    kind,
    fields: { value: orNull(type), time: t.optional(t.long) },
    item: type,
    counts: 'value',
    itemOf: of,
    bindings: {},
    clear,
    add: column => take(column, 'item', 'time'),
    subtract: column => `const held = row.${column('time')}
      if (held === null || !(time ${spares} held)) anew = true`,
    merge: column => `const at = other.${column('time')}
      if (at !== null) { ${take(column, `other.${column('value')}`, 'at')} }`,
    result: column => `row.${column('value')}`,
  }
}
