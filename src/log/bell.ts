/**
 * What wakes a thread: a counter in shared memory. Ringing adds one and notifies; waiting sleeps while the counter is
 * what it was when last looked at. So a ring between two waits is never lost.
 */
export class Bell {
  readonly #words: Int32Array
  readonly #index: number
  #seen: number

  constructor(words: Int32Array, index: number) {
    this.#words = words
    this.#index = index
    this.#seen = Atomics.load(words, index)
  }

  /** Blocks until it rings or `ms` have passed; returns at once when it rang since the last wait. */
  wait(ms: number): void {
    if (!this.#rang()) Atomics.wait(this.#words, this.#index, this.#seen, ms)
    this.#rang()
  }

  /** As `wait`, without blocking. */
  async changed(ms: number): Promise<void> {
    if (!this.#rang()) {
      const waiting = Atomics.waitAsync(this.#words, this.#index, this.#seen, ms)
      if (waiting.async) {
        // The promise alone would not keep the process alive.
        const alive = setTimeout(() => {}, ms)
        await waiting.value
        clearTimeout(alive)
      }
    }
    this.#rang()
  }

  #rang(): boolean {
    const now = Atomics.load(this.#words, this.#index)
    if (now === this.#seen) return false
    this.#seen = now
    return true
  }
}

export function ring(words: Int32Array, index: number): void {
  Atomics.add(words, index, 1)
  Atomics.notify(words, index)
}
