/**
 * Rolling and sliding windows: for each record of a key, those in the time up to it.
 *
 * Words: a record *waits* until time has passed it, for others may come that are older. Then it *enters*: the records of a
 * key enter in the order of time, equal ones in the order they came. It *leaves* when the window has moved on.
 *
 * 1. A key has a row with the aggregate of what is in its window, and the ends of the chain of those records, oldest first;
 *    each record is a row of its own. So a result costs what enters and what leaves, however much is in the window; with an
 *    aggregate that nothing can be taken from, all of the window whenever something leaves.
 * 2. A record enters with the timer at its time + 1, and leaves when one enters that it is too old for, or else by a timer
 *    that comes after those of all such records. So what is told does not depend on which of both came first.
 * 3. Behind the record n of a chain comes n + 1 unless `next` says otherwise, and behind the last none: so one that comes in
 *    order, as most do, changes no row but its own and that of its key.
 */
import { AldebaranError } from '../../errors.ts'
import { ByteWriter } from '../../schema/byte-writer.ts'
import type { Schema } from '../../schema/schema.ts'
import type { TaskTable } from '../../state/contract.ts'
import type { Operator, OperatorParts } from '../node.ts'
import type { TrailingWindow } from './window.ts'
import { WindowOperator, type WindowRow, type WindowRules } from './window-operator.ts'

/** Records have numbers from 1 on. */
const NONE = 0

export class TrailingWindows extends WindowOperator implements Operator {
  readonly #records: TaskTable
  readonly #keys: TaskTable
  readonly #size: number
  readonly #includesStart: boolean
  readonly #tellsExits: boolean
  readonly #value: Schema<unknown> | null
  readonly #bytes = new ByteWriter(256)

  constructor(parts: OperatorParts, rules: WindowRules, window: TrailingWindow, value: Schema<unknown> | null) {
    super(parts, rules)
    this.#records = parts.tables[0]!
    this.#keys = parts.tables[1]!
    this.#size = window.size
    this.#includesStart = window.includesStart
    this.#tellsExits = window.tellsExits
    this.#value = value
  }

  push(value: unknown): void {
    const { time, watermark } = this
    if (time + this.lateness < watermark) {
      this.tooLate(value)
      return
    }
    const key = this.locateKey(this.#keys)
    key.newest++
    key.waiting++
    const row = this.locate(this.#records, key.newest)
    row.time = time
    this.aggregates.itemsOf(value, this.context, row)
    if (this.#value !== null) row.value = this.#encoded(value)
    row.due = Math.max(1, time + 1 + this.lateness)
  }

  timer(): void {
    const number = this.enterRow()
    const row = this.#records.row as WindowRow
    if (row.hasEntered) this.#leave(row.time)
    else this.#enter(number, row)
  }

  #enter(number: number, row: WindowRow): void {
    const time = row.time as number
    const value = this.#value === null ? undefined : this.#decoded(row.value)
    const size = this.#size
    row.hasEntered = true
    row.due = Math.max(1, time + size + (this.#includesStart ? 3 : 2) + this.lateness)
    if (this.#tellsExits) this.#tellExitsBefore(time)
    this.#drop(this.#includesStart ? time - size - 1 : time - size)
    // Located by what was done last, and there, for this record was waiting.
    const key = this.#keys.row as WindowRow
    key.waiting--
    const last = key.last as number
    key.last = number
    if (last === NONE) key.first = number
    else if (last + 1 !== number) this.locate(this.#records, last).next = number
    this.aggregates.addItems(key, this.locate(this.#records, number), time)
    const result = this.aggregates.result(key)
    if (this.#value !== null) result.value = value
    this.tell(result, time - size, time, time, 'onTime')
  }

  #tellExitsBefore(time: number): void {
    for (;;) {
      const first = this.locateKey(this.#keys).first as number
      if (first === NONE) return
      const oldest = this.locate(this.#records, first).time as number
      if (oldest + this.#size + 1 >= time) return
      this.#leave(oldest)
    }
  }

  #leave(time: number): void {
    const isLeft = this.#drop(time)
    if (!isLeft || !this.#tellsExits) return
    const start = time + 1
    const end = start + this.#size
    this.tell(this.aggregates.result(this.locateKey(this.#keys)), start, end, end, 'onTime')
  }

  /** Takes out what is not newer than `time`. Returns whether anything is still in the window. */
  #drop(time: number): boolean {
    const key = this.locateKey(this.#keys)
    const before = key.first as number
    const last = key.last as number
    let first = before
    let isKnown = true
    while (first !== NONE) {
      const row = this.locate(this.#records, first)
      if (row.time > time) break
      const next = first === last ? NONE : nextOf(row, first)
      // Once the aggregate does not tell what is left, it is added up anew.
      isKnown = isKnown && this.aggregates.subtractItems(key, row, row.time)
      row.delete()
      first = next
    }
    if (first === before) return first !== NONE
    key.first = first
    if (first !== NONE) {
      if (!isKnown) this.#addUp(key, first)
      return true
    }
    key.last = NONE
    // Nothing is left of what rounding did.
    this.aggregates.clear(key)
    if (key.waiting === 0) key.delete()
    return false
  }

  #addUp(key: WindowRow, first: number): void {
    this.aggregates.clear(key)
    const last = key.last as number
    for (let number = first; ; ) {
      const row = this.locate(this.#records, number)
      this.aggregates.addItems(key, row, row.time)
      if (number === last) return
      number = nextOf(row, number)
    }
  }

  #encoded(value: unknown): Uint8Array {
    const out = this.#bytes
    out.position = 0
    this.#value!.encode(value, out)
    return out.bytes.subarray(0, out.position)
  }

  #decoded(bytes: Buffer): unknown {
    return this.#value!.decode(bytes, 0, bytes.length)
  }
}

function nextOf(row: WindowRow, number: number): number {
  return row.next === NONE ? number + 1 : row.next
}

export function noEarlyResults(): AldebaranError {
  return new AldebaranError('OPTION_INVALID', 'early: rolling and sliding windows have a result for each record anyway')
}
