import type { LocalTable, Log } from '../log/contract.ts'
import type { Charge } from './memory-budget.ts'

/** What a disk table reads from: the log, as of its last commit. */
export type TableStore = Pick<Log, 'tableGet' | 'tableRange'>

export interface TableOptions {
  /** The id that rows are written with; `schemas` has its definition. */
  schemaId: number
  /** Every schema that rows were ever written with, by id, as `rowDefinition` gives them. */
  schemas: ReadonlyMap<number, string>
  /** Rows to make room for at once. Default: none. */
  expectedRows?: number
  /** Disk: rows kept in memory, besides those of units that are not committed. Default 100 000. */
  cacheRows?: number
  /** Disk: the name of the table's rows in `store`; its timers are under `NAME#timers`, its counters under `NAME#meta`. */
  keyspace?: string
  store?: TableStore
  /** Disk: where its rows lie instead of `store`, when units cannot carry them; it has a changelog then. */
  local?: LocalTable
  /** The wall clock, ms since 1970: when changelog records of a disk table were written. */
  now?: () => number
  /** Memory: a changelog of so many records is left alone. Default 4096. */
  changelogRecords?: number
  /** Told every change of the table's bytes before it takes or gives them back. When it throws, nothing is changed; with `always` it must not. */
  charge?: Charge
  /** Of the hashes of the keys. Default: random. */
  seed?: number
}
