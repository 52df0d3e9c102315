/**
 * Event time of a task: up to where its event timers may run.
 *
 * Words: an input is *silent* since the look that found nothing in it; *idle*: silent for its `idleAfter`.
 *
 * Invariants
 * 1. The watermark is the least of the inputs that are not idle, and never goes back.
 * 2. When all inputs are idle, event time goes on with the wall clock: the input that was the last to be idle is as far as
 *    when it fell silent, and so much further as it has been silent since. So windows close when all input stops, and not at
 *    once: what comes after a short silence is not late. Those that were idle before held nothing back, and do not now. After
 *    a restart an input is as far as event time was, until it has something.
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
  /** When each was first known to be idle because its writers told so, wall clock, ms; NaN: it is not. */
  readonly #toldIdleAt: Float64Array
  /** How far event time was when the task began, for each that had nothing since; else −Infinity. */
  readonly #beginnings: Float64Array

  /** `watermark`: up to where timers had run before. */
  constructor(inputs: readonly TimedInput[], watermark: number) {
    this.#inputs = inputs
    this.watermark = watermark
    this.#silentSince = new Float64Array(inputs.length).fill(Number.NaN)
    this.#toldIdleAt = new Float64Array(inputs.length).fill(Number.NaN)
    this.#beginnings = new Float64Array(inputs.length).fill(watermark)
  }

  /** Something was found in it. */
  active(input: TimedInput): void {
    const i = this.#inputs.indexOf(input)
    this.#silentSince[i] = Number.NaN
    this.#beginnings[i] = NONE
  }

  /** A look found nothing in it. */
  silent(input: TimedInput, now: number): void {
    const i = this.#inputs.indexOf(input)
    // A clock that was set back makes no silence longer.
    if (!(this.#silentSince[i]! <= now)) this.#silentSince[i] = now
  }

  /** Up to where timers may run now. */
  target(now: number): number {
    let least = Number.POSITIVE_INFINITY
    for (let i = 0; i < this.#inputs.length; i++) {
      const { time } = this.#inputs[i]!
      if (!this.#isIdle(i, now)) least = Math.min(least, time.watermark)
      if (!time.isIdle) this.#toldIdleAt[i] = Number.NaN
      else if (Number.isNaN(this.#toldIdleAt[i]!)) this.#toldIdleAt[i] = now
    }
    if (least !== Number.POSITIVE_INFINITY) return Math.max(this.watermark, least)
    const last = this.#lastIdle()
    for (let i = 0; i < this.#inputs.length; i++) {
      if (this.#counts(i, last)) least = Math.min(least, this.#reached(i) + this.#paceOf(i, now))
    }
    return least === Number.POSITIVE_INFINITY ? this.watermark : Math.max(this.watermark, least)
  }

  /** Nothing is to be expected of its inputs. */
  isIdle(now: number): boolean {
    return this.#inputs.every((_, i) => this.#isIdle(i, now))
  }

  /** The time on the wall clock at which the target may reach `deadline` without a record, or changes for another reason. */
  wakeAt(deadline: number, now: number): number {
    let next = Number.POSITIVE_INFINITY
    let areIdle = true
    for (let i = 0; i < this.#inputs.length; i++) {
      if (this.#isIdle(i, now)) continue
      areIdle = false
      const from = this.#idleFrom(i)
      if (from > now) next = Math.min(next, from)
    }
    if (!areIdle) return next
    const last = this.#lastIdle()
    let at = Number.NEGATIVE_INFINITY
    for (let i = 0; i < this.#inputs.length; i++) {
      if (!this.#counts(i, last)) continue
      const missing = deadline - this.#reached(i)
      // Whoever writes it tells how its time goes on.
      if (!this.#inputs[i]!.time.isIdle) at = Math.max(at, this.#silentSince[i]! + missing)
      else if (missing > 0) return Number.POSITIVE_INFINITY
    }
    return at === Number.NEGATIVE_INFINITY ? Number.POSITIVE_INFINITY : Math.max(now, at)
  }

  /** Wall clock, ms; Infinity: not known. */
  #idleFrom(i: number): number {
    const { time, idleAfter } = this.#inputs[i]!
    const from = time.isIdle ? this.#toldIdleAt[i]! : this.#silentSince[i]! + idleAfter
    return Number.isNaN(from) ? Number.POSITIVE_INFINITY : from
  }

  /** All are idle: when the last of those became so that have had a record. */
  #lastIdle(): number {
    let last = Number.NEGATIVE_INFINITY
    for (let i = 0; i < this.#inputs.length; i++) {
      if (this.#inputs[i]!.time.watermark !== NONE) last = Math.max(last, this.#idleFrom(i))
    }
    return last
  }

  /** All are idle: it tells how far event time is. */
  #counts(i: number, last: number): boolean {
    return this.#inputs[i]!.time.watermark !== NONE && this.#idleFrom(i) === last
  }

  /** How far it was when it fell silent. */
  #reached(i: number): number {
    return Math.max(this.#inputs[i]!.time.watermark, this.#beginnings[i]!)
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
