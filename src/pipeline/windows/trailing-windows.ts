/**
 * Rolling and sliding windows: for each record of a key, those in the time up to it. `late-trailing-windows.ts` has those
 * that are told again for late records.
 *
 * Words: a record *waits* until time has passed it, for others may come that are older. Then it *enters*: the records of a
 * key enter in the order of time, equal ones in the order they came. It *leaves* when the window has moved on.
 *
 * 1. A key has a row with the aggregate of what is in its window, and the ends of the chain of those records, oldest first;
 *    each record is a row of its own. So a result costs what enters and what leaves, however much is in the window; with an
 *    aggregate that nothing can be taken from, all of the window whenever something leaves.
 * 2. A record enters with the timer at its time + 1, and leaves when one enters that it is too old for, or else by its timer.
 *    That of the oldest such record may be due at the same time: while any of the key wait, the one that leaves lets all go
 *    first. So what is told does not depend on which came first, and no result is late for the windows behind.
 * 3. Behind the record n of a chain comes n + 1 unless `next` says otherwise, and behind the last none: so one that comes in
 *    order, as most do, changes no row but its own and that of its key.
 * 4. Where records correct each other, the number of one is its time: another of that time takes its place.
 * 5. A release with less lateness finds records of the one before that have left, and are in no chain of its own: they go
 *    with their timers, and none of their numbers is given again before.
 */
import type { Schema } from '../../schema/schema.ts'
import type { TaskTable } from '../../state/contract.ts'
import { type StoredValue, storedValue } from '../joins/stored-value.ts'
import type { Operator, OperatorParts } from '../node.ts'
import type { TrailingWindow } from './window.ts'
import { WindowOperator, type WindowRow, type WindowRules } from './window-operator.ts'

export interface TrailingRules extends WindowRules {
  readonly window: TrailingWindow
  /** Of the value that goes into a result; null: none does. */
  readonly value: Schema<unknown> | null
  readonly corrects: boolean
}

/** No record of a chain has this number. */
export const NONE = 0

export class TrailingWindows extends WindowOperator implements Operator {
  protected readonly records: TaskTable
  protected readonly keys: TaskTable
  protected readonly size: number
  protected readonly tellsExits: boolean
  /** A window has the records newer than its time less this. */
  protected readonly reach: number
  readonly #stored: StoredValue | null
  readonly #corrects: boolean

  constructor(parts: OperatorParts, rules: TrailingRules) {
    super(parts, rules)
    const { size, includesStart, tellsExits } = rules.window
    this.records = parts.tables[0]!
    this.keys = parts.tables[1]!
    this.size = size
    this.tellsExits = tellsExits
    this.reach = includesStart ? size + 1 : size
    this.#stored = rules.value === null ? null : storedValue(rules.value)
    this.#corrects = rules.corrects
  }

  push(value: unknown): void {
    const { time } = this
    if (time < this.watermark) {
      this.late(value)
      return
    }
    const key = this.locateKey(this.keys)
    this.place(key, time)
    const row = this.records.row as WindowRow
    if (!row.exists) key.waiting++
    this.put(row, value)
    row.due = Math.max(1, time + 1)
  }

  timer(): void {
    const number = this.enterRow()
    const row = this.records.row as WindowRow
    if (row.hasEntered) this.end(number, row)
    else this.#enter(number, row)
  }

  protected late(value: unknown): void {
    this.tooLate(value)
  }

  /** A record that has entered, by its timer. */
  protected end(number: number, row: WindowRow): void {
    if (this.letsOthersGoFirst(row)) return
    this.leave(row.time)
    // With lateness that was allowed before, it may have left, and have been kept.
    const left = this.record(number)
    if (!left.exists) return
    left.delete()
    const key = this.locateKey(this.keys)
    if (key.exists && key.first === NONE) this.emptied(key)
  }

  /** Once, when a record may be about to enter that the one of the row is too old for. */
  protected letsOthersGoFirst(row: WindowRow): boolean {
    if (!this.tellsExits || row.isDue || this.locateKey(this.keys).waiting === 0) return false
    row.isDue = true
    // Of equal deadlines the one that was set last comes last.
    row.due = this.leavesAt(row.time)
    return true
  }

  /** A record left the window. */
  protected release(row: WindowRow): void {
    row.delete()
  }

  /** The last record left the window. */
  protected emptied(key: WindowRow): void {
    key.last = NONE
    if (key.waiting === 0) key.delete()
  }

  protected record(number: number): WindowRow {
    return this.locate(this.records, number)
  }

  /** Locates the row of the record at hand. Returns its number. */
  protected place(key: WindowRow, time: number): number {
    if (this.#corrects) {
      const number = time > NONE ? time : time - 1
      this.record(number)
      return number
    }
    let number = (key.newest as number) + 1
    while (this.record(number).exists) number++
    key.newest = number
    return number
  }

  protected put(row: WindowRow, value: unknown): void {
    row.time = this.time
    this.aggregates.itemsOf(value, this.context, row)
    if (this.#stored !== null) row.held = this.#stored.put(value)
  }

  /** When a record of that time leaves by its timer. */
  protected leavesAt(time: number): number {
    return Math.max(1, time + this.reach + 1)
  }

  /** The result for the record of the row, which is the newest of what the row of the key tells. */
  protected tellRecord(key: WindowRow, row: WindowRow, timing: 'onTime' | 'late'): void {
    const result = this.aggregates.result(key)
    const time = row.time as number
    if (this.#stored !== null) result.value = this.#valueOf(row)
    this.tell(result, time - this.size, time, time, timing)
  }

  /** The result when records of that time have left, and others are still there. */
  protected tellExit(key: WindowRow, time: number, timing: 'onTime' | 'late'): void {
    const start = time + 1
    const end = start + this.size
    this.tell(this.aggregates.result(key), start, end, end, timing)
  }

  #enter(number: number, row: WindowRow): void {
    const time = this.isOfEvents ? (row.time as number) : this.#inOrder(number, row)
    row.hasEntered = true
    row.due = this.leavesAt(time)
    if (this.tellsExits) this.#tellExitsBefore(time)
    this.#drop(time - this.reach)
    // Located by what was done last, and there, for this record was waiting.
    const key = this.keys.row as WindowRow
    key.waiting--
    const last = this.tailOf(key)
    key.last = number
    if (last !== NONE && last + 1 !== number) this.record(last).next = number
    if (key.first === NONE) key.first = number
    const entered = this.record(number)
    this.aggregates.addItems(key, entered, time)
    this.tellRecord(key, entered, 'onTime')
  }

  /** The wall clock may have been set back: the record of the row came no earlier than the last of the chain. */
  #inOrder(number: number, row: WindowRow): number {
    const { time } = row
    const last = this.tailOf(this.locateKey(this.keys))
    const newest = last === NONE ? time : Math.max(time, this.record(last).time)
    this.record(number).time = newest
    return newest
  }

  /** The last record of the chain, or NONE. */
  protected tailOf(key: WindowRow): number {
    // With lateness that was allowed before, `last` may be of one that has left.
    return key.first === NONE ? NONE : key.last
  }

  #tellExitsBefore(time: number): void {
    for (;;) {
      const first = this.locateKey(this.keys).first as number
      if (first === NONE) return
      const oldest = this.record(first).time as number
      if (oldest + this.size + 1 >= time) return
      this.leave(oldest)
    }
  }

  protected leave(time: number): void {
    const isLeft = this.#drop(time)
    if (isLeft && this.tellsExits) this.tellExit(this.locateKey(this.keys), time, 'onTime')
  }

  /** Takes out what is not newer than `time`. Returns whether something was, and anything is still in the window. */
  #drop(time: number): boolean {
    const key = this.locateKey(this.keys)
    const before = key.first as number
    const last = key.last as number
    let first = before
    let isKnown = true
    while (first !== NONE) {
      const row = this.record(first)
      if (row.time > time) break
      const next = first === last ? NONE : nextOf(row, first)
      // Once the aggregate does not tell what is left, it is added up anew.
      isKnown = isKnown && this.aggregates.subtractItems(key, row, row.time)
      this.release(row)
      first = next
    }
    if (first === before) return false
    key.first = first
    if (first !== NONE) {
      if (!isKnown) this.addUp(key, first, last)
      return true
    }
    // Nothing is left of what rounding did.
    this.aggregates.clear(key)
    this.emptied(key)
    return false
  }

  protected addUp(key: WindowRow, first: number, last: number): void {
    this.aggregates.clear(key)
    for (let number = first; ; ) {
      const row = this.record(number)
      this.aggregates.addItems(key, row, row.time)
      if (number === last) return
      number = nextOf(row, number)
    }
  }

  /** null: it came before values were kept. */
  #valueOf({ held }: WindowRow): unknown {
    return held === null ? null : this.#stored!.get(held)
  }
}

/** Of a record that is not the last of its chain. */
export function nextOf(row: WindowRow, number: number): number {
  return row.next === NONE ? number + 1 : row.next
}
