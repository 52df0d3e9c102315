/**
 * The last value of each key of the topics that a delivery `reads`: what its routes and tries look things up in. They lie in
 * tables of its task, so they go where the task goes, and change in the order of the log.
 */
import { AldebaranError } from '../errors.ts'
import type { TaskContext } from '../pipeline/task-context.ts'
import type { AnyTopic, KeyOf, ValueOf } from '../pipeline/topic.ts'
import { ByteWriter } from '../schema/byte-writer.ts'
import { kept } from '../schema/kept.ts'
import type { TaskTable } from '../state/contract.ts'
import type { LatestRow } from './tables.ts'

/** Decoded values that are kept, of each topic. */
const MOST_DECODED = 10_000

/** `key`: default that of the record. Undefined: there is no value. The value is shared: it must not be changed. */
export type LatestOf = <T extends AnyTopic>(topic: T, key?: KeyOf<T>) => ValueOf<T> | undefined

interface Read {
  readonly table: TaskTable
  /** By the bytes of the key, as latin1. */
  readonly decoded: Map<string, unknown>
}

export class Latest {
  readonly #reads: ReadonlyMap<AnyTopic, Read>
  readonly #key = new ByteWriter(64)

  constructor(tables: ReadonlyMap<AnyTopic, TaskTable>) {
    this.#reads = new Map([...tables].map(([topic, table]) => [topic, { table, decoded: new Map() }]))
  }

  /** The record that the context is at; a null value deletes. Undone with the tables. */
  set(topic: AnyTopic, context: TaskContext): void {
    const { cursor, keyBytes, keyStart, keyEnd } = context
    if (cursor === null || keyStart < 0) throw new AldebaranError('VALUE_INVALID', 'the record has no key')
    const { table, decoded } = this.#reads.get(topic)!
    decoded.delete(keyBytes.toString('latin1', keyStart, keyEnd))
    const row = table.locate(keyBytes, keyStart, keyEnd) as unknown as LatestRow
    if (cursor.valueStart >= 0) row.value = cursor.bytes.subarray(cursor.valueStart, cursor.valueEnd)
    else if (row.exists) row.delete()
  }

  /** What was decoded may be of records that are undone. */
  rollback(): void {
    for (const { decoded } of this.#reads.values()) decoded.clear()
  }

  /** `own`: the key of the record, as it is in the log. */
  get(topic: AnyTopic, own: Buffer | null, key: unknown): unknown {
    const read = this.#reads.get(topic)
    if (read === undefined) {
      throw new AldebaranError('TOPIC_UNKNOWN', `the delivery does not name topic '${topic.name}' in reads`, {
        topic: topic.name,
      })
    }
    const bytes = key === undefined ? own : this.#encoded(topic, key)
    if (bytes === null) return undefined
    const name = bytes.toString('latin1')
    if (!read.decoded.has(name)) {
      if (read.decoded.size >= MOST_DECODED) read.decoded.clear()
      read.decoded.set(name, decodedOf(topic, read.table, bytes))
    }
    return read.decoded.get(name)
  }

  #encoded(topic: AnyTopic, key: unknown): Buffer {
    this.#key.position = 0
    topic.key.encode(key, this.#key)
    return this.#key.bytes.subarray(0, this.#key.position)
  }
}

function decodedOf(topic: AnyTopic, table: TaskTable, key: Buffer): unknown {
  const row = table.locate(key, 0, key.length) as unknown as LatestRow
  if (!row.exists) return undefined
  const value = Buffer.from(row.value)
  return kept(topic.value.decode(value, 0, value.length))
}
