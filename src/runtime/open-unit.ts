/** The unit that a worker is filling: how old and how large it is. */
import type { Clock } from '../time/clock.ts'

export interface UnitLimits {
  readonly unitBytes: number
  readonly unitMs: number
}

export class OpenUnit {
  readonly #clock: Clock
  readonly #limits: UnitLimits
  #isOpen = false
  /** Monotonic ms. */
  #since = 0
  #oldest = Number.POSITIVE_INFINITY
  /** Read in it. */
  bytes = 0

  constructor(clock: Clock, limits: UnitLimits) {
    this.#clock = clock
    this.#limits = limits
  }

  get isOpen(): boolean {
    return this.#isOpen
  }

  /** Since it was opened, ms. */
  get age(): number {
    return this.#clock.monotonic() - this.#since
  }

  /** It is open, and large or old enough to be submitted. */
  get isFull(): boolean {
    const { unitBytes, unitMs } = this.#limits
    return this.#isOpen && (this.bytes >= unitBytes || this.age >= unitMs)
  }

  /** The first timestamp of the oldest batch in it, ms since 1970; Infinity: none has one. */
  get oldest(): number {
    return this.#oldest
  }

  /** Something of that time belongs to it: it is opened if it is not. Infinity: it has no time. */
  add(timestamp: number): void {
    if (!this.#isOpen) {
      this.#isOpen = true
      this.bytes = 0
      this.#since = this.#clock.monotonic()
      this.#oldest = Number.POSITIVE_INFINITY
    }
    if (timestamp < this.#oldest) this.#oldest = timestamp
  }

  /** It is submitted, or given up. */
  close(): void {
    this.#isOpen = false
  }
}
