import type { Append, CommitResult, Log } from '../log/contract.ts'
import type { SendOptions } from '../pipeline/context.ts'
import { checkRecordSize, Outlet } from '../pipeline/outlet.ts'
import type { AnyTopic, Topic } from '../pipeline/topic.ts'
import { asBuffer } from '../record/as-buffer.ts'
import { partitionOf } from '../record/partitioner.ts'
import type { Clock } from '../time/clock.ts'
import { systemClock } from '../time/clock.ts'
import { Outputs } from './outputs.ts'

/** Writes records to topics. What is sent between two flushes is committed as one: all of it, or nothing. */
export class Producer {
  readonly #log: Log
  readonly #clock: Clock
  readonly #outputs = new Outputs()
  readonly #outlets = new Map<AnyTopic, Outlet>()

  constructor(log: Log, clock: Clock = systemClock) {
    this.#log = log
    this.#clock = clock
  }

  /** Adds a record to the unit; null: no key. Throws VALUE_INVALID for a value that does not fit the topic, and BATCH_TOO_LARGE. */
  send<K, V>(topic: Topic<K, V>, key: NoInfer<K> | null, value: NoInfer<V>, options?: SendOptions): void {
    let outlet = this.#outlets.get(topic)
    if (outlet === undefined) {
      outlet = new Outlet(topic, this.#outputs, 0)
      this.#outlets.set(topic, outlet)
    }
    outlet.send(key, value, options?.timestamp ?? this.#clock.now(), options?.headers ?? null)
  }

  /** Adds a record whose key and value are bytes already, also such as do not fit the schema. Throws BATCH_TOO_LARGE. */
  sendBytes(topic: AnyTopic, key: Uint8Array | null, value: Uint8Array, options?: SendOptions): void {
    const keyBytes = key === null ? null : asBuffer(key)
    const valueBytes = asBuffer(value)
    const keyEnd = keyBytes?.length ?? -1
    checkRecordSize(topic.name, (keyBytes?.length ?? 0) + valueBytes.length, options?.headers ?? null)
    const partition = keyBytes === null ? 0 : partitionOf(keyBytes, 0, keyEnd, topic.options.partitions)
    const timestamp = options?.timestamp ?? this.#clock.now()
    this.#outputs.append(
      topic,
      partition,
      timestamp,
      keyBytes,
      keyBytes === null ? -1 : 0,
      keyEnd,
      valueBytes,
      0,
      valueBytes.length,
      options?.headers ?? null,
    )
  }

  /** Records and bytes that wait for `flush`. */
  get count(): number {
    return this.#outputs.count
  }

  get bytes(): number {
    return this.#outputs.bytes
  }

  /** Commits the unit; resolves when it is durable. The next one may be filled at once. */
  flush(): Promise<CommitResult> {
    const appends: Append[] = []
    this.#outputs.finishInto(appends)
    const committed = this.#log.commit({ appends })
    this.#outputs.begin()
    return committed
  }
}
