/**
 * Zigzag varints as Avro, Protocol Buffers and Kafka write them: seven bits a byte, lowest first, the sign in bit 0.
 *
 * 1. Readers look at `bytes[position]` without comparing with the end of the value: what lies behind is garbage, not a
 *    fault. The caller compares `cursor.position` with the end once, after a run of fields.
 * 2. No BigInt and no object is made, but for `readBigint` and `writeBigint`, whose values are bigints.
 * 3. Over-long forms are read as long as they fit in 5 bytes (int) or 10 (long), as every Avro library does.
 */
import { undecodable } from './failures.ts'

/** Where a reader left off, and the value's own bounds for error positions. Made once, used for every record. */
export interface VarintCursor {
  /** After the last byte read. */
  position: number
  /** First byte of the value: positions in errors count from here. */
  start: number
  /** After the last byte of the value. */
  end: number
}

const MAX_LONG_BYTES = 10

export function varintCursor(): VarintCursor {
  return { position: 0, start: 0, end: 0 }
}

/** Throws for bytes that make no sense at `at`; when that lies behind the end, the value was cut off. */
export function malformed(reason: string, at: number, cursor: VarintCursor, path = ''): never {
  if (at > cursor.end) throw undecodable('the bytes end in the middle of a value', cursor.end - cursor.start, path)
  throw undecodable(reason, at - cursor.start, path)
}

/** 32 bits without undoing zigzag: `(x >>> 1) ^ -(x & 1)` is the int. */
export function readVarint32(bytes: Buffer, position: number, cursor: VarintCursor): number {
  let at = position
  let byte = bytes[at++]!
  let bits = byte & 127
  if (byte > 127) {
    byte = bytes[at++]!
    bits |= (byte & 127) << 7
    if (byte > 127) {
      byte = bytes[at++]!
      bits |= (byte & 127) << 14
      if (byte > 127) {
        byte = bytes[at++]!
        bits |= (byte & 127) << 21
        if (byte > 127) {
          byte = bytes[at++]!
          if (byte > 15) malformed('an int is longer than 32 bits', at - 1, cursor)
          bits |= byte << 28
        }
      }
    }
  }
  cursor.position = at
  return bits
}

export function readInt(bytes: Buffer, position: number, cursor: VarintCursor): number {
  const bits = readVarint32(bytes, position, cursor)
  return (bits >>> 1) ^ -(bits & 1)
}

/** A long as a number; one outside ±(2^53 − 1) throws VALUE_UNDECODABLE. */
export function readLong(bytes: Buffer, position: number, cursor: VarintCursor): number {
  let at = position
  let byte = bytes[at++]!
  let low = byte & 127
  if (byte > 127) {
    byte = bytes[at++]!
    low |= (byte & 127) << 7
    if (byte > 127) {
      byte = bytes[at++]!
      low |= (byte & 127) << 14
      if (byte > 127) {
        byte = bytes[at++]!
        low |= (byte & 127) << 21
        if (byte > 127) return readLongTail(bytes, at, low, cursor)
      }
    }
  }
  cursor.position = at
  return (low >>> 1) ^ -(low & 1)
}

/** The bytes after the first 28 bits. */
function readLongTail(bytes: Buffer, position: number, low: number, cursor: VarintCursor): number {
  let at = position
  let byte = bytes[at++]!
  let middle = byte & 127
  if (byte > 127) {
    byte = bytes[at++]!
    middle |= (byte & 127) << 7
    if (byte > 127) {
      byte = bytes[at++]!
      middle |= (byte & 127) << 14
      if (byte > 127) {
        byte = bytes[at++]!
        middle |= (byte & 127) << 21
        if (byte > 127) at = readLongEnd(bytes, at, cursor)
      }
    }
  }
  // 27 bits of magnitude below, 28 above: exact up to 2^53, and beyond it rounding never leads back into the range.
  const magnitude = middle * 134217728 + (low >>> 1)
  const value = (low & 1) === 0 ? magnitude : -magnitude - 1
  if (value > Number.MAX_SAFE_INTEGER || value < -Number.MAX_SAFE_INTEGER) outsideSafeRange(position, cursor)
  cursor.position = at
  return value
}

/** Bits 56 to 63 of a long that is to be a safe number are zero; a writer may still have padded to here. */
function readLongEnd(bytes: Buffer, position: number, cursor: VarintCursor): number {
  let at = position
  const ninth = bytes[at++]!
  let high = ninth & 127
  if (ninth > 127) {
    const tenth = bytes[at++]!
    if (tenth > 1) malformed('a long is longer than 64 bits', at - 1, cursor)
    high |= tenth
  }
  if (high !== 0) outsideSafeRange(position, cursor)
  return at
}

function outsideSafeRange(at: number, cursor: VarintCursor): never {
  malformed('a long lies outside ±(2^53 − 1): declare the field as bigint', at, cursor)
}

const scratch = new DataView(new ArrayBuffer(8))

/** All 64 bits. */
export function readBigint(bytes: Buffer, position: number, cursor: VarintCursor): bigint {
  let low = 0
  let high = 0
  let at = position
  for (let shift = 0; ; shift += 7) {
    const byte = bytes[at++]!
    const seven = byte & 127
    if (shift < 28) low |= seven << shift
    else if (shift === 28) {
      low |= seven << 28
      high = seven >>> 4
    } else high |= seven << (shift - 32)
    if (shift === 63 && byte > 1) malformed('a long is longer than 64 bits', at - 1, cursor)
    if (!(byte > 127)) break
  }
  cursor.position = at
  const sign = -(low & 1)
  scratch.setInt32(0, (high >>> 1) ^ sign)
  scratch.setInt32(4, ((low >>> 1) | (high << 31)) ^ sign)
  return scratch.getBigInt64(0)
}

/** Returns the position after the varint at `position`, of up to 10 bytes. */
export function skipVarint(bytes: Buffer, position: number, cursor: VarintCursor): number {
  let at = position
  while (bytes[at++]! > 127) {
    if (at - position === MAX_LONG_BYTES) malformed('a long is longer than 64 bits', at - 1, cursor)
  }
  return at
}

/** Writes 32 bits as they are (zigzag already done); returns the next position. Needs room for 5 bytes. */
export function writeVarint32(bytes: Buffer, position: number, bits: number): number {
  let at = position
  let rest = bits
  while ((rest & ~127) !== 0) {
    bytes[at++] = (rest & 127) | 128
    rest >>>= 7
  }
  bytes[at++] = rest
  return at
}

/** Needs room for 5 bytes; `value` is a 32-bit integer. Returns the next position. */
export function writeInt(bytes: Buffer, position: number, value: number): number {
  return writeVarint32(bytes, position, (value << 1) ^ (value >> 31))
}

/** Needs room for 10 bytes. Returns the next position, or −1 when `value` is not a safe integer: nothing is written. */
export function writeLong(bytes: Buffer, position: number, value: number): number {
  if ((value | 0) === value) return writeVarint32(bytes, position, (value << 1) ^ (value >> 31))
  if (!Number.isSafeInteger(value)) return -1
  const negative = value < 0
  const magnitude = negative ? -value - 1 : value
  const high = (magnitude / 134217728) | 0
  const low = ((magnitude - high * 134217728) << 1) | (negative ? 1 : 0)
  // Beyond 32 bits there are always more than four bytes.
  bytes[position] = (low & 127) | 128
  bytes[position + 1] = ((low >>> 7) & 127) | 128
  bytes[position + 2] = ((low >>> 14) & 127) | 128
  bytes[position + 3] = (low >>> 21) | 128
  return writeVarint32(bytes, position + 4, high)
}

/** Needs room for 10 bytes; `value` fits in 64 bits. Returns the next position. */
export function writeBigint(bytes: Buffer, position: number, value: bigint): number {
  scratch.setBigInt64(0, value)
  const signedHigh = scratch.getInt32(0)
  const signedLow = scratch.getInt32(4)
  const sign = signedHigh >> 31
  let high = ((signedHigh << 1) | (signedLow >>> 31)) ^ sign
  let low = (signedLow << 1) ^ sign
  let at = position
  while (high !== 0 || (low & ~127) !== 0) {
    bytes[at++] = (low & 127) | 128
    low = (low >>> 7) | (high << 25)
    high >>>= 7
  }
  bytes[at++] = low
  return at
}
