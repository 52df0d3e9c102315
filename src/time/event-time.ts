/**
 * Event time of a task: up to where its event timers may run.
 *
 * Words: an input is *silent* since the look that found nothing in it; *idle*: silent for its `idleAfter`.
 *
 * Invariants
 * 1. The watermark is the least of the inputs that are not idle, and never goes back.
 * 2. When all inputs are idle, event time goes on with the wall clock: each input is as far as when it fell silent, and so
 *    much further as it has been silent since. So windows close when all input stops, and not at once: what comes after a
 *    short silence is not late.
 * 3. The wall clock counts only after a look that found nothing. A task that does not read, because memory is short or a
 *    handler fails, has inputs that may be full.
 * 4. `watermark` is up to where timers have run, and what records are late by. It follows `target` when they have: results
 *    of timers are so never late for the operators behind them.
 */
import type { InputTime } from './input-time.ts'

export interface TimedInput {
  readonly time: InputTime
  /** ms; Infinity: never idle. */
  readonly idleAfter: number
}

const NONE = Number.NEGATIVE_INFINITY

export class EventTime {
  /** Timers have run up to here, ms since 1970; −Infinity: none has. */
  watermark: number
  readonly #inputs: readonly TimedInput[]
  /** When each fell silent, wall clock, ms; NaN: it is not. */
  readonly #silentSince: Float64Array

  /** `watermark`: up to where timers had run before. */
  constructor(inputs: readonly TimedInput[], watermark: number) {
    this.#inputs = inputs
    this.watermark = watermark
    this.#silentSince = new Float64Array(inputs.length).fill(Number.NaN)
  }

  /** Something was found in it. */
  active(input: TimedInput): void {
    this.#silentSince[this.#inputs.indexOf(input)] = Number.NaN
  }

  /** A look found nothing in any input. */
  silent(now: number): void {
    for (let i = 0; i < this.#inputs.length; i++) {
      const since = this.#silentSince[i]!
      // A clock that was set back makes no silence longer.
      if (!(since <= now)) this.#silentSince[i] = now
    }
  }

  /** Up to where timers may run now. */
  target(now: number): number {
    let least = Number.POSITIVE_INFINITY
    let leastIdle = Number.POSITIVE_INFINITY
    for (let i = 0; i < this.#inputs.length; i++) {
      const { time } = this.#inputs[i]!
      if (!this.#isIdle(i, now)) least = Math.min(least, time.watermark)
      else if (time.watermark !== NONE) leastIdle = Math.min(leastIdle, time.watermark + this.#paceOf(i, now))
    }
    const found = least !== Number.POSITIVE_INFINITY ? least : leastIdle
    return found === Number.POSITIVE_INFINITY ? this.watermark : Math.max(this.watermark, found)
  }

  /** Nothing is to be expected of its inputs. */
  isIdle(now: number): boolean {
    return this.#inputs.every((_, i) => this.#isIdle(i, now))
  }

  /** The time on the wall clock at which the target may reach `deadline` without a record, or changes for another reason. */
  wakeAt(deadline: number, now: number): number {
    let idleFrom = Number.NEGATIVE_INFINITY
    let next = Number.POSITIVE_INFINITY
    let leastIdle = Number.POSITIVE_INFINITY
    let isHeldBack = false
    for (let i = 0; i < this.#inputs.length; i++) {
      const { time, idleAfter } = this.#inputs[i]!
      if (time.isIdle) {
        // Whoever writes it tells how its time goes on.
        if (time.watermark !== NONE && time.watermark < deadline) isHeldBack = true
        continue
      }
      const since = this.#silentSince[i]!
      const from = Number.isNaN(since) ? Number.POSITIVE_INFINITY : since + idleAfter
      if (from > now) next = Math.min(next, from)
      idleFrom = Math.max(idleFrom, from)
      if (time.watermark !== NONE) leastIdle = Math.min(leastIdle, time.watermark - since)
    }
    if (isHeldBack || idleFrom > now || leastIdle === Number.POSITIVE_INFINITY) return next
    return Math.min(next, Math.max(now, deadline - leastIdle))
  }

  #isIdle(i: number, now: number): boolean {
    const { time, idleAfter } = this.#inputs[i]!
    return time.isIdle || now - this.#silentSince[i]! >= idleAfter
  }

  /** Of an idle input: how far its time went on with the wall clock. What others relay has gone on there already. */
  #paceOf(i: number, now: number): number {
    return this.#inputs[i]!.time.isIdle ? 0 : now - this.#silentSince[i]!
  }
}
