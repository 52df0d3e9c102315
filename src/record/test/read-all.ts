import { BatchCursor } from '../batch-cursor.ts'
import type { PlainBatch } from './plain-batch.ts'

/** Everything a cursor finds in `bytes[start, end)`, as plain values. */
export function readAll(bytes: Buffer, start = 0, end = bytes.length, cursor = new BatchCursor()): PlainBatch[] {
  const batches: PlainBatch[] = []
  cursor.reset(bytes, start, end)
  while (cursor.nextBatch()) {
    const batch: PlainBatch = {
      baseOffset: BigInt(cursor.baseOffset),
      lastOffsetDelta: cursor.lastOffset - cursor.baseOffset,
      attributes: bytes.readInt16BE(cursor.batchStart + 21),
      baseTimestamp: BigInt(cursor.baseTimestamp),
      maxTimestamp: BigInt(cursor.maxTimestamp),
      producerId: cursor.producerId,
      producerEpoch: cursor.producerEpoch,
      baseSequence: cursor.baseSequence,
      records: [],
    }
    while (cursor.next()) {
      batch.records.push({
        timestamp: BigInt(cursor.timestamp),
        offset: BigInt(cursor.offset),
        key: slice(cursor.bytes, cursor.keyStart, cursor.keyEnd),
        value: slice(cursor.bytes, cursor.valueStart, cursor.valueEnd),
        headers: cursor.headers().map(({ key, value }) => ({ key, value: value === null ? null : Buffer.from(value) })),
      })
    }
    batches.push(batch)
  }
  return batches
}

function slice(bytes: Buffer, start: number, end: number): Buffer | null {
  return start < 0 ? null : Buffer.from(bytes.subarray(start, end))
}
