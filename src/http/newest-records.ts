/**
 * The newest records of a topic, those of a key, or those with something in them: looked for from the end back.
 *
 * Invariants
 * 1. About SCAN_BYTES are read, an equal share of each partition: one that is long hides nothing of the others.
 * 2. What lies between the end and where the search has come to was all looked at: a window is only as large as what is
 *    left of the share, by what the windows before it took.
 */
import type { PartitionInfo } from '../log/contract.ts'
import { keyBytesFromText } from './codec.ts'
import { ANSWER_BYTES, openReader, SCAN_BYTES, scan, type Test, testOf } from './record-scan.ts'
import type { RecordView } from './record-view.ts'
import { choosePartitions, partitionsOf, type SiteTopic } from './site-topic.ts'

export interface NewestOptions {
  /** Records at most. */
  limit: number
  partition?: number | undefined
  /** Only records of this key, written as text. */
  key?: string | undefined
  /** Only records whose value holds these bytes. */
  holding?: Buffer | undefined
}

export interface NewestRecords {
  /** In the order of time, the newest last. */
  records: RecordView[]
  /** Older records than that, ms since 1970, were not all looked at; null: all were. */
  searchedBackTo: number | null
  /** By partition, where it ended. */
  ends: Map<number, number>
}

/** Offsets looked at first, from the end: few, for their records may be large. */
const FIRST_WINDOW = 64
const GROWTH = 8

/** @throws AldebaranError PARTITION_UNKNOWN, VALUE_INVALID: the key is none */
export async function newestRecords(topic: SiteTopic, options: NewestOptions): Promise<NewestRecords> {
  const { limit, holding = null } = options
  const key = options.key === undefined ? null : keyBytesFromText(topic.key, options.key)
  const partitions = choosePartitions(topic, options.partition, key)
  const ranges = await partitionsOf(topic)
  const test = testOf(key, holding)
  const records: RecordView[] = []
  let searchedBackTo: number | null = null
  let left = SCAN_BYTES
  for (const [i, partition] of partitions.entries()) {
    const share = left / (partitions.length - i)
    const found = await newestOf(topic, partition, ranges, limit, test, share)
    records.push(...found.records)
    searchedBackTo = later(searchedBackTo, found.searchedBackTo)
    left = Math.max(0, left - found.bytes)
  }
  records.sort((a, b) => a.timestamp - b.timestamp || a.partition - b.partition || a.offset - b.offset)
  const kept = records.slice(-limit)
  if (kept.length < records.length) searchedBackTo = later(searchedBackTo, kept[0]!.timestamp)
  const ends = new Map(partitions.map(partition => [partition, ranges[partition]!.end]))
  return { records: kept, searchedBackTo, ends }
}

/** Looks further and further back: offsets may have gaps, and records other keys. */
async function newestOf(
  topic: SiteTopic,
  partition: number,
  ranges: readonly PartitionInfo[],
  limit: number,
  test: Test | null,
  share: number,
): Promise<{ records: RecordView[]; searchedBackTo: number | null; bytes: number }> {
  const { start, end } = ranges[partition]!
  const records: RecordView[] = []
  let searchedBackTo = topic.running.clock.now()
  let bytes = 0
  let answer = ANSWER_BYTES
  let window = test === null ? Math.min(limit, FIRST_WINDOW) : FIRST_WINDOW
  for (let to = end; to > start; ) {
    const from = Math.max(start, to - window)
    // A window is an estimate, and is looked through to its end: there lies what is newest.
    const scanBytes = 2 * (share - bytes)
    const budget = { scan: scanBytes, answer, keepLast: true }
    const reader = await openReader(topic, partition, from, ranges)
    const found = await scan(topic, reader, to, limit, test, budget).finally(() => reader.close())
    records.push(...found.records)
    const took = scanBytes - budget.scan
    bytes += took
    answer = budget.answer
    if (found.next < to) return { records, searchedBackTo, bytes }
    searchedBackTo = found.firstTime ?? searchedBackTo
    const isFull = found.cut || records.length >= limit || answer <= 0 || bytes >= share
    if (found.cut || (isFull && from > start)) return { records, searchedBackTo, bytes }
    window = Math.min(GROWTH * window, Math.ceil(((share - bytes) * (to - from)) / Math.max(1, took)))
    to = from
  }
  return { records, searchedBackTo: null, bytes }
}

function later(a: number | null, b: number | null): number | null {
  return a === null || b === null ? (a ?? b) : Math.max(a, b)
}
