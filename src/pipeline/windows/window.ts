import { AldebaranError } from '../../errors.ts'
import { parseDuration } from '../units.ts'

/**
 * How a stream is cut in time. All times ms.
 *
 * - `fixed`: [start, start + size), one beginning each `every` ms: tumbling where both are equal, else hopping.
 * - `session`: records of a key with at most `gap` between them; it ends with its last record.
 * - `trailing`: for each record, those of its key in the `size` ms up to it. Sliding ones are told again when a record leaves.
 */
export type Window =
  | { readonly kind: 'fixed'; readonly size: number; readonly every: number; readonly offset: number }
  | { readonly kind: 'session'; readonly gap: number }
  | { readonly kind: 'trailing'; readonly size: number; readonly includesStart: boolean; readonly tellsExits: boolean }

export type FixedWindow = Extract<Window, { kind: 'fixed' }>
export type SessionWindow = Extract<Window, { kind: 'session' }>
export type TrailingWindow = Extract<Window, { kind: 'trailing' }>

/** A duration: ms, or text such as '1m'. */
type Duration = string | number

export interface AlignedSettings {
  /** Windows begin at whole multiples of their size since 1970 UTC, and so much later. Default 0. */
  offset?: Duration
}

/** Windows side by side: each record is in one. Start included, end not. */
export function tumbling(size: Duration, settings: AlignedSettings = {}): FixedWindow {
  return hopping(size, size, settings)
}

/** Windows of a size, one beginning each `every`: a record is in size ÷ every of them. Start included, end not. */
export function hopping(size: Duration, every: Duration, settings: AlignedSettings = {}): FixedWindow {
  const [length, hop] = [positive(size, 'size'), positive(every, 'every')]
  if (hop > length) throw invalid(`every: windows of ${length} ms that begin each ${hop} ms would leave records out`)
  if (length / hop > MOST_AT_ONCE)
    throw invalid(`every: a record would be in ${length / hop} windows, and may be in ${MOST_AT_ONCE}`)
  const offset = parseDuration(settings.offset ?? 0, 'offset')
  if (!Number.isInteger(offset)) throw invalid(`offset: '${settings.offset}' is no whole number of milliseconds`)
  return { kind: 'fixed', size: length, every: hop, offset: offset % hop }
}

/** Windows that last while a key has records with at most `gap` between them. */
export function session(gap: Duration): SessionWindow {
  return { kind: 'session', gap: positive(gap, 'gap') }
}

/**
 * A window for each set of records of a key that lie within `size` of each other, both ends included: told when a record
 * comes in, and when one has left and others are still there.
 */
export function sliding(size: Duration): TrailingWindow {
  return { kind: 'trailing', size: positive(size, 'size'), includesStart: true, tellsExits: true }
}

export interface RollingSettings {
  /** `both` (default): a record exactly `size` older counts. `right`: it does not. */
  closed?: 'both' | 'right'
}

/** For each record, those of its key in the `size` up to it: pandas' `rolling(size, closed=…)`. */
export function rolling(size: Duration, { closed = 'both' }: RollingSettings = {}): TrailingWindow {
  return { kind: 'trailing', size: positive(size, 'size'), includesStart: closed === 'both', tellsExits: false }
}

const MOST_AT_ONCE = 10_000

function positive(duration: Duration, option: string): number {
  const ms = parseDuration(duration, option)
  if (!Number.isInteger(ms) || ms <= 0)
    throw invalid(`${option}: '${duration}' is no whole number of milliseconds above 0`)
  return ms
}

function invalid(message: string): AldebaranError {
  return new AldebaranError('OPTION_INVALID', message)
}
