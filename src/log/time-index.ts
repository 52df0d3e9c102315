/**
 * The sparse time index: which batch is the first that holds a timestamp ≥ t.
 *
 * An entry (time, base offset) says: this batch and all before it hold no timestamp beyond `time`. `time` is the
 * newest timestamp of the partition so far, so entries grow in both. The answer lies behind the last entry before t.
 * Timestamps that came out of order, or were trimmed, only make the search longer.
 */
import { baseOffsetOf, lastOffsetOf, maxTimestampOf, verifyBatch } from '../record/batch-header.ts'
import type { KeyValueReader, WriteList } from './key-value.ts'
import { batchKey, numberOf, timeKey } from './keys.ts'
import type { PartitionState } from './partition.ts'

/** An entry is written each time this many bytes were appended: the most a search has to read. */
export const INDEX_BYTES = 1 << 20

const CLEANED_AT_ONCE = 8

/** Tells the index of an appended batch, already numbered. `state.newest` counts it in. */
export function indexAppend(state: PartitionState, batch: Uint8Array, writes: WriteList): void {
  state.sinceIndexed += batch.length
  if (state.sinceIndexed < INDEX_BYTES) return
  state.sinceIndexed = 0
  const offset = Buffer.allocUnsafe(8)
  offset.writeDoubleBE(baseOffsetOf(batch, 0))
  writes.put(timeKey(state.id, state.newest), offset)
}

/** Deletes some entries of batches before the floor. */
export function indexTrim(store: KeyValueReader, state: PartitionState, writes: WriteList): void {
  const entries = store.range(timeKey(state.id, 0), timeKey(state.id + 1, 0), { limit: CLEANED_AT_ONCE })
  for (const [key, value] of entries) {
    if (value.readDoubleBE(0) >= state.floor) return
    writes.delete(key)
  }
}

/** Base offset of the first batch from `start` on that holds a timestamp ≥ ms; `end` when there is none. */
export function findTime(store: KeyValueReader, id: number, ms: number, start: number, end: number): number {
  const before = store.range(timeKey(id, 0), timeKey(id, Math.ceil(ms)), { limit: 1, reverse: true })[0]
  const from = Math.max(start, before === undefined ? 0 : before[1].readDoubleBE(0))
  let at = floorBatch(store, id, from)
  while (at < end) {
    const batch = store.get(batchKey(id, at))
    if (batch === undefined) return Math.min(end, Math.max(at, start))
    if (isDamaged(batch) || maxTimestampOf(batch, 0) >= ms) return Math.max(at, start)
    at = lastOffsetOf(batch, 0) + 1
  }
  return end
}

/** What a damaged batch says of its times and offsets is not followed: who reads from there on is told of it. */
export function isDamaged(batch: Buffer): boolean {
  try {
    verifyBatch(batch, 0, batch.length)
    return false
  } catch {
    return true
  }
}

/** Base offset of the batch that holds `offset`, or `offset` itself when no batch begins before it. */
export function floorBatch(store: KeyValueReader, id: number, offset: number): number {
  const found = store.range(batchKey(id, 0), batchKey(id, offset + 1), { limit: 1, reverse: true, keysOnly: true })[0]
  return found === undefined ? offset : numberOf(found[0])
}
