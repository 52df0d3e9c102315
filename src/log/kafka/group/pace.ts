/**
 * When the next heartbeat is due: at once after something happened, then ever more seldom, and at the latest after the
 * longest time. A group in motion so takes some milliseconds from step to step, and a quiet one costs nothing.
 */
import { Alarm } from '../../../time/alarm.ts'

const SHORTEST_MS = 10

export class Pace {
  readonly #longestMs: number
  readonly #alarm = new Alarm()
  #ms = SHORTEST_MS

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
    this.#alarm.ring()
  }

  async wait(): Promise<void> {
    const ms = this.#ms
    if (!this.#alarm.hasRung) this.#ms = Math.min(this.#longestMs, ms * 2)
    await this.#alarm.wait(ms)
  }
}
