/**
 * From key bytes to row number: open addressing, linear probing, hashes beside the row numbers.
 *
 * 1. A slot is two words, [hash, row]; row 0: empty. A key's home is the top bits of its hash, and no empty slot lies
 *    between its home and its slot: removal shifts what follows back, so there are no tombstones to wade through.
 * 2. Because the home is the top bits, the slots are nearly in the order of their hashes, and growing reads and
 *    writes memory in sequence: with the rows, that also double, the longest pause is 20 ms on the way to 1 M rows and
 *    38 ms on the way to 1.5 M (bench/table.ts).
 * 3. At most 11/16 of the slots are taken.
 */
import { AldebaranError } from '../errors.ts'
import type { Arena } from './arena.ts'
import type { Meter } from './memory-budget.ts'

/** Where the keys are: the rows. */
export interface KeyRows {
  readonly i32: Int32Array
  readonly u32: Uint32Array
  readonly arena: Arena
}

const LEAST_SLOTS = 64

export class KeyIndex {
  /** Of the key that `find` looked for last. */
  hash = 0
  #slots: Int32Array
  #mask: number
  #shift: number
  #count = 0
  #limit: number
  readonly #rows: KeyRows
  readonly #stride: number
  readonly #key: number
  readonly #keyBytes: number
  readonly #seed: number
  readonly #meter: Meter

  /** `seed` makes the places of keys unpredictable to who sends them. */
  constructor(
    rows: KeyRows,
    layout: { stride: number; key: number; keyBytes: number },
    expected: number,
    seed: number,
    meter: Meter,
  ) {
    let count = LEAST_SLOTS
    while (limitOf(count) < expected) count *= 2
    this.#rows = rows
    this.#stride = layout.stride
    this.#key = layout.key
    this.#keyBytes = layout.keyBytes
    this.#seed = seed | 0
    this.#meter = meter
    meter.add(count * 8)
    this.#slots = new Int32Array(count * 2)
    this.#mask = count * 2 - 1
    this.#shift = Math.clz32(count) + 1
    this.#limit = limitOf(count)
  }

  /**
   * The row of the key `bytes[start, end)`, or 0.
   * @throws AldebaranError VALUE_UNDECODABLE when the key schema has keys of another length.
   */
  find(bytes: Uint8Array, start: number, end: number): number {
    const width = this.#keyBytes
    if (width === 0) return this.#findText(bytes, start, end)
    if (end - start !== width) {
      throw new AldebaranError('VALUE_UNDECODABLE', `a key of ${end - start} bytes where ${width} are expected`)
    }
    const first = wordAt(bytes, start)
    let hash = Math.imul(first ^ this.#seed, 0x9e3779b1)
    let second = 0
    if (width >= 8) {
      second = wordAt(bytes, start + 4)
      hash = Math.imul((hash ^ (hash >>> 15)) + second, 0x85ebca77)
      if (width === 16) {
        hash = Math.imul((hash ^ (hash >>> 15)) + wordAt(bytes, start + 8), 0x9e3779b1)
        hash = Math.imul((hash ^ (hash >>> 15)) + wordAt(bytes, start + 12), 0x85ebca77)
      }
    }
    hash = Math.imul(hash ^ (hash >>> 15), 0xc2b2ae3d)
    this.hash = hash
    const slots = this.#slots
    const i32 = this.#rows.i32
    const mask = this.#mask
    for (let at = (hash >>> this.#shift) << 1; ; at = (at + 2) & mask) {
      const row = slots[at + 1]!
      if (row === 0) return 0
      if (slots[at] !== hash) continue
      const key = row * this.#stride + this.#key
      if (i32[key] !== first) continue
      if (width === 4) return row
      if (i32[key + 1] !== second) continue
      if (width === 8) return row
      if (i32[key + 2] === wordAt(bytes, start + 8) && i32[key + 3] === wordAt(bytes, start + 12)) return row
    }
  }

  #findText(bytes: Uint8Array, start: number, end: number): number {
    const hash = this.#hashText(bytes, start, end)
    this.hash = hash
    const slots = this.#slots
    const { i32, u32 } = this.#rows
    const arena = this.#rows.arena.bytes
    const length = end - start
    const mask = this.#mask
    for (let at = (hash >>> this.#shift) << 1; ; at = (at + 2) & mask) {
      const row = slots[at + 1]!
      if (row === 0) return 0
      if (slots[at] !== hash) continue
      const key = row * this.#stride + this.#key
      if (i32[key + 1] === length && isEqual(arena, u32[key]!, bytes, start, length)) return row
    }
  }

  #hashText(bytes: Uint8Array, start: number, end: number): number {
    let hash = this.#seed ^ (end - start)
    let at = start
    for (; at + 4 <= end; at += 4) {
      hash = Math.imul((hash ^ (hash >>> 15)) + wordAt(bytes, at), 0x9e3779b1)
    }
    for (; at < end; at++) hash = Math.imul((hash ^ (hash >>> 15)) + bytes[at]!, 0x85ebca77)
    hash = Math.imul(hash ^ (hash >>> 15), 0x85ebca77)
    return Math.imul(hash ^ (hash >>> 13), 0xc2b2ae3d)
  }

  /** Makes sure that an `insert` follows without growing. */
  reserve(): void {
    if (this.#count >= this.#limit) this.#grow()
  }

  /** Adds a row that is not there, by the `hash` of its key. */
  insert(row: number, hash: number): void {
    this.reserve()
    this.#place(row, hash)
    this.#count++
  }

  #place(row: number, hash: number): void {
    const slots = this.#slots
    let at = (hash >>> this.#shift) << 1
    while (slots[at + 1] !== 0) at = (at + 2) & this.#mask
    slots[at] = hash
    slots[at + 1] = row
  }

  /** `bytes[start, end)` is the key of the row. */
  remove(row: number, bytes: Uint8Array, start: number, end: number): void {
    this.find(bytes, start, end)
    const slots = this.#slots
    const mask = this.#mask
    let hole = (this.hash >>> this.#shift) << 1
    while (slots[hole + 1] !== row) hole = (hole + 2) & mask
    for (let at = (hole + 2) & mask; slots[at + 1] !== 0; at = (at + 2) & mask) {
      const home = (slots[at]! >>> this.#shift) << 1
      if (((at - home) & mask) < ((at - hole) & mask)) continue
      slots[hole] = slots[at]!
      slots[hole + 1] = slots[at + 1]!
      hole = at
    }
    slots[hole] = 0
    slots[hole + 1] = 0
    this.#count--
  }

  /** Gives back the slots that the keys that are left do not need. */
  shrink(): void {
    let count = LEAST_SLOTS
    while (limitOf(count) < this.#count * 2) count *= 2
    if (count * 2 < this.#slots.length) this.#resize(count)
  }

  #grow(): void {
    this.#resize(this.#slots.length)
  }

  /** To `count` slots, a power of 2. */
  #resize(count: number): void {
    const old = this.#slots
    this.#meter.add(count * 8 - old.byteLength)
    this.#slots = new Int32Array(count * 2)
    this.#mask = count * 2 - 1
    this.#shift = Math.clz32(count) + 1
    this.#limit = limitOf(count)
    for (let at = 0; at < old.length; at += 2) {
      const row = old[at + 1]!
      if (row !== 0) this.#place(row, old[at]!)
    }
  }
}

function limitOf(slots: number): number {
  return (slots >>> 4) * 11
}

/** Four bytes as the typed arrays of a little-endian machine see them. */
export function wordAt(bytes: Uint8Array, at: number): number {
  return bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)
}

function isEqual(left: Uint8Array, leftStart: number, right: Uint8Array, rightStart: number, length: number): boolean {
  for (let index = 0; index < length; index++) {
    if (left[leftStart + index] !== right[rightStart + index]) return false
  }
  return true
}
