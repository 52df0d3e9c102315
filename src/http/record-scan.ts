/**
 * Looks through the records of a partition, some way on.
 *
 * Invariants
 * 1. Between two reads of the log other requests have their turn.
 * 2. What is read counts against the budget; a scan ends where that is used up, and says how far it came.
 */
import { setImmediate } from 'node:timers/promises'
import type { PartitionInfo, PartitionReader } from '../log/contract.ts'
import { BatchCursor } from '../record/batch-cursor.ts'
import { pollSoon } from './poll-soon.ts'
import type { Positions } from './positions.ts'
import { type RecordView, viewRecord } from './record-view.ts'
import type { SiteTopic } from './site-topic.ts'

export type Test = (cursor: BatchCursor) => boolean

/** Bytes that may still be read, and be answered with. */
export interface Budget {
  scan: number
  answer: number
  /** Over the limits, leave out the oldest records rather than stop. */
  keepLast: boolean
}

export interface Scanned {
  records: RecordView[]
  /** Where to read on. */
  next: number
  /** The timestamp of the first record that was looked at; null: there was none. */
  firstTime: number | null
  /** The oldest of them were left out. */
  cut: boolean
}

/** Of keys and values in one answer, about; and read for it. */
export const ANSWER_BYTES = 4 * 1024 * 1024
export const SCAN_BYTES = 64 * 1024 * 1024

const POLL_BYTES = 256 * 1024

/** A reader at a position; one before the start begins at the start, for retention may have passed it by. */
export async function openReader(
  topic: SiteTopic,
  partition: number,
  position: number | 'earliest' | 'latest' | undefined,
  ranges: readonly PartitionInfo[],
): Promise<PartitionReader> {
  const { start } = ranges[partition]!
  const from = typeof position === 'number' ? Math.max(position, start) : (position ?? 'earliest')
  return await topic.log.openReader(topic.info.name, partition, from)
}

/** Of several partitions; when one cannot be opened, none is. */
export async function openReaders(
  topic: SiteTopic,
  positions: Positions,
  ranges: readonly PartitionInfo[],
): Promise<PartitionReader[]> {
  const opened = await Promise.allSettled(
    [...positions].map(([partition, position]) => openReader(topic, partition, position, ranges)),
  )
  const readers = opened.flatMap(one => (one.status === 'fulfilled' ? [one.value] : []))
  const failed = opened.find(one => one.status === 'rejected')
  if (failed === undefined) return readers
  for (const reader of readers) reader.close()
  throw failed.reason
}

/** Reads on from where the reader stands to the offset `to`. */
export async function scan(
  topic: SiteTopic,
  reader: PartitionReader,
  to: number,
  limit: number,
  test: Test | null,
  budget: Budget,
): Promise<Scanned> {
  const records: RecordView[] = []
  const sizes: number[] = []
  const cursor = new BatchCursor()
  let next = reader.position
  let firstTime: number | null = null
  let cut = false
  const isFull = () => records.length >= limit || budget.answer <= 0
  while (next < to && budget.scan > 0 && (budget.keepLast || !isFull())) {
    if (!(await pollSoon(reader, to, POLL_BYTES))) return { records, next: to, firstTime, cut }
    budget.scan -= reader.size
    cursor.reset(reader.chunk, 0, reader.size)
    while (cursor.nextBatch()) {
      while (!cursor.isControl && cursor.next()) {
        if (cursor.offset < next) continue
        if (cursor.offset >= to) return { records, next: to, firstTime, cut }
        firstTime ??= cursor.timestamp
        if (test === null || test(cursor)) {
          if (isFull() && !budget.keepLast) return { records, next, firstTime, cut }
          while (records.length > 0 && isFull()) {
            records.shift()
            cut = true
            budget.answer += sizes.shift()!
          }
          const size = Math.max(0, cursor.valueEnd - cursor.valueStart) + Math.max(0, cursor.keyEnd - cursor.keyStart)
          records.push(viewRecord(topic, reader.partition, cursor))
          sizes.push(size)
          budget.answer -= size
        }
        next = cursor.offset + 1
      }
      next = cursor.lastOffset + 1
    }
    await setImmediate()
  }
  return { records, next, firstTime, cut }
}

/** Records of a key, and with those bytes in their value; null: any. */
export function testOf(key: Buffer | null, holding: Buffer | null): Test | null {
  if (key === null && holding === null) return null
  return cursor => (key === null || hasKey(cursor, key)) && (holding === null || holds(cursor, holding))
}

function holds({ bytes, valueStart, valueEnd }: BatchCursor, part: Buffer): boolean {
  return valueStart >= 0 && bytes.subarray(valueStart, valueEnd).includes(part)
}

export function hasKey(cursor: BatchCursor, key: Buffer): boolean {
  const { keyStart, keyEnd, bytes } = cursor
  return keyStart >= 0 && keyEnd - keyStart === key.length && bytes.compare(key, 0, key.length, keyStart, keyEnd) === 0
}
