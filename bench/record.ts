/**
 * Records through batches: decode with the cursor, decode into one object a record, encode. One JSON line each.
 * Options: --records N (a batch; default 1000), --key N and --value N (bytes; 8 and 32), --seconds N (each; 1).
 */
import { parseArgs } from 'node:util'
import { BatchCursor } from '../src/record/batch-cursor.ts'
import { BatchWriter } from '../src/record/batch-writer.ts'

interface Job {
  engine: string
  records: number
  seconds: number
  /** Handles every record of the run once and returns a checksum. */
  run: () => number
}

/** Batches in the run that is decoded: some 1 MB at the default sizes, as a fetch brings. */
const BATCHES = 20

export async function bench(args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: {
      records: { type: 'string', default: '1000' },
      key: { type: 'string', default: '8' },
      value: { type: 'string', default: '32' },
      seconds: { type: 'string', default: '1' },
    },
  })
  const perBatch = Number(values.records)
  const seconds = Number(values.seconds)
  const keyBytes = Number(values.key)
  const payload = Buffer.alloc(keyBytes + Number(values.value), 'aldebaran')
  const writer = new BatchWriter()
  const cursor = new BatchCursor()
  const bytes = Buffer.concat(
    Array.from({ length: BATCHES }, () => Buffer.from(write(writer, perBatch, payload, keyBytes))),
  )
  const records = BATCHES * perBatch

  measure({ engine: 'cursor', records, seconds, run: () => sumByCursor(cursor, bytes) })
  measure({ engine: 'object per record', records, seconds, run: () => sumByObjects(cursor, bytes) })
  measure({
    engine: 'writer',
    records: perBatch,
    seconds,
    run: () => write(writer, perBatch, payload, keyBytes).length,
  })
}

/** Runs the job for its time after half of it to warm up, and prints what came out. */
function measure(job: Job): void {
  runFor(job, job.seconds / 2)
  const { n, seconds } = runFor(job, job.seconds)
  const line = { bench: 'record', engine: job.engine, n, seconds, rate: Math.round(n / seconds) }
  process.stdout.write(`${JSON.stringify(line)}\n`)
}

function runFor(job: Job, atLeast: number): { n: number; seconds: number } {
  const expected = job.run()
  let n = 0
  let seconds = 0
  const start = performance.now()
  while (seconds < atLeast) {
    if (job.run() !== expected) throw new Error(`${job.engine} gave another result than before`)
    n += job.records
    seconds = (performance.now() - start) / 1000
  }
  return { n, seconds }
}

function write(writer: BatchWriter, records: number, payload: Buffer, keyBytes: number): Buffer {
  writer.begin()
  for (let index = 0; index < records; index++) {
    writer.append(1_700_000_000_000 + (index & 31), payload, 0, keyBytes, payload, keyBytes, payload.length)
  }
  return writer.finish()
}

function sumByCursor(cursor: BatchCursor, bytes: Buffer): number {
  let sum = 0
  cursor.reset(bytes, 0, bytes.length)
  while (cursor.nextBatch()) {
    while (cursor.next()) sum += cursor.timestamp + cursor.offset + cursor.valueEnd - cursor.keyStart
  }
  return sum
}

interface PlainRecord {
  offset: number
  timestamp: number
  key: Buffer | null
  value: Buffer | null
}

function sumByObjects(cursor: BatchCursor, bytes: Buffer): number {
  const records: PlainRecord[] = []
  cursor.reset(bytes, 0, bytes.length)
  while (cursor.nextBatch()) {
    while (cursor.next()) {
      records.push({
        offset: cursor.offset,
        timestamp: cursor.timestamp,
        key: cursor.keyStart < 0 ? null : cursor.bytes.subarray(cursor.keyStart, cursor.keyEnd),
        value: cursor.valueStart < 0 ? null : cursor.bytes.subarray(cursor.valueStart, cursor.valueEnd),
      })
    }
  }
  let sum = 0
  for (const record of records) sum += record.timestamp + record.offset + record.value!.length
  return sum
}
