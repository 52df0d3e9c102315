/**
 * A disk table beside a log whose units cannot carry its rows: they lie in a store on this machine, and in a compacted
 * changelog, from which the store is made where it lacks them.
 *
 * Invariants
 * 1. A unit writes its rows to the changelog. They get into the store when the unit is committed, all at once, with the
 *    offset after them: so the store has what the changelog says up to there, and nothing else.
 * 2. What a table does not know of is a store that moved meanwhile: another thread followed the changelog with it. Then
 *    it forgets the rows in memory, but only while it follows: the rows of a task that runs are its own.
 * 3. Every schema of a row in the store is known: the newest one is kept there, for another thread may have learnt of it.
 * 4. The value of a changelog record is what the store has, with the set-sequences of the timers: they fire in the same
 *    order wherever the table is restored.
 */
import type { LocalTable, TableWrite } from '../log/contract.ts'
import type { BatchCursor } from '../record/batch-cursor.ts'
import type { ChangelogSink, TableDefinition } from './contract.ts'
import { DiskTable, PRESENT, type StoredDeadlines } from './disk-table.ts'
import { USED } from './row-memory.ts'
import type { TableOptions } from './table-options.ts'

const NEWEST_SCHEMA = Buffer.from('newest schema')
const NEVER = [0, 0] as const
const NO_DEADLINES: StoredDeadlines = []
/** What a write takes beside its key and value, about. */
const WRITE_BYTES = 200

interface Unit {
  readonly writes: readonly TableWrite[]
  /** Changelog records. */
  readonly records: number
  readonly asOf: number
  readonly bytes: number
}

export class LocalDiskTable extends DiskTable {
  readonly #local: LocalTable
  readonly #now: () => number
  /** Collected and not committed, the oldest first. */
  readonly #units: Unit[] = []
  /** The end of the store as this table knows it. */
  #end: number
  readonly #schemaId: number
  /** Of a row in the store; 0: there is none. */
  #newestSchema = 0

  constructor(definition: TableDefinition, options: TableOptions, local: LocalTable) {
    super(definition, options, local, '')
    this.#local = local
    this.#now = options.now ?? Date.now
    this.#end = local.end
    this.#schemaId = options.schemaId
    this.#readNewestSchema()
  }

  override get changelogEnd(): number {
    return this.#end
  }

  override collect(changelog: ChangelogSink): number {
    const writes: TableWrite[] = []
    const asOf = this.#now()
    const records = this.writeChanges(writes, changelog, asOf)
    this.memory.savepoint()
    // Nothing but rows that came and went within the unit: no record tells of it.
    if (records === 0) return 0
    this.collected()
    writes.push(this.countersWrite())
    const bytes = writes.reduce((sum, { key, value }) => sum + key.length + (value?.length ?? 0) + WRITE_BYTES, 0)
    this.memory.meter.add(bytes, true)
    this.#units.push({ writes, records, asOf, bytes })
    return records
  }

  override committed(changelogOffset: number): void {
    const { writes, records, asOf, bytes } = this.#units.shift()!
    const local = this.#local
    const next = changelogOffset + records
    this.memory.meter.add(-bytes)
    local.update(() => {
      // Another thread may have read the unit already.
      if (local.end >= next) return
      for (const { table, key, value } of writes) local.write(table, key, value)
      this.#meetSchema(this.#schemaId)
      local.reach(next, asOf)
    })
    this.#end = next
    super.committed(changelogOffset)
  }

  override restore(cursor: BatchCursor): void {
    const local = this.#local
    const s = this.memory
    s.savepoint()
    try {
      local.update(() => {
        const { end } = local
        if (end !== this.#end) this.#forget()
        let next = end
        let asOf = 0
        while (cursor.nextBatch()) {
          if (cursor.isControl) continue
          while (cursor.next()) {
            if (cursor.offset < next) continue
            this.#apply(cursor)
            next = cursor.offset + 1
            if (cursor.timestamp > asOf) asOf = cursor.timestamp
          }
        }
        if (next > end) {
          const { table, key, value } = this.countersWrite()
          local.write(table, key, value)
          local.reach(next, asOf)
        }
        this.#end = next
      })
    } catch (error) {
      this.#forget()
      throw error
    }
    for (const timers of this.timers) timers.reset()
    s.savepoint()
  }

  /** Of nothing in memory but what the store has. */
  #forget(): void {
    const s = this.memory
    for (let row = 1; row < s.high; row++) if ((s.flagsOf(row) & USED) !== 0) this.free(row)
    s.savepoint()
    for (const timers of this.timers) timers.reset()
    this.#end = this.#local.end
    this.readCounters()
    this.#readNewestSchema()
  }

  #readNewestSchema(): void {
    this.#newestSchema = this.#local.tableGet(this.names.meta, NEWEST_SCHEMA)?.readInt32LE(0) ?? 0
    // Versions are learnt in their order: who knows this one knows those before it.
    if (this.#newestSchema > 0) this.decoder.require(this.#newestSchema)
  }

  /** A row of it gets into the store. */
  #meetSchema(schemaId: number): void {
    this.decoder.require(schemaId)
    if (schemaId <= this.#newestSchema) return
    this.#newestSchema = schemaId
    const value = Buffer.alloc(4)
    value.writeInt32LE(schemaId)
    this.#local.write(this.names.meta, NEWEST_SCHEMA, value)
  }

  #apply(cursor: BatchCursor): void {
    const local = this.#local
    const s = this.memory
    const { bytes } = cursor
    const key = bytes.subarray(cursor.keyStart, cursor.keyEnd)
    const cached = s.index.find(bytes, cursor.keyStart, cursor.keyEnd)
    if (cached !== 0) this.free(cached)
    const stored = local.tableGet(this.names.rows, key)
    const value = cursor.valueStart < 0 ? null : bytes.subarray(cursor.valueStart, cursor.valueEnd)
    if (value !== null) this.#meetSchema(this.decoder.schemaOf(value, 0, value.length))
    s.live += (value === null ? 0 : 1) - (stored === undefined ? 0 : 1)
    if (this.timers.length > 0) {
      const before = stored === undefined ? NO_DEADLINES : this.#deadlinesOf(key, stored)
      this.#moveTimers(key, before, value === null ? NO_DEADLINES : this.#deadlinesOf(key, value))
    }
    if (value !== null || stored !== undefined) local.write(this.names.rows, key, value)
  }

  #moveTimers(key: Buffer, before: StoredDeadlines, after: StoredDeadlines): void {
    const local = this.#local
    const s = this.memory
    for (const [index, timers] of this.timers.entries()) {
      const [was, wasSet] = before[index] ?? NEVER
      const [is, isSet] = after[index] ?? NEVER
      if (was === is && wasSet === isSet) continue
      if (was !== 0) local.write(this.names.timers, timers.entryKey(was, wasSet, key), null)
      if (is === 0) continue
      local.write(this.names.timers, timers.entryKey(is, isSet, key), PRESENT)
      if (((isSet - s.sequence) | 0) > 0) s.sequence = isSet
    }
  }

  /** The timers of a stored row, which is not kept in memory. */
  #deadlinesOf(key: Buffer, value: Buffer): StoredDeadlines {
    const s = this.memory
    const { sequence } = s
    s.locate(key, 0, key.length)
    this.load(value)
    const stored = this.storedDeadlines.get(s.row) ?? NO_DEADLINES
    this.free(s.row)
    // Reading a row sets timers, which counts.
    s.sequence = sequence
    return stored
  }
}
