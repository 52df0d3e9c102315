/**
 * Reads records of a topic for people: some of them, from some place, in one answer of bounded size.
 *
 * Invariants
 * 1. An answer has at most `limit` records, about ANSWER_BYTES of keys and values, and comes of at most SCAN_BYTES.
 * 2. `next` leads on to what the answer left out: reading from there on misses nothing and repeats nothing.
 * 3. Between two reads of the log other requests have their turn.
 */
import { setImmediate } from 'node:timers/promises'
import { AldebaranError } from '../errors.ts'
import type { PartitionInfo, PartitionReader } from '../log/contract.ts'
import { BatchCursor } from '../record/batch-cursor.ts'
import { partitionOf } from '../record/partitioner.ts'
import { keyBytesFromText } from './codec.ts'
import { pollSoon } from './poll-soon.ts'
import { formatPositions, type Positions, parsePositions } from './positions.ts'
import { type RecordView, viewRecord } from './record-view.ts'
import { partitionsOf, type SiteTopic } from './site-topic.ts'

export interface ReadOptions {
  partition: number | undefined
  /** `earliest`, `latest` (the newest records), an offset, or positions as `next` gives them. */
  from: string | undefined
  /** From the first record whose batch has a timestamp ≥ this, ms. */
  time: number | undefined
  limit: number
  /** Only records of this key, written as text. */
  key: string | undefined
  /** Only records whose value holds these bytes. */
  holding?: Buffer
}

type Test = (cursor: BatchCursor) => boolean

export interface ReadAnswer {
  topic: string
  records: RecordView[]
  /** Give it as `from` to read on. */
  next: string
  /** False: there is more to read after these, now. */
  complete: boolean
}

const POLL_BYTES = 256 * 1024
const ANSWER_BYTES = 4 * 1024 * 1024
const SCAN_BYTES = 64 * 1024 * 1024
/** Offsets looked at first, from the end, for the newest records of a key, or with something in them. */
const FIRST_WINDOW = 10_000

interface Budget {
  scan: number
  answer: number
  /** Over the limits, leave out the oldest records rather than stop. */
  keepLast: boolean
}

export async function readRecords(topic: SiteTopic, options: ReadOptions): Promise<ReadAnswer> {
  const key = options.key === undefined ? null : keyBytesFromText(topic.key, options.key)
  const partitions = choosePartitions(topic, options.partition, key)
  const from = options.from ?? (options.time === undefined && key === null ? 'latest' : 'earliest')
  const test = testOf(key, options.holding ?? null)
  const budget: Budget = { scan: SCAN_BYTES, answer: ANSWER_BYTES, keepLast: false }
  if (from === 'latest' && options.time === undefined) {
    return await newest(topic, partitions, options.limit, test, { ...budget, keepLast: true })
  }
  const starts = parsePositions(from, partitions)
  const records: RecordView[] = []
  const next = new Map(starts)
  let complete = true
  const ranges = await partitionsOf(topic)
  for (const partition of partitions) {
    const reader = await openReader(topic, partition, starts.get(partition), ranges)
    try {
      if (options.time !== undefined) reader.seekToTime(options.time)
      const { end } = ranges[partition]!
      const found = await scan(topic, reader, end, options.limit - records.length, test, budget)
      records.push(...found.records)
      next.set(partition, found.next)
      if (found.next < end) complete = false
    } finally {
      reader.close()
    }
  }
  return { topic: topic.info.name, records, next: formatPositions(next), complete }
}

/** The partition that was named, that of the key, or all. */
export function choosePartitions(topic: SiteTopic, partition: number | undefined, key: Buffer | null): number[] {
  const { partitions, name } = topic.info
  if (partition !== undefined) {
    if (partition < partitions) return [partition]
    throw new AldebaranError('PARTITION_UNKNOWN', `topic ${name} has partitions 0 to ${partitions - 1}`, {
      topic: name,
      partition,
    })
  }
  if (key !== null) return [partitionOf(key, 0, key.length, partitions)]
  return Array.from({ length: partitions }, (_, i) => i)
}

/** A reader at a position; one before the start begins at the start, for retention may have passed it by. */
async function openReader(
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

/** The newest records of each partition, then the newest of those, in the order of time. */
async function newest(
  topic: SiteTopic,
  partitions: readonly number[],
  limit: number,
  test: Test | null,
  budget: Budget,
): Promise<ReadAnswer> {
  const records: RecordView[] = []
  const ranges = await partitionsOf(topic)
  for (const partition of partitions) {
    budget.answer = ANSWER_BYTES
    records.push(...(await newestOf(topic, partition, ranges, limit, test, budget)))
  }
  const next: Positions = new Map(partitions.map(partition => [partition, ranges[partition]!.end]))
  records.sort((a, b) => a.timestamp - b.timestamp || a.partition - b.partition || a.offset - b.offset)
  return { topic: topic.info.name, records: records.slice(-limit), next: formatPositions(next), complete: true }
}

/** Looks further and further back: offsets may have gaps, and records other keys. */
async function newestOf(
  topic: SiteTopic,
  partition: number,
  ranges: readonly PartitionInfo[],
  limit: number,
  test: Test | null,
  budget: Budget,
): Promise<RecordView[]> {
  const { start, end } = ranges[partition]!
  const records: RecordView[] = []
  let window = test === null ? limit : Math.max(limit, FIRST_WINDOW)
  for (let to = end; to > start && records.length < limit && budget.scan > 0 && window > 0; window *= 4) {
    const from = Math.max(start, to - window)
    const reader = await openReader(topic, partition, from, ranges)
    try {
      records.push(...(await scan(topic, reader, to, limit, test, budget)).records)
    } finally {
      reader.close()
    }
    to = from
  }
  return records
}

/** Reads on from where the reader stands to the offset `to`. `next`: where to read on. */
async function scan(
  topic: SiteTopic,
  reader: PartitionReader,
  to: number,
  limit: number,
  test: Test | null,
  budget: Budget,
): Promise<{ records: RecordView[]; next: number }> {
  const records: RecordView[] = []
  const sizes: number[] = []
  const cursor = new BatchCursor()
  let next = reader.position
  const isFull = () => records.length >= limit || budget.answer <= 0
  while (next < to && budget.scan > 0 && (budget.keepLast || !isFull())) {
    if (!(await pollSoon(reader, to, POLL_BYTES))) return { records, next: to }
    budget.scan -= reader.size
    cursor.reset(reader.chunk, 0, reader.size)
    while (cursor.nextBatch()) {
      while (!cursor.isControl && cursor.next()) {
        if (cursor.offset < next) continue
        if (cursor.offset >= to) return { records, next: to }
        if (test === null || test(cursor)) {
          if (isFull() && !budget.keepLast) return { records, next }
          while (records.length > 0 && isFull()) {
            records.shift()
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
  return { records, next }
}

function testOf(key: Buffer | null, holding: Buffer | null): Test | null {
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
