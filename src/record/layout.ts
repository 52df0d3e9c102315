/**
 * Where the fields of a RecordBatch v2 header lie, counted from the first byte of the batch. Integers are big-endian.
 * Source: Apache Kafka, "Message Format" (https://kafka.apache.org/documentation/#messageformat).
 */
export const BASE_OFFSET = 0
/** int32: the bytes that follow this field. */
export const LENGTH = 8
export const PARTITION_LEADER_EPOCH = 12
export const MAGIC = 16
/** uint32 CRC-32C of everything from ATTRIBUTES to the end of the batch. */
export const CRC = 17
export const ATTRIBUTES = 21
export const LAST_OFFSET_DELTA = 23
export const BASE_TIMESTAMP = 27
export const MAX_TIMESTAMP = 35
export const PRODUCER_ID = 43
export const PRODUCER_EPOCH = 51
export const BASE_SEQUENCE = 53
export const RECORD_COUNT = 57
/** Where the records begin: plain, or as one compressed block. */
export const RECORDS = 61

/** The bytes before the part that LENGTH counts. */
export const LENGTH_OVERHEAD = 12
export const SUPPORTED_MAGIC = 2

export const COMPRESSION_MASK = 0x07
export const LOG_APPEND_TIME = 0x08
export const TRANSACTIONAL = 0x10
export const CONTROL = 0x20

/** Length, attributes, timestamp delta, offset delta, key length, value length, header count: one byte each. */
export const SMALLEST_RECORD = 7

/** The uncompressed size of a batch stays below this, both when it is written and when it is decompressed. */
export const MAX_BATCH_BYTES = 128 * 1024 * 1024

export function readInt16(bytes: Uint8Array, at: number): number {
  return ((bytes[at]! << 24) | (bytes[at + 1]! << 16)) >> 16
}

export function readInt32(bytes: Uint8Array, at: number): number {
  return (bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!
}

/** An int64 as a double: exact within ±2^53, rounded beyond, so that a caller sees that it is beyond. */
export function readInt64(bytes: Uint8Array, at: number): number {
  return readInt32(bytes, at) * 0x1_0000_0000 + (readInt32(bytes, at + 4) >>> 0)
}

export function writeInt16(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >> 8
  bytes[at + 1] = value
}

export function writeInt32(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >> 24
  bytes[at + 1] = value >> 16
  bytes[at + 2] = value >> 8
  bytes[at + 3] = value
}

/** Writes a safe integer as an int64. */
export function writeInt64(bytes: Uint8Array, at: number, value: number): void {
  writeInt32(bytes, at, Math.floor(value / 0x1_0000_0000))
  writeInt32(bytes, at + 4, (value % 0x1_0000_0000) | 0)
}
