/**
 * Reads one partition from what the network thread fetched for it.
 *
 * Invariants
 * 1. What arrives was verified and is committed: aborted records, and the markers of transactions, were left out.
 * 2. `position` passes over what was left out, so that it reaches the end of a partition that ends with a marker.
 */
import { AldebaranError, type ErrorCode } from '../../errors.ts'
import { batchLength, lastOffsetOf } from '../../record/batch-header.ts'
import type { From, PartitionReader } from '../contract.ts'
import { FAILED, PART, RingReader } from './ring.ts'

const FIRST_STAGE_BYTES = 64 * 1024

/** What a reader needs of its client. */
export interface ReaderHost {
  /** Has the partition fetched from `from` on into a new ring; blocks until the network thread knows where that is. */
  subscribe(topic: string, partition: number, from: From): Subscription
  unsubscribe(id: number): void
  /** Tells the network thread that there is room again. */
  ringNetwork(): void
  offsetAtTime(topic: string, partition: number, ms: number): number
}

export interface Subscription {
  id: number
  ring: SharedArrayBuffer
  position: number
  /** Of all that was written then. */
  end: number
}

export class KafkaReader implements PartitionReader {
  readonly topic: string
  readonly partition: number
  position = 0
  chunk: Buffer = Buffer.alloc(0)
  size = 0
  from = 0
  readonly #host: ReaderHost
  readonly #onClose: (reader: KafkaReader) => void
  #subscription: Subscription
  #ring: RingReader
  /** Whole batches from `#given` to `#whole`, then the first part of further ones, to `#staged`. */
  #stage = Buffer.allocUnsafeSlow(FIRST_STAGE_BYTES)
  #given = 0
  #whole = 0
  #staged = 0
  /** The position after the batches in the stage. */
  #next = 0
  #closed = false

  constructor(
    host: ReaderHost,
    topic: string,
    partition: number,
    subscription: Subscription,
    onClose: (reader: KafkaReader) => void,
  ) {
    this.topic = topic
    this.partition = partition
    this.#host = host
    this.#onClose = onClose
    this.#subscription = subscription
    this.#ring = new RingReader(subscription.ring)
    this.position = this.#subscription.position
  }

  poll(maxBytes: number): boolean {
    if (this.#closed) throw new AldebaranError('LOG_CLOSED', 'The reader was closed')
    this.from = this.position
    this.size = 0
    if (this.#given === this.#whole && !this.#fill(maxBytes)) return false
    this.#deliver(maxBytes)
    return true
  }

  /** What lies before it was committed, or will be passed over: its transaction is being ended. */
  end(): number {
    return Math.max(this.position, this.#subscription.end, this.#ring.end)
  }

  seek(from: From): void {
    this.#host.unsubscribe(this.#subscription.id)
    this.#subscription = this.#host.subscribe(this.topic, this.partition, from)
    this.#ring = new RingReader(this.#subscription.ring)
    this.position = this.#subscription.position
    this.#next = this.position
    this.#given = 0
    this.#whole = 0
    this.#staged = 0
  }

  seekToTime(ms: number): void {
    this.seek(this.#host.offsetAtTime(this.topic, this.partition, ms))
  }

  close(): void {
    if (this.#closed) return
    this.#closed = true
    this.#host.unsubscribe(this.#subscription.id)
    this.#onClose(this)
  }

  /** Takes frames into the stage; false: no whole batch is there. */
  #fill(maxBytes: number): boolean {
    const ring = this.#ring
    this.#stage.copyWithin(0, this.#whole, this.#staged)
    this.#staged -= this.#whole
    this.#given = 0
    this.#whole = 0
    let wanted = false
    while (ring.peek()) {
      if (this.#whole > 0 && (ring.kind === FAILED || this.#staged + ring.length > maxBytes)) break
      if (ring.kind === FAILED) throw this.#failure()
      const { length, offset, kind } = ring
      this.#ensure(this.#staged + length)
      if (ring.take(this.#stage, this.#staged)) wanted = true
      this.#staged += length
      if (kind === PART) continue
      this.#whole = this.#staged
      this.#next = offset
    }
    if (wanted) this.#host.ringNetwork()
    if (this.#whole > 0) return true
    // Records that are left out move the position too.
    if (this.#next > this.position) this.position = this.#next
    this.from = this.position
    return false
  }

  /** Gives whole batches out of the stage: one at least, then as many as fit. */
  #deliver(maxBytes: number): void {
    const stage = this.#stage
    const start = this.#given
    let at = start
    do {
      this.position = lastOffsetOf(stage, at) + 1
      at += batchLength(stage, at)
    } while (at < this.#whole && at + batchLength(stage, at) - start <= maxBytes)
    this.chunk = start === 0 ? stage : stage.subarray(start)
    this.size = at - start
    this.#given = at
    if (at === this.#whole) this.position = Math.max(this.position, this.#next)
  }

  #ensure(bytes: number): void {
    if (bytes <= this.#stage.length) return
    const grown = Buffer.allocUnsafeSlow(Math.max(bytes, this.#stage.length * 2))
    this.#stage.copy(grown, 0, 0, this.#staged)
    this.#stage = grown
  }

  /** The frame stays at the head: whoever polls again is told again. */
  #failure(): AldebaranError {
    const { topic, partition } = this
    const { end, start } = this.#ring
    const { code, message } = JSON.parse(this.#ring.text()) as { code: ErrorCode; message: string }
    return new AldebaranError(code, message, { topic, partition, offset: this.position, start, end })
  }
}
