/**
 * Deletes batches that nobody wants any more, from the floor of a partition up: those before its start (trimmed), those
 * beyond `retentionBytes` but for the last one, and those whose newest record is older than `retentionMs`.
 * A call does a bounded number of steps, and may be repeated until it has nothing to do.
 */
import { baseOffsetOf, lastOffsetOf, maxTimestampOf } from '../record/batch-header.ts'
import { RECORDS } from '../record/layout.ts'
import type { TopicInfo } from './contract.ts'
import type { KeyValueReader, WriteList } from './key-value.ts'
import { batchKey, numberOf } from './keys.ts'
import type { PartitionState } from './partition.ts'
import { INDEX_BYTES, indexTrim } from './time-index.ts'

/** Deletes up to `steps` dead batches and returns how many it deleted; `steps`: there may be more. */
export function retain(
  store: KeyValueReader,
  state: PartitionState,
  topic: TopicInfo,
  now: number,
  steps: number,
  writes: WriteList,
): number {
  let done = 0
  while (done < steps && state.floor < state.end && mayBeDead(state, topic)) {
    if (!learnFloor(store, state) || !isDead(state, topic, now)) break
    writes.delete(batchKey(state.id, state.floor))
    state.floor = state.floorEnd
    state.sinceCleaned += state.floorBytes
    state.cleanBytes = Math.max(0, state.cleanBytes - state.floorBytes)
    // A damaged batch may have another length than it had.
    state.bytes = state.floor === state.end ? 0 : Math.max(0, state.bytes - state.floorBytes)
    state.floorEnd = 0
    state.start = Math.max(state.start, state.floor)
    done++
  }
  // A few entries at a time, each for so many bytes of batches: to look more often would find nothing.
  if (state.sinceCleaned >= INDEX_BYTES) {
    state.sinceCleaned = 0
    indexTrim(store, state, writes)
  }
  return done
}

/** Spares the look at the store. */
function mayBeDead(state: PartitionState, topic: TopicInfo): boolean {
  return (
    (state.floorEnd === 0 ? state.start > state.floor : state.start >= state.floorEnd) ||
    state.bytes > (topic.retentionBytes ?? Number.POSITIVE_INFINITY) ||
    topic.retentionMs !== undefined
  )
}

/** False: the batch at the floor is not in the store yet. */
function learnFloor(store: KeyValueReader, state: PartitionState): boolean {
  if (state.floorEnd > 0) return true
  const { id, floor, end } = state
  const batch = store.get(batchKey(id, floor))
  if (batch === undefined) return false
  const bytes = batch.length
  const isWhole = bytes >= RECORDS && baseOffsetOf(batch, 0) === floor
  const said = isWhole ? lastOffsetOf(batch, 0) + 1 : Number.NaN
  const newest = isWhole ? maxTimestampOf(batch, 0) : Number.NaN
  // Where the next batch begins is what counts: this one may be damaged, which is for its readers to be told.
  const after = isNext(store, id, said, end) ? said : nextBatch(store, id, floor, end, said)
  if (!(after > floor && after <= end)) return false
  state.floorEnd = after
  state.floorBytes = bytes
  state.floorNewest = after === said ? newest : state.newest
  return true
}

/** A batch begins there, or nothing does yet. */
function isNext(store: KeyValueReader, id: number, offset: number, end: number): boolean {
  return offset === end || (offset < end && store.get(batchKey(id, offset)) !== undefined)
}

function nextBatch(store: KeyValueReader, id: number, floor: number, end: number, otherwise: number): number {
  const next = store.range(batchKey(id, floor + 1), batchKey(id, end), { limit: 1, keysOnly: true })[0]
  return next === undefined ? otherwise : numberOf(next[0])
}

function isDead(state: PartitionState, topic: TopicInfo, now: number): boolean {
  if (state.floorEnd <= state.start) return true
  if (topic.retentionBytes !== undefined && state.bytes > topic.retentionBytes && state.floorEnd < state.end) {
    return true
  }
  return topic.retentionMs !== undefined && state.floorNewest < now - topic.retentionMs
}
