import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BatchCursor } from './batch-cursor.ts'
import { setBaseOffset } from './batch-header.ts'
import { BatchWriter } from './batch-writer.ts'
import { COMPRESSIONS } from './compression.ts'
import { ABORT_MARKER, COMMIT_MARKER, controlBatch, controlTypeOf } from './control-batch.ts'
import { KAFKA_BATCHES, KAFKA_RECORDS } from './test/kafka-batches.ts'
import { readAll } from './test/read-all.ts'

function kafkaBatch(name: keyof typeof KAFKA_BATCHES): Buffer {
  return Buffer.from(KAFKA_BATCHES[name], 'base64')
}

test('reads what Kafka wrote, in every compression', () => {
  for (const [codec, compression] of COMPRESSIONS.entries()) {
    assert.deepEqual(
      readAll(kafkaBatch(compression)),
      [
        {
          baseOffset: 1000n,
          lastOffsetDelta: 11,
          attributes: 16 | codec,
          baseTimestamp: 1_700_000_000_000n,
          maxTimestamp: 1_700_000_000_450n,
          producerId: 4711n,
          producerEpoch: 3,
          baseSequence: 17,
          records: KAFKA_RECORDS,
        },
      ],
      compression,
    )
  }
})

test('writes the very bytes that Kafka writes', () => {
  const writer = new BatchWriter()
  writer.setProducer(4711n, 3, 17, true)
  for (const { timestamp, key, value, headers } of KAFKA_RECORDS) {
    writer.append(Number(timestamp), key, 0, key?.length ?? 0, value, 0, value?.length ?? 0, headers)
  }
  const batch = writer.finish()
  setBaseOffset(batch, 0, 1000)
  assert.deepEqual(batch, kafkaBatch('none'))
})

test('a time that the broker gave is the time of every record', () => {
  const [batch] = readAll(kafkaBatch('appendTime'))
  assert.deepEqual(
    batch?.records.map(record => record.timestamp),
    [1_700_000_000_999n, 1_700_000_000_999n],
  )
})

test('control batches are those of a broker, and tell how the transaction ended', () => {
  const cursor = new BatchCursor()
  for (const [type, marker] of [
    ['abort', ABORT_MARKER],
    ['commit', COMMIT_MARKER],
  ] as const) {
    const batch = controlBatch({
      type,
      producerId: 4711n,
      producerEpoch: 3,
      offset: 5000,
      timestamp: 1_700_000_000_123,
      coordinatorEpoch: 9,
    })
    assert.deepEqual(batch, kafkaBatch(type))
    cursor.reset(batch, 0, batch.length)
    assert.ok(cursor.nextBatch())
    assert.ok(cursor.isControl)
    assert.ok(cursor.isTransactional)
    assert.ok(cursor.next())
    assert.equal(controlTypeOf(cursor.bytes, cursor.keyStart, cursor.keyEnd), marker)
  }
  assert.throws(() => controlTypeOf(Buffer.alloc(8), 0, 3), { code: 'BATCH_CORRUPT' })
  assert.throws(() => controlTypeOf(Buffer.alloc(8), -1, -1), { code: 'BATCH_CORRUPT' })
})
