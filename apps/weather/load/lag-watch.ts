import { setTimeout } from 'node:timers/promises'
import { type LoadApi, lagOf } from './platform.ts'

const EACH_MS = 250

/** The lag of the pipeline, a few times a second. */
export class LagWatch {
  readonly #api: LoadApi
  readonly #signal: AbortSignal
  #next = Promise.withResolvers<void>()
  /** Readings not processed yet; null: nobody answered the last time. */
  lag: number | null = null
  /** `performance.now()` of when `lag` was asked for. */
  askedAt = 0
  /** Since the last call of `takeHighest`. */
  #highest = 0

  constructor(api: LoadApi, signal: AbortSignal) {
    this.#api = api
    this.#signal = signal
  }

  /** Until the signal. */
  async run(): Promise<void> {
    while (!this.#signal.aborted) {
      const askedAt = performance.now()
      this.lag = await lagOf(this.#api).catch(() => null)
      this.askedAt = askedAt
      this.#highest = Math.max(this.#highest, this.lag ?? 0)
      const { resolve } = this.#next
      this.#next = Promise.withResolvers()
      resolve()
      await setTimeout(EACH_MS, undefined, { signal: this.#signal }).catch(() => {})
    }
    this.#next.resolve()
  }

  /** Resolves when the lag was looked at once more, or never will be. */
  async again(): Promise<void> {
    await this.#next.promise
  }

  takeHighest(): number {
    const highest = this.#highest
    this.#highest = this.lag ?? 0
    return highest
  }
}
