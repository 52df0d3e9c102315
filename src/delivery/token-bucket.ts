import { AldebaranError } from '../errors.ts'
import { parseDuration } from '../pipeline/units.ts'

/** '100/s', '5000/m', '10/h', or with what may come at once: { rate: '100/s', burst: 500 }. */
export type Rate =
  | string
  | { readonly rate: string /** Default: what a second brings, at least 1. */; readonly burst?: number }

export interface RateLimit {
  readonly perMs: number
  readonly burst: number
}

/** @throws AldebaranError OPTION_INVALID */
export function compileRate(rate: Rate, option: string): RateLimit {
  const text = typeof rate === 'string' ? rate : rate.rate
  const match = /^\s*(\d+(?:\.\d+)?)\s*\/\s*(?:(\d+(?:\.\d+)?)?\s*(ms|s|m|h|d))\s*$/.exec(text)
  const count = Number(match?.[1])
  const time = match === null ? Number.NaN : parseDuration(`${match[2] ?? 1}${match[3]}`, option)
  const perMs = count / time
  if (!(perMs > 0 && Number.isFinite(perMs))) {
    throw new AldebaranError('OPTION_INVALID', `${option}: '${text}' is not a rate such as '100/s', '5000/m'`, {
      option,
    })
  }
  const burst = (typeof rate === 'string' ? undefined : rate.burst) ?? Math.max(1, Math.ceil(perMs * 1000))
  if (!(burst >= 1 && burst <= 1e9)) {
    throw new AldebaranError('OPTION_INVALID', `${option}: a burst cannot be ${burst}`, { option })
  }
  return { perMs, burst }
}

/** Tokens come at a rate, up to the burst; whoever takes one may go. Times are monotonic ms. */
export class TokenBucket {
  #limit: RateLimit
  #tokens: number
  #at: number

  /** Begins with one token: a restart gives no second burst. */
  constructor(limit: RateLimit, now: number) {
    this.#limit = limit
    this.#tokens = 1
    this.#at = now
  }

  get limit(): RateLimit {
    return this.#limit
  }

  /** From now on. */
  change(limit: RateLimit, now: number): void {
    this.#fill(now)
    this.#limit = limit
    this.#tokens = Math.min(this.#tokens, limit.burst)
  }

  /** False: none is there, and nothing was taken. */
  take(now: number): boolean {
    this.#fill(now)
    if (this.#tokens < 1) return false
    this.#tokens--
    return true
  }

  /** What was taken was not used. */
  giveBack(): void {
    this.#tokens = Math.min(this.#limit.burst, this.#tokens + 1)
  }

  has(now: number): boolean {
    this.#fill(now)
    return this.#tokens >= 1
  }

  /** When the next token is there. */
  readyAt(now: number): number {
    this.#fill(now)
    return this.#tokens >= 1 ? now : now + Math.ceil((1 - this.#tokens) / this.#limit.perMs)
  }

  #fill(now: number): void {
    if (now <= this.#at) return
    // A thousandth of a millionth is what rounding may have lost.
    this.#tokens = Math.min(this.#limit.burst, this.#tokens + (now - this.#at) * this.#limit.perMs + 1e-9)
    this.#at = now
  }
}
