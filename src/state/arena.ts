/**
 * Texts, bytes and keys of any length in one buffer. A value is never changed in place: a new one takes another piece
 * and the old piece becomes garbage, so a pre-image of a row needs no copy of its texts.
 *
 * 1. With `reuse`, pieces up to 256 bytes are multiples of 4 bytes and are taken again once given back: rows that come
 *    and go at a steady rate never make it compact (a pause of 15 ms for 125,000 rows, measured).
 * 2. What is given back is not taken again before the next savepoint: a rollback may still need it.
 * 3. After a rollback what was taken since the savepoint is free again, and what was given back is not.
 */
import { AldebaranError } from '../errors.ts'
import type { Meter } from './memory-budget.ts'

/** Offsets are 32 bits. */
const MAX_BYTES = 2 ** 32
/** Up to here a loop beats a call into Node. */
const LOOP_BYTES = 48
/** Larger pieces are not taken again; compacting finds them. */
const LARGEST_PIECE = 256
/** Pieces up to there have a size that is a multiple of this. */
export const PIECE = 4

export class Arena {
  bytes: Buffer
  position = 0
  /** Bytes of the text that `putText` kept last. */
  textLength = 0
  /** Bytes before `position` that no row points at. */
  garbage = 0
  readonly #meter: Meter
  /** Starts of free pieces by their size in PIECEs; null: pieces are not taken again. */
  readonly #free: NumberStack[] | null
  /** Pieces given back, and pieces taken, since the savepoint: start and size in turn. */
  readonly #given = new NumberStack()
  readonly #taken = new NumberStack()
  #garbageAtSavepoint = 0
  #positionAtSavepoint = 0

  constructor(initialBytes: number, meter: Meter, reuse: boolean) {
    meter.add(initialBytes)
    this.#meter = meter
    this.#free = reuse ? Array.from({ length: LARGEST_PIECE / PIECE + 1 }, () => new NumberStack()) : null
    this.bytes = Buffer.allocUnsafeSlow(initialBytes)
  }

  /** A piece for `length` bytes: where it begins. Room for it is there already, or is made. */
  #take(length: number): number {
    const size = this.#sizeOf(length)
    const free = this.#free === null || size > LARGEST_PIECE ? undefined : this.#free[size / PIECE]!
    let start = this.position
    if (free !== undefined && free.count > 0) {
      start = free.pop()
      this.garbage -= size
    } else {
      this.reserve(size)
      this.position += size
    }
    if (this.#free !== null) this.#taken.pushPair(start, size)
    return start
  }

  #sizeOf(length: number): number {
    return this.#free === null || length > LARGEST_PIECE ? length : (length + PIECE - 1) & -PIECE
  }

  /** Nothing points at the piece any more. */
  give(start: number, length: number): void {
    if (length === 0) return
    const size = this.#sizeOf(length)
    this.garbage += size
    if (this.#free !== null) this.#given.pushPair(start, size)
  }

  savepoint(): void {
    this.#release(this.#given)
    this.#given.clear()
    this.#taken.clear()
    this.#garbageAtSavepoint = this.garbage
    this.#positionAtSavepoint = this.position
  }

  /** For arenas with `reuse`. */
  rollback(): void {
    this.garbage = this.#garbageAtSavepoint
    // Also what came from the free pieces: they were garbage before, and bytes at the end are now.
    const { values, count } = this.#taken
    for (let i = 0; i < count; i += 2) {
      if (values[i]! >= this.#positionAtSavepoint) this.garbage += values[i + 1]!
    }
    this.#release(this.#taken)
    this.#given.clear()
    this.#taken.clear()
    this.#garbageAtSavepoint = this.garbage
    this.#positionAtSavepoint = this.position
  }

  #release({ values, count }: NumberStack): void {
    for (let i = 0; i < count; i += 2) {
      if (values[i + 1]! <= LARGEST_PIECE) this.#free![values[i + 1]! / PIECE]!.push(values[i]!)
    }
  }

  /** Makes room for `count` bytes at `position`. */
  reserve(count: number): void {
    if (this.position + count > this.bytes.length) this.#grow(count)
  }

  #grow(count: number): void {
    const least = this.position + count
    if (least > MAX_BYTES) {
      throw new AldebaranError('TABLE_FULL', 'the texts of one task of the table would pass 4 GiB')
    }
    this.#move(Math.min(MAX_BYTES, Math.max(least, this.bytes.length * 2, 1024)))
  }

  #move(size: number): void {
    this.#meter.add(size - this.bytes.length)
    const grown = Buffer.allocUnsafeSlow(size)
    this.bytes.copy(grown, 0, 0, this.position)
    this.bytes = grown
  }

  /** Keeps `bytes[start, end)`; returns where they begin. */
  put(bytes: Uint8Array, start: number, end: number): number {
    const at = this.#take(end - start)
    copyBytes(bytes, start, end, this.bytes, at)
    return at
  }

  /** Keeps the text as UTF-8; returns where it begins. Its bytes are `textLength` then. */
  putText(text: string): number {
    const length = text.length
    if (length > LOOP_BYTES) return this.#putLong(text)
    const from = this.#take(length)
    const bytes = this.bytes
    for (let at = 0; at < length; at++) {
      const code = text.charCodeAt(at)
      if (code > 127) {
        this.give(from, length)
        return this.#putLong(text)
      }
      bytes[from + at] = code
    }
    this.textLength = length
    return from
  }

  #putLong(text: string): number {
    const length = Buffer.byteLength(text)
    const at = this.#take(length)
    this.bytes.write(text, at, length)
    this.textLength = length
    return at
  }

  /** Worth compacting: more than half is garbage, and it is more than a few pages. */
  get isSparse(): boolean {
    return this.garbage > 32 * 1024 && this.garbage * 2 > this.position
  }

  /** An empty arena of a fitting size that takes the place of this one: the caller moves what is alive. */
  successor(): Arena {
    const live = this.position - this.garbage
    // Given back first: the new one is smaller, so this never passes a budget.
    this.#meter.add(-this.bytes.length)
    return new Arena(Math.max(1024, live + (live >>> 1)), this.#meter, this.#free !== null)
  }
}

export function copyBytes(source: Uint8Array, start: number, end: number, target: Uint8Array, at: number): void {
  if (end - start <= LOOP_BYTES) {
    for (let from = start, to = at; from < end; from++, to++) target[to] = source[from]!
  } else target.set(source.subarray(start, end), at)
}

const LEAST_VALUES = 16
const MANY_VALUES = 64 * 1024

/** Numbers of 32 bits, last in first out, outside the heap of the collector. */
class NumberStack {
  values = new Uint32Array(0)
  count = 0

  push(value: number): void {
    if (this.count === this.values.length) this.#grow()
    this.values[this.count++] = value
  }

  pushPair(first: number, second: number): void {
    this.push(first)
    this.push(second)
  }

  pop(): number {
    return this.values[--this.count]!
  }

  clear(): void {
    this.count = 0
    if (this.values.length > MANY_VALUES) this.values = new Uint32Array(0)
  }

  #grow(): void {
    const grown = new Uint32Array(Math.max(LEAST_VALUES, this.values.length * 2))
    grown.set(this.values)
    this.values = grown
  }
}
