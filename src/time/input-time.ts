/**
 * How far one input of a task has come in event time.
 *
 * 1. A watermark W says that records older than W are not expected any more. It never goes back.
 * 2. `SourceTime` takes it from the timestamps of records: the newest one that is believed, less the out-of-orderness.
 *    A timestamp too far ahead of the wall clock is never believed; one that jumps far ahead of the newest is believed when
 *    records of `WITNESSES` different keys have said as much, so that the clock of one sender moves nobody else's time.
 * 3. `RelayedTime` takes it from the tasks that write the topic: the least watermark of those that have something to read;
 *    when none has, the least of all. A task that has not said anything yet holds it back.
 */
import { AldebaranError } from '../errors.ts'
import { formatWriterTime, parseWriterTime, type StoredTime, type WriterTime } from './stored-time.ts'

export interface TimeRules {
  /** How far behind the newest timestamp the watermark stays, ms. */
  outOfOrderness: number
  /** Without a record for so long, ms, an input holds nothing back; Infinity: it always does. */
  idleAfter: number
  /** A timestamp so far ahead of the wall clock is refused, ms; Infinity: none is. */
  maxAhead: number
  /** A timestamp so far ahead of the newest one needs witnesses, ms; Infinity: none does. */
  maxJump: number
}

export interface InputTime {
  /** ms since 1970; −Infinity: not known yet. */
  readonly watermark: number
  /** Whoever writes to it has nothing to read. Of a source: false, for nobody can tell but by waiting. */
  readonly isIdle: boolean
  /** Newest timestamp seen, ms; −Infinity before the first record. */
  readonly newest: number
  readonly writers: readonly WriterTime[]
  /** `rollback` forgets what was seen since: the records of a batch that is done again. */
  savepoint(): void
  rollback(): void
}

const NONE = Number.NEGATIVE_INFINITY
/** Keys whose records must lie beyond a jump until it is believed. */
const WITNESSES = 3

/** Of a source that `writers` tasks of the pipeline write; 0: others do. */
export function inputTime(source: { time: TimeRules; writers: number }, stored: StoredTime): SourceTime | RelayedTime {
  return source.writers === 0 ? new SourceTime(source.time, stored) : new RelayedTime(source.writers, stored)
}

export class SourceTime implements InputTime {
  readonly rules: TimeRules
  readonly isIdle = false
  readonly writers: readonly WriterTime[] = []
  newest: number
  #newestAtSavepoint = NONE
  /** Replaced, never changed. */
  #witnesses: readonly { readonly key: number; readonly timestamp: number }[] = []
  #witnessesAtSavepoint = this.#witnesses

  constructor(rules: TimeRules, stored: StoredTime) {
    this.rules = rules
    this.newest = stored.newest
  }

  get watermark(): number {
    return this.newest - this.rules.outOfOrderness
  }

  savepoint(): void {
    this.#newestAtSavepoint = this.newest
    this.#witnessesAtSavepoint = this.#witnesses
  }

  rollback(): void {
    this.newest = this.#newestAtSavepoint
    this.#witnesses = this.#witnessesAtSavepoint
  }

  /** Whether each record has to be looked at, of a batch whose newest timestamp this is. */
  needsCare(timestamp: number, now: number): boolean {
    return timestamp - now > this.rules.maxAhead || timestamp - this.newest > this.rules.maxJump
  }

  /** @throws AldebaranError TIMESTAMP_AHEAD */
  checkAhead(timestamp: number, now: number): void {
    if (!(timestamp - now > this.rules.maxAhead)) return
    throw new AldebaranError(
      'TIMESTAMP_AHEAD',
      `the timestamp ${timeText(timestamp)} is ${Math.round((timestamp - now) / 1000)} s ahead of the clock, and ${this.rules.maxAhead / 1000} s are allowed`,
      { timestamp, maxAhead: this.rules.maxAhead },
    )
  }

  /** It needs witnesses. */
  isJump(timestamp: number): boolean {
    return this.newest !== NONE && timestamp - this.newest > this.rules.maxJump
  }

  /** A record, or the newest one of a batch that needs no care. `key`: of a jump, a hash to tell witnesses apart. */
  saw(timestamp: number, key: number): void {
    if (timestamp <= this.newest) return
    if (!this.isJump(timestamp)) {
      this.#move(timestamp)
      return
    }
    const same = this.#witnesses.find(witness => witness.key === key)
    const others = this.#witnesses.filter(witness => witness.key !== key)
    this.#witnesses = [...others, { key, timestamp: Math.min(timestamp, same?.timestamp ?? timestamp) }]
    if (this.#witnesses.length < WITNESSES) return
    this.#move(Math.min(...this.#witnesses.map(witness => witness.timestamp)))
  }

  #move(timestamp: number): void {
    this.newest = timestamp
    if (this.#witnesses.length === 0) return
    this.#witnesses = this.#witnesses.filter(witness => witness.timestamp - timestamp > this.rules.maxJump)
  }
}

export class RelayedTime implements InputTime {
  newest: number
  /** Replaced, never changed. */
  #writers: readonly WriterTime[]
  #writersAtSavepoint: readonly WriterTime[]

  constructor(writers: number, stored: StoredTime) {
    this.newest = stored.newest
    this.#writers = Array.from({ length: writers }, (_, i) => stored.writers[i] ?? { watermark: NONE, isIdle: false })
    this.#writersAtSavepoint = this.#writers
  }

  savepoint(): void {
    this.#writersAtSavepoint = this.#writers
  }

  rollback(): void {
    this.#writers = this.#writersAtSavepoint
  }

  get writers(): readonly WriterTime[] {
    return this.#writers
  }

  get isIdle(): boolean {
    return this.#writers.every(writer => writer.isIdle)
  }

  get watermark(): number {
    const active = this.#writers.filter(writer => !writer.isIdle)
    // Those that are idle and never saw a record have nothing to say.
    const heard = active.length > 0 ? active : this.#writers.filter(writer => writer.watermark !== NONE)
    return heard.length === 0 ? NONE : Math.min(...heard.map(writer => writer.watermark))
  }

  /** A mark, as `formatMark` made it. What no release wrote is passed over. */
  heard(mark: string): void {
    const [writer = '', time = ''] = mark.split(' ')
    const at = Number(writer)
    const before = this.#writers[at]
    if (before === undefined) return
    const { watermark, isIdle } = parseWriterTime(time)
    this.#writers = this.#writers.with(at, { watermark: Math.max(before.watermark, watermark), isIdle })
  }
}

/** Header of the records that carry a watermark: they have neither key nor value. */
export const MARK_HEADER = 'aldebaran.watermark'

export function formatMark(writer: number, time: WriterTime): string {
  return `${writer} ${formatWriterTime(time)}`
}

function timeText(timestamp: number): string {
  const date = new Date(timestamp)
  return Number.isNaN(date.getTime()) ? String(timestamp) : date.toISOString()
}
