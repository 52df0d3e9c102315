/**
 * Reads records of a topic for people: some of them, from some place, in one answer of bounded size.
 *
 * Invariants
 * 1. An answer has at most `limit` records, about ANSWER_BYTES of keys and values, and comes of at most SCAN_BYTES.
 * 2. `next` leads on to what the answer left out: reading from there on misses nothing and repeats nothing.
 */
import { keyBytesFromText } from './codec.ts'
import { newestRecords } from './newest-records.ts'
import { formatPositions, parsePositions } from './positions.ts'
import { ANSWER_BYTES, type Budget, openReader, SCAN_BYTES, scan, testOf } from './record-scan.ts'
import type { RecordView } from './record-view.ts'
import { choosePartitions, partitionsOf, type SiteTopic } from './site-topic.ts'

export interface ReadOptions {
  partition: number | undefined
  /** `earliest`, `latest` (the newest records), an offset, or positions as `next` gives them. */
  from: string | undefined
  /** From the first record whose batch has a timestamp ≥ this, ms. */
  time: number | undefined
  limit: number
  /** Only records of this key, written as text. */
  key: string | undefined
}

export interface ReadAnswer {
  topic: string
  records: RecordView[]
  /** Give it as `from` to read on. */
  next: string
  /** False: there is more to read after these, now. */
  complete: boolean
}

export async function readRecords(topic: SiteTopic, options: ReadOptions): Promise<ReadAnswer> {
  const key = options.key === undefined ? null : keyBytesFromText(topic.key, options.key)
  const partitions = choosePartitions(topic, options.partition, key)
  const from = options.from ?? (options.time === undefined && key === null ? 'latest' : 'earliest')
  if (from === 'latest' && options.time === undefined) {
    const { records, ends } = await newestRecords(topic, options)
    return { topic: topic.info.name, records, next: formatPositions(ends), complete: true }
  }
  const test = testOf(key, null)
  const budget: Budget = { scan: SCAN_BYTES, answer: ANSWER_BYTES, keepLast: false }
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
