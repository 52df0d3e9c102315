import type { Log } from '../log/contract.ts'
import type { AnyTopic, KeyOf, ValueOf } from '../pipeline/topic.ts'
import { BatchCursor } from '../record/batch-cursor.ts'
import type { Header } from '../record/headers.ts'
import { DEAD_LETTER_HEADERS } from '../runtime/dead-letters.ts'

/** A record of a topic, decoded into plain values. */
export interface ReadRecord<K = unknown, V = unknown> {
  partition: number
  offset: number
  timestamp: number
  key: K | null
  value: V | null
  headers: Header[]
}

/** Everything a topic holds, partition after partition; from `offsets[partition]` where given. */
export function readTopic<T extends AnyTopic>(
  log: Log,
  topic: T,
  offsets: readonly number[] = [],
): ReadRecord<KeyOf<T>, ValueOf<T>>[] {
  const records: ReadRecord<KeyOf<T>, ValueOf<T>>[] = []
  for (let partition = 0; partition < topic.options.partitions; partition++) {
    readPartition(log, topic, partition, offsets[partition] ?? 'earliest', records)
  }
  return records
}

function readPartition<T extends AnyTopic>(
  log: Log,
  topic: T,
  partition: number,
  from: number | 'earliest',
  into: ReadRecord<KeyOf<T>, ValueOf<T>>[],
): void {
  const reader = log.reader(topic.name, partition, from)
  const cursor = new BatchCursor()
  while (reader.poll(1 << 20)) {
    const { from: first } = reader
    cursor.reset(reader.chunk, 0, reader.size)
    while (cursor.nextBatch()) {
      while (cursor.next()) {
        if (cursor.offset < first) continue
        const key = cursor.keyStart < 0 ? null : topic.key.decode(cursor.bytes, cursor.keyStart, cursor.keyEnd)
        const value =
          cursor.valueStart < 0 ? null : topic.value.decode(cursor.bytes, cursor.valueStart, cursor.valueEnd)
        into.push({
          partition,
          offset: cursor.offset,
          timestamp: cursor.timestamp,
          key: keep(key),
          value: value === null ? null : (topic.value.toJson(value) as ValueOf<T>),
          headers: cursor.headers().map(header => ({ key: header.key, value: keep(header.value) })),
        })
      }
    }
  }
  reader.close()
}

/** Bytes may lie in a buffer that is reused. */
function keep<T>(value: T): T {
  return value instanceof Uint8Array ? (Buffer.from(value) as T) : value
}

export interface DeadLetter {
  code: string
  message: string
  topic: string
  partition: number
  offset: number
  /** 'table/timer' for a timer, else null. */
  timer: string | null
  key: Buffer | null
  /** Null: the record had none. */
  value: Buffer | null
}

export function readDeadLetters(log: Log, topic: AnyTopic, offsets: readonly number[] = []): DeadLetter[] {
  return readTopic(log, { ...topic, value: { ...topic.value, toJson: keep } }, offsets).map(record => {
    const text = (name: string): string | null =>
      record.headers.findLast(header => header.key === name)?.value?.toString() ?? null
    return {
      code: text(DEAD_LETTER_HEADERS.code) ?? '',
      message: text(DEAD_LETTER_HEADERS.message) ?? '',
      topic: text(DEAD_LETTER_HEADERS.topic) ?? '',
      partition: Number(text(DEAD_LETTER_HEADERS.partition)),
      offset: Number(text(DEAD_LETTER_HEADERS.offset)),
      timer: text(DEAD_LETTER_HEADERS.timer),
      key: record.key as Buffer | null,
      value: record.value as Buffer | null,
    }
  })
}
