/**
 * The memory of a table's rows: one buffer seen through typed arrays, row numbers taken and given back, keys, flags and
 * texts of a row. Growing doubles the buffer and copies it: 20 ms on the way to 1 M rows of 64 bytes.
 */

import { AldebaranError } from '../errors.ts'
import { MAX_RECORD_BYTES } from '../log/unit.ts'
import { ByteWriter } from '../schema/byte-writer.ts'
import { Arena } from './arena.ts'
import type { ValueCodec } from './avro-value.ts'
import type { TableDefinition } from './contract.ts'
import { type Charge, Meter } from './memory-budget.ts'
import type { RowLayout } from './row-layout.ts'
import { ValueInput } from './value-input.ts'

export const LIVE = 1
export const DIRTY = 2
export const USED = 4
/** Memory: the changelog has a record of the row. Disk: the log's table has one, or will have. */
export const STORED = 8
/** Disk: read since the clock hand came by. */
export const RECENT = 16

const LEAST_ROWS = 64
/** A text up to here is not looked at: only many of them make a row too large to be stored. */
const SHORT_TEXT = 4096
/** Of all texts and bytes of a row, the key too: it is stored as one record. */
const MAX_ROW_BYTES = MAX_RECORD_BYTES / 2
/**
 * Large buffers begin 16 bytes into a page (the allocator's own header), so from here on rows of 64 bytes are cache
 * lines: visits of 1 M random rows took 8 % less. Where it is not so, nothing is lost.
 */
const LINE_OFFSET = 48

export class RowMemory {
  readonly definition: TableDefinition
  readonly layout: RowLayout
  readonly meter: Meter
  protected readonly stride: number
  // Views of one buffer.
  i32!: Int32Array
  u32!: Uint32Array
  f32!: Float32Array
  f64!: Float64Array
  i64!: BigInt64Array
  u16!: Uint16Array
  u8!: Buffer
  arena: Arena

  /** Row numbers below this have been used. */
  high = 1

  #capacity = 0
  /** The first free row number; the next one is in its `latest` word. */
  #freeRow = 0
  readonly #scratch = new ByteWriter(256)
  readonly #input = new ValueInput()

  constructor(definition: TableDefinition, layout: RowLayout, expectedRows: number, charge: Charge | undefined) {
    this.definition = definition
    this.layout = layout
    this.meter = new Meter(charge)
    this.stride = layout.stride
    this.#resize(Math.max(LEAST_ROWS, expectedRows + 1))
    this.arena = new Arena(layout.texts.length === 0 ? 0 : 4096, this.meter, definition.store === 'memory')
  }

  /** Where the keys of rows are: `keyStartOf` and `keyLengthOf` say where in it. Until the next change of any row. */
  keyBuffer(): Buffer {
    return this.layout.keyBytes === 0 ? this.arena.bytes : this.u8
  }

  keyStartOf(row: number): number {
    const word = row * this.stride + this.layout.key
    return this.layout.keyBytes === 0 ? this.u32[word]! : word * 4
  }

  keyLengthOf(row: number): number {
    return this.layout.keyBytes === 0 ? this.i32[row * this.stride + this.layout.key + 1]! : this.layout.keyBytes
  }

  flagsOf(row: number): number {
    return this.u8[row * this.stride * 4 + this.layout.flags]!
  }

  setFlags(row: number, flags: number): void {
    this.u8[row * this.stride * 4 + this.layout.flags] = flags
  }

  /** Takes a row number; its words are zero. */
  protected allocate(): number {
    const row = this.#freeRow
    if (row !== 0) {
      const link = row * this.stride + this.layout.latest
      this.#freeRow = this.i32[link]!
      this.i32[link] = 0
      return row
    }
    if (this.high >= this.#capacity) this.#resize(this.#capacity * 2)
    return this.high++
  }

  /** Gives a row number back, with its texts. */
  protected release(row: number): void {
    const base = row * this.stride
    for (const text of this.layout.texts) this.arena.give(this.u32[base + text]!, this.i32[base + text + 1]!)
    this.i32.fill(0, base, base + this.stride)
    this.i32[base + this.layout.latest] = this.#freeRow
    this.#freeRow = row
  }

  /** Gives back the room behind the last row that is used, when it is more than half of all. */
  protected shrinkRows(): void {
    let last = this.high - 1
    while (last > 0 && (this.flagsOf(last) & USED) === 0) last--
    const capacity = Math.max(LEAST_ROWS, last + 1)
    if (capacity * 2 > this.#capacity) return
    this.#freeRow = 0
    for (let row = last; row > 0; row--) {
      if ((this.flagsOf(row) & USED) !== 0) continue
      this.i32[row * this.stride + this.layout.latest] = this.#freeRow
      this.#freeRow = row
    }
    this.high = last + 1
    this.#resize(capacity)
    // A row that is taken for the first time is zero.
    this.i32.fill(0, this.high * this.stride, capacity * this.stride)
  }

  /** Rows that there is room for. */
  protected get capacity(): number {
    return this.#capacity
  }

  /** The rows lie in other arrays now. */
  protected moved(): void {}

  #resize(capacity: number): void {
    const isFirst = this.#capacity === 0
    const bytes = capacity * this.stride * 4
    this.meter.add(bytes - (isFirst ? 0 : this.u8.length))
    const rows = new ArrayBuffer(LINE_OFFSET + bytes)
    const u8 = Buffer.from(rows, LINE_OFFSET)
    if (!isFirst) this.u8.copy(u8, 0, 0, Math.min(bytes, this.u8.length))
    this.#capacity = capacity
    this.u8 = u8
    this.i32 = new Int32Array(rows, LINE_OFFSET)
    this.u32 = new Uint32Array(rows, LINE_OFFSET)
    this.f32 = new Float32Array(rows, LINE_OFFSET)
    this.f64 = new Float64Array(rows, LINE_OFFSET)
    this.i64 = new BigInt64Array(rows, LINE_OFFSET)
    this.u16 = new Uint16Array(rows, LINE_OFFSET)
    if (!isFirst) this.moved()
  }

  /** Moves what is alive in the arena to a new one: once for as many bytes written. */
  protected compact(): void {
    const old = this.arena.bytes
    const next = this.arena.successor()
    for (let row = 1; row < this.high; row++) {
      for (const text of this.layout.texts) {
        const word = row * this.stride + text
        const length = this.i32[word + 1]!
        if (length === 0) continue
        const start = this.u32[word]!
        this.u32[word] = next.put(old, start, start + length)
      }
    }
    next.savepoint()
    this.arena = next
  }

  // Texts: `word` is where the [offset, length] pair of a row lies.

  putText(word: number, text: string): void {
    const start = this.arena.putText(text)
    this.#pointText(word, start, this.arena.textLength)
  }

  putBytes(word: number, bytes: Uint8Array, start: number, end: number): void {
    const at = this.arena.put(bytes, start, end)
    this.#pointText(word, at, end - start)
  }

  putValue(word: number, codec: ValueCodec, value: unknown, path: string): void {
    this.#scratch.position = 0
    codec.write(value, this.#scratch, path)
    this.putBytes(word, this.#scratch.bytes, 0, this.#scratch.position)
  }

  readValue(codec: ValueCodec, start: number, length: number): unknown {
    this.#input.reset(this.arena.bytes, start, start + length)
    return codec.read(this.#input)
  }

  #pointText(word: number, start: number, length: number): void {
    if (length > SHORT_TEXT) this.#checkSize(word, length)
    this.arena.give(this.u32[word]!, this.i32[word + 1]!)
    this.u32[word] = start
    this.i32[word + 1] = length
  }
  #checkSize(word: number, length: number): void {
    const row = Math.floor(word / this.stride)
    let all = length
    for (const text of this.layout.texts) {
      const other = row * this.stride + text
      if (other !== word) all += this.i32[other + 1]!
    }
    if (all <= MAX_ROW_BYTES) return
    const { name } = this.definition
    throw new AldebaranError(
      'VALUE_INVALID',
      `a row of table '${name}' would have ${all} bytes: ${MAX_ROW_BYTES} is the most`,
      {
        table: name,
        bytes: all,
      },
    )
  }
}
