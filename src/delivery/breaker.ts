/**
 * Whether a destination may be tried.
 *
 *               too many failures                       its time is over
 *     closed ───────────────────────► open ──────────────────────────────────► half-open
 *        ▲                              ▲          a probe fails: longer           │ │
 *        │                              └──────────────────────────────────────────┘ │
 *        └─────────────────────────────── enough probes succeed ─────────────────────┘
 *
 * What is under way when it opens is counted, and changes nothing any more.
 */
import { parseDuration } from '../pipeline/units.ts'
import { requireRange } from './retry.ts'

export interface BreakerSettings {
  /** Opens after so many failures without a success between them. Default 10. */
  consecutiveFailures?: number
  /** Or when this share of the tries of the last `window` failed, 0 to 1. Default 0.8. */
  failureRate?: number
  /** Of at least so many tries. Default 20. */
  minimumCalls?: number
  /** Default '60s'. */
  window?: string | number
  /** How long it stays open; doubles with each probe that fails, up to `longest`. Default '30s'. */
  openFor?: string | number
  /** Default '30m'. */
  longest?: string | number
  /** So many are let through at once when its time is over; all must succeed. Default 1. */
  probes?: number
}

export interface BreakerLimits {
  readonly consecutiveFailures: number
  readonly failureRate: number
  readonly minimumCalls: number
  readonly window: number
  readonly openFor: number
  readonly longest: number
  readonly probes: number
}

export type BreakerState = 'closed' | 'open' | 'half-open'

/** What of it is kept over restarts. */
export interface BreakerMemory {
  readonly state: BreakerState
  /** Monotonically growing: how often it opened since it was closed. */
  readonly opened: number
  /** When it may be tried again, ms since 1970. */
  readonly until: number
}

/** @throws AldebaranError OPTION_INVALID */
export function compileBreaker(settings: BreakerSettings, option: string): BreakerLimits {
  const { consecutiveFailures = 10, failureRate = 0.8, minimumCalls = 20, probes = 1 } = settings
  requireRange(`${option}.consecutiveFailures`, consecutiveFailures, 1, Number.POSITIVE_INFINITY)
  requireRange(`${option}.failureRate`, failureRate, 0, 1)
  requireRange(`${option}.minimumCalls`, minimumCalls, 1, 1e9)
  requireRange(`${option}.probes`, probes, 1, 1000)
  return {
    consecutiveFailures,
    failureRate,
    minimumCalls,
    probes,
    window: parseDuration(settings.window ?? '60s', `${option}.window`),
    openFor: parseDuration(settings.openFor ?? '30s', `${option}.openFor`),
    longest: parseDuration(settings.longest ?? '30m', `${option}.longest`),
  }
}

/** The window is counted in so many parts; the oldest one goes as a whole. */
const PARTS = 10

export class Breaker {
  state: BreakerState = 'closed'
  /** Times it opened since it was closed. */
  opened = 0
  /** While it is open: until then, ms since 1970. */
  until = 0
  /** Failures since the last success. */
  failures = 0
  readonly #limits: BreakerLimits
  readonly #calls = new Int32Array(PARTS)
  readonly #failed = new Int32Array(PARTS)
  /** The number of the part that is counted into. */
  #part = 0
  /** Half-open: let through, and succeeded. */
  #probing = 0
  #passed = 0

  constructor(limits: BreakerLimits, memory: BreakerMemory | null = null) {
    this.#limits = limits
    if (memory === null) return
    // Probes that were under way are not any more.
    this.state = memory.state === 'closed' ? 'closed' : 'open'
    this.opened = memory.opened
    this.until = memory.until
  }

  /** So many may be begun now, at most. */
  room(now: number): number {
    if (this.state === 'open' && now >= this.until) this.#halfOpen()
    if (this.state === 'closed') return Number.POSITIVE_INFINITY
    return this.state === 'open' ? 0 : Math.max(0, this.#limits.probes - this.#probing)
  }

  begun(): void {
    if (this.state === 'half-open') this.#probing++
  }

  /** True: the state changed. */
  succeeded(now: number): boolean {
    this.failures = 0
    if (this.state === 'closed') {
      this.#count(now, 0)
      return false
    }
    if (this.state === 'open') return false
    this.#passed++
    if (this.#passed < this.#limits.probes) return false
    this.reset()
    return true
  }

  /** True: the state changed. */
  failed(now: number): boolean {
    this.failures++
    if (this.state === 'open') return false
    if (this.state === 'half-open') {
      this.#open(now)
      return true
    }
    this.#count(now, 1)
    const { consecutiveFailures, failureRate, minimumCalls } = this.#limits
    const calls = sum(this.#calls)
    const tooMany = calls >= minimumCalls && sum(this.#failed) >= failureRate * calls
    if (this.failures < consecutiveFailures && !tooMany) return false
    this.#open(now)
    return true
  }

  /** A try that told nothing of the destination: neither succeeded nor failed. */
  abandoned(): void {
    if (this.state === 'half-open' && this.#probing > 0) this.#probing--
  }

  /** Closed, as if nothing had been. */
  reset(): void {
    this.state = 'closed'
    this.opened = 0
    this.until = 0
    this.failures = 0
    this.#calls.fill(0)
    this.#failed.fill(0)
  }

  #open(now: number): void {
    const { openFor, longest } = this.#limits
    this.state = 'open'
    this.until = now + Math.min(longest, openFor * 2 ** Math.min(this.opened, 30))
    this.opened++
  }

  #halfOpen(): void {
    this.state = 'half-open'
    this.#probing = 0
    this.#passed = 0
  }

  #count(now: number, failed: number): void {
    const part = Math.floor(now / Math.max(1, this.#limits.window / PARTS))
    if (part > this.#part) {
      const passed = Math.min(PARTS, part - this.#part)
      for (let i = 1; i <= passed; i++) {
        this.#calls[(this.#part + i) % PARTS] = 0
        this.#failed[(this.#part + i) % PARTS] = 0
      }
      this.#part = part
    }
    const at = this.#part % PARTS
    this.#calls[at] = this.#calls[at]! + 1
    this.#failed[at] = this.#failed[at]! + failed
  }
}

function sum(counts: Int32Array): number {
  let all = 0
  for (const count of counts) all += count
  return all
}
