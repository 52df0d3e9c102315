import { AldebaranError } from '../errors.ts'
import type { BatchCursor } from '../record/batch-cursor.ts'
import type { Header } from '../record/headers.ts'
import type { Schema } from '../schema/schema.ts'
import type { Context, SendOptions } from './context.ts'
import type { Outlet } from './outlet.ts'
import type { AnyTopic } from './topic.ts'

const NO_BYTES = Buffer.alloc(0)

/** The context of a task: where it stands, written by the task before each record, read by handlers and outlets. */
export class TaskContext implements Context<unknown, AnyTopic> {
  timestamp = 0
  now = 0
  watermark = 0
  topic = ''
  readonly partition: number
  offset = -1
  /** Too late for an operator; taken by the task's report. */
  lateRecords = 0
  /** The key of the record at hand; keyStart −1: it has none. */
  keyBytes: Buffer = NO_BYTES
  keyStart = -1
  keyEnd = -1
  keySchema: Schema<unknown>
  /** The record at hand, for its headers; null while a timer runs. */
  cursor: BatchCursor | null = null
  readonly #outlets: ReadonlyMap<AnyTopic, Outlet>
  #lateAtSavepoint = 0

  constructor(partition: number, keySchema: Schema<unknown>, outlets: ReadonlyMap<AnyTopic, Outlet>) {
    this.partition = partition
    this.keySchema = keySchema
    this.#outlets = outlets
  }

  savepoint(): void {
    this.#lateAtSavepoint = this.lateRecords
  }

  rollback(): void {
    this.lateRecords = this.#lateAtSavepoint
  }

  get key(): unknown {
    return this.keyStart < 0 ? null : this.keySchema.decode(this.keyBytes, this.keyStart, this.keyEnd)
  }

  headers(): Header[] {
    return this.cursor === null ? [] : this.cursor.headers()
  }

  send(topic: AnyTopic, key: unknown, value: unknown, options?: SendOptions): void {
    const outlet = this.#outlets.get(topic)
    if (outlet === undefined) {
      throw new AldebaranError('TOPIC_UNKNOWN', `the pipeline does not declare topic '${topic.name}' in sends`, {
        topic: topic.name,
      })
    }
    outlet.send(key, value, options?.timestamp ?? this.timestamp, options?.headers ?? null)
  }
}
