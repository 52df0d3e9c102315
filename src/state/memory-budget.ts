import { AldebaranError } from '../errors.ts'

/**
 * One budget of bytes for all tables of a process; threads share it over a SharedArrayBuffer. Bytes are counted in
 * 1 KiB pages, so that 32 bits reach to 2 TiB.
 */
export class MemoryBudget {
  /** Bytes that may be used. */
  readonly limit: number
  /** Give it to `MemoryBudget.shared` in another thread. */
  readonly shared: SharedArrayBuffer
  readonly #pages: Int32Array
  /** Bytes of this thread that are not counted in a page yet. */
  #rest = 0

  constructor(limit: number, shared: SharedArrayBuffer = new SharedArrayBuffer(4)) {
    this.limit = limit
    this.shared = shared
    this.#pages = new Int32Array(shared)
  }

  /** Bytes in use by all threads, right within 1 KiB a thread. */
  get used(): number {
    return Atomics.load(this.#pages, 0) * PAGE + this.#rest
  }

  /**
   * Tells that `delta` bytes more, or less, will be in use. Call it before taking memory.
   * `always`: what cannot be refused any more, as the bookkeeping of changes that were taken.
   * @throws AldebaranError MEMORY_BUDGET when that would pass the limit; nothing is counted then.
   */
  charge(delta: number, always = false): void {
    if (delta > 0 && !always && this.used + delta > this.limit) {
      throw new AldebaranError('MEMORY_BUDGET', `${delta} bytes more than the ${this.used} in use pass ${this.limit}`, {
        used: this.used,
        limit: this.limit,
      })
    }
    const bytes = this.#rest + delta
    const pages = Math.floor(bytes / PAGE)
    this.#rest = bytes - pages * PAGE
    if (pages !== 0) Atomics.add(this.#pages, 0, pages)
  }

  /**
   * Gives back what a thread that ended had charged, `bytes` in all: whole pages, for the rest of one went with it.
   */
  giveBack(bytes: number): void {
    Atomics.sub(this.#pages, 0, Math.floor(bytes / PAGE))
  }

  /** 0: nothing in use, 1: all of it. */
  pressure(): number {
    return Math.min(1, Math.max(0, this.used / this.limit))
  }
}

const PAGE = 1024

export type Charge = (bytes: number, always?: boolean) => void

/** Counts the bytes of one table and passes every change on. */
export class Meter {
  bytes = 0
  readonly #charge: Charge | null

  constructor(charge: Charge | undefined) {
    this.#charge = charge ?? null
  }

  /** Call it before taking memory: it may throw, but with `always`. */
  add(delta: number, always = false): void {
    if (this.#charge !== null) this.#charge(delta, always)
    this.bytes += delta
  }
}
