/** Quantiles in a row: a few hundred bytes, however many values there are. */
import { AldebaranError } from '../../errors.ts'
import { t } from '../../schema/field-types.ts'
import type { Aggregate, Code } from './aggregate.ts'
import type { NumberOf } from './numbers.ts'
import { Sketch } from './sketch.ts'

export interface QuantileSettings {
  /**
   * How far the answer may be from the value of that rank, as a part of it: 0.001 to 0.1. The state has up to 3.5 bins for each
   * doubling of the values at 0.1, 35 at 0.01, 347 at 0.001. Up to 32 values answers are exact. Default: 0.01.
   */
  accuracy?: number
}

const DEFAULT_ACCURACY = 0.01
const NONE = Buffer.alloc(0)

/**
 * The value of rank `q` × (count − 1), rounded down: `q` 0.5 is the median; of no numbers null.
 * @throws AldebaranError PIPELINE_INVALID for a `q` outside 0 to 1, or an accuracy outside 0.001 to 0.1.
 */
export function quantile<V>(of: NumberOf<V>, q: number, settings: QuantileSettings = {}): Aggregate<V, number | null> {
  const parts = sketched(of, [q], settings)
  return { ...parts, kind: 'quantile', result: (column, bound) => `${parts.result(column, bound)}[0]` }
}

/**
 * Several quantiles of one state, in the order asked for.
 * @throws AldebaranError PIPELINE_INVALID for one outside 0 to 1, or an accuracy outside 0.001 to 0.1.
 */
export function quantiles<V>(
  of: NumberOf<V>,
  qs: readonly number[],
  settings: QuantileSettings = {},
): Aggregate<V, (number | null)[]> {
  return sketched(of, qs, settings)
}

function sketched<V>(
  of: NumberOf<V>,
  qs: readonly number[],
  { accuracy = DEFAULT_ACCURACY }: QuantileSettings,
): Aggregate<V, never> {
  for (const q of qs) {
    if (!(q >= 0 && q <= 1)) throw new AldebaranError('PIPELINE_INVALID', `a quantile lies in 0 to 1, not ${q}`, { q })
  }
  if (!(accuracy >= 0.001 && accuracy <= 0.1)) {
    throw new AldebaranError('PIPELINE_INVALID', `accuracy lies in 0.001 to 0.1, not ${accuracy}`, { accuracy })
  }
  const add: Code = (column, bound) => `
    const recent = row.${column('recent')}
    if (${bound('sketch')}.isFull(recent)) {
      row.${column('bins')} = ${bound('sketch')}.fold(row.${column('bins')}, recent, item)
      row.${column('recent')} = ${bound('none')}
    } else row.${column('recent')} = ${bound('sketch')}.append(recent, item)`
  return {
    kind: 'quantiles',
    fields: { recent: t.bytes, bins: t.bytes },
    item: t.double,
    counts: 'number',
    itemOf: of,
    bindings: { sketch: new Sketch(accuracy), none: NONE, qs: [...qs] },
    clear: (column, bound) => `row.${column('recent')} = ${bound('none')}; row.${column('bins')} = ${bound('none')}`,
    add,
    subtract: (column, bound) => `
      const recent = ${bound('sketch')}.remove(row.${column('recent')}, item)
      if (recent !== null) row.${column('recent')} = recent
      else {
        const bins = ${bound('sketch')}.lessen(row.${column('bins')}, item)
        if (bins === null) anew = true
        else row.${column('bins')} = bins
      }`,
    merge: (column, bound) => `
      if (other.${column('bins')}.length > 0) {
        row.${column('bins')} = ${bound('sketch')}.merge(row.${column('bins')}, other.${column('bins')})
      }
      for (let at = 0; at < other.${column('recent')}.length; at += 8) {
        const item = other.${column('recent')}.readDoubleLE(at)
        ${add(column, bound)}
      }`,
    result: (column, bound) =>
      `${bound('sketch')}.quantiles(row.${column('bins')}, row.${column('recent')}, ${bound('qs')})`,
  }
}
