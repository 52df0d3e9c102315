/** What tests write to a log, and how they look at what it holds. */
import assert from 'node:assert/strict'
import type { AldebaranError, ErrorCode } from '../../src/errors.ts'
import type { CommitResult, Log, PartitionReader } from '../../src/log/contract.ts'
import { BatchCursor } from '../../src/record/batch-cursor.ts'
import { BatchWriter } from '../../src/record/batch-writer.ts'

const writer = new BatchWriter()

/** A batch of one record per text, with times from `time` on, one ms apart. */
export function batchOf(texts: readonly string[], time = 1000): Buffer {
  writer.begin()
  texts.forEach((text, index) => {
    const bytes = Buffer.from(text)
    writer.append(time + index, null, 0, 0, bytes, 0, bytes.length)
  })
  return Buffer.from(writer.finish())
}

/** A batch of records with keys; a value of null deletes the key. */
export function keyedBatch(entries: readonly (readonly [key: string, value: string | null])[], time: number): Buffer {
  writer.begin()
  for (const [key, value] of entries) {
    const keyBytes = Buffer.from(key)
    const valueBytes = value === null ? null : Buffer.from(value)
    const start = valueBytes === null ? -1 : 0
    writer.append(time, keyBytes, 0, keyBytes.length, valueBytes, start, valueBytes?.length ?? 0)
  }
  return Buffer.from(writer.finish())
}

/** Everything a reader has to give, as "offset:text". */
export function readAll(reader: PartitionReader, maxBytes = 1 << 20): string[] {
  const found: string[] = []
  const cursor = new BatchCursor()
  while (reader.poll(maxBytes)) {
    cursor.reset(reader.chunk, 0, reader.size)
    while (cursor.nextBatch()) {
      while (cursor.next()) {
        if (cursor.offset < reader.from) continue
        found.push(`${cursor.offset}:${cursor.bytes.toString('utf8', cursor.valueStart, cursor.valueEnd)}`)
      }
    }
  }
  return found
}

export function withCode(code: ErrorCode): (error: unknown) => boolean {
  return error => {
    assert.equal((error as AldebaranError).code, code, String(error))
    return true
  }
}

/** Waits for what the log promises to tell, until `ready` says so. */
export async function until(log: Log, ready: () => boolean): Promise<void> {
  while (!ready()) await log.changed(1000)
}

export function append(log: Log, topic: string, partition: number, batch: Uint8Array): Promise<CommitResult> {
  return log.commit({ appends: [{ topic, partition, batch }] })
}
