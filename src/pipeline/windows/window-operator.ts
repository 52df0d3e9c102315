/** What operators of all kinds of windows share: the clock they go by, and how they hand results on. */
import type { Schema } from '../../schema/schema.ts'
import type { TaskTable } from '../../state/contract.ts'
import type { CompiledAggregates } from '../aggregates/compile-aggregates.ts'
import { CompositeKeyBytes, NUMBER_BYTES } from '../composite-key.ts'
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
  readonly #emit: (value: unknown) => void
  readonly #key: Schema<unknown>
  readonly #isOfEvents: boolean
  #isSilent = false

  constructor({ context, emit, tooLate }: OperatorParts, { key, aggregates, clock }: WindowRules) {
    this.context = context
    this.aggregates = aggregates
    this.tooLate = tooLate
    this.#emit = emit
    this.#key = key
    this.#isOfEvents = clock === 'event'
  }

  /** Of the value at hand, ms. */
  protected get time(): number {
    return this.#isOfEvents ? this.context.timestamp : this.context.now
  }

  /** What is older comes too late, ms. */
  protected get watermark(): number {
    return this.#isOfEvents ? this.context.watermark : Number.NEGATIVE_INFINITY
  }

  protected locate(table: TaskTable, number: number): WindowRow {
    const { context, rowKey } = this
    rowKey.set(context.keyBytes, context.keyStart, context.keyEnd, number)
    return table.locate(rowKey.bytes, 0, rowKey.end)
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
    const end = context.keyEnd - NUMBER_BYTES
    const number = context.keyBytes.readInt32BE(end) * 4294967296 + context.keyBytes.readUInt32BE(end + 4)
    context.keyEnd = end
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
