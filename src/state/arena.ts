/**
 * Texts, bytes and keys of any length, one after another in one buffer. Nothing in it is ever changed: a new value is
 * appended and the old one becomes garbage, so a pre-image of a row needs no copy of its texts.
 */
import { AldebaranError } from '../errors.ts'
import type { Meter } from './memory-budget.ts'

/** Offsets are 32 bits. */
const MAX_BYTES = 2 ** 32
/** Up to here a loop beats a call into Node. */
const LOOP_BYTES = 48

export class Arena {
  bytes: Buffer
  position = 0
  /** Bytes before `position` that no row points at. */
  garbage = 0
  readonly #meter: Meter

  constructor(initialBytes: number, meter: Meter) {
    meter.add(initialBytes)
    this.#meter = meter
    this.bytes = Buffer.allocUnsafeSlow(initialBytes)
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

  /** Appends `bytes[start, end)`; they begin at what `position` was. */
  append(bytes: Uint8Array, start: number, end: number): void {
    const length = end - start
    this.reserve(length)
    copyBytes(bytes, start, end, this.bytes, this.position)
    this.position += length
  }

  /** Appends the text as UTF-8. Returns its bytes; they begin at what `position` was. */
  appendText(text: string): number {
    const length = text.length
    const from = this.position
    if (length <= LOOP_BYTES) {
      this.reserve(length)
      const bytes = this.bytes
      let at = 0
      while (at < length) {
        const code = text.charCodeAt(at)
        if (code > 127) return this.#appendLong(text)
        bytes[from + at++] = code
      }
      this.position = from + length
      return length
    }
    return this.#appendLong(text)
  }

  #appendLong(text: string): number {
    this.reserve(text.length * 3)
    const length = this.bytes.write(text, this.position)
    this.position += length
    return length
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
    return new Arena(Math.max(1024, live + (live >>> 1)), this.#meter)
  }
}

export function copyBytes(source: Uint8Array, start: number, end: number, target: Uint8Array, at: number): void {
  if (end - start <= LOOP_BYTES) {
    for (let from = start, to = at; from < end; from++, to++) target[to] = source[from]!
  } else target.set(source.subarray(start, end), at)
}
