/**
 * Tumbling and hopping windows: a row for each window of a key, with the key and the start of the window as its key.
 *
 * 1. A window ends when time passes its end; then its result is told, `onTime`. It is kept for `lateness` more, and told
 *    again with each record that still comes, `late`.
 * 2. A record for which no window is left is too late. One that finds some of its windows counts in those.
 */

import type { TaskTable } from '../../state/contract.ts'
import type { Operator, OperatorParts, TableNode } from '../node.ts'
import type { FixedWindow } from './window.ts'
import { WindowOperator, type WindowRow, type WindowRules } from './window-operator.ts'

export class FixedWindows extends WindowOperator implements Operator {
  readonly #table: TaskTable
  readonly #size: number
  readonly #every: number
  readonly #offset: number

  constructor(parts: OperatorParts, rules: WindowRules, window: FixedWindow) {
    super(parts, rules)
    this.#table = parts.tables[0]!
    this.#size = window.size
    this.#every = window.every
    this.#offset = window.offset
  }

  push(value: unknown): void {
    const { time, watermark } = this
    const size = this.#size
    const every = this.#every
    const first = Math.floor((time - this.#offset) / every) * every + this.#offset
    if (first + size + this.lateness <= watermark) {
      this.tooLate(value)
      return
    }
    for (let start = first; start > time - size; start -= every) {
      if (start + size + this.lateness <= watermark) return
      this.#add(value, start, watermark)
    }
  }

  timer(_table: TableNode, timer: string): void {
    const start = this.enterRow()
    const row = this.#table.row as WindowRow
    const end = start + this.#size
    if (timer === 'early') {
      this.tell(this.aggregates.result(row), start, end, Math.min(end - 1, this.context.now), 'early')
      return
    }
    if (row.told) {
      row.delete()
      return
    }
    const result = this.aggregates.result(row)
    if (this.lateness === 0) row.delete()
    else this.keep(row, end + this.lateness)
    this.tell(result, start, end, end - 1, 'onTime')
  }

  #add(value: unknown, start: number, watermark: number): void {
    const row = this.locate(this.#table, start)
    const end = start + this.#size
    const isNew = !row.exists
    this.aggregates.add(row, value, this.context)
    // Time 0 is none to a timer.
    if (isNew) row.close = end === 0 ? 1 : end
    if (end <= watermark || row.told) {
      // Its end has passed, also where the wall clock was set back since: there is nobody to wait for.
      if (!row.told) this.keep(row, end + this.lateness)
      this.tell(this.aggregates.result(row), start, end, end - 1, 'late')
    } else this.awaitEarly(row)
  }
}
