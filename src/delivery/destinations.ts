/**
 * The destinations of a task. A row is kept of those of which something is to be remembered: see `Destination.isPlain`.
 * Of the others, those that are idle are forgotten when there are many.
 */
import type { RowCopy, TaskTable } from '../state/contract.ts'
import type { Clock } from '../time/clock.ts'
import { Destination } from './destination.ts'
import type { CompiledDelivery } from './settings.ts'
import type { DestinationRow } from './tables.ts'

const MANY = 20_000
const SCAN = 1000

export class Destinations {
  readonly #settings: CompiledDelivery
  readonly #table: TaskTable
  readonly #clock: Clock
  readonly #byName = new Map<string, Destination>()
  readonly #touched = new Set<Destination>()

  constructor(settings: CompiledDelivery, table: TaskTable, clock: Clock) {
    this.#settings = settings
    this.#table = table
    this.#clock = clock
    for (let from: Buffer | undefined; ; ) {
      const rows = table.scan(from, undefined, SCAN)
      for (const { key } of rows) this.#open(key as string, '')
      if (rows.length < SCAN) break
      from = Buffer.from(`${rows.at(-1)!.key as string}\0`)
    }
  }

  all(): Iterable<Destination> {
    return this.#byName.values()
  }

  get size(): number {
    return this.#byName.size
  }

  /** `tenant`: whose it is if that is not known. */
  of(name: string, tenant = ''): Destination {
    const found = this.#byName.get(name) ?? this.#open(name, tenant)
    // It was heard of by a command.
    if (found.tenant === '' && tenant !== '' && !found.isReady && found.underWay.size === 0) {
      found.tenant = tenant
      found.changed = true
    }
    return found
  }

  /** As they are now, by name: from ≤ name < to. */
  list(from: string, to: string | null, limit: number): RowCopy[] {
    return [...this.#byName.values()]
      .filter(({ name }) => name >= from && (to === null || name < to))
      .sort((a, b) => (a.name < b.name ? -1 : 1))
      .slice(0, limit)
      .map(destination => ({ key: destination.name, fields: destination.describe(), timers: {} }))
  }

  /** It is looked at when the unit is collected. */
  touch(destination: Destination): void {
    this.#touched.add(destination)
  }

  touched(): Iterable<Destination> {
    return this.#touched
  }

  /** Writes what changed into the table. */
  write(): void {
    for (const destination of this.#touched) {
      if (destination.isPlain) {
        if (destination.hasRow) this.#locate(destination.name).delete()
        destination.hasRow = false
        if (this.#byName.size > MANY && destination.isIdle) this.#byName.delete(destination.name)
      } else if (destination.changed) {
        destination.write(this.#locate(destination.name))
        destination.hasRow = true
      }
      destination.changed = false
    }
    this.#touched.clear()
  }

  #open(name: string, tenant: string): Destination {
    const row = this.#locate(name)
    const monotonic = this.#clock.monotonic()
    const found = new Destination(
      name,
      row.exists ? row.tenant : tenant,
      this.#settings,
      monotonic,
      row.exists ? row : null,
    )
    this.#byName.set(name, found)
    return found
  }

  #locate(name: string): DestinationRow {
    const bytes = Buffer.from(name)
    return this.#table.locate(bytes, 0, bytes.length) as unknown as DestinationRow
  }
}
