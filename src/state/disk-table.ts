/**
 * A table larger than memory: the rows lie in a table of the log, under their keys, and a bounded number of them in
 * memory, as those of a memory table. `LocalDiskTable` is one whose rows lie beside the log.
 *
 * Invariants
 * 1. A row in memory is what handlers see; for a key that has none, the store is right.
 * 2. So a row stays in memory from its change until the unit that has the change is committed: it is *pinned*.
 *    More than `cacheRows` rows are in memory only while that many are pinned.
 * 3. The wheels have the timers of the rows in memory, the store those of all rows as of the last commit.
 *
 * Stored value: the row as in a changelog, then for each timer 4 bytes of its set-sequence. `NAME#timers`: see
 * stored-timers.ts. `NAME#meta`: the number of rows and the last set-sequence.
 */
import type { TableWrite } from '../log/contract.ts'
import type { BatchCursor } from '../record/batch-cursor.ts'
import { ByteWriter } from '../schema/byte-writer.ts'
import { type CompiledTable, compileTable, copyRow } from './compiled-table.ts'
import type { ChangelogSink, RowCopy, TableDefinition, TaskTable, TimerKind } from './contract.ts'
import { rowsInRange } from './key-range.ts'
import type { AnyRow } from './row-class.ts'
import { RowDecoder } from './row-codec.ts'
import { DIRTY, LIVE, RECENT, STORED, USED } from './row-memory.ts'
import { RowStore } from './row-store.ts'
import { StoredTimers } from './stored-timers.ts'
import type { TableOptions, TableStore } from './table-options.ts'

const DEFAULT_CACHE_ROWS = 100_000
const COUNTERS = Buffer.from('counters')
export const PRESENT = Buffer.from([1])

/** The timers of a row as the store has them, or will when its units are committed: [deadline, sequence] each. */
export type StoredDeadlines = readonly (readonly [deadline: number, sequence: number])[]

export class DiskTable implements TaskTable {
  readonly definition: TableDefinition
  readonly trimBefore = 0
  readonly #compiled: CompiledTable
  protected readonly memory: RowStore
  readonly row: AnyRow
  protected readonly decoder: RowDecoder
  readonly #schemaId: number
  readonly #cacheRows: number
  readonly #store: TableStore
  /** Names of its tables in the store. */
  protected readonly names: { readonly rows: string; readonly timers: string; readonly meta: string }
  protected readonly timers: StoredTimers[]
  protected readonly storedDeadlines = new Map<number, StoredDeadlines>()
  readonly #out = new ByteWriter(1024)
  /** Units collected, and committed; they wrap. */
  #collected = 0
  #committed = 0
  #hand = 0
  /** A whole round of the hand found only pinned rows; so it will until a unit is committed. */
  #isPinned = false

  constructor(definition: TableDefinition, options: TableOptions, store: TableStore, keyspace: string) {
    this.definition = definition
    this.#compiled = compileTable(definition)
    const { layout, Row } = this.#compiled
    this.decoder = new RowDecoder(definition.name, layout, options.schemas)
    this.#schemaId = options.schemaId
    this.#cacheRows = options.cacheRows ?? DEFAULT_CACHE_ROWS
    this.#store = store
    this.names = { rows: keyspace, timers: `${keyspace}#timers`, meta: `${keyspace}#meta` }
    this.memory = new RowStore(definition, layout, options)
    this.row = new Row(this.memory)
    this.timers = layout.timers.map(
      timer => new StoredTimers(store, this.names.timers, timer.name, key => this.#isCached(key)),
    )
    this.readCounters()
  }

  /** The offset after the last changelog record that it has; 0 where it has no changelog. */
  get changelogEnd(): number {
    return 0
  }

  protected readCounters(): void {
    const counters = this.#store.tableGet(this.names.meta, COUNTERS)
    this.memory.live = counters?.readDoubleLE(0) ?? 0
    this.memory.sequence = counters?.readInt32LE(8) ?? 0
  }

  protected countersWrite(): TableWrite {
    const counters = Buffer.alloc(12)
    counters.writeDoubleLE(this.memory.live, 0)
    counters.writeInt32LE(this.memory.sequence, 8)
    return { table: this.names.meta, key: COUNTERS, value: counters }
  }

  get rows(): number {
    return this.memory.live
  }

  get bytes(): number {
    return this.memory.meter.bytes
  }

  shrink(): void {
    this.memory.shrink()
  }

  get spareBytes(): number {
    return this.memory.spareBytes
  }

  get changed(): boolean {
    return this.memory.dirtyCount > 0
  }

  get dueTimer(): string {
    return this.memory.dueTimer
  }

  #isCached(key: Buffer): boolean {
    return this.memory.index.find(key, 0, key.length) !== 0
  }

  locate(bytes: Buffer, start: number, end: number): AnyRow {
    const s = this.memory
    s.locate(bytes, start, end)
    if (s.row !== 0) s.setFlags(s.row, s.flagsOf(s.row) | RECENT)
    else {
      const value = this.#store.tableGet(this.names.rows, bytes.subarray(start, end))
      if (s.used >= this.#cacheRows) this.#evict()
      if (value !== undefined) this.load(value)
    }
    return this.row
  }

  /** Reads the stored value of the located key, which has no row in memory, into one. */
  protected load(value: Buffer): void {
    const s = this.memory
    const { layout } = s
    const { position, garbage } = s.arena
    const row = s.insert()
    s.row = row
    s.setFlags(row, LIVE | USED | STORED | RECENT)
    const base = row * layout.stride
    s.i32[base + layout.latest] = this.#committed
    // As if touched, for the fields that are set through the row object.
    s.i32[base + layout.touched] = s.epoch
    let end = 0
    try {
      end = this.decoder.decode(s, row, value, 0, value.length, this.row)
    } catch (error) {
      // What was read of it is no row.
      s.keepArenaOnRollback(s.arena.position - position, s.arena.garbage - garbage)
      this.free(row)
      throw error
    }
    s.i32[base + layout.touched] = 0
    const stored: [number, number][] = []
    for (const [index, wheel] of s.wheels.entries()) {
      const deadline = wheel.deadlineOf(row)
      // A timer that the table has only now was not stored with a sequence.
      const at = end + index * 4
      const sequence = at + 4 <= value.length ? value.readInt32LE(at) : 0
      if (deadline !== 0) wheel.set(row, deadline, sequence)
      stored.push([deadline, sequence])
    }
    this.#remember(row, stored)
    s.keepArenaOnRollback(s.arena.position - position, s.arena.garbage - garbage)
  }

  #remember(row: number, stored: StoredDeadlines): void {
    if (stored.some(([deadline]) => deadline !== 0)) this.storedDeadlines.set(row, stored)
    else this.storedDeadlines.delete(row)
  }

  /** Frees rows by the second-chance rule until there is room for one. */
  #evict(): void {
    const s = this.memory
    if (this.#isPinned) return
    for (let steps = s.high * 2; s.used >= this.#cacheRows; steps--) {
      if (steps === 0) {
        this.#isPinned = true
        return
      }
      if (++this.#hand >= s.high) this.#hand = 1
      const row = this.#hand
      const flags = s.flagsOf(row)
      if ((flags & USED) === 0 || (flags & DIRTY) !== 0) continue
      if (((this.#committed - s.i32[row * s.layout.stride + s.layout.latest]!) | 0) < 0) continue
      if ((flags & RECENT) !== 0) s.setFlags(row, flags & ~RECENT)
      else this.free(row)
    }
  }

  protected free(row: number): void {
    const s = this.memory
    for (const [index, wheel] of s.wheels.entries()) {
      const deadline = wheel.deadlineOf(row)
      if (deadline !== 0) this.timers[index]!.returned(deadline)
    }
    this.storedDeadlines.delete(row)
    const { garbage } = s.arena
    s.free(row)
    s.keepArenaOnRollback(0, s.arena.garbage - garbage)
  }

  copyKey(out: ByteWriter): void {
    this.memory.copyKey(out)
  }

  nextDue(kind: TimerKind, now: number): boolean {
    const s = this.memory
    for (;;) {
      const timer = s.firstDue(kind, now)
      const row = s.dueRow
      const deadline = timer === -1 ? Number.POSITIVE_INFINITY : s.wheels[timer]!.deadlineOf(row)
      const sequence = timer === -1 ? 0 : s.wheels[timer]!.sequenceOf(row)
      if (!this.#loadDue(kind, now, deadline, sequence)) {
        if (timer === -1) return false
        s.fire(timer, row)
        return true
      }
    }
  }

  /** Loads the row with the first stored timer, when that is due, and before the given one. */
  #loadDue(kind: TimerKind, now: number, deadline: number, sequence: number): boolean {
    const s = this.memory
    for (const [index, timers] of this.timers.entries()) {
      if (s.layout.timers[index]!.kind !== kind) continue
      const first = timers.first()
      if (first === undefined || first.deadline > now || first.deadline > deadline) continue
      if (first.deadline === deadline && ((first.sequence - sequence) | 0) > 0) continue
      this.locate(first.key, 0, first.key.length)
      // Its row may have been changed and evicted since the entry was read; if not, the wheel has the timer now.
      const wheel = s.wheels[index]!
      const isRight =
        s.row !== 0 && wheel.deadlineOf(s.row) === first.deadline && wheel.sequenceOf(s.row) === first.sequence
      if (!isRight && timers.first() === first) timers.drop()
      return true
    }
    return false
  }

  nextDeadline(kind: TimerKind): number {
    let least = this.memory.nextDeadline(kind)
    for (const [index, timers] of this.timers.entries()) {
      if (this.memory.layout.timers[index]!.kind !== kind) continue
      const first = timers.firstVerified()
      if (first !== undefined && first.deadline < least) least = first.deadline
    }
    return least
  }

  savepoint(): void {
    this.memory.savepoint()
  }

  rollback(): void {
    this.memory.rollback()
  }

  collect(_changelog: ChangelogSink, writes: TableWrite[]): number {
    if (this.changed) {
      this.writeChanges(writes, null, -1)
      writes.push(this.countersWrite())
    }
    this.collected()
    this.memory.savepoint()
    return 0
  }

  /** A unit ends here; until it is committed, its rows stay in memory. */
  protected collected(): void {
    this.#collected = (this.#collected + 1) | 0
  }

  /** Tells what the unit changes in the store, and the changelog its rows; returns the number of rows. */
  protected writeChanges(writes: TableWrite[], changelog: ChangelogSink | null, timestamp: number): number {
    const s = this.memory
    let count = 0
    for (let index = 0; index < s.dirtyCount; index++) {
      if (this.#write(s.dirty[index]!, writes, changelog, timestamp)) count++
    }
    s.dirtyCount = 0
    this.#isPinned = false
    return count
  }

  /** False: the row was not in the store, and shall not be. */
  #write(row: number, writes: TableWrite[], changelog: ChangelogSink | null, timestamp: number): boolean {
    const s = this.memory
    const { wheels } = s
    const flags = s.flagsOf(row)
    const start = s.keyStartOf(row)
    const key = Buffer.from(s.keyBuffer().subarray(start, start + s.keyLengthOf(row)))
    const isLive = (flags & LIVE) !== 0
    const isTold = isLive || (flags & STORED) !== 0
    if (isTold) {
      const value = isLive ? this.#valueOf(row) : null
      writes.push({ table: this.names.rows, key, value })
      changelog?.append(timestamp, key, 0, key.length, value, value === null ? -1 : 0, value?.length ?? -1)
    }

    const old = this.storedDeadlines.get(row)
    const stored = wheels.map(wheel => [wheel.deadlineOf(row), wheel.sequenceOf(row)] as const)
    const table = this.names.timers
    for (const [index, [deadline, sequence]] of stored.entries()) {
      const before = old?.[index]
      if (before !== undefined && before[0] === deadline && before[1] === sequence) continue
      const timers = this.timers[index]!
      if (before !== undefined && before[0] !== 0) {
        writes.push({ table, key: timers.entryKey(before[0], before[1], key), value: null })
      }
      if (deadline !== 0) writes.push({ table, key: timers.entryKey(deadline, sequence, key), value: PRESENT })
    }
    this.#remember(row, stored)
    s.setFlags(row, (flags & (LIVE | RECENT)) | USED | (isLive ? STORED : 0))
    const latest = row * s.layout.stride + s.layout.latest
    if (isTold) s.i32[latest] = (this.#collected + 1) | 0
    // The unit says nothing of it; one before may.
    else if (((this.#committed - s.i32[latest]!) | 0) > 0) s.i32[latest] = this.#committed
    return isTold
  }

  #valueOf(row: number): Buffer {
    const s = this.memory
    const out = this.#out
    out.position = 0
    this.#compiled.encode(s, row, this.#schemaId, out)
    out.ensure(s.wheels.length * 4)
    for (const wheel of s.wheels) out.position = out.bytes.writeInt32LE(wheel.sequenceOf(row), out.position)
    return Buffer.from(out.bytes.subarray(0, out.position))
  }

  committed(_changelogOffset: number): void {
    this.#committed = (this.#committed + 1) | 0
    this.#isPinned = false
  }

  /** Nothing: the store has the rows. */
  restore(_cursor: BatchCursor): void {}

  get(bytes: Buffer, start: number, end: number): RowCopy | undefined {
    this.locate(bytes, start, end)
    return this.memory.exists ? copyRow(this.memory, this.row) : undefined
  }

  scan(from: Buffer | undefined, to: Buffer | undefined, limit: number): RowCopy[] {
    const s = this.memory
    const found = rowsInRange(s, from, to, limit).map(row => {
      s.point(row)
      return { key: Buffer.from(s.keySource.subarray(s.keyStart, s.keyEnd)), copy: copyRow(s, this.row) }
    })
    let count = 0
    for (const [key, value] of limit > 0 ? this.#store.tableRange(this.names.rows, from, to) : []) {
      if (this.#isCached(key)) continue
      found.push({ key: Buffer.from(key), copy: this.#copyStored(key, value) })
      if (++count === limit) break
    }
    return found
      .sort((left, right) => left.key.compare(right.key))
      .slice(0, limit)
      .map(entry => entry.copy)
  }

  /** A copy of a stored row without keeping it in memory. */
  #copyStored(key: Buffer, value: Buffer): RowCopy {
    const s = this.memory
    s.locate(key, 0, key.length)
    this.load(value)
    const copy = copyRow(s, this.row)
    this.free(s.row)
    return copy
  }
}
