/** Batches of one log as another one takes them. */
import { seal } from '../log/batch-rewrite.ts'
import { BatchCursor } from '../record/batch-cursor.ts'
import { baseOffsetOf, batchLength, lastOffsetOf, recordCountOf } from '../record/batch-header.ts'
import { BatchWriter } from '../record/batch-writer.ts'
import {
  ATTRIBUTES,
  BASE_SEQUENCE,
  LOG_APPEND_TIME,
  PRODUCER_EPOCH,
  PRODUCER_ID,
  readInt16,
  readInt64,
  TRANSACTIONAL,
  writeInt16,
  writeInt32,
  writeInt64,
} from '../record/layout.ts'

const NO_PRODUCER = -1

/**
 * The batches of `chunk[0, size)` without records before `from`. They are as they were, compressed records too, but that
 * nobody is named any more who wrote them. Written anew are those that would not be taken elsewhere: with gaps between
 * their offsets, with timestamps of the log that they come from, and one that begins before `from`.
 * @returns views of the chunk, and what was written anew
 */
export function mirrored(chunk: Buffer, size: number, from: number): Buffer[] {
  const batches: Buffer[] = []
  for (let at = 0, end = 0; at < size; at = end) {
    end = at + batchLength(chunk, at)
    if (lastOffsetOf(chunk, at) < from) continue
    const batch = chunk.subarray(at, end)
    const taken = isRegular(batch, from) ? anonymous(batch) : rewritten(batch, from)
    if (taken !== null) batches.push(taken)
  }
  return batches
}

function isRegular(batch: Buffer, from: number): boolean {
  const first = baseOffsetOf(batch, 0)
  const isDense = recordCountOf(batch, 0) === lastOffsetOf(batch, 0) - first + 1
  return isDense && first >= from && (readInt16(batch, ATTRIBUTES) & LOG_APPEND_TIME) === 0
}

/** In place: who wrote it, and in which transaction, means nothing in another log. */
function anonymous(batch: Buffer): Buffer {
  const attributes = readInt16(batch, ATTRIBUTES)
  if ((attributes & TRANSACTIONAL) === 0 && readInt64(batch, PRODUCER_ID) === NO_PRODUCER) return batch
  writeInt16(batch, ATTRIBUTES, attributes & ~TRANSACTIONAL)
  writeInt64(batch, PRODUCER_ID, NO_PRODUCER)
  writeInt16(batch, PRODUCER_EPOCH, NO_PRODUCER)
  writeInt32(batch, BASE_SEQUENCE, NO_PRODUCER)
  seal(batch)
  return batch
}

/** Null: nothing is left of it. */
function rewritten(batch: Buffer, from: number): Buffer | null {
  const cursor = new BatchCursor({ verified: true })
  cursor.reset(batch, 0, batch.length)
  cursor.nextBatch()
  const writer = new BatchWriter({ compression: cursor.compression })
  writer.begin()
  let records = 0
  while (cursor.next()) {
    if (cursor.offset < from) continue
    const { bytes, timestamp, keyStart, keyEnd, valueStart, valueEnd, headersStart, headersEnd } = cursor
    const key = keyStart < 0 ? null : bytes
    const value = valueStart < 0 ? null : bytes
    writer.appendWithRawHeaders(
      timestamp,
      key,
      keyStart,
      keyEnd,
      value,
      valueStart,
      valueEnd,
      bytes,
      headersStart,
      headersEnd,
    )
    records++
  }
  return records === 0 ? null : Buffer.from(writer.finish())
}
