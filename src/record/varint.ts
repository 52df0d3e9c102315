/**
 * Kafka's varints: zigzag, then seven bits a byte, lowest first, the high bit set on all but the last byte.
 * Reading is part of the cursor, which checks bounds as it goes. A long is a safe integer here, never a BigInt: the
 * sign and the lowest six bits go into the first byte, the rest follows by division, so no step leaves 2^53.
 */

/** Longest encodings, in bytes. */
export const MAX_INT_BYTES = 5
export const MAX_LONG_BYTES = 10

/** Bytes of an int32 as a varint. */
export function intSize(value: number): number {
  const zigzag = ((value << 1) ^ (value >> 31)) >>> 0
  if (zigzag < 0x80) return 1
  if (zigzag < 0x4000) return 2
  if (zigzag < 0x20_0000) return 3
  return zigzag < 0x1000_0000 ? 4 : 5
}

/** Writes an int32 as a varint; returns the position after it. */
export function writeInt(bytes: Uint8Array, at: number, value: number): number {
  let zigzag = ((value << 1) ^ (value >> 31)) >>> 0
  while (zigzag >= 0x80) {
    bytes[at++] = zigzag | 0x80
    zigzag >>>= 7
  }
  bytes[at] = zigzag
  return at + 1
}

/** Bytes of a safe integer as a varint. */
export function longSize(value: number): number {
  if (value === (value | 0)) return intSize(value)
  let rest = Math.floor((value < 0 ? -value - 1 : value) / 64)
  let size = 1
  while (rest > 0) {
    rest = Math.floor(rest / 128)
    size++
  }
  return size
}

/** Writes a safe integer as a varint; returns the position after it. */
export function writeLong(bytes: Uint8Array, at: number, value: number): number {
  if (value === (value | 0)) return writeInt(bytes, at, value)
  const magnitude = value < 0 ? -value - 1 : value
  let rest = Math.floor(magnitude / 64)
  bytes[at++] = ((magnitude % 64) << 1) | (value < 0 ? 0x81 : 0x80)
  while (rest >= 128) {
    bytes[at++] = (rest % 128) | 0x80
    rest = Math.floor(rest / 128)
  }
  bytes[at] = rest
  return at + 1
}
