/** The rows of events: who writes one here keeps the counts of its destination. */
import type { TaskTable } from '../state/contract.ts'
import type { Destination } from './destination.ts'
import { type DueEvent, keyRange, type RowKind, readEvent, rowKey, writeEvent } from './due-event.ts'
import type { DueRow } from './tables.ts'

export class DueEvents {
  readonly #table: TaskTable
  /** Events that were taken in, and have neither ended nor a row. */
  fresh = 0

  constructor(table: TaskTable) {
    this.#table = table
  }

  /** From now on its row is of that kind, and says what the event says. */
  change(destination: Destination, event: DueEvent, kind: RowKind): void {
    if (event.stored === null) this.fresh--
    else if (event.stored !== kind) this.#delete(destination, event)
    const row = this.#locate(rowKey(kind, event.destination, event.order))
    writeEvent(event, row)
    row.due = kind === 'r' ? event.notBefore : 0
    if (event.stored === null) destination.count(kind, 1)
    event.stored = kind
  }

  /** It has ended. */
  remove(destination: Destination, event: DueEvent): void {
    if (event.stored === null) this.fresh--
    else this.#delete(destination, event)
  }

  #delete(destination: Destination, event: DueEvent): void {
    this.#locate(rowKey(event.stored!, event.destination, event.order)).delete()
    destination.count(event.stored!, -1)
    event.stored = null
  }

  /** The event of a row; undefined: there is none. */
  get(key: string): DueEvent | undefined {
    const row = this.#locate(key)
    return row.exists ? readEvent(key, row) : undefined
  }

  /** Those that wait for their turn and are not under way, the first of them. `isAll`: there are no others. */
  waiting(destination: Destination, most: number): { events: DueEvent[]; isAll: boolean } {
    const { name, readTo, underWay } = destination
    const range = keyRange('q', name)
    const from = readTo === '' ? range.from : Buffer.from(`${rowKey('q', name, readTo)}\0`)
    const limit = most + underWay.size
    const found = this.#scan(from, range.to, limit)
    const events = found.filter(event => !underWay.has(event.order)).slice(0, most)
    return { events, isAll: found.length < limit && events.length < most }
  }

  /** Of one kind; of a destination, or of all. */
  list(kind: RowKind, limit: number, destination?: string): DueEvent[] {
    const { from, to } = keyRange(kind, destination)
    return this.#scan(from, to, limit)
  }

  #scan(from: Buffer, to: Buffer, limit: number): DueEvent[] {
    return this.#table
      .scan(from, to, limit)
      .map(({ key, fields }) => readEvent(key as string, fields as unknown as DueRow))
  }

  #locate(key: string): DueRow {
    const bytes = Buffer.from(key)
    return this.#table.locate(bytes, 0, bytes.length) as unknown as DueRow
  }
}
