import type { Comparison } from './compare.ts'

/** A table of comparisons, for people: one row each. */
export const COMPARISON_COLUMNS: readonly {
  header: string
  cell: (one: Comparison) => string | number
  /** Aligned to the right. */
  right?: boolean
}[] = [
  { header: 'SIZE', cell: one => one.size },
  { header: 'ROWS', cell: one => one.rows, right: true },
  { header: 'BASELINE', cell: one => `${one.baselineMs.toFixed(3)} ms`, right: true },
  { header: 'OPTIMISED', cell: one => `${one.optimisedMs.toFixed(3)} ms`, right: true },
  { header: 'SAVED', cell: one => `${one.saved.toFixed(2)} %`, right: true },
  { header: 'RESULTS', cell: one => (one.equal ? 'equal' : 'DIFFER') },
]
