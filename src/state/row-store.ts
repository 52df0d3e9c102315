/**
 * The rows of one table: allocation, first touches with pre-images, rollback, deletion. Memory and disk tables add
 * how a unit is collected and where rows come from.
 *
 * Words: the *epoch* counts savepoints. A row is *used* while its number and key are taken, *live* while it exists for
 * handlers; used but not live: deleted, kept in the index until its deletion is collected.
 *
 * Invariants
 * 1. A row whose touched word is the epoch has a pre-image in `undo` (or the mark that it was not used then). Words of
 *    rows change only after that; row 0 never changes and is never touched.
 * 2. A row has at most one entry in the dirty list: it has one as long as its DIRTY flag is set.
 * 3. A row that is not live has zero fields, no timers and a touched word that is not the epoch: its next write takes
 *    the slow path, too. A row may so have several pre-images; rollback applies them newest first.
 * 4. What may throw (limits, memory) is done before anything is changed.
 */

import { randomInt } from 'node:crypto'
import { AldebaranError } from '../errors.ts'
import type { ByteWriter } from '../schema/byte-writer.ts'
import { TimerWheel } from '../time/timer-wheel.ts'
import { PIECE } from './arena.ts'
import type { TableDefinition, TimerKind } from './contract.ts'
import { KeyIndex, wordAt } from './key-index.ts'
import type { Charge } from './memory-budget.ts'
import type { RowLayout } from './row-layout.ts'
import { DIRTY, LIVE, RowMemory, USED } from './row-memory.ts'

/** Words of pre-images that are kept however few are used: 1 MiB. */
const MUCH_UNDO = 256 * 1024
const NO_KEY = Buffer.alloc(0)
/** Changed rows that there is room for at first. */
const LEAST_CHANGES = 64
/** Of a key of any length: it is part of every record of the row, and on disk of the keys of its timers. */
const MAX_KEY_BYTES = 64 * 1024
const MAX_DISK_KEY_BYTES = 1024

export class RowStore extends RowMemory {
  readonly index: KeyIndex
  readonly wheels: TimerWheel[] = []

  epoch = 1
  /** The row that the row object shows; 0: there is none for the key. */
  row = 0
  keySource: Buffer = NO_KEY
  keyStart = 0
  keyEnd = 0
  #keyHash = 0
  /** Name of the timer that `nextDue` found. */
  dueTimer = ''

  /** Rows that exist. */
  live = 0
  /** Row numbers taken, of rows that are live or whose deletion is not done with. */
  used = 0
  /** Orders timers of equal deadlines; wraps. */
  sequence = 0
  dirty = new Int32Array(LEAST_CHANGES)
  dirtyCount = 0

  /** What `firstDue` found. */
  dueRow = 0

  #undo: Int32Array<ArrayBuffer>
  #undoCount = 0
  #dirtyAtSavepoint = 0
  #garbageAtSavepoint = 0
  #positionAtSavepoint = 0
  readonly #words: Int32Array

  constructor(
    definition: TableDefinition,
    layout: RowLayout,
    options: { expectedRows?: number; seed?: number; charge?: Charge },
  ) {
    const expected = Math.min(options.expectedRows ?? 0, definition.maxRows)
    super(definition, layout, expected, options.charge)
    this.#words = new Int32Array(layout.stride)
    this.#undo = new Int32Array((layout.stride + 1) * LEAST_CHANGES)
    this.meter.add(this.#undo.byteLength + this.dirty.byteLength)
    this.index = new KeyIndex(this, layout, expected, options.seed ?? randomInt(2 ** 32), this.meter)
    for (const timer of layout.timers) this.wheels.push(new TimerWheel(timer.words, this.i32, this.f64))
    for (const wheel of this.wheels) this.meter.add(wheel.bytes)
  }

  /** Bytes of the rows that are free, with their share of index and texts, about. */
  get spareBytes(): number {
    return Math.floor(this.meter.bytes * (1 - (this.used + 1) / this.capacity))
  }

  /** Points at the row of the key `bytes[start, end)`. */
  locate(bytes: Buffer, start: number, end: number): void {
    this.row = this.index.find(bytes, start, end)
    this.#keyHash = this.index.hash
    this.keySource = bytes
    this.keyStart = start
    this.keyEnd = end
  }

  /** Points at a used row. */
  point(row: number): void {
    this.row = row
    this.keySource = this.keyBuffer()
    this.keyStart = this.keyStartOf(row)
    this.keyEnd = this.keyStart + this.keyLengthOf(row)
  }

  copyKey(out: ByteWriter): void {
    const length = this.keyEnd - this.keyStart
    out.ensure(length)
    this.keySource.copy(out.bytes, out.position, this.keyStart, this.keyEnd)
    out.position += length
  }

  get exists(): boolean {
    return (this.flagsOf(this.row) & LIVE) !== 0
  }

  /** Before the first write since the savepoint: makes the row exist and saves its pre-image. Returns its number. */
  touch(): number {
    const isNew = this.row === 0
    const flags = this.flagsOf(this.row)
    if ((flags & LIVE) === 0 && this.live >= this.definition.maxRows) {
      throw new AldebaranError('TABLE_FULL', `table '${this.definition.name}' has ${this.live} rows`, {
        table: this.definition.name,
        maxRows: this.definition.maxRows,
      })
    }
    if (isNew) this.#checkKey()
    this.#reserveUndo()
    this.#reserveDirty()
    const row = isNew ? this.insert() : this.row
    this.row = row
    const base = row * this.stride
    const undo = this.#undo
    let at = this.#undoCount++ * (this.stride + 1)
    undo[at] = isNew ? -row : row
    if (!isNew) {
      const i32 = this.i32
      for (let from = base, end = base + this.stride; from < end; from++) undo[++at] = i32[from]!
    }
    if ((flags & LIVE) === 0) this.live++
    if ((flags & DIRTY) === 0) this.dirty[this.dirtyCount++] = row
    this.setFlags(row, flags | LIVE | DIRTY | USED)
    this.i32[base + this.layout.touched] = this.epoch
    return row
  }

  /** A key that could not be read again, by a timer or a query, or not be stored, makes no row. */
  #checkKey(): void {
    const { name, key, store } = this.definition
    const most = store === 'disk' ? MAX_DISK_KEY_BYTES : MAX_KEY_BYTES
    const bytes = this.keyEnd - this.keyStart
    if (bytes > most) {
      throw new AldebaranError('VALUE_INVALID', `a key of table '${name}' has ${bytes} bytes: ${most} is the most`, {
        table: name,
        bytes,
      })
    }
    key.decode(this.keySource, this.keyStart, this.keyEnd)
  }

  /** Takes a row number for the located key, and puts it into the index. */
  insert(): number {
    const { keyBytes, key } = this.layout
    this.index.reserve()
    const length = this.keyEnd - this.keyStart
    if (keyBytes === 0) this.arena.reserve(length + PIECE)
    const row = this.allocate()
    const word = row * this.stride + key
    if (keyBytes === 0) {
      this.u32[word] = this.arena.put(this.keySource, this.keyStart, this.keyEnd)
      this.i32[word + 1] = length
    } else {
      for (let at = 0; at < keyBytes; at += 4) this.i32[word + (at >> 2)] = wordAt(this.keySource, this.keyStart + at)
    }
    this.index.insert(row, this.#keyHash)
    this.used++
    this.setFlags(row, USED)
    return row
  }

  protected override moved(): void {
    for (const wheel of this.wheels) wheel.attach(this.i32, this.f64)
  }

  #reserveUndo(): void {
    const words = this.stride + 1
    if ((this.#undoCount + 1) * words > this.#undo.length) this.#undo = this.#doubled(this.#undo)
  }

  #reserveDirty(): void {
    if (this.dirtyCount === this.dirty.length) this.dirty = this.#doubled(this.dirty)
  }

  #doubled(array: Int32Array<ArrayBuffer>): Int32Array<ArrayBuffer> {
    this.meter.add(array.byteLength)
    const grown = new Int32Array(array.length * 2)
    grown.set(array)
    return grown
  }

  /** Deletes the row pointed at, for handlers. */
  delete(): void {
    if (!this.exists) return
    const row = this.row
    if (this.i32[row * this.stride + this.layout.touched] !== this.epoch) this.touch()
    this.clear(row)
    this.setFlags(row, this.flagsOf(row) & ~LIVE)
    this.i32[row * this.stride + this.layout.touched] = 0
    this.live--
  }

  /** Makes fields and timers of a row zero. */
  clear(row: number): void {
    const { layout, i32 } = this
    for (const wheel of this.wheels) wheel.cancel(row)
    const base = row * this.stride
    const kept = this.#words
    kept[0] = i32[base + layout.touched]!
    kept[1] = i32[base + layout.latest]!
    const flags = this.flagsOf(row)
    const keyWords = layout.keyBytes === 0 ? 2 : layout.keyBytes >> 2
    for (let word = 0; word < keyWords; word++) kept[word + 2] = i32[base + layout.key + word]!
    for (const text of layout.texts) {
      if (text !== layout.key) this.arena.give(this.u32[base + text]!, i32[base + text + 1]!)
    }
    i32.fill(0, base, base + this.stride)
    i32[base + layout.touched] = kept[0]!
    i32[base + layout.latest] = kept[1]!
    for (let word = 0; word < keyWords; word++) i32[base + layout.key + word] = kept[word + 2]!
    this.setFlags(row, flags)
  }

  /** Gives the number and the key of a row back, whatever it holds. */
  free(row: number): void {
    for (const wheel of this.wheels) wheel.cancel(row)
    const start = this.keyStartOf(row)
    this.index.remove(row, this.keyBuffer(), start, start + this.keyLengthOf(row))
    this.release(row)
    this.used--
    if (this.row === row) this.row = 0
  }

  /** Garbage and texts of rows that come and go behind the handlers' back (a cache) are not undone by `rollback`. */
  keepArenaOnRollback(appended: number, garbage: number): void {
    this.#positionAtSavepoint += appended
    this.#garbageAtSavepoint += garbage
  }

  savepoint(): void {
    if (this.#undoCount > 0) {
      this.#shrinkUndo()
      this.#undoCount = 0
      if (this.epoch === 0x7fffffff) this.#restartEpochs()
      else this.epoch++
    }
    this.#dirtyAtSavepoint = this.dirtyCount
    this.arena.savepoint()
    if (this.arena.isSparse) this.compact()
    this.#garbageAtSavepoint = this.arena.garbage
    this.#positionAtSavepoint = this.arena.position
  }

  /** Gives back what the rows that are left do not need. A savepoint. */
  shrink(): void {
    this.savepoint()
    if (this.used * 2 < this.capacity) {
      this.row = 0
      this.shrinkRows()
      this.index.shrink()
    }
    this.#undo = this.#smallest(this.#undo, (this.stride + 1) * LEAST_CHANGES)
    if (this.dirtyCount === 0) this.dirty = this.#smallest(this.dirty, LEAST_CHANGES)
  }

  #smallest(array: Int32Array<ArrayBuffer>, length: number): Int32Array<ArrayBuffer> {
    if (array.length <= length) return array
    this.meter.add((length - array.length) * 4)
    return new Int32Array(length)
  }

  /** After an uncommonly long way between two savepoints. */
  #shrinkUndo(): void {
    const { length } = this.#undo
    if (length <= MUCH_UNDO || this.#undoCount * (this.stride + 1) * 4 > length) return
    this.meter.add(-length * 2)
    this.#undo = new Int32Array(length / 2)
  }

  #restartEpochs(): void {
    const word = this.layout.touched
    for (let row = 1; row < this.high; row++) this.i32[row * this.stride + word] = 0
    this.epoch = 1
  }

  rollback(): void {
    const { layout, wheels } = this
    const words = this.stride + 1
    for (let entry = this.#undoCount - 1; entry >= 0; entry--) {
      const at = entry * words
      const row = this.#undo[at]!
      if (row < 0) {
        if ((this.flagsOf(-row) & LIVE) !== 0) this.live--
        this.free(-row)
        continue
      }
      for (const wheel of wheels) wheel.cancel(row)
      if ((this.flagsOf(row) & LIVE) !== 0) this.live--
      const base = row * this.stride
      for (let word = 0; word < this.stride; word++) this.i32[base + word] = this.#undo[at + 1 + word]!
      if ((this.flagsOf(row) & LIVE) !== 0) this.live++
      for (let timer = 0; timer < wheels.length; timer++) {
        const half = base / 2 + layout.timers[timer]!.words.deadline
        const deadline = this.f64[half]!
        if (deadline === 0) continue
        this.f64[half] = 0
        wheels[timer]!.set(row, deadline, wheels[timer]!.sequenceOf(row))
      }
    }
    this.#undoCount = 0
    this.dirtyCount = this.#dirtyAtSavepoint
    if (this.definition.store === 'memory') this.arena.rollback()
    else this.arena.garbage = this.#garbageAtSavepoint + this.arena.position - this.#positionAtSavepoint
    this.row = 0
  }

  setTimer(timer: number, row: number, deadline: number): void {
    this.sequence = (this.sequence + 1) | 0
    this.wheels[timer]!.set(row, deadline, this.sequence)
  }

  /** Index of the timer of that kind that is due first, or −1; its row is `dueRow` then. */
  firstDue(kind: TimerKind, now: number): number {
    let best = -1
    let bestRow = 0
    for (let timer = 0; timer < this.wheels.length; timer++) {
      if (this.layout.timers[timer]!.kind !== kind) continue
      const wheel = this.wheels[timer]!
      const row = wheel.due(now)
      if (row === 0) continue
      if (best !== -1) {
        const other = this.wheels[best]!
        const difference = wheel.deadlineOf(row) - other.deadlineOf(bestRow)
        if (difference > 0) continue
        if (difference === 0 && ((wheel.sequenceOf(row) - other.sequenceOf(bestRow)) | 0) > 0) continue
      }
      best = timer
      bestRow = row
    }
    this.dueRow = bestRow
    return best
  }

  nextDeadline(kind: TimerKind): number {
    let least = Number.POSITIVE_INFINITY
    for (let timer = 0; timer < this.wheels.length; timer++) {
      if (this.layout.timers[timer]!.kind === kind) least = Math.min(least, this.wheels[timer]!.nextDeadline())
    }
    return least
  }

  /** Points at a due row and clears its timer. */
  fire(timer: number, row: number): void {
    this.point(row)
    if (this.i32[row * this.stride + this.layout.touched] !== this.epoch) this.touch()
    this.wheels[timer]!.cancel(row)
    this.dueTimer = this.layout.timers[timer]!.name
  }
}
