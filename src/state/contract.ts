/**
 * Keyed state of one task. `memory` and `disk` tables keep this contract; `src/state/table-contract.test.ts` is its
 * suite over both.
 *
 * Words: a *row* belongs to a key; its *fields* and *timers* are columns. A *savepoint* is where `rollback` goes back
 * to. A *unit* is what one commit makes durable: the changes since the last `collect`.
 *
 * Invariants
 * 1. A row exists from its first write until `delete()`; reading a row that does not exist gives zero values
 *    (0, '', false, empty, the first symbol, null for optional).
 * 2. `rollback` restores every row, timer and the set of rows exactly as they were at the last savepoint.
 *    A table starts with one; `savepoint` moves it; `collect` moves it too.
 * 3. `collect` then a crash then `restore` gives the same rows and timers.
 * 4. Timers fire in the order of their deadlines (ms); equal ones in the order they were set.
 * 5. The table never allocates on the way of a record: the row object is one and the same.
 */

import type { TableWrite } from '../log/contract.ts'
import type { BatchCursor } from '../record/batch-cursor.ts'
import type { BatchWriter } from '../record/batch-writer.ts'
import type { ByteWriter } from '../schema/byte-writer.ts'
import type { Fields, ObjectOf } from '../schema/field-types.ts'
import type { Schema } from '../schema/schema.ts'

/** Which clock a timer goes by: the wall clock, or the watermark of the task. */
export type TimerKind = 'processing' | 'event'
export type Timers = Readonly<Record<string, TimerKind>>

/**
 * The row a handler sees: fields and timers as plain properties. A timer is its deadline in ms since 1970; 0 is none.
 * The object is reused: it shows the row of the current key only while the handler runs.
 */
export type Row<K, F extends Fields, T extends Timers> = ObjectOf<F> & { -readonly [Name in keyof T]: number } & {
  readonly exists: boolean
  readonly key: K
  delete(): void
}

export interface TableDefinition<K = unknown, F extends Fields = Fields, T extends Timers = Timers> {
  readonly name: string
  readonly key: Schema<K>
  readonly fields: F
  readonly timers: T
  readonly store: 'memory' | 'disk'
  /** Rows of one task, at most; a write beyond throws TABLE_FULL. */
  readonly maxRows: number
  /** Disk: rows kept in memory. Default 100 000. */
  readonly cacheRows?: number
}

/** Where `collect` puts changelog records: a batch writer, or several in a row. */
export type ChangelogSink = Pick<BatchWriter, 'append'>

export interface TaskTable {
  readonly definition: TableDefinition
  /** Rows now, and the bytes they take in memory (columns, index, texts, undo). */
  readonly rows: number
  readonly bytes: number
  /** About how many of those bytes new rows may take before the table needs more. */
  readonly spareBytes: number
  /** Gives memory back that rows took once and do not need now. A savepoint; between batches. */
  shrink(): void

  /** The one row object: at the key of the last `locate`, or the row of the last `nextDue`. */
  readonly row: Row<unknown, Fields, Timers>
  /** Points the row object at the key `bytes[start, end)` and returns it. */
  locate(bytes: Buffer, start: number, end: number): Row<unknown, Fields, Timers>

  /** Writes the bytes of the key that the row object is at. */
  copyKey(out: ByteWriter): void

  /** Points the row at the earliest timer of that kind due at `now`, clears that timer, sets `dueTimer`; false: none. */
  nextDue(kind: TimerKind, now: number): boolean
  /** Name of the timer that `nextDue` found. */
  readonly dueTimer: string
  /** A lower bound of the earliest deadline of that kind, at most a second too early, or Infinity. */
  nextDeadline(kind: TimerKind): number

  savepoint(): void
  rollback(): void
  /** Something was written since the last `collect`. */
  readonly changed: boolean

  /**
   * Ends the unit: writes every changed row to `changelog` (memory, and disk with a store beside the log) or `writes`
   * (disk), and begins the next one.
   * Memory: also re-appends the rows not written for longest, so that the changelog stays under twice the live rows.
   * Returns the number of changelog records written; the caller begins and finishes the batch.
   */
  collect(changelog: ChangelogSink, writes: TableWrite[]): number
  /**
   * Tells, once for each `collect` that wrote changelog records and in their order, the offset the first of them got,
   * when the unit is committed; disk tables without a changelog: once for each `collect`, with 0.
   */
  committed(changelogOffset: number): void
  /** Changelog records before this offset are dead. */
  readonly trimBefore: number
  /** The offset after the last changelog record that it has: read by `restore`, or written and committed. 0: it has none. */
  readonly changelogEnd: number

  /**
   * With a changelog: applies its records, oldest first; those it has already, by their offset, are passed over. For a new
   * table, and for one whose units are all committed, when others write its changelog now. After an error the same
   * records may be given again.
   */
  restore(cursor: BatchCursor): void

  /** Plain copies for queries. `get` answers undefined when there is no row. */
  get(bytes: Buffer, start: number, end: number): RowCopy | undefined
  /** Up to `limit` rows with from ≤ key bytes < to, in byte order of the keys. Either bound may be undefined. */
  scan(from: Buffer | undefined, to: Buffer | undefined, limit: number): RowCopy[]
}

export interface RowCopy {
  key: unknown
  fields: Record<string, unknown>
  /** Deadlines in ms since 1970 of the timers that are set. */
  timers: Record<string, number>
}
