import { AldebaranError } from '../errors.ts'
import { MAX_RECORD_BYTES } from '../log/unit.ts'
import { type Header, headersSize } from '../record/headers.ts'
import { partitionOf } from '../record/partitioner.ts'
import { ByteWriter } from '../schema/byte-writer.ts'
import type { Schema } from '../schema/schema.ts'
import type { AnyTopic } from './topic.ts'

/** Takes encoded records: the unit that is being filled. */
export interface RecordSink {
  append(
    topic: AnyTopic,
    partition: number,
    timestamp: number,
    key: Buffer | null,
    keyStart: number,
    keyEnd: number,
    value: Buffer | null,
    valueStart: number,
    valueEnd: number,
    headers: readonly Header[] | null,
  ): void
}

/** The way of a task into one topic: encodes, finds the partition, hands on. */
export class Outlet {
  readonly topic: AnyTopic
  readonly #sink: RecordSink
  readonly #homePartition: number
  readonly #key = new ByteWriter(64)
  readonly #value = new ByteWriter(1024)

  /** Records without a key go to `homePartition`, the number of the task, modulo the partitions of the topic. */
  constructor(topic: AnyTopic, sink: RecordSink, homePartition: number) {
    this.topic = topic
    this.#sink = sink
    this.#homePartition = homePartition % topic.options.partitions
  }

  send(key: unknown, value: unknown, timestamp: number, headers: readonly Header[] | null): void {
    if (key === null || key === undefined) {
      this.forward(null, -1, -1, value, timestamp, headers)
      return
    }
    this.#key.position = 0
    this.topic.key.encode(key, this.#key)
    this.forward(this.#key.bytes, 0, this.#key.position, value, timestamp, headers)
  }

  /** For keys that are bytes of this topic's key schema already. */
  forward(
    key: Buffer | null,
    keyStart: number,
    keyEnd: number,
    value: unknown,
    timestamp: number,
    headers: readonly Header[] | null,
  ): void {
    const out = this.#value
    out.position = 0
    // In a compacted topic null is no value: it deletes the key.
    const deletes = value === null && this.topic.options.compacted === true
    if (!deletes) this.topic.value.encode(value, out)
    const keyBytes = key === null || keyStart < 0 ? 0 : keyEnd - keyStart
    checkRecordSize(this.topic.name, keyBytes + out.position, headers)
    const partition =
      key === null || keyStart < 0
        ? this.#homePartition
        : partitionOf(key, keyStart, keyEnd, this.topic.options.partitions)
    if (deletes) this.#sink.append(this.topic, partition, timestamp, key, keyStart, keyEnd, null, -1, -1, headers)
    else this.#sink.append(this.topic, partition, timestamp, key, keyStart, keyEnd, out.bytes, 0, out.position, headers)
  }
}

/**
 * `bytes`: of key and value.
 * @throws AldebaranError BATCH_TOO_LARGE
 */
export function checkRecordSize(topic: string, bytes: number, headers: readonly Header[] | null): void {
  const all = headers === null ? bytes : bytes + headersSize(headers)
  if (all <= MAX_RECORD_BYTES) return
  throw new AldebaranError(
    'BATCH_TOO_LARGE',
    `a record for topic '${topic}' has ${all} bytes, and may have ${MAX_RECORD_BYTES}`,
    { topic, bytes: all },
  )
}

/** Whether bytes of one schema are bytes of the other. */
export function sameEncoding(a: Schema<unknown>, b: Schema<unknown>): boolean {
  return a.format === b.format && a.definition === b.definition
}
