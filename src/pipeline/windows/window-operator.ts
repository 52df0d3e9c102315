/** What operators of all kinds of windows share: the clock they go by, and how they hand results on. */
import type { Schema } from '../../schema/schema.ts'
import type { TaskTable } from '../../state/contract.ts'
import type { CompiledAggregates } from '../aggregates/compile-aggregates.ts'
import { CompositeKeyBytes, NUMBER_BYTES, numberOf } from '../composite-key.ts'
import type { OperatorParts, TableNode } from '../node.ts'
import type { TaskContext } from '../task-context.ts'

/** `early`: before the window has ended; `onTime`: when it has; `late`: again, for records that came after that. */
export type Timing = 'early' | 'onTime' | 'late'

export interface WindowRules {
  readonly key: Schema<unknown>
  readonly aggregates: CompiledAggregates<unknown>
  /** ms that a window is kept for late records after its end. */
  readonly lateness: number
  /** ms between early results; Infinity: none. */
  readonly early: number
  readonly clock: 'event' | 'processing'
}

/** Row of a table whose columns only the operator knows. */
// biome-ignore lint/suspicious/noExplicitAny: columns are those of the aggregates, and a few own ones
export type WindowRow = any

export abstract class WindowOperator {
  protected readonly context: TaskContext
  protected readonly aggregates: CompiledAggregates<unknown>
  protected readonly rowKey = new CompositeKeyBytes()
  protected readonly tooLate: (value: unknown) => void
  /** ms that a window is kept after its end. */
  protected readonly lateness: number
  protected readonly isOfEvents: boolean
  readonly #emit: (value: unknown) => void
  readonly #key: Schema<unknown>
  readonly #early: number
  #isSilent = false

  constructor({ context, emit, tooLate }: OperatorParts, { key, aggregates, lateness, early, clock }: WindowRules) {
    this.context = context
    this.aggregates = aggregates
    this.tooLate = tooLate
    this.lateness = lateness
    this.#early = early
    this.#emit = emit
    this.#key = key
    this.isOfEvents = clock === 'event'
  }

  /** Of the value at hand, ms. */
  protected get time(): number {
    return this.isOfEvents ? this.context.timestamp : this.context.now
  }

  /** What is older comes too late, ms. */
  protected get watermark(): number {
    return this.isOfEvents ? this.context.watermark : Number.NEGATIVE_INFINITY
  }

  protected locate(table: TaskTable, number: number): WindowRow {
    const { context, rowKey } = this
    rowKey.set(context.keyBytes, context.keyStart, context.keyEnd, number)
    return table.locate(rowKey.bytes, 0, rowKey.end)
  }

  /** The row of the key at hand, of a table with one for each key. */
  protected locateKey(table: TaskTable): WindowRow {
    const { context } = this
    return table.locate(context.keyBytes, context.keyStart, context.keyEnd)
  }

  /** A result of the window at hand lacks something: an early one is to come, if there are any. */
  protected awaitEarly(row: WindowRow): void {
    if (this.#early !== Number.POSITIVE_INFINITY && row.early === 0) row.early = this.context.now + this.#early
  }

  /** All that the window at hand has is told: no early result is to come. */
  protected lackNothing(row: WindowRow): void {
    if (this.#early !== Number.POSITIVE_INFINITY) row.early = 0
  }

  /** The window at hand has ended, and stays for records that come late. */
  protected keep(row: WindowRow, until: number): void {
    row.told = true
    row.close = until
    this.lackNothing(row)
  }

  abstract timer(table: TableNode, timer: string): void

  /** What follows could not take the result: the window ends without it. */
  abandon(table: TableNode, timer: string): void {
    this.#isSilent = true
    try {
      this.timer(table, timer)
    } finally {
      this.#isSilent = false
    }
  }

  /** After a timer: the context has the key of the row, and gets that of the stream. Returns the number of the row. */
  protected enterRow(): number {
    const { context } = this
    const number = numberOf(context.keyBytes, context.keyEnd)
    context.keyEnd -= NUMBER_BYTES
    context.keySchema = this.#key
    return number
  }

  /** The timestamp of the value at hand is what it was when this returns. */
  protected tell(result: Record<string, unknown>, start: number, end: number, timestamp: number, timing: Timing): void {
    if (this.#isSilent) return
    const { context } = this
    const before = context.timestamp
    result.windowStart = start
    result.windowEnd = end
    result.timing = timing
    context.timestamp = timestamp
    this.#emit(result)
    context.timestamp = before
  }
}
