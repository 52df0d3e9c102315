/**
 * The rows and the memory of a delivery's tasks, searched for one event.
 *
 * Rows lie in the order of destination and turn, and no index leads from an id to them. So
 * 1. an id that names the place of its record (`TOPIC/PARTITION/OFFSET`: what an event has whose route gives it none) is
 *    looked up where it must be, at each destination that is known;
 * 2. for any other, and for destinations that are not known, rows are looked through: first those of known destinations,
 *    then all, MOST_ROWS and MOST_BYTES at most. `complete` says whether that was enough.
 */
import { keyRange, orderOf, partsOfKey, type RowKind, rowKey } from '../delivery/due-event.ts'
import { DUE, type EventFields } from '../delivery/tables.ts'
import { LIVE_EVENTS } from '../runtime/live-events.ts'
import type { Running } from '../runtime/start.ts'
import type { RowCopy } from '../state/contract.ts'
import { ask } from './table-rows.ts'

/** What a task has of the event, at one destination. */
export interface EventRow {
  readonly partition: number
  readonly key: string
  readonly destination: string
  readonly kind: RowKind
  /** It is in memory, and may have no row. */
  readonly isLive: boolean
  readonly fields: EventFields
}

export interface EventSearch {
  readonly id: string
  readonly partitions: readonly number[]
  /** Where it went, as far as that is known. */
  readonly known: readonly string[]
  /** It goes nowhere else, or that is not asked for. */
  readonly isAllKnown: boolean
  /** Where its record lies, if its id says that. */
  readonly place: { readonly partition: number; readonly offset: number } | null
}

/** Those few are first that somebody waits for. */
const KINDS: readonly RowKind[] = ['d', 'i', 'r', 'q']
const PRIORITIES = 10
const MOST_ROWS = 20_000
const MOST_BYTES = 32 * 1024 * 1024
/** Of one question to a worker: the first is small, for its rows may be large. */
const FIRST_PAGE = 50
const LARGEST_PAGE = 1000
const PAGE_BYTES = 1024 * 1024
/** Bytes that a row takes beside its value, about. */
const ROW_BYTES = 300

export class EventRows {
  readonly #running: Running
  readonly #pipeline: string

  constructor(running: Running, pipeline: string) {
    this.#running = running
    this.#pipeline = pipeline
  }

  /** @throws AldebaranError BUSY, WORKER_DIED: a task cannot be asked now */
  async find(search: EventSearch): Promise<{ rows: EventRow[]; complete: boolean }> {
    const parts = await Promise.all(search.partitions.map(partition => this.#findIn(partition, search)))
    return { rows: parts.flatMap(({ rows }) => rows), complete: parts.every(({ complete }) => complete) }
  }

  async #findIn(partition: number, search: EventSearch): Promise<{ rows: EventRow[]; complete: boolean }> {
    const { id, partitions, known, isAllKnown, place } = search
    const found = new Map<string, EventRow>()
    const add = (row: EventRow): void => {
      const { destination, order } = partsOfKey(row.key)
      const name = `${destination}\0${order}`
      // What is in memory is newer.
      if (row.fields.id === id && found.get(name)?.isLive !== true) found.set(name, row)
    }
    const key = Buffer.from(id)
    const live = await ask(this.#running, { kind: 'get', ...this.#table(LIVE_EVENTS, partition), key })
    for (const row of live) add(rowOf(partition, row, true))
    if (place !== null) {
      if (place.partition === partition) for (const row of await this.#lookUp(partition, known, place.offset)) add(row)
      if (isAllKnown) return { rows: [...found.values()], complete: true }
    }
    const ofKnown = place === null ? known.flatMap(name => KINDS.map(kind => keyRange(kind, name))) : []
    const ranges = isAllKnown ? ofKnown : [...ofKnown, ...KINDS.map(kind => keyRange(kind))]
    const budget = { rows: MOST_ROWS / partitions.length, bytes: MOST_BYTES / partitions.length }
    for (const { from, to } of ranges) {
      if (await this.#lookThrough(partition, from, to, budget, add)) continue
      return { rows: [...found.values()], complete: false }
    }
    return { rows: [...found.values()], complete: true }
  }

  /** Of each kind and priority: only those parts of its key are not known. */
  async #lookUp(partition: number, known: readonly string[], offset: number): Promise<EventRow[]> {
    const keys = known.flatMap(name =>
      KINDS.flatMap(kind =>
        Array.from({ length: PRIORITIES }, (_, priority) => rowKey(kind, name, orderOf(priority, offset))),
      ),
    )
    const answers = await Promise.all(
      keys.map(key => ask(this.#running, { kind: 'get', ...this.#table(DUE.name, partition), key: Buffer.from(key) })),
    )
    return answers.flat().map(row => rowOf(partition, row, false))
  }

  /** False: the budget was not enough. */
  async #lookThrough(
    partition: number,
    first: Buffer,
    to: Buffer,
    budget: { rows: number; bytes: number },
    add: (row: EventRow) => void,
  ): Promise<boolean> {
    let from = first
    for (let limit = FIRST_PAGE; budget.rows > 0 && budget.bytes > 0; ) {
      const rows = await ask(this.#running, { kind: 'scan', ...this.#table(DUE.name, partition), from, to, limit })
      let bytes = 0
      for (const row of rows) {
        bytes += ROW_BYTES + (row.fields as EventFields).value.length
        add(rowOf(partition, row, false))
      }
      if (rows.length < limit) return true
      budget.rows -= rows.length
      budget.bytes -= bytes
      from = Buffer.from(`${String(rows.at(-1)!.key)}\0`)
      limit = Math.max(1, Math.min(LARGEST_PAGE, 4 * limit, Math.floor((PAGE_BYTES * rows.length) / bytes)))
    }
    return false
  }

  #table(table: string, partition: number) {
    return { pipeline: this.#pipeline, table, partition }
  }
}

function rowOf(partition: number, row: RowCopy, isLive: boolean): EventRow {
  const key = String(row.key)
  const { kind, destination } = partsOfKey(key)
  return { partition, key, destination, kind, isLive, fields: row.fields as EventFields }
}

/** Names the event of a row in commands. */
export function eventAt(partition: number, key: string): string {
  return `${partition}.${Buffer.from(key).toString('base64url')}`
}
