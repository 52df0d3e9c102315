/**
 * The state of quantiles as bytes: a DDSketch (C. Masson, J. E. Rim, H. K. Lee, PVLDB 12, 2019), whose bins and accuracy
 * are those of @datadog/sketches-js. The library keeps a sketch in arrays from the lowest to the highest bin and writes
 * 8 bytes for each; here are only the bins that hold something, in 2 to 4 bytes each.
 *
 * Words: *recent* are the latest values as they are, 8 bytes each; *bins* are the others, sorted by index, each as the
 * distance to the index before it and its count, both varints. An *index* grows with the value: 0 is zero, −1 the negative
 * value nearest to it.
 *
 * 1. While all values are recent, quantiles are exact.
 * 2. A value is in one place, recent or bins; what a sketch answers is that of all of them, in any order.
 * 3. Beyond the most bins the ones nearest to zero are put together, as a sketch of bounded size does; then a value cannot
 *    be taken away if its bin has gone.
 * 4. Bytes that are returned are valid until the next call: a row keeps a copy.
 */
import { DDSketch } from '@datadog/sketches-js'
import { ByteWriter } from '../../schema/byte-writer.ts'
import { readLong, readVarint32, varintCursor, writeLong, writeVarint32 } from '../../schema/varint.ts'

/**
 * Each value copies the recent ones, so more would cost more; fewer are folded into the bins too often. A table's memory
 * takes pieces of up to 256 bytes again at once.
 */
export const RECENT_VALUES = 32
const RECENT_BYTES = RECENT_VALUES * 8
/** Bins at 1 %: of numbers from 1 to 10^17. */
const BINS_AT_ONE_PERCENT = 2048
/** A varint of 32 bits and one of 64. */
const MAX_BIN_BYTES = 15

const NOTHING = Buffer.alloc(0)

export class Sketch {
  readonly #mapping: DDSketch['mapping']
  /** Key of the smallest positive number that has one of its own. */
  readonly #lowestKey: number
  /** Index of the largest number. */
  readonly #highest: number
  readonly #maxBins: number
  readonly #left = new BinCursor()
  readonly #right = new BinCursor()
  readonly #out: BinWriter
  readonly #fresh: BinWriter
  readonly #recent = Buffer.alloc(RECENT_BYTES)
  /** `#recent` up to each of its values. */
  readonly #views = Array.from({ length: RECENT_VALUES + 1 }, (_, values) => this.#recent.subarray(0, values * 8))
  readonly #indexes = new Int32Array(RECENT_VALUES + 1)

  /** `accuracy`: how far a quantile may be from a value of that rank, as a part of it; 0.001 to 0.1. */
  constructor(accuracy: number) {
    this.#mapping = new DDSketch({ relativeAccuracy: accuracy }).mapping
    this.#lowestKey = this.#mapping.key(this.#mapping.minPossible)
    this.#highest = this.#indexOf(Number.MAX_VALUE)
    this.#maxBins = Math.ceil((BINS_AT_ONE_PERCENT * 0.01) / accuracy)
    this.#out = new BinWriter(-this.#highest)
    this.#fresh = new BinWriter(-this.#highest)
  }

  isFull(recent: Uint8Array): boolean {
    return recent.length >= RECENT_BYTES
  }

  /** The recent values and one more; they are not full. */
  append(recent: Uint8Array, value: number): Uint8Array {
    this.#recent.set(recent)
    this.#recent.writeDoubleLE(value, recent.length)
    return this.#views[recent.length / 8 + 1]!
  }

  /** The bins with the recent values and `value` in them. */
  fold(bins: Buffer, recent: Buffer, value: number): Uint8Array {
    const fresh = this.#binsOf(recent, value)
    return this.merge(bins, fresh)
  }

  /** The bins of both. */
  merge(bins: Buffer, others: Buffer): Uint8Array {
    const { left, right, out } = this.#begin(bins, others)
    let count = 0
    while (!left.isDone || !right.isDone) {
      const index = Math.min(left.index, right.index)
      let values = 0
      if (left.index === index) {
        values += left.count
        left.next()
      }
      if (right.index === index) {
        values += right.count
        right.next()
      }
      out.put(index, values)
      count++
    }
    return count > this.#maxBins ? this.#collapse(out.finish(), count - this.#maxBins) : out.finish()
  }

  /** The recent values without one that equals `value`; null when there is none. */
  remove(recent: Buffer, value: number): Uint8Array | null {
    for (let at = 0; at < recent.length; at += 8) {
      if (recent.readDoubleLE(at) !== value) continue
      recent.copy(this.#recent)
      recent.copy(this.#recent, at, recent.length - 8)
      return this.#views[recent.length / 8 - 1]!
    }
    return null
  }

  /** The bins without one value; null when they do not have it. */
  lessen(bins: Buffer, value: number): Uint8Array | null {
    const gone = this.#indexOf(value)
    const { left, out } = this.#begin(bins, NOTHING)
    let isFound = false
    for (; !left.isDone; left.next()) {
      const isIts = left.index === gone
      if (isIts) isFound = true
      if (!isIts || left.count > 1) out.put(left.index, left.count - (isIts ? 1 : 0))
    }
    return isFound ? out.finish() : null
  }

  /** The value of rank `quantile` × (number of values − 1), rounded down, for each quantile (0 to 1); null of none. */
  quantiles(bins: Buffer, recent: Buffer, quantiles: readonly number[]): (number | null)[] {
    if (bins.length > 0) return this.#ofBins(Buffer.from(this.merge(bins, this.#binsOf(recent))), quantiles)
    const values = Float64Array.from({ length: recent.length / 8 }, (_, i) => recent.readDoubleLE(i * 8)).sort()
    return quantiles.map(quantile => values[Math.floor(quantile * (values.length - 1))] ?? null)
  }

  #ofBins(bins: Buffer, quantiles: readonly number[]): number[] {
    const cursor = this.#left
    let all = 0
    for (cursor.reset(bins, -this.#highest); !cursor.isDone; cursor.next()) all += cursor.count
    return quantiles.map(quantile => {
      const rank = quantile * (all - 1)
      cursor.reset(bins, -this.#highest)
      for (let passed = cursor.count; passed <= rank; passed += cursor.count) cursor.next()
      return this.#valueOf(cursor.index)
    })
  }

  /** The recent values, and `extra` if there is one, as bins. */
  #binsOf(recent: Buffer, extra?: number): Buffer {
    let values = 0
    for (let at = 0; at < recent.length; at += 8) this.#indexes[values++] = this.#indexOf(recent.readDoubleLE(at))
    if (extra !== undefined) this.#indexes[values++] = this.#indexOf(extra)
    const indexes = this.#indexes.subarray(0, values).sort()
    const out = this.#fresh
    out.reset()
    for (let i = 0, from = 0; i < values; i++) {
      if (i + 1 < values && indexes[i + 1] === indexes[i]) continue
      out.put(indexes[i]!, i + 1 - from)
      from = i + 1
    }
    return out.finish()
  }

  /** Puts the bins nearest to zero together until there are `surplus` fewer. Rare: the values span 17 orders of magnitude. */
  #collapse(bins: Uint8Array, surplus: number): Uint8Array {
    const cursor = this.#left
    const all: { index: number; count: number }[] = []
    for (cursor.reset(Buffer.from(bins), -this.#highest); !cursor.isDone; cursor.next()) {
      all.push({ index: cursor.index, count: cursor.count })
    }
    // The inner one of two neighbours goes into the outer one, which is of its sign.
    const inwards = all.toSorted((a, b) => Math.abs(a.index) - Math.abs(b.index))
    const gone = new Set<number>()
    for (let at = 0, left = surplus; left > 0 && at < inwards.length; at++) {
      const inner = inwards[at]!
      const outer = inwards.find(({ index }, i) => i > at && (inner.index === 0 || index * inner.index > 0))
      if (outer === undefined) continue
      outer.count += inner.count
      gone.add(inner.index)
      left--
    }
    const out = this.#out
    out.reset()
    for (const { index, count } of all) if (!gone.has(index)) out.put(index, count)
    return out.finish()
  }

  #begin(left: Buffer, right: Buffer): { left: BinCursor; right: BinCursor; out: BinWriter } {
    this.#left.reset(left, -this.#highest)
    this.#right.reset(right, -this.#highest)
    this.#out.reset()
    return { left: this.#left, right: this.#right, out: this.#out }
  }

  #indexOf(value: number): number {
    const mapping = this.#mapping
    if (value > mapping.minPossible) return mapping.key(value) - this.#lowestKey + 1
    if (value < -mapping.minPossible) return this.#lowestKey - 1 - mapping.key(-value)
    return 0
  }

  #valueOf(index: number): number {
    if (index === 0) return 0
    const magnitude = Math.min(Number.MAX_VALUE, this.#mapping.value(Math.abs(index) - 1 + this.#lowestKey))
    return index > 0 ? magnitude : -magnitude
  }
}

/** Reads bins one by one; `index` is Infinity behind the last. */
class BinCursor {
  index = Number.POSITIVE_INFINITY
  count = 0
  #bytes: Buffer = NOTHING
  #previous = 0
  readonly #cursor = varintCursor()

  get isDone(): boolean {
    return this.index === Number.POSITIVE_INFINITY
  }

  /** Before the first bin lies `origin`. */
  reset(bytes: Buffer, origin: number): void {
    this.#bytes = bytes
    this.#previous = origin
    this.#cursor.position = 0
    this.#cursor.end = bytes.length
    this.next()
  }

  next(): void {
    const { position } = this.#cursor
    if (position >= this.#bytes.length) {
      this.index = Number.POSITIVE_INFINITY
      this.count = 0
      return
    }
    this.#previous += readVarint32(this.#bytes, position, this.#cursor)
    this.index = this.#previous
    this.count = readLong(this.#bytes, this.#cursor.position, this.#cursor)
  }
}

class BinWriter {
  readonly #out = new ByteWriter(256)
  readonly #origin: number
  #previous = 0

  constructor(origin: number) {
    this.#origin = origin
  }

  reset(): void {
    this.#out.position = 0
    this.#previous = this.#origin
  }

  put(index: number, count: number): void {
    const out = this.#out
    out.ensure(MAX_BIN_BYTES)
    out.position = writeVarint32(out.bytes, out.position, index - this.#previous)
    out.position = writeLong(out.bytes, out.position, count)
    this.#previous = index
  }

  finish(): Buffer {
    return this.#out.bytes.subarray(0, this.#out.position)
  }
}
