import type { Log, PartitionReader } from '../log/contract.ts'
import { BatchCursor } from '../record/batch-cursor.ts'
import { systemClock } from '../time/clock.ts'

/** Offsets looked at first, from the end: more when they hold no record. */
const FIRST_WINDOW = 64
const GROWTH = 8
const POLL_BYTES = 256 * 1024
const LOOK_MS = 100

/**
 * Seeks to what was written in the last `backMs` before the newest record of the partition, by the timestamps of the
 * records. Reads the newest few; a timestamp in the future counts as now. The partition is empty: its end.
 */
export async function seekBack(
  log: Log,
  reader: PartitionReader,
  backMs: number,
  signal: AbortSignal | undefined,
): Promise<void> {
  const { start } = (await log.partitionsOf([reader.topic])).get(reader.topic)![reader.partition]!
  const end = reader.end()
  for (let window = FIRST_WINDOW; ; window *= GROWTH) {
    const from = Math.max(start, end - window)
    if (from < end) reader.seek(from)
    const newest = await newestTime(log, reader, end, signal)
    if (newest !== null) {
      reader.seekToTime(Math.min(newest, systemClock.now()) - backMs)
      return
    }
    if (from === start || signal?.aborted === true) return
  }
}

async function newestTime(
  log: Log,
  reader: PartitionReader,
  end: number,
  signal: AbortSignal | undefined,
): Promise<number | null> {
  const cursor = new BatchCursor()
  let newest: number | null = null
  while (reader.position < end && signal?.aborted !== true) {
    if (!reader.poll(POLL_BYTES)) {
      await log.changed(LOOK_MS, signal)
      continue
    }
    cursor.reset(reader.chunk, 0, reader.size)
    while (cursor.nextBatch()) {
      while (!cursor.isControl && cursor.next()) {
        if (cursor.offset >= reader.from) newest = Math.max(newest ?? cursor.timestamp, cursor.timestamp)
      }
    }
  }
  return newest
}
