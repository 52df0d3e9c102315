import { AldebaranError } from '../errors.ts'
import { parseDuration } from '../pipeline/units.ts'

/** When a delivery that failed is tried again. Durations as '5s' or ms. */
export interface RetrySettings {
  /**
   * 'exponential' (default): `first`, then `factor` times longer with each try, up to `longest`. A list: the waits before
   * the second try, the third …; it ends the tries unless `attempts` says more, which repeats the last wait.
   */
  schedule?: 'exponential' | readonly (string | number)[]
  /** Exponential: before the second try. Default '5s'. */
  first?: string | number
  /** Exponential. Default 2. */
  factor?: number
  /** Exponential: longest wait. Default '1h'. */
  longest?: string | number
  /** Share of a wait by which it may come earlier or later, 0 to 1, so that what failed together does not come back together. Default 0.2. */
  jitter?: number
  /** Tries, the first counted. Default: 10 of an exponential schedule, all of a list. Infinity: until `deadline`. */
  attempts?: number
  /** No try later than that after the event came. Default: none. */
  deadline?: string | number
}

export interface RetrySchedule {
  readonly waits: readonly number[]
  readonly factor: number
  readonly longest: number
  readonly jitter: number
  readonly attempts: number
  /** ms; Infinity: none. */
  readonly deadline: number
}

const DEFAULT_ATTEMPTS = 10

/** @throws AldebaranError OPTION_INVALID */
export function compileRetry(settings: RetrySettings, option: string): RetrySchedule {
  const { schedule = 'exponential', factor = 2, jitter = 0.2 } = settings
  const isList = schedule !== 'exponential'
  const waits = isList
    ? schedule.map((wait, i) => parseDuration(wait, `${option}.schedule[${i}]`))
    : [parseDuration(settings.first ?? '5s', `${option}.first`)]
  const attempts = settings.attempts ?? (isList ? waits.length + 1 : DEFAULT_ATTEMPTS)
  requireRange(`${option}.factor`, factor, 1, 1000)
  requireRange(`${option}.jitter`, jitter, 0, 1)
  if (attempts !== Number.POSITIVE_INFINITY && !Number.isInteger(attempts)) badOption(`${option}.attempts`, attempts)
  requireRange(`${option}.attempts`, attempts, 1, Number.POSITIVE_INFINITY)
  return {
    waits,
    factor: isList ? 1 : factor,
    longest: isList ? Number.POSITIVE_INFINITY : parseDuration(settings.longest ?? '1h', `${option}.longest`),
    jitter,
    attempts,
    deadline:
      settings.deadline === undefined
        ? Number.POSITIVE_INFINITY
        : parseDuration(settings.deadline, `${option}.deadline`),
  }
}

/**
 * How long to wait after so many tries (1, 2 …), ms; null: no further one. `age`: since the event came, ms; `random`:
 * from 0 to 1.
 */
export function nextWait(schedule: RetrySchedule, tries: number, age: number, random: number): number | null {
  if (tries >= schedule.attempts) return null
  const { waits, factor, longest, jitter } = schedule
  const last = waits.length - 1
  const listed = waits[Math.min(tries - 1, last)] ?? 0
  const grown = Math.min(longest, listed * factor ** Math.max(0, tries - 1 - last))
  const wait = Math.round(grown * (1 + jitter * (2 * random - 1)))
  return age + wait > schedule.deadline ? null : wait
}

export function requireRange(option: string, value: number, least: number, most: number): void {
  if (!(value >= least && value <= most)) badOption(option, value)
}

function badOption(option: string, value: number): never {
  throw new AldebaranError('OPTION_INVALID', `${option} cannot be ${value}`, { option })
}
