/** A batch with fewer records, and a batch that ends later: what compaction writes. */
import type { BatchCursor } from '../record/batch-cursor.ts'
import { baseOffsetOf } from '../record/batch-header.ts'
import { compress, NONE } from '../record/compression.ts'
import { crc32c } from '../record/crc32c.ts'
import {
  ATTRIBUTES,
  COMPRESSION_MASK,
  CRC,
  LAST_OFFSET_DELTA,
  LENGTH,
  LENGTH_OVERHEAD,
  LOG_APPEND_TIME,
  MAX_TIMESTAMP,
  RECORD_COUNT,
  RECORDS,
  readInt16,
  writeInt16,
  writeInt32,
  writeInt64,
} from '../record/layout.ts'

const NO_TIMESTAMP = -1

/**
 * The batch that the cursor has just entered without the records that `stays` refuses; the very same when it refuses
 * none. What stays is copied as it is: base offset, base timestamp and the offset of the last record are the same.
 */
export function withoutRecords(batch: Buffer, cursor: BatchCursor, stays: () => boolean): Buffer {
  const records: Buffer[] = []
  let newest = NO_TIMESTAMP
  let start = cursor.compression === 'none' ? RECORDS : 0
  while (cursor.next()) {
    const end = cursor.headersEnd
    if (stays()) {
      records.push(cursor.bytes.subarray(start, end))
      newest = Math.max(newest, cursor.timestamp)
    }
    start = end
  }
  return records.length === cursor.count ? batch : rebuilt(batch, records, newest)
}

function rebuilt(batch: Buffer, records: readonly Buffer[], newest: number): Buffer {
  let attributes = readInt16(batch, ATTRIBUTES)
  let body = Buffer.concat(records)
  const codec = attributes & COMPRESSION_MASK
  if (codec !== NONE) {
    const compressed = body.length === 0 ? body : compress(codec, body)
    if (compressed.length < body.length) body = Buffer.from(compressed)
    else attributes &= ~COMPRESSION_MASK
  }
  const bytes = Buffer.concat([batch.subarray(0, RECORDS), body])
  writeInt32(bytes, LENGTH, bytes.length - LENGTH_OVERHEAD)
  writeInt16(bytes, ATTRIBUTES, attributes)
  if (records.length === 0 || (attributes & LOG_APPEND_TIME) === 0) writeInt64(bytes, MAX_TIMESTAMP, newest)
  writeInt32(bytes, RECORD_COUNT, records.length)
  seal(bytes)
  return bytes
}

/** Makes the batch end with `offset`, in place; `seal` it afterwards. */
export function extendTo(batch: Buffer, offset: number): void {
  writeInt32(batch, LAST_OFFSET_DELTA, offset - baseOffsetOf(batch, 0))
}

/** Writes the CRC of a batch that was changed. */
export function seal(batch: Buffer): void {
  writeInt32(batch, CRC, crc32c(batch, ATTRIBUTES, batch.length) | 0)
}
