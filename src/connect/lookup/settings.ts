/** What a look-up is set up with, and what it counts. */
import { AldebaranError } from '../../errors.ts'
import { parseDuration, parseSize } from '../../pipeline/units.ts'
import { type Clock, systemClock } from '../../time/clock.ts'

/** Compared as `===` does, so an object would never be found again. */
export type LookupKey = string | number | bigint

export interface LookupSettings<K extends LookupKey, V> {
  /**
   * Loads all of some keys, each there once. A key that the answer has not is one under which there is nothing; one with
   * an `Error` has failed alone. What else the answer holds is passed over. If it throws, all of them have failed. It
   * should end soon after the signal is aborted: its time is over, or the look-up is closed.
   */
  load: (keys: readonly K[], signal: AbortSignal) => PromiseLike<ReadonlyMap<K, V | Error>> | ReadonlyMap<K, V | Error>
  /** Keys of one load, at most. Default 100. */
  batch?: number
  /** The first key of a load waits so long for others. Default '2ms'; 0: as short as a timer can be. */
  wait?: string | number
  /** How old a value may be, from the begin of its load. Default '1m'; 0: nothing is remembered. */
  expireAfter?: string | number
  /**
   * So long after that it is still given, while it is loaded anew: nobody waits for what is asked for often, and the source
   * may be gone for that long. Default 0.
   */
  staleWhile?: string | number
  /** How long it is remembered that there is nothing under a key. Default '5s'. */
  missingExpireAfter?: string | number
  /** What is remembered; the least recently used goes first. Default 10,000. */
  maxEntries?: number
  /** The same in bytes, as `sizeOf` counts them. Default: no such limit. */
  maxBytes?: string | number
  /** Bytes of a value; for `maxBytes`. */
  sizeOf?: (value: V, key: K) => number
  /** Of one load. Default '5s'. */
  timeout?: string | number
  /** Default: that of the machine. */
  clock?: Clock
}

/** Since it was made. */
export interface LookupCounters {
  /** Asked for, and answered at once. */
  readonly hits: number
  /** Of these with a value that was being loaded anew. */
  readonly stale: number
  /** Asked for, and waited for a load: their own, or that of others. */
  readonly misses: number
  /** Calls of `load`. */
  readonly loads: number
  /** Keys that could not be loaded, each time. */
  readonly failures: number
  /** Now. */
  readonly entries: number
  /** Of these, as `sizeOf` counts them. */
  readonly bytes: number
}

/** Durations in ms. */
export interface CompiledLookup<K extends LookupKey, V> {
  readonly load: LookupSettings<K, V>['load']
  readonly batch: number
  readonly wait: number
  readonly expireAfter: number
  readonly staleWhile: number
  readonly missingExpireAfter: number
  readonly maxEntries: number
  readonly maxBytes: number
  readonly sizeOf: (value: V, key: K) => number
  readonly timeout: number
  readonly clock: Clock
}

const LONGEST_TIMER_MS = 2 ** 31 - 1

/** @throws AldebaranError OPTION_INVALID */
export function compileLookup<K extends LookupKey, V>(settings: LookupSettings<K, V>): CompiledLookup<K, V> {
  const { load, maxBytes, sizeOf, clock = systemClock } = settings
  if (maxBytes !== undefined && sizeOf === undefined) throw invalid('maxBytes', 'needs sizeOf')
  const timeout = durationOf(settings.timeout ?? '5s', 'timeout')
  if (timeout < 1) throw invalid('timeout', 'is at least 1 ms')
  return {
    load,
    batch: countOf(settings.batch ?? 100, 'batch'),
    wait: durationOf(settings.wait ?? '2ms', 'wait'),
    expireAfter: durationOf(settings.expireAfter ?? '1m', 'expireAfter'),
    staleWhile: durationOf(settings.staleWhile ?? 0, 'staleWhile'),
    missingExpireAfter: durationOf(settings.missingExpireAfter ?? '5s', 'missingExpireAfter'),
    maxEntries: countOf(settings.maxEntries ?? 10_000, 'maxEntries'),
    maxBytes: maxBytes === undefined ? Number.POSITIVE_INFINITY : parseSize(maxBytes, 'maxBytes'),
    sizeOf: sizeOf ?? (() => 0),
    timeout,
    clock,
  }
}

function durationOf(text: string | number, option: string): number {
  const ms = parseDuration(text, option)
  if (ms <= LONGEST_TIMER_MS) return ms
  throw invalid(option, `'${text}' is longer than 24 days`)
}

function countOf(count: number, option: string): number {
  if (Number.isInteger(count) && count > 0) return count
  throw invalid(option, `${count} is not a whole number from 1`)
}

function invalid(option: string, problem: string): AldebaranError {
  return new AldebaranError('OPTION_INVALID', `${option}: ${problem}`, { option })
}
