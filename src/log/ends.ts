/**
 * The published state of every partition, in shared memory: start, end and bytes, and who wants to know when it grows.
 * Written by the one thread that commits, read by all.
 *
 * Invariants
 * 1. A reader sees the states of one commit together: the sequence is odd while they are written, and a reader tries
 *    again when it was odd or changed. So a unit becomes visible as a whole.
 * 2. `epoch` of a row changes when its topic is created or deleted; a reader of the former owner notices.
 * 3. A reader sets its interest before it looks at the end, and the writer looks for interest after it published the
 *    end: no growth goes unnoticed.
 */

/** Partitions of one store, at most. */
export const MAX_PARTITIONS = 65_536
/** Clients beyond this number share the last bit of interest, and are woken for each other's partitions. */
export const INTEREST_BITS = 64

const ROW = 16
const END = 0
const START = 2
const BYTES = 4
const EPOCH = 6
const INTEREST = 7

/** Words of the control block of a host. */
export const CONTROL_WORDS = 16
export const CONTROL_BELL = 0
const SEQUENCE = 1
const TOPICS_VERSION = 2
export const CONTROL_STATE = 3
export const CONTROL_MESSAGES = 4

const HIGH = 0x1_0000_0000

export interface EndsBuffers {
  control: SharedArrayBuffer
  rows: SharedArrayBuffer
}

export class EndsTable {
  readonly buffers: EndsBuffers
  readonly #control: Int32Array
  readonly #rows: Int32Array

  /** What `read` found. */
  start = 0
  end = 0
  bytes = 0
  epoch = 0

  constructor(buffers?: EndsBuffers) {
    this.buffers = buffers ?? {
      control: new SharedArrayBuffer(CONTROL_WORDS * 4),
      rows: new SharedArrayBuffer(MAX_PARTITIONS * ROW * 4),
    }
    this.#control = new Int32Array(this.buffers.control)
    this.#rows = new Int32Array(this.buffers.rows)
  }

  /** Reads the row of a partition into `start`, `end`, `bytes` and `epoch`. */
  read(id: number): void {
    const row = id * ROW
    for (;;) {
      const sequence = Atomics.load(this.#control, SEQUENCE)
      if ((sequence & 1) === 1) continue
      this.end = this.#get(row + END)
      this.start = this.#get(row + START)
      this.bytes = this.#get(row + BYTES)
      this.epoch = Atomics.load(this.#rows, row + EPOCH)
      if (Atomics.load(this.#control, SEQUENCE) === sequence) return
    }
  }

  topicsVersion(): number {
    return Atomics.load(this.#control, TOPICS_VERSION)
  }

  addInterest(id: number, bit: number): void {
    Atomics.or(this.#rows, id * ROW + INTEREST + (bit >>> 5), 1 << (bit & 31))
  }

  /** The shared last bit stays: others may need it. */
  removeInterest(id: number, bit: number): void {
    if (bit === INTEREST_BITS - 1) return
    Atomics.and(this.#rows, id * ROW + INTEREST + (bit >>> 5), ~(1 << (bit & 31)))
  }

  // The rest is for the thread that commits.

  beginPublish(): void {
    Atomics.add(this.#control, SEQUENCE, 1)
  }

  publish(id: number, start: number, end: number, bytes: number): void {
    const row = id * ROW
    this.#set(row + END, end)
    this.#set(row + START, start)
    this.#set(row + BYTES, bytes)
  }

  publishEpoch(id: number): void {
    Atomics.add(this.#rows, id * ROW + EPOCH, 1)
  }

  publishTopics(): void {
    Atomics.add(this.#control, TOPICS_VERSION, 1)
  }

  endPublish(): void {
    Atomics.add(this.#control, SEQUENCE, 1)
  }

  /** Who wants to know about the partition: bits 0 to 31 (`half` 0) or 32 to 63 (`half` 1) of the clients. */
  interest(id: number, half: 0 | 1): number {
    return Atomics.load(this.#rows, id * ROW + INTEREST + half)
  }

  #get(at: number): number {
    return (Atomics.load(this.#rows, at) >>> 0) + Atomics.load(this.#rows, at + 1) * HIGH
  }

  #set(at: number, value: number): void {
    Atomics.store(this.#rows, at, value | 0)
    Atomics.store(this.#rows, at + 1, Math.floor(value / HIGH))
  }
}

/** True when the client of that number is meant by the bits of `low` and `high`. */
export function isMeant(client: number, low: number, high: number): boolean {
  const bit = Math.min(client, INTEREST_BITS - 1)
  return ((bit < 32 ? low : high) & (1 << (bit & 31))) !== 0
}
