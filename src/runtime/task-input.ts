import type { Log, PartitionReader } from '../log/contract.ts'
import type { Push } from '../pipeline/compile.ts'
import type { SourceNode } from '../pipeline/node.ts'
import { BatchCursor } from '../record/batch-cursor.ts'
import type { Schema } from '../schema/schema.ts'

const POLL_BYTES = 512 * 1024

/** One source of a task: its partition, read batch by batch. */
export class TaskInput {
  readonly source: SourceNode
  readonly reader: PartitionReader
  readonly push: Push
  readonly schema: Schema<unknown>
  readonly cursor = new BatchCursor({ verified: true })
  /** The next offset to process; what is before it was processed. */
  position: number
  /** The position the last unit carried. */
  submitted: number
  /** A topic made for keyBy is trimmed up to here: nobody else reads it. */
  trimmed: number
  /** Newest timestamp seen, ms; −Infinity before the first record. */
  maxTimestamp: number
  #ready = false
  /** What lies before it was processed, or is no record. */
  #emptyTo = 0

  constructor(log: Log, group: string, source: SourceNode, partition: number, push: Push) {
    const known = log.position(group, source.topic.name, partition)
    const start = log.partition(source.topic.name, partition).start
    this.source = source
    this.push = push
    this.schema = source.topic.value as Schema<unknown>
    // Retention may have passed a position by: go on with what is left.
    this.position = Math.max(known?.offset ?? start, start)
    this.submitted = known?.offset ?? -1
    this.trimmed = start
    this.maxTimestamp = known === undefined || known.metadata === '' ? Number.NEGATIVE_INFINITY : Number(known.metadata)
    this.reader = log.reader(source.topic.name, partition, this.position)
  }

  /** Stands the cursor before the records of the next batch; false: there is none now. */
  ready(): boolean {
    if (this.#ready) return true
    const { cursor, reader } = this
    for (;;) {
      const start = cursor.batchEnd
      let entered: boolean
      try {
        entered = cursor.nextBatch()
      } catch (error) {
        // So that it is met again, and not passed over, when this is asked again.
        cursor.reset(reader.chunk, start, reader.size)
        throw error
      }
      if (entered) {
        if (cursor.isControl) {
          this.position = cursor.lastOffset + 1
          continue
        }
        this.#ready = true
        return true
      }
      if (!reader.poll(POLL_BYTES)) {
        this.#emptyTo = reader.position
        return false
      }
      cursor.reset(reader.chunk, 0, reader.size)
    }
  }

  /**
   * Passes over offsets behind the last record that have none, such as markers of transactions: the group would look as
   * if it were behind. False: there are none.
   */
  passGap(): boolean {
    if (this.#emptyTo <= this.position) return false
    this.position = this.#emptyTo
    return true
  }

  /** All records before that offset were processed. */
  isAt(offset: number): boolean {
    return this.position >= offset || (!this.#ready && this.#emptyTo >= offset)
  }

  /** Back to before the first record of the batch at hand. */
  again(): void {
    this.cursor.reset(this.reader.chunk, this.cursor.batchStart, this.reader.size)
    this.cursor.nextBatch()
    this.#ready = true
  }

  /** The batch at hand is processed. */
  done(): void {
    const { cursor } = this
    this.#ready = false
    this.position = cursor.lastOffset + 1
    if (cursor.maxTimestamp > this.maxTimestamp) this.maxTimestamp = cursor.maxTimestamp
  }

  get watermark(): number {
    return this.maxTimestamp - this.source.outOfOrderness
  }

  close(): void {
    this.reader.close()
  }
}
