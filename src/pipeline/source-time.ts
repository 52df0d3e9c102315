import type { TimeRules } from '../time/input-time.ts'
import type { Context } from './context.ts'
import { parseDuration } from './units.ts'

/** How the records of a topic stand in event time. Durations: ms, or text such as '5s'. */
export interface SourceSettings<K = unknown, V = unknown> {
  /** How late a record may be and still count in event time. Default 0. */
  outOfOrderness?: string | number
  /**
   * Without a record for so long, a partition no longer holds the watermark back; when all that a task reads is silent,
   * event time goes on with the wall clock. false: never. Default '30s'.
   */
  idleAfter?: string | number | false
  /**
   * A record so far ahead of the wall clock goes to the dead letters (TIMESTAMP_AHEAD) and moves no time, where timestamps
   * matter: before windows, event timers, joins and tables of latest values. false: none does. Default '1m'.
   */
  maxAhead?: string | number | false
  /**
   * A timestamp so far ahead of the newest one moves event time only when records of three keys have said as much: for
   * records of the past, whose wrong clocks `maxAhead` cannot tell. Default false: it is believed.
   */
  maxJump?: string | number | false
  /** Event time of a record, ms since 1970. Default: its timestamp. */
  timestamp?: (value: V, context: Context<K, never>) => number
}

const DEFAULTS = { outOfOrderness: 0, idleAfter: '30s', maxAhead: '1m', maxJump: false } as const
const NAMES = ['outOfOrderness', 'idleAfter', 'maxAhead', 'maxJump'] as const

/** For parts without event time: nothing is refused, and no timestamp needs to be looked at. */
export const ANY_TIME: TimeRules = {
  outOfOrderness: 0,
  idleAfter: Number.POSITIVE_INFINITY,
  maxAhead: Number.POSITIVE_INFINITY,
  maxJump: Number.POSITIVE_INFINITY,
}

/**
 * The rules of a topic that is read with each of `settings`: of what several say, the most lenient.
 * @throws AldebaranError OPTION_INVALID
 */
// biome-ignore lint/suspicious/noExplicitAny: the types of its function do not matter here
export function timeRules(settings: readonly SourceSettings<any, any>[]): TimeRules {
  const rules = { ...ANY_TIME }
  for (const name of NAMES) {
    const said = settings.flatMap(one => one[name] ?? [])
    const durations = (said.length === 0 ? [DEFAULTS[name]] : said).map(one =>
      one === false ? Number.POSITIVE_INFINITY : Math.ceil(parseDuration(one, name)),
    )
    rules[name] = Math.max(...durations)
  }
  return rules
}
