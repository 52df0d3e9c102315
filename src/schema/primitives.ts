/** Schemas whose format says it all: text, bytes and the numbers that Kafka's own serializers write. */

import { copyBytes } from './avro-binary.ts'
import type { ByteWriter } from './byte-writer.ts'
import { describe, invalid, undecodable } from './failures.ts'
import type { Schema } from './schema.ts'
import { readText } from './utf8.ts'

const INT_LIMIT = 2 ** 31
const BIGINT_LIMIT = 2n ** 63n
const WORD = 4294967296
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i
const DECIMAL = /^-?\d{1,20}$/
const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/

/** UTF-8 text. Bytes that are not UTF-8 are undecodable; half a surrogate pair cannot be written. */
export function text(): Schema<string> {
  const check = (value: unknown): string => {
    if (typeof value !== 'string') throw invalid('', `must be text, not ${describe(value)}`)
    if (!value.isWellFormed()) throw invalid('', 'holds half of a surrogate pair, which is no text')
    return value
  }
  return {
    format: 'text',
    definition: null,
    encode(value, out) {
      check(value)
      out.ensure(value.length * 3)
      out.position += out.bytes.write(value, out.position)
    },
    decode: (bytes, start, end) => readText(bytes, start, end, start),
    toJson: check,
    fromJson: check,
  }
}

/** Bytes as they are; base64 in JSON. What `decode` returns is a copy and may be kept. */
export function bytes(): Schema<Uint8Array> {
  return {
    format: 'bytes',
    definition: null,
    encode(value, out) {
      if (!(value instanceof Uint8Array)) throw invalid('', `must be bytes (a Uint8Array), not ${describe(value)}`)
      out.ensure(value.length)
      out.bytes.set(value, out.position)
      out.position += value.length
    },
    decode: (from, start, end) => copyBytes(from, start, end),
    toJson: value => Buffer.from(value.buffer, value.byteOffset, value.length).toString('base64'),
    fromJson(json) {
      if (typeof json !== 'string' || !BASE64.test(json))
        throw invalid('', `must be base64 text, not ${describe(json)}`)
      return Buffer.from(json, 'base64')
    },
  }
}

/** A 32-bit number in 4 bytes, big-endian, two's complement: Kafka's IntegerSerializer. */
export function int32(): Schema<number> {
  const check = (value: unknown): number => {
    if (!Number.isInteger(value) || (value as number) >= INT_LIMIT || (value as number) < -INT_LIMIT) {
      throw invalid('', `must be a whole number of 32 bits, not ${describe(value)}`)
    }
    return value as number
  }
  return {
    format: 'int32',
    definition: null,
    encode(value, out) {
      check(value)
      out.ensure(4)
      out.bytes.writeInt32BE(value, out.position)
      out.position += 4
    },
    decode(from, start, end) {
      checkSize(4, start, end)
      return from.readInt32BE(start)
    },
    toJson: check,
    fromJson: check,
  }
}

/**
 * A 64-bit number in 8 bytes, big-endian, two's complement (Kafka's LongSerializer), as a number: bytes of one outside
 * ±(2^53 − 1) are undecodable; for those `bigint64`.
 */
export function int64(): Schema<number> {
  const check = (value: unknown): number => {
    if (!Number.isSafeInteger(value))
      throw invalid('', `must be a whole number within ±(2^53 − 1), not ${describe(value)}`)
    return value as number
  }
  return {
    format: 'int64',
    definition: null,
    encode(value, out) {
      check(value)
      out.ensure(8)
      const high = Math.floor(value / WORD)
      out.bytes.writeInt32BE(high, out.position)
      out.bytes.writeUInt32BE(value - high * WORD, out.position + 4)
      out.position += 8
    },
    decode(from, start, end) {
      checkSize(8, start, end)
      const value = from.readInt32BE(start) * WORD + from.readUInt32BE(start + 4)
      if (!Number.isSafeInteger(value)) throw undecodable('a number lies outside ±(2^53 − 1): use bigint64', 0)
      return value
    },
    toJson: check,
    fromJson: json => check(typeof json === 'string' && DECIMAL.test(json) ? Number(json) : json),
  }
}

/** A 64-bit number in 8 bytes as `int64`, all of it, as a bigint; decimal text in JSON. */
export function bigint64(): Schema<bigint> {
  const check = (value: unknown): bigint => {
    if (typeof value !== 'bigint' || value >= BIGINT_LIMIT || value < -BIGINT_LIMIT) {
      throw invalid('', `must be a bigint of 64 bits, not ${describe(value)}`)
    }
    return value
  }
  return {
    format: 'bigint64',
    definition: null,
    encode(value, out) {
      check(value)
      out.ensure(8)
      out.bytes.writeBigInt64BE(value, out.position)
      out.position += 8
    },
    decode(from, start, end) {
      checkSize(8, start, end)
      return from.readBigInt64BE(start)
    },
    toJson: value => String(check(value)),
    fromJson(json) {
      if (typeof json === 'string' && DECIMAL.test(json)) return check(BigInt(json))
      if (!Number.isSafeInteger(json))
        throw invalid('', `must be a whole number as decimal text, not ${describe(json)}`)
      return BigInt(json as number)
    },
  }
}

/** A UUID as text, 16 bytes when written. Either case is taken; `decode` gives lower case. */
export function uuid(): Schema<string> {
  const check = (value: unknown): string => {
    if (typeof value !== 'string' || !UUID.test(value)) throw invalid('', `must be a UUID, not ${describe(value)}`)
    return value.toLowerCase()
  }
  return {
    format: 'uuid',
    definition: null,
    encode(value: string, out: ByteWriter) {
      check(value)
      out.ensure(16)
      out.position += out.bytes.write(value.replaceAll('-', ''), out.position, 'hex')
    },
    decode(from, start, end) {
      checkSize(16, start, end)
      const hex = from.toString('hex', start, end)
      return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`
    },
    toJson: check,
    fromJson: check,
  }
}

function checkSize(size: number, start: number, end: number): void {
  if (end - start !== size)
    throw undecodable(`${size} bytes are expected, not ${end - start}`, Math.min(size, end - start))
}
