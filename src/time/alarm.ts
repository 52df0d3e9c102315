/** Wakes one who waits; what rang while nobody waited wakes the next wait at once. */
export class Alarm {
  #hasRung = false
  #wake: (() => void) | null = null

  /** The next wait ends at once. */
  get hasRung(): boolean {
    return this.#hasRung
  }

  ring(): void {
    this.#hasRung = true
    this.#wake?.()
  }

  /** Resolves when it rings, or after `ms`. */
  async wait(ms: number): Promise<void> {
    if (!this.#hasRung) {
      await new Promise<void>(resolve => {
        const timer = setTimeout(resolve, ms)
        this.#wake = () => {
          clearTimeout(timer)
          resolve()
        }
      })
      this.#wake = null
    }
    this.#hasRung = false
  }
}
