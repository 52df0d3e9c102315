import { ALERT_KINDS, type AlertKind } from '../apps/audit/rules.ts'
import type { AnyTopic, Log } from '../src/index.ts'
import { BatchCursor } from '../src/record/batch-cursor.ts'
import { malformed, readLong, varintCursor } from '../src/schema/varint.ts'

/** `ts`: of the alert's purchase, µs since 1970. */
type AlertTold = (order: number, kind: AlertKind, ts: number, partition: number) => void

/**
 * Follows the alerts of all partitions: each is told once, as soon as it can be read.
 *
 * 1. Order ids are integers.
 * 2. Only the first five fields are read, for other programs that do the job write no more than these.
 */
export class AlertReader {
  readonly #readers
  readonly #cursor = new BatchCursor()
  readonly #value = varintCursor()

  constructor(log: Log, topic: AnyTopic) {
    this.#readers = Array.from({ length: topic.options.partitions }, (_, i) => log.reader(topic.name, i, 'earliest'))
  }

  /** Reads what is there: how many alerts that were. */
  read(told: AlertTold): number {
    let count = 0
    const cursor = this.#cursor
    for (const reader of this.#readers) {
      while (reader.poll(1 << 20)) {
        cursor.reset(reader.chunk, 0, reader.size)
        while (cursor.nextBatch()) {
          while (cursor.next()) {
            this.#tell(cursor, reader.partition, told)
            count++
          }
        }
      }
    }
    return count
  }

  #tell({ bytes, valueStart, valueEnd }: BatchCursor, partition: number, told: AlertTold): void {
    const value = this.#value
    value.start = valueStart
    value.end = valueEnd
    const order = readLong(bytes, valueStart, value)
    const kind = ALERT_KINDS[readLong(bytes, value.position, value)]
    readLong(bytes, value.position, value) // requested
    readLong(bytes, value.position, value) // purchased
    const ts = readLong(bytes, value.position, value)
    if (kind === undefined || value.position > valueEnd) malformed('this is no alert', value.position, value)
    told(order, kind, ts, partition)
  }
}
