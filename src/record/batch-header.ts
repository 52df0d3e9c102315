/**
 * What can be told and changed about a batch without reading its records.
 *
 * The CRC covers everything from the attributes on. So the base offset and the partition leader epoch may be set in
 * place, as a log does, and damage to those two is not seen by anyone.
 */
import { AldebaranError, type ErrorCode } from '../errors.ts'
import { crc32c } from './crc32c.ts'
import {
  ATTRIBUTES,
  BASE_OFFSET,
  BASE_TIMESTAMP,
  COMPRESSION_MASK,
  CRC,
  LAST_OFFSET_DELTA,
  LENGTH,
  LENGTH_OVERHEAD,
  MAGIC,
  MAX_TIMESTAMP,
  RECORD_COUNT,
  RECORDS,
  readInt16,
  readInt32,
  readInt64,
  SUPPORTED_MAGIC,
  writeInt64,
} from './layout.ts'

/** The length field of the smallest message set of magic 0. */
const SMALLEST_OLD_LENGTH = 14
const HIGHEST_CODEC = 4

/** Bytes of the batch at `start`, header included. As its length field says: not checked. */
export function batchLength(bytes: Uint8Array, start: number): number {
  return LENGTH_OVERHEAD + readInt32(bytes, start + LENGTH)
}

export function baseOffsetOf(bytes: Uint8Array, start: number): number {
  return readInt64(bytes, start + BASE_OFFSET)
}

/** The offset of the last record, or, after compaction, of the last one there was. */
export function lastOffsetOf(bytes: Uint8Array, start: number): number {
  return baseOffsetOf(bytes, start) + readInt32(bytes, start + LAST_OFFSET_DELTA)
}

export function recordCountOf(bytes: Uint8Array, start: number): number {
  return readInt32(bytes, start + RECORD_COUNT)
}

/** The newest timestamp of its records, in ms since 1970; -1 when they have none. */
export function maxTimestampOf(bytes: Uint8Array, start: number): number {
  return readInt64(bytes, start + MAX_TIMESTAMP)
}

/** Numbers the records of the batch from `offset` on, a safe integer. The CRC does not cover it. */
export function setBaseOffset(bytes: Uint8Array, start: number, offset: number): void {
  writeInt64(bytes, start + BASE_OFFSET, offset)
}

/**
 * Checks that `bytes[start, end)` is one batch: its length, header and CRC. Records are checked as they are read.
 * @throws AldebaranError BATCH_CORRUPT or BATCH_UNSUPPORTED, with `position` and `offset`.
 */
export function verifyBatch(bytes: Buffer, start: number, end: number): void {
  const available = end - start
  if (available < LENGTH_OVERHEAD) {
    const details = { position: start, offset: null }
    throw new AldebaranError('BATCH_CORRUPT', `A batch at byte ${start} has only ${available} bytes`, details)
  }
  checkLength(bytes, start, available)
  const length = batchLength(bytes, start)
  if (length !== available) {
    throw refused(bytes, start, 'BATCH_CORRUPT', `says it has ${length} bytes and has ${available}`)
  }
  checkHeader(bytes, start)
}

/**
 * Checks the length field and, if there, the magic, of a batch of which `available` bytes (at least LENGTH_OVERHEAD)
 * are there.
 */
export function checkLength(bytes: Uint8Array, start: number, available: number): void {
  const length = readInt32(bytes, start + LENGTH)
  if (length >= RECORDS - LENGTH_OVERHEAD) return
  if (length >= SMALLEST_OLD_LENGTH && available > MAGIC && bytes[start + MAGIC]! < SUPPORTED_MAGIC) {
    throw unsupportedMagic(bytes, start)
  }
  throw refused(bytes, start, 'BATCH_CORRUPT', `has the impossible length ${length}`)
}

/** Checks the header and the CRC of a batch that is there as a whole. */
export function checkHeader(bytes: Uint8Array, start: number): void {
  if (bytes[start + MAGIC] !== SUPPORTED_MAGIC) throw unsupportedMagic(bytes, start)
  const stored = readInt32(bytes, start + CRC) >>> 0
  const computed = crc32c(bytes, start + ATTRIBUTES, start + batchLength(bytes, start))
  if (stored !== computed) throw wrongCrc(bytes, start, stored, computed)
  const codec = readInt16(bytes, start + ATTRIBUTES) & COMPRESSION_MASK
  if (codec > HIGHEST_CODEC) {
    throw refused(bytes, start, 'BATCH_UNSUPPORTED', `has the unknown compression ${codec}`)
  }
  const count = recordCountOf(bytes, start)
  const lastOffsetDelta = readInt32(bytes, start + LAST_OFFSET_DELTA)
  // Compaction removes records and keeps the offsets, so there may be fewer records than offsets.
  if (count < 0 || lastOffsetDelta < 0 || count - 1 > lastOffsetDelta) {
    throw refused(bytes, start, 'BATCH_CORRUPT', `has ${count} records up to offset delta ${lastOffsetDelta}`)
  }
  const baseOffset = baseOffsetOf(bytes, start)
  if (baseOffset < 0 || baseOffset + lastOffsetDelta > Number.MAX_SAFE_INTEGER) {
    throw refused(bytes, start, 'BATCH_CORRUPT', 'has offsets that are negative or beyond 2^53')
  }
  if (
    !Number.isSafeInteger(readInt64(bytes, start + BASE_TIMESTAMP)) ||
    !Number.isSafeInteger(maxTimestampOf(bytes, start))
  ) {
    throw refused(bytes, start, 'BATCH_CORRUPT', 'has a timestamp beyond 2^53')
  }
}

/** The error for the batch at `start`. `reason` goes on after "The batch of offset … at byte …". */
export function refused(bytes: Uint8Array, start: number, code: ErrorCode, reason: string): AldebaranError {
  const offset = baseOffsetOf(bytes, start)
  return new AldebaranError(code, `The batch of offset ${offset} at byte ${start} ${reason}`, {
    position: start,
    offset,
  })
}

function unsupportedMagic(bytes: Uint8Array, start: number): AldebaranError {
  return refused(bytes, start, 'BATCH_UNSUPPORTED', `has magic ${bytes[start + MAGIC]}`)
}

function wrongCrc(bytes: Uint8Array, start: number, stored: number, computed: number): AldebaranError {
  const reason = `has CRC ${computed.toString(16)} where ${stored.toString(16)} was written`
  return refused(bytes, start, 'BATCH_CORRUPT', reason)
}
