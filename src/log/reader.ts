/**
 * Reads one partition from the store.
 *
 * Invariants
 * 1. Nothing at or beyond the published end is read, whatever the store holds already.
 * 2. A batch was verified before it is in the chunk: its CRC, and that it has the offset it was asked for.
 * 3. An idle poll looks at shared memory only; the store's snapshot is held during a poll, and not between polls.
 */
import { AldebaranError } from '../errors.ts'
import { baseOffsetOf, lastOffsetOf, verifyBatch } from '../record/batch-header.ts'
import type { From, PartitionReader } from './contract.ts'
import type { EndsTable } from './ends.ts'
import type { KeyValueReader } from './key-value.ts'
import { BATCH_KEY_BYTES, batchKey, writeBatchKey } from './keys.ts'
import { findTime, floorBatch, isDamaged } from './time-index.ts'
import { unknownTopic } from './topics.ts'

const FIRST_CHUNK_BYTES = 64 * 1024
/** The batch after the chunk is not known: it has to be looked for. */
const UNKNOWN = -1

export class StoreReader implements PartitionReader {
  readonly topic: string
  readonly partition: number
  position = 0
  chunk: Buffer = Buffer.allocUnsafeSlow(FIRST_CHUNK_BYTES)
  size = 0
  from = 0

  readonly #id: number
  readonly #store: KeyValueReader
  readonly #ends: EndsTable
  readonly #epoch: number
  readonly #key = Buffer.alloc(BATCH_KEY_BYTES)
  #onClose: (() => void) | null
  /** Base offset of the batch that follows, or UNKNOWN. */
  #next = UNKNOWN

  constructor(
    topic: string,
    partition: number,
    id: number,
    store: KeyValueReader,
    ends: EndsTable,
    onClose: () => void,
  ) {
    this.topic = topic
    this.partition = partition
    this.#id = id
    this.#store = store
    this.#ends = ends
    this.#onClose = onClose
    ends.read(id)
    this.#epoch = ends.epoch
  }

  end(): number {
    this.#look()
    return this.#ends.end
  }

  seek(from: From): void {
    this.#look()
    const { start, end } = this.#ends
    const offset = from === 'earliest' ? start : from === 'latest' ? end : from
    if (!Number.isSafeInteger(offset) || offset < start || offset > end) throw this.#outOfRange(offset)
    this.position = offset
    this.#next = offset === end ? end : UNKNOWN
  }

  seekToTime(ms: number): void {
    this.#look()
    const { start, end } = this.#ends
    this.#store.refresh()
    this.position = findTime(this.#store, this.#id, ms, start, end)
    this.#store.refresh()
    this.#next = this.position === end ? end : UNKNOWN
  }

  poll(maxBytes: number): boolean {
    this.#look()
    this.from = this.position
    this.size = 0
    const end = this.#ends.end
    if (this.position < this.#ends.start) throw this.#outOfRange(this.position)
    if (this.position >= end) return false
    this.#store.refresh()
    if (this.#next === UNKNOWN) this.#next = floorBatch(this.#store, this.#id, this.position)
    while (this.#next < end && this.#take(maxBytes));
    this.#store.refresh()
    return this.size > 0
  }

  close(): void {
    this.#onClose?.()
    this.#onClose = null
  }

  /** Takes the next batch into the chunk; false when it does not fit, or not before an error has its turn. */
  #take(maxBytes: number): boolean {
    writeBatchKey(this.#key, this.#id, this.#next)
    const batch = this.#store.get(this.#key)
    const at = this.size
    if (batch === undefined) {
      if (at > 0) return false
      if (this.#joined()) return true
      throw this.#missing()
    }
    const length = batch.length
    if (at > 0 && at + length > maxBytes) return false
    this.#ensure(at + length)
    batch.copy(this.chunk, at, 0, length)
    const problem = this.#problem(at, at + length)
    if (problem !== null) {
      if (at > 0) return false
      throw problem
    }
    this.size = at + length
    this.#next = lastOffsetOf(this.chunk, at) + 1
    this.position = this.#next
    return true
  }

  /** Compaction joined the batch, which was empty by then, to the one before it: reads on behind that. */
  #joined(): boolean {
    const floor = floorBatch(this.#store, this.#id, this.#next)
    const batch = floor === this.#next ? undefined : this.#store.get(batchKey(this.#id, floor))
    if (batch === undefined || isDamaged(batch) || lastOffsetOf(batch, 0) < this.#next) return false
    this.#next = lastOffsetOf(batch, 0) + 1
    this.position = this.#next
    return true
  }

  #problem(start: number, end: number): AldebaranError | null {
    try {
      verifyBatch(this.chunk, start, end)
    } catch (error) {
      if (!(error instanceof AldebaranError)) throw error
      return this.#corrupt(error.message, error)
    }
    const base = baseOffsetOf(this.chunk, start)
    return base === this.#next ? null : this.#corrupt(`It says that its offset is ${base}`)
  }

  #ensure(bytes: number): void {
    if (bytes <= this.chunk.length) return
    const grown = Buffer.allocUnsafeSlow(Math.max(bytes, this.chunk.length * 2))
    this.chunk.copy(grown, 0, 0, this.size)
    this.chunk = grown
  }

  /** Reads the row of the partition. */
  #look(): void {
    if (this.#onClose === null) throw new AldebaranError('LOG_CLOSED', 'The reader was closed')
    this.#ends.read(this.#id)
    if (this.#ends.epoch !== this.#epoch) throw unknownTopic(this.topic)
  }

  /** The batch was deleted since the row was read, or it ought to be there. */
  #missing(): AldebaranError {
    this.#look()
    if (this.position < this.#ends.start) return this.#outOfRange(this.position)
    return this.#corrupt('It is not there')
  }

  #corrupt(reason: string, cause?: unknown): AldebaranError {
    const { topic, partition } = this
    const details = { topic, partition, offset: this.#next }
    return new AldebaranError(
      'BATCH_CORRUPT',
      `The batch at offset ${this.#next} of ${topic}/${partition} is damaged. ${reason}`,
      details,
      cause,
    )
  }

  #outOfRange(offset: number): AldebaranError {
    const { topic, partition } = this
    return new AldebaranError(
      'OFFSET_OUT_OF_RANGE',
      `${topic}/${partition} has the offsets ${this.#ends.start} to ${this.#ends.end}, and not ${offset}`,
      { topic, partition, offset, start: this.#ends.start, end: this.#ends.end },
    )
  }
}
