/** For the tests of tables: a log that keeps what units write, and tables over it that can be crashed and restored. */
import type { TableWrite } from '../log/contract.ts'
import { BatchCursor } from '../record/batch-cursor.ts'
import { setBaseOffset } from '../record/batch-header.ts'
import { BatchWriter } from '../record/batch-writer.ts'
import { ByteWriter } from '../schema/byte-writer.ts'
import type { Fields } from '../schema/field-types.ts'
import { text } from '../schema/primitives.ts'
import type { Schema } from '../schema/schema.ts'
import type { TableDefinition, TaskTable, Timers } from './contract.ts'
import { rowDefinition } from './evolution.ts'
import { createTable } from './table.ts'
import type { TableOptions, TableStore } from './table-options.ts'

/** A table of the log, in memory. */
export class MapStore implements TableStore {
  readonly #tables = new Map<string, Map<string, Buffer>>()

  #table(name: string): Map<string, Buffer> {
    let table = this.#tables.get(name)
    if (table === undefined) {
      table = new Map()
      this.#tables.set(name, table)
    }
    return table
  }

  apply(writes: readonly TableWrite[]): void {
    for (const { table, key, value } of writes) {
      const text = Buffer.from(key).toString('latin1')
      if (value === null) this.#table(table).delete(text)
      else this.#table(table).set(text, Buffer.from(value))
    }
  }

  size(table: string): number {
    return this.#table(table).size
  }

  tableGet(table: string, key: Uint8Array): Buffer | undefined {
    return this.#table(table).get(Buffer.from(key).toString('latin1'))
  }

  tableRange(table: string, from?: Uint8Array, to?: Uint8Array, limit?: number): [Buffer, Buffer][] {
    return [...this.#table(table)]
      .map(([key, value]): [Buffer, Buffer] => [Buffer.from(key, 'latin1'), value])
      .filter(([key]) => (from === undefined || key.compare(from) >= 0) && (to === undefined || key.compare(to) < 0))
      .sort((left, right) => left[0].compare(right[0]))
      .slice(0, limit)
  }
}

interface StoredBatch {
  first: number
  last: number
  bytes: Buffer
}

interface Unit {
  batch: Buffer | null
  count: number
  writes: TableWrite[]
}

/** One task's table with a changelog partition. Units are durable when `commit` is called, in their order. */
export class TestTable {
  table: TaskTable
  readonly definition: TableDefinition
  readonly store = new MapStore()
  readonly options: TableOptions
  readonly #writer = new BatchWriter()
  #batches: StoredBatch[] = []
  #units: Unit[] = []
  #end = 0
  /** Offsets skipped after each unit, as transaction markers of a broker do. */
  readonly #gap: number

  constructor(definition: TableDefinition, options: Partial<TableOptions> = {}, gap = 0) {
    this.definition = definition
    this.#gap = gap
    this.options = {
      schemaId: 1,
      schemas: new Map([[1, rowDefinition(definition)]]),
      keyspace: definition.name,
      store: this.store,
      ...options,
    }
    this.table = createTable(definition, this.options)
  }

  collect(): number {
    const writes: TableWrite[] = []
    this.#writer.begin()
    const count = this.table.collect(this.#writer, writes)
    const batch = count > 0 ? Buffer.from(this.#writer.finish()) : null
    this.#units.push({ batch, count, writes })
    return count
  }

  get uncommitted(): number {
    return this.#units.length
  }

  /** Commits the oldest unit, and trims what the table says is dead. */
  commit(): void {
    const unit = this.#units.shift()
    if (unit === undefined) return
    this.store.apply(unit.writes)
    if (unit.batch !== null) {
      setBaseOffset(unit.batch, 0, this.#end)
      this.#batches.push({ first: this.#end, last: this.#end + unit.count - 1, bytes: unit.batch })
    }
    const first = this.#end
    this.#end += unit.count === 0 ? 0 : unit.count + this.#gap
    const hasChangelog = this.definition.store === 'memory' || this.options.local !== undefined
    if (unit.batch !== null || !hasChangelog) this.table.committed(first)
    this.#batches = this.#batches.filter(batch => batch.last >= this.table.trimBefore)
  }

  commitAll(): void {
    while (this.#units.length > 0) this.commit()
  }

  /** Records that a trimmed changelog still has to have. */
  get changelogLength(): number {
    return this.#end - Math.max(this.table.trimBefore, this.#batches[0]?.first ?? this.#end)
  }

  /** Forgets all that is not committed. */
  crash(definition: TableDefinition = this.definition, options: Partial<TableOptions> = {}): TaskTable {
    this.#units = []
    this.table = createTable(definition, { ...this.options, ...options })
    const cursor = new BatchCursor()
    for (const batch of this.#batches) {
      cursor.reset(batch.bytes, 0, batch.bytes.length)
      this.table.restore(cursor)
    }
    return this.table
  }
}

export function keyOf<K>(schema: Schema<K>, value: K): Buffer {
  const out = new ByteWriter(16)
  schema.encode(value, out)
  return out.bytes.subarray(0, out.position)
}

export function tableOf(
  fields: Fields,
  more: { timers?: Timers; store?: 'memory' | 'disk'; maxRows?: number; key?: Schema<unknown> } = {},
): TableDefinition {
  return {
    name: 'rows',
    key: more.key ?? (text() as Schema<unknown>),
    fields,
    timers: more.timers ?? {},
    store: more.store ?? 'memory',
    maxRows: more.maxRows ?? 1_000_000,
  }
}
