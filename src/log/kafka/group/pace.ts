/**
 * When the next heartbeat is due: at once after something happened, then ever more seldom, and at the latest after the
 * longest time. A group in motion so takes some milliseconds from step to step, and a quiet one costs nothing.
 */
const SHORTEST_MS = 10

export class Pace {
  readonly #longestMs: number
  #ms = SHORTEST_MS
  #hurried = false
  #wake: (() => void) | null = null

  constructor(longestMs: number) {
    this.#longestMs = longestMs
  }

  /** The group is in motion. */
  stir(): void {
    this.#ms = SHORTEST_MS
  }

  /** Ends the wait at hand, or the next one. */
  hurry(): void {
    this.stir()
    this.#hurried = true
    this.#wake?.()
  }

  async wait(): Promise<void> {
    if (!this.#hurried) {
      const ms = this.#ms
      this.#ms = Math.min(this.#longestMs, ms * 2)
      await new Promise<void>(resolve => {
        const timer = setTimeout(resolve, ms)
        this.#wake = () => {
          clearTimeout(timer)
          resolve()
        }
      })
      this.#wake = null
    }
    this.#hurried = false
  }
}
