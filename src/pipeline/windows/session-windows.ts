/**
 * Session windows. A key has a row with the start of its first session, and a row for each session with the start of the
 * next: they are few, and in the order of time.
 *
 * 1. Sessions of a key do not overlap, and lie more than `gap` apart.
 * 2. A record goes into the session that it lies within `gap` of, or makes one; between two it makes them one.
 * 3. A session has ended when time passes its last record by `gap`. It is kept for `lateness` more, and told again with each
 *    record that still comes.
 * 4. What was told before, early too, and is part of another session now, is told to be: `replaces` has its start.
 * 5. The timestamp of a result is when its session is over, `gap` after its last record: so it is late for no window behind.
 */
import type { TaskTable } from '../../state/contract.ts'
import type { Operator, OperatorParts, TableNode } from '../node.ts'
import { WindowOperator, type WindowRow, type WindowRules } from './window-operator.ts'

/** A start that no session has: none follows. */
const NONE = -Number.MAX_SAFE_INTEGER

export class SessionWindows extends WindowOperator implements Operator {
  readonly #sessions: TaskTable
  readonly #heads: TaskTable
  readonly #gap: number

  constructor(parts: OperatorParts, rules: WindowRules, gap: number) {
    super(parts, rules)
    this.#sessions = parts.tables[0]!
    this.#heads = parts.tables[1]!
    this.#gap = gap
  }

  push(value: unknown): void {
    const { time, watermark } = this
    const gap = this.#gap
    // Where it stands among the sessions of its key.
    let before = NONE
    let start = time
    let last = time
    let after = this.#first()
    const merged: number[] = []
    while (after !== NONE) {
      const row = this.locate(this.#sessions, after)
      if (after - gap > time) break
      if (row.last + gap < time) before = after
      else {
        merged.push(after)
        start = Math.min(start, after)
        last = Math.max(last, row.last)
      }
      after = row.next
    }
    if (last + gap + this.lateness < watermark) {
      this.tooLate(value)
      return
    }
    const replaces = this.#merge(merged, start)
    const row = this.locate(this.#sessions, start)
    this.aggregates.add(row, value, this.context)
    row.last = last
    row.next = after
    const isOver = last + gap < watermark
    row.told = isOver
    row.close = last + gap + 1 + (isOver ? this.lateness : 0)
    const isTold = isOver || replaces.length > 0
    if (isTold) {
      row.shown = true
      this.lackNothing(row)
    } else this.awaitEarly(row)
    const result = isTold ? this.aggregates.result(row) : null
    this.#link(before, start)
    if (result === null) return
    result.replaces = replaces
    this.tell(result, start, last, isOver ? last + gap : this.#earlyTime(last), isOver ? 'late' : 'early')
  }

  timer(_table: TableNode, timer: string): void {
    const start = this.enterRow()
    const row = this.#sessions.row as WindowRow
    const last = row.last as number
    if (timer === 'early') {
      row.shown = true
      this.tell({ ...this.aggregates.result(row), replaces: [] }, start, last, this.#earlyTime(last), 'early')
      return
    }
    const wasTold = row.told as boolean
    const result = wasTold ? null : this.aggregates.result(row)
    if (wasTold || this.lateness === 0) this.#remove(start)
    else this.keep(row, last + this.#gap + 1 + this.lateness)
    if (result !== null) this.tell({ ...result, replaces: [] }, start, last, last + this.#gap, 'onTime')
  }

  #earlyTime(last: number): number {
    return Math.max(last, Math.min(last + this.#gap, this.context.now))
  }

  /** Puts what the sessions have into the one that begins at `start`. Returns the starts of others that were told. */
  #merge(sessions: readonly number[], start: number): number[] {
    const replaces: number[] = []
    for (const session of sessions) {
      if (session === start) continue
      const row = this.locate(this.#sessions, session)
      if (row.told || row.shown) replaces.push(session)
      const copy = this.aggregates.copyOf(row)
      row.delete()
      this.aggregates.merge(this.locate(this.#sessions, start), copy)
    }
    return replaces
  }

  #first(): number {
    const head = this.locateKey(this.#heads)
    return head.exists ? head.first : NONE
  }

  #link(before: number, start: number): void {
    if (before === NONE) this.locateKey(this.#heads).first = start
    else this.locate(this.#sessions, before).next = start
  }

  #remove(start: number): void {
    const next = (this.#sessions.row as WindowRow).next as number
    ;(this.#sessions.row as WindowRow).delete()
    const first = this.#first()
    if (first === start) {
      const head = this.locateKey(this.#heads)
      if (next === NONE) head.delete()
      else head.first = next
      return
    }
    for (let session = first; ; ) {
      const row = this.locate(this.#sessions, session)
      if (row.next === start) {
        row.next = next
        return
      }
      session = row.next
    }
  }
}
