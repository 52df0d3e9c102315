/** What the tests of interoperation share: both sides, and records as plain objects. */
import { randomUUID } from 'node:crypto'
import type { Log } from '../../../src/log/contract.ts'
import { type KafkaHost, type KafkaOptions, openKafka } from '../../../src/log/kafka/host.ts'
import { parseKafkaLocation } from '../../../src/log/kafka/location.ts'
import { BatchCursor } from '../../../src/record/batch-cursor.ts'
import { BatchWriter } from '../../../src/record/batch-writer.ts'
import type { JavaPeer, PlainRecord, ReadRecord } from './java-peer.ts'

export interface Interop {
  readonly java: JavaPeer
  /** `host:port` */
  readonly bootstrap: string
}

/** Tells the name of the application to its worker threads. */
export const NAME_VARIABLE = 'ALDEBARAN_TEST_INTEROP'

/** A name of topics, groups or transactional ids that no other test has. */
export function freshName(): string {
  return `interop-${randomUUID().slice(0, 8)}`
}

export function openHost(bootstrap: string, options: Partial<KafkaOptions> = {}): Promise<KafkaHost> {
  const location = parseKafkaLocation(`kafka://${bootstrap}`, {})
  return openKafka({ bootstrap: location.bootstrap, node: freshName(), ...options })
}

export function base64(text: string): string {
  return Buffer.from(text).toString('base64')
}

/** A record of which nothing but the value matters. */
export function plain(value: string): PlainRecord {
  return { timestamp: 1_700_000_000_000, key: null, value: base64(value), headers: [] }
}

export function textOf(record: { value: string | null }): string {
  return Buffer.from(record.value!, 'base64').toString()
}

const writer = new BatchWriter()

/** One batch with all the records. */
export function batchOfRecords(records: readonly PlainRecord[]): Buffer {
  writer.begin()
  const bytes = (text: string | null): Buffer | null => (text === null ? null : Buffer.from(text, 'base64'))
  for (const { timestamp, key, value, headers } of records) {
    const [keyBytes, valueBytes] = [bytes(key), bytes(value)]
    const all = headers.map(header => ({ key: header.key, value: bytes(header.value) }))
    writer.append(timestamp, keyBytes, 0, keyBytes?.length ?? 0, valueBytes, 0, valueBytes?.length ?? 0, all)
  }
  return Buffer.from(writer.finish())
}

export interface ReadPartition {
  records: ReadRecord[]
  position: number
  end: number
  /** Of the batches, each once. */
  compressions: Set<string>
}

/** Reads a partition to the end that is committed now. */
export function readPartition(log: Log, topic: string, partition: number, maxBytes = 1 << 20): ReadPartition {
  const { end } = log.partition(topic, partition)
  const reader = log.reader(topic, partition, 'earliest')
  const cursor = new BatchCursor()
  const records: ReadRecord[] = []
  const compressions = new Set<string>()
  while (reader.position < end) {
    if (!reader.poll(maxBytes)) {
      if (reader.position < end) log.wait(1000)
      continue
    }
    cursor.reset(reader.chunk, 0, reader.size)
    while (cursor.nextBatch()) {
      compressions.add(cursor.compression)
      while (cursor.next()) if (cursor.offset >= reader.from) records.push(recordAt(cursor))
    }
  }
  const found = { records, position: reader.position, end: reader.end(), compressions }
  reader.close()
  return found
}

function recordAt(cursor: BatchCursor): ReadRecord {
  const { offset, timestamp, keyStart, keyEnd, valueStart, valueEnd, bytes } = cursor
  return {
    offset,
    timestamp,
    key: keyStart < 0 ? null : bytes.toString('base64', keyStart, keyEnd),
    value: valueStart < 0 ? null : bytes.toString('base64', valueStart, valueEnd),
    headers: cursor.headers().map(({ key, value }) => ({
      key,
      value: value === null ? null : Buffer.from(value).toString('base64'),
    })),
  }
}

/** Markers are written after a commit was answered: waits until all before `end` is decided, and seen. */
export async function untilCommitted(log: Log, topic: string, partition: number, end: number): Promise<void> {
  while (log.partition(topic, partition).end < end) await log.changed(20)
}
