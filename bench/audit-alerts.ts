import type { AlertKind } from '../apps/audit/rules.ts'
import type { AnyTopic, Log } from '../src/index.ts'
import { BatchCursor } from '../src/record/batch-cursor.ts'

/** Follows the alerts of all partitions: each is told once, as soon as it can be read. */
export class AlertReader {
  readonly #readers
  readonly #topic: AnyTopic
  readonly #cursor = new BatchCursor()

  constructor(log: Log, topic: AnyTopic) {
    this.#topic = topic
    this.#readers = Array.from({ length: topic.options.partitions }, (_, i) => log.reader(topic.name, i, 'earliest'))
  }

  /** Reads what is there. `ts`: of the alert's purchase, µs since 1970. */
  read(told: (order: number, kind: AlertKind, ts: number, partition: number) => void): number {
    let count = 0
    const cursor = this.#cursor
    for (const reader of this.#readers) {
      while (reader.poll(1 << 20)) {
        cursor.reset(reader.chunk, 0, reader.size)
        while (cursor.nextBatch()) {
          while (cursor.next()) {
            const alert = this.#topic.value.decode(cursor.bytes, cursor.valueStart, cursor.valueEnd) as {
              orderId: number
              kind: AlertKind
              ts: number
            }
            told(alert.orderId, alert.kind, alert.ts, reader.partition)
            count++
          }
        }
      }
    }
    return count
  }
}
