/**
 * The registry's topic: appends records to it, and keeps the state that they come to.
 *
 * 1. What is asked is answered from a state that has all that was committed when it was asked (`refresh`).
 * 2. What was appended is in the state when `append` resolves; whether it counts, the state says.
 * 3. Writers of this process take turns (`exclusively`); writers of other processes are told apart by the state.
 */
import { randomUUID } from 'node:crypto'
import type { Log, PartitionReader } from '../../log/contract.ts'
import { BatchCursor } from '../../record/batch-cursor.ts'
import { BatchWriter } from '../../record/batch-writer.ts'
import type { Clock } from '../../time/clock.ts'
import { type RegistryKey, RegistryState } from './state.ts'

export interface RegistryRecord {
  key: RegistryKey
  /** null: as if it had never been said. */
  value: object | string | null
}

const POLL_BYTES = 1024 * 1024
/** Engines that tell of growth are not asked in vain more often than this, ms. */
const LOOK_MS = 100

export class RegistryStore {
  readonly state = new RegistryState()
  readonly #log: Log
  readonly #topic: string
  readonly #clock: Clock
  readonly #reader: PartitionReader
  readonly #cursor = new BatchCursor({ verified: true })
  readonly #writer = new BatchWriter()
  #turn: Promise<unknown> = Promise.resolve()

  constructor(log: Log, topic: string, clock: Clock) {
    this.#log = log
    this.#topic = topic
    this.#clock = clock
    this.#reader = log.reader(topic, 0, 'earliest')
  }

  /** Makes the topic if it is not there. */
  static async open(log: Log, topic: string, clock: Clock): Promise<RegistryStore> {
    const text = { format: 'json', definition: null }
    await log.createTopic(topic, { partitions: 1, compacted: true, internal: true, key: text, value: text })
    return new RegistryStore(log, topic, clock)
  }

  /** Resolves with a state that has everything committed before the call. */
  async refresh(): Promise<RegistryState> {
    const end = this.#reader.end()
    await this.#readTo(end)
    return this.state
  }

  /** Appends the records as one unit, and resolves when the state has them. */
  async append(records: readonly RegistryRecord[]): Promise<void> {
    const writer = this.#writer
    writer.begin()
    for (const record of records) {
      const key = Buffer.from(JSON.stringify(record.key))
      const value = record.value === null ? null : Buffer.from(JSON.stringify(record.value))
      const start = value === null ? -1 : 0
      writer.append(this.#clock.now(), key, 0, key.length, value, start, value?.length ?? 0)
    }
    const batch = Buffer.from(writer.finish())
    const { offsets } = await this.#log.commit({ appends: [{ topic: this.#topic, partition: 0, batch }] })
    await this.#readTo(offsets[0]! + records.length)
  }

  /** One after the other. */
  exclusively<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#turn.then(work, work)
    this.#turn = turn.catch(() => {})
    return turn
  }

  /** A key that nobody else will ever write. */
  newName(): string {
    return randomUUID()
  }

  close(): void {
    this.#reader.close()
  }

  async #readTo(end: number): Promise<void> {
    while (this.#reader.position < end) {
      if (this.#reader.poll(POLL_BYTES)) this.#take()
      else if (this.#reader.position < end) await this.#log.changed(LOOK_MS)
    }
  }

  #take(): void {
    const cursor = this.#cursor
    const { chunk, size, from } = this.#reader
    cursor.reset(chunk, 0, size)
    while (cursor.nextBatch()) {
      while (!cursor.isControl && cursor.next()) {
        if (cursor.offset < from) continue
        const key = parsed(cursor.bytes, cursor.keyStart, cursor.keyEnd)
        const value = parsed(cursor.bytes, cursor.valueStart, cursor.valueEnd)
        if (isKey(key)) this.state.apply(key, value)
        else this.state.foreign++
      }
    }
  }
}

/** Undefined for what is no JSON; null for null. */
function parsed(bytes: Buffer, start: number, end: number): unknown {
  if (start < 0) return null
  try {
    return JSON.parse(bytes.toString('utf8', start, end))
  } catch {
    return undefined
  }
}

function isKey(key: unknown): key is RegistryKey {
  return typeof key === 'object' && key !== null && 'kind' in key
}
