/**
 * Keys of rows of which a key has several, such as its windows: the bytes of the key, and a number behind them, 8 bytes,
 * big-endian. As the number has a fixed size, no two of them have the same bytes.
 */
import { describe, invalid, undecodable } from '../schema/failures.ts'
import { int64 } from '../schema/primitives.ts'
import type { Schema } from '../schema/schema.ts'

export interface CompositeKey<K = unknown> {
  key: K
  /** ±(2^53 − 1) */
  number: number
}

export const NUMBER_BYTES = 8

const number = int64()

export function compositeKey<K>(schema: Schema<K>): Schema<CompositeKey<K>> {
  const partsOf = (value: unknown): { key: unknown; number: unknown } => {
    if (typeof value === 'object' && value !== null && 'key' in value && 'number' in value) return value
    throw invalid('', `must be an object of key and number, not ${describe(value)}`)
  }
  return {
    format: `${schema.format}+int64`,
    definition: schema.definition,
    encode(value, out) {
      const { key, number: last } = partsOf(value)
      schema.encode(key as K, out)
      number.encode(last as number, out)
    },
    decode(bytes, start, end) {
      const split = end - NUMBER_BYTES
      if (split < start) throw undecodable('the number behind the key is missing', 0)
      return { key: schema.decode(bytes, start, split), number: number.decode(bytes, split, end) }
    },
    toJson(value) {
      return { key: schema.toJson(value.key), number: number.toJson(value.number) }
    },
    fromJson(json) {
      const { key, number: last } = partsOf(json)
      return { key: schema.fromJson(key), number: number.fromJson(last) }
    },
  }
}

/** The bytes of one composite key at a time, reused: `bytes[0, end)`. */
export class CompositeKeyBytes {
  bytes = Buffer.allocUnsafeSlow(64)
  end = 0

  /** Of a key as bytes, and a number. */
  set(key: Buffer, start: number, end: number, last: number): void {
    const length = end - start
    if (length + NUMBER_BYTES > this.bytes.length) this.bytes = Buffer.allocUnsafeSlow(2 * (length + NUMBER_BYTES))
    const { bytes } = this
    // Short keys are the rule: a call costs more than a few bytes.
    if (length <= 32) for (let i = 0; i < length; i++) bytes[i] = key[start + i]!
    else key.copy(bytes, 0, start, end)
    writeNumber(bytes, length, last)
    this.end = length + NUMBER_BYTES
  }

  /** Another number behind the same key. */
  renumber(last: number): void {
    writeNumber(this.bytes, this.end - NUMBER_BYTES, last)
  }
}

const WORD = 4294967296

function writeNumber(bytes: Buffer, at: number, value: number): void {
  const high = Math.floor(value / WORD)
  const low = value - high * WORD
  bytes[at] = high >> 24
  bytes[at + 1] = high >> 16
  bytes[at + 2] = high >> 8
  bytes[at + 3] = high
  bytes[at + 4] = low >>> 24
  bytes[at + 5] = low >>> 16
  bytes[at + 6] = low >>> 8
  bytes[at + 7] = low
}

/** The number behind the key of a row. */
export function numberOf(bytes: Buffer, end: number): number {
  return bytes.readInt32BE(end - NUMBER_BYTES) * WORD + bytes.readUInt32BE(end - 4)
}
