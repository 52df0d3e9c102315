/**
 * The values with the highest ranks. They are arrays in the row, stored as a whole; the lowest rank of a full list has a
 * column of its own, so that a value that is not among them costs one comparison.
 */
import { AldebaranError } from '../../errors.ts'
import { type FieldType, t } from '../../schema/field-types.ts'
import type { Aggregate, AggregateContext } from './aggregate.ts'

const MAX_K = 1000

export interface Ranked<T> {
  by: number
  value: T
}

export interface TopKSettings<V, T> {
  /** What values are ranked by, the highest first; null, undefined, NaN and the infinite numbers do not count. */
  by(value: V, context: AggregateContext): number | null | undefined
  /** What of a value is kept; null and undefined do not count. */
  value(value: V, context: AggregateContext): NoInfer<T> | null | undefined
  type: FieldType<T>
  /** Each value once, by its highest rank. For texts, numbers and booleans: others never are the same. Default: false. */
  distinct?: boolean
}

/**
 * The `k` values with the highest ranks (1 to 1,000), highest first; of equal ranks that which came first.
 * @throws AldebaranError PIPELINE_INVALID for another `k`.
 */
export function topK<V, T>(k: number, settings: TopKSettings<V, T>): Aggregate<V, Ranked<T>[]> {
  if (!Number.isInteger(k) || k < 1 || k > MAX_K) {
    throw new AldebaranError('PIPELINE_INVALID', `topK takes 1 to ${MAX_K} values, not ${k}`, { k })
  }
  const { by, value: of, type, distinct = false } = settings
  const list = new RankedList<T>(k, distinct)
  const keep = (column: (local: string) => string): string => `
    row.${column('ranks')} = ranks
    row.${column('values')} = values
    if (ranks.length === ${k}) row.${column('least')} = ranks[${k - 1}]`
  const load = (column: (local: string) => string): string =>
    `const ranks = row.${column('ranks')}, values = row.${column('values')}`
  return {
    kind: 'topK',
    fields: { ranks: t.array(t.double), values: t.array(type), least: t.optional(t.double) },
    item: t.record('Ranked', { by: t.double, value: type }),
    counts: 'value',
    itemOf(value, context) {
      const rank = by(value, context)
      if (rank === null || rank === undefined || !Number.isFinite(rank)) return undefined
      const kept = of(value, context)
      return kept === null || kept === undefined ? undefined : { by: rank, value: kept }
    },
    bindings: { list },
    clear: column => `row.${column('ranks')} = []; row.${column('values')} = []; row.${column('least')} = null`,
    add: (column, bound) => `
      const least = row.${column('least')}
      if (least === null || item.by > least) {
        ${load(column)}
        ${bound('list')}.put(ranks, values, item.by, item.value)
        ${keep(column)}
      }`,
    subtract: column => `
      const least = row.${column('least')}
      if (least === null || item.by >= least) anew = true`,
    merge: (column, bound) => `
      ${load(column)}
      for (let i = 0; i < other.${column('ranks')}.length; i++) {
        ${bound('list')}.put(ranks, values, other.${column('ranks')}[i], other.${column('values')}[i])
      }
      ${keep(column)}`,
    result: (column, bound) => `${bound('list')}.entries(row.${column('ranks')}, row.${column('values')})`,
  }
}

class RankedList<T> {
  readonly #k: number
  readonly #distinct: boolean

  constructor(k: number, distinct: boolean) {
    this.#k = k
    this.#distinct = distinct
  }

  put(ranks: number[], values: T[], rank: number, value: T): void {
    if (this.#distinct) {
      const same = values.indexOf(value)
      if (same !== -1) {
        if (ranks[same]! >= rank) return
        ranks.splice(same, 1)
        values.splice(same, 1)
      }
    }
    let at = ranks.length
    while (at > 0 && ranks[at - 1]! < rank) at--
    if (at === this.#k) return
    ranks.splice(at, 0, rank)
    values.splice(at, 0, value)
    if (ranks.length <= this.#k) return
    ranks.pop()
    values.pop()
  }

  entries(ranks: readonly number[], values: readonly T[]): Ranked<T>[] {
    return ranks.map((by, index) => ({ by, value: values[index]! }))
  }
}
