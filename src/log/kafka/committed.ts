/**
 * What a reader of committed records gets of a fetched answer: its batches without those of aborted transactions, and
 * without markers.
 *
 * An aborted transaction is named with its producer and first offset. Batches of that producer from there on are left
 * out, until its marker: also beyond the end of an answer, for the next answer names the transaction again.
 */
import { batchLength, checkHeader, checkLength, lastOffsetOf } from '../../record/batch-header.ts'
import { ABORT_MARKER, controlTypeOf } from '../../record/control-batch.ts'
import {
  ATTRIBUTES,
  CONTROL,
  LENGTH_OVERHEAD,
  PRODUCER_ID,
  RECORDS,
  readInt64,
  TRANSACTIONAL,
} from '../../record/layout.ts'

export interface AbortedTransaction {
  readonly producerId: number
  readonly firstOffset: number
}

/** Runs of whole batches that follow each other in the bytes. */
export interface CommittedRuns {
  readonly runs: readonly { start: number; end: number }[]
  /** The offset after the last whole batch, left out or not; the one asked for when there was none. */
  readonly next: number
}

/**
 * Verifies every batch that is there as a whole. One that is damaged ends the runs before it; when it is the first,
 * it throws.
 */
export function committedRuns(
  bytes: Buffer,
  aborted: readonly AbortedTransaction[] | null,
  from: number,
): CommittedRuns {
  const left =
    aborted === null || aborted.length === 0 ? null : [...aborted].sort((a, b) => b.firstOffset - a.firstOffset)
  const skipped = new Set<number>()
  const runs: { start: number; end: number }[] = []
  let run: { start: number; end: number } | null = null
  let next = from
  for (let at = 0; bytes.length - at >= LENGTH_OVERHEAD; ) {
    try {
      checkLength(bytes, at, bytes.length - at)
      if (at + batchLength(bytes, at) > bytes.length) break
      checkHeader(bytes, at)
    } catch (error) {
      if (at > 0) break
      throw error
    }
    const end = at + batchLength(bytes, at)
    const last = lastOffsetOf(bytes, at)
    while (left !== null && left.length > 0 && left[left.length - 1]!.firstOffset <= last) {
      skipped.add(left.pop()!.producerId)
    }
    if (isWanted(bytes, at, skipped) && last >= from) {
      if (run !== null && run.end === at) run.end = end
      else {
        run = { start: at, end }
        runs.push(run)
      }
    }
    next = Math.max(next, last + 1)
    at = end
  }
  return { runs, next }
}

/** Whether the batch holds committed records. An abort marker ends the skipping of its producer. */
function isWanted(bytes: Buffer, at: number, skipped: Set<number>): boolean {
  const attributes = bytes.readInt16BE(at + ATTRIBUTES)
  if ((attributes & CONTROL) !== 0) {
    if (isAbort(bytes, at)) skipped.delete(readInt64(bytes, at + PRODUCER_ID))
    return false
  }
  return (attributes & TRANSACTIONAL) === 0 || skipped.size === 0 || !skipped.has(readInt64(bytes, at + PRODUCER_ID))
}

/** A marker is one record: length, attributes, time and offset deltas of one byte each, then a key of four bytes. */
function isAbort(bytes: Buffer, at: number): boolean {
  let key = at + RECORDS
  while (bytes[key]! > 127) key++
  key += 5
  return controlTypeOf(bytes, key, key + 4) === ABORT_MARKER
}
