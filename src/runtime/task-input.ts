import type { Log, PartitionReader } from '../log/contract.ts'
import type { Push } from '../pipeline/compile.ts'
import type { SourceNode } from '../pipeline/node.ts'
import { BatchCursor } from '../record/batch-cursor.ts'
import { murmur2 } from '../record/partitioner.ts'
import type { Schema } from '../schema/schema.ts'
import { inputTime, MARK_HEADER, RelayedTime, SourceTime } from '../time/input-time.ts'
import { formatStoredTime, parseStoredTime } from '../time/stored-time.ts'

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
  readonly time: SourceTime | RelayedTime
  /** ms; Infinity: it is never idle. */
  readonly idleAfter: number
  /** Up to where event timers had run when the position was committed, ms. */
  readonly storedWatermark: number
  /** What the last unit carried with the position. */
  submittedTime: string
  /** The records of the batch at hand are looked at one by one for their time. */
  isTimed = false
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
    this.submittedTime = known?.metadata ?? ''
    const stored = parseStoredTime(this.submittedTime)
    this.storedWatermark = stored.watermark
    this.time = inputTime(source, stored)
    this.idleAfter = source.time.idleAfter
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

  /** Before the records of a batch: how they are to be timed. */
  begin(now: number): void {
    const { time, cursor, source } = this
    time.savepoint()
    this.isTimed =
      source.timestampOf !== null || (time instanceof SourceTime && time.needsCare(cursor.maxTimestamp, now))
  }

  /** The time of the record at hand. @throws AldebaranError TIMESTAMP_AHEAD */
  saw(timestamp: number, now: number): void {
    const { time, cursor } = this
    if (!(time instanceof SourceTime)) return
    time.checkAhead(timestamp, now)
    if (timestamp <= time.newest) return
    const { bytes, keyStart, keyEnd } = cursor
    time.saw(timestamp, keyStart < 0 || !time.isJump(timestamp) ? 0 : murmur2(bytes, keyStart, keyEnd))
  }

  /** Takes the record at hand for a mark of a watermark; false: it is none. */
  heard(): boolean {
    const { time, cursor } = this
    if (!(time instanceof RelayedTime) || cursor.valueStart >= 0) return false
    for (const { key, value } of cursor.headers()) {
      if (key === MARK_HEADER && value !== null) time.heard(Buffer.from(value).toString('latin1'))
    }
    return true
  }

  /** What is kept of its time with its position. `watermark`: up to where event timers have run; −Infinity: none kept. */
  timeText(watermark: number): string {
    return formatStoredTime({ newest: this.time.newest, watermark, writers: this.time.writers })
  }

  /** Back to before the first record of the batch at hand. */
  again(): void {
    this.time.rollback()
    this.cursor.reset(this.reader.chunk, this.cursor.batchStart, this.reader.size)
    this.cursor.nextBatch()
    this.#ready = true
  }

  /** The batch at hand is processed. */
  done(): void {
    const { cursor } = this
    this.#ready = false
    this.position = cursor.lastOffset + 1
    const { time } = this
    if (time instanceof RelayedTime) time.newest = Math.max(time.newest, cursor.maxTimestamp)
    else if (!this.isTimed) time.saw(cursor.maxTimestamp, 0)
  }

  close(): void {
    this.reader.close()
  }
}
