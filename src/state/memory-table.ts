/**
 * A table whose rows are all in memory, durable through its changelog: a partition of the log with the latest value
 * of every row. There are no snapshots: while the changelog holds more than twice the live rows, each unit writes the
 * rows at its beginning anew, about as many as it changed, and what lies before them is trimmed.
 */
import type { TableWrite } from '../log/contract.ts'
import type { BatchCursor } from '../record/batch-cursor.ts'
import { ByteWriter } from '../schema/byte-writer.ts'
import { ChangelogRing } from './changelog-ring.ts'
import { type CompiledTable, compileTable, copyRow } from './compiled-table.ts'
import type { ChangelogSink, RowCopy, TableDefinition, TaskTable, TimerKind } from './contract.ts'
import { rowsInRange } from './key-range.ts'
import type { AnyRow } from './row-class.ts'
import { RowDecoder } from './row-codec.ts'
import { LIVE, STORED, USED } from './row-memory.ts'
import { RowStore } from './row-store.ts'
import type { TableOptions } from './table-options.ts'

/** Rows written anew by one unit at most: twice what it changed, and these. */
const SPARE_REWRITES = 64
/** Dead entries dropped by one unit at most, for each changed row and in all. */
const DROPS_PER_ROW = 8
const SPARE_DROPS = 65_536
const INITIAL_BYTES = 1024

export class MemoryTable implements TaskTable {
  readonly definition: TableDefinition
  readonly #compiled: CompiledTable
  readonly #store: RowStore
  readonly row: AnyRow
  readonly #ring: ChangelogRing
  readonly #decoder: RowDecoder
  readonly #leastRecords: number
  readonly #schemaId: number
  readonly #out = new ByteWriter(INITIAL_BYTES)

  constructor(definition: TableDefinition, options: TableOptions) {
    this.definition = definition
    this.#compiled = compileTable(definition)
    const { layout, Row } = this.#compiled
    this.#decoder = new RowDecoder(definition.name, layout, options.schemas)
    this.#schemaId = options.schemaId
    this.#leastRecords = options.changelogRecords ?? 4096
    this.#store = new RowStore(definition, layout, options)
    this.row = new Row(this.#store)
    this.#ring = new ChangelogRing(this.#store.meter)
  }

  get rows(): number {
    return this.#store.live
  }

  get bytes(): number {
    return this.#store.meter.bytes
  }

  shrink(): void {
    this.#store.shrink()
    this.#ring.shrink()
  }

  get spareBytes(): number {
    return this.#store.spareBytes
  }

  get changed(): boolean {
    return this.#store.dirtyCount > 0
  }

  get trimBefore(): number {
    return this.#ring.trimBefore
  }

  get changelogEnd(): number {
    return this.#ring.end
  }

  get dueTimer(): string {
    return this.#store.dueTimer
  }

  locate(bytes: Buffer, start: number, end: number): AnyRow {
    this.#store.locate(bytes, start, end)
    return this.row
  }

  copyKey(out: ByteWriter): void {
    this.#store.copyKey(out)
  }

  nextDue(kind: TimerKind, now: number): boolean {
    const timer = this.#store.firstDue(kind, now)
    if (timer === -1) return false
    this.#store.fire(timer, this.#store.dueRow)
    return true
  }

  nextDeadline(kind: TimerKind): number {
    return this.#store.nextDeadline(kind)
  }

  savepoint(): void {
    this.#store.savepoint()
  }

  rollback(): void {
    this.#store.rollback()
  }

  collect(changelog: ChangelogSink, _writes: TableWrite[]): number {
    const s = this.#store
    const ring = this.#ring
    const changes = s.dirtyCount
    ring.reserve(changes + 1)
    const stride = s.layout.stride
    const latest = s.layout.latest
    let count = 0
    for (let index = 0; index < changes; index++) {
      const row = s.dirty[index]!
      const flags = s.flagsOf(row)
      if ((flags & LIVE) !== 0) {
        this.#append(changelog, row)
        s.i32[row * stride + latest] = ring.push(row)
        s.setFlags(row, LIVE | USED | STORED)
        count++
      } else {
        if ((flags & STORED) !== 0) {
          const start = s.keyStartOf(row)
          changelog.append(-1, s.keyBuffer(), start, start + s.keyLengthOf(row), null, -1, -1)
          ring.push(0)
          count++
        }
        s.free(row)
      }
    }
    s.dirtyCount = 0
    count += this.#rewrite(changelog, changes)
    if (count > 0) ring.endUnit(count)
    s.savepoint()
    return count
  }

  /** Drops dead entries at the head of the changelog and writes live ones anew, until it is short enough. */
  #rewrite(changelog: ChangelogSink, changes: number): number {
    const s = this.#store
    const ring = this.#ring
    const stride = s.layout.stride
    const latest = s.layout.latest
    const goal = Math.max(this.#leastRecords, s.live * 2)
    let rewrites = changes * 2 + SPARE_REWRITES
    let drops = changes * DROPS_PER_ROW + SPARE_DROPS
    let count = 0
    while (ring.length > goal && drops > 0) {
      const row = ring.headRow()
      if (this.#isDead(row)) drops--
      else {
        if (rewrites-- === 0) break
        this.#append(changelog, row)
        s.i32[row * stride + latest] = ring.push(row)
        count++
      }
      ring.pop()
    }
    return count
  }

  /** The head, which is of that row, is no longer the latest record of it. */
  #isDead(row: number): boolean {
    const s = this.#store
    return (
      row === 0 ||
      s.i32[row * s.layout.stride + s.layout.latest] !== this.#ring.headSequence() ||
      (s.flagsOf(row) & STORED) === 0
    )
  }

  #append(changelog: ChangelogSink, row: number): void {
    const s = this.#store
    const out = this.#out
    out.position = 0
    this.#compiled.encode(s, row, this.#schemaId, out)
    const start = s.keyStartOf(row)
    changelog.append(-1, s.keyBuffer(), start, start + s.keyLengthOf(row), out.bytes, 0, out.position)
  }

  committed(changelogOffset: number): void {
    this.#ring.committed(changelogOffset)
  }

  restore(cursor: BatchCursor): void {
    while (cursor.nextBatch()) {
      if (cursor.isControl) continue
      while (cursor.next()) if (cursor.offset >= this.#ring.end) this.#apply(cursor)
    }
    this.#dropDead()
    this.#store.savepoint()
  }

  /** So that a table that only follows its changelog keeps as few entries as the one that writes it. */
  #dropDead(): void {
    const ring = this.#ring
    while (ring.length > 0 && this.#isDead(ring.headRow())) ring.pop()
    ring.endRestore()
  }

  #apply(cursor: BatchCursor): void {
    const s = this.#store
    s.locate(cursor.bytes, cursor.keyStart, cursor.keyEnd)
    if (cursor.valueStart === -1) {
      if (s.row !== 0) {
        s.free(s.row)
        s.live--
      }
      this.#ring.restored(0, cursor.offset)
      return
    }
    let row = s.row
    if (row === 0) {
      row = s.insert()
      s.row = row
      s.live++
    }
    const base = row * s.layout.stride
    s.setFlags(row, LIVE | USED | STORED)
    // As if touched, for the fields that are set through the row object.
    s.i32[base + s.layout.touched] = s.epoch
    const end = this.#decoder.decode(s, row, cursor.bytes, cursor.valueStart, cursor.valueEnd, this.row)
    s.i32[base + s.layout.touched] = 0
    // A disk table has written more behind it: the order of its timers.
    const rest = cursor.valueEnd - end
    if (rest % 4 !== 0 || rest < 0 || rest > s.wheels.length * 4) {
      throw this.#decoder.damaged('bytes follow its last field')
    }
    s.i32[base + s.layout.latest] = this.#ring.restored(row, cursor.offset)
  }

  get(bytes: Buffer, start: number, end: number): RowCopy | undefined {
    this.#store.locate(bytes, start, end)
    return this.#store.exists ? copyRow(this.#store, this.row) : undefined
  }

  scan(from: Buffer | undefined, to: Buffer | undefined, limit: number): RowCopy[] {
    const s = this.#store
    return rowsInRange(s, from, to, limit).map(row => {
      s.point(row)
      return copyRow(s, this.row)
    })
  }
}
