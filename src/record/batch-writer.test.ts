import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { AldebaranError } from '../errors.ts'
import { BatchCursor } from './batch-cursor.ts'
import { verifyBatch } from './batch-header.ts'
import { type BatchMark, BatchWriter } from './batch-writer.ts'
import { COMPRESSIONS } from './compression.ts'
import { anyBlob, anyHeaders, anyTimestamp } from './test/any-batch.ts'
import { type PlainBatch, plainDecode, plainEncode } from './test/plain-batch.ts'
import { readAll } from './test/read-all.ts'

const anyRecord = fc.record({ timestamp: anyTimestamp, key: anyBlob, value: anyBlob, headers: anyHeaders })
type AnyRecord = typeof anyRecord extends fc.Arbitrary<infer T> ? T : never

/** Appends with the bytes somewhere inside a larger array. */
function append(writer: BatchWriter, record: AnyRecord): void {
  const key = record.key
  const value = record.value
  const around = Buffer.concat([Buffer.from('<'), key ?? Buffer.alloc(0), value ?? Buffer.alloc(0), Buffer.from('>')])
  const keyEnd = 1 + (key?.length ?? 0)
  const valueEnd = keyEnd + (value?.length ?? 0)
  writer.append(
    record.timestamp,
    around,
    key === null ? -1 : 1,
    keyEnd,
    value === null ? null : around,
    keyEnd,
    valueEnd,
    record.headers,
  )
}

function expected(records: readonly AnyRecord[], attributes = 0): PlainBatch {
  return {
    baseOffset: 0n,
    lastOffsetDelta: records.length - 1,
    attributes,
    baseTimestamp: BigInt(records[0]!.timestamp),
    maxTimestamp: BigInt(Math.max(...records.map(record => record.timestamp))),
    producerId: -1n,
    producerEpoch: -1,
    baseSequence: -1,
    records: records.map((record, index) => ({
      timestamp: BigInt(record.timestamp),
      offset: BigInt(index),
      key: record.key,
      value: record.value,
      headers: record.headers,
    })),
  }
}

test('writes the bytes that the plain encoder writes, batch after batch', () => {
  const writer = new BatchWriter({ initialBytes: 64 })
  fc.assert(
    fc.property(fc.array(anyRecord, { minLength: 1, maxLength: 12 }), records => {
      writer.begin()
      assert.equal(writer.count, 0)
      assert.equal(writer.bytes, 61)
      for (const record of records) append(writer, record)
      assert.equal(writer.count, records.length)
      const batch = writer.finish()
      assert.equal(writer.bytes, batch.length)
      assert.deepEqual(batch, plainEncode(expected(records)))
      verifyBatch(batch, 0, batch.length)
    }),
    { numRuns: 300 },
  )
})

test('what is written compressed is read by the plain decoder and by the cursor', () => {
  for (const [codec, compression] of COMPRESSIONS.entries()) {
    const writer = new BatchWriter({ compression })
    let compressed = 0
    fc.assert(
      fc.property(fc.array(anyRecord, { minLength: 1, maxLength: 12 }), records => {
        writer.begin()
        for (const record of records) append(writer, record)
        const batch = writer.finish()
        const used = batch.readInt16BE(21)
        if (used !== 0) compressed++
        assert.ok(used === 0 || (used === codec && batch.length < writer.bytes))
        assert.deepEqual(plainDecode(batch), expected(records, used))
        assert.deepEqual(readAll(batch), [expected(records, used)])
      }),
      { numRuns: 60 },
    )
    assert.equal(compressed > 10, codec !== 0, `${compressed} batches with ${compression}`)
  }
})

test('a batch of several compressed blocks comes back as it was', () => {
  const value = Buffer.alloc(300_000, 'several blocks of what repeats itself, ')
  for (const compression of COMPRESSIONS) {
    const writer = new BatchWriter({ compression })
    for (let index = 0; index < 30; index++) writer.append(index, null, -1, -1, value, index, value.length)
    const batch = writer.finish()
    if (compression !== 'none') assert.ok(batch.length < 1_000_000, `${compression}: ${batch.length}`)
    const values = readAll(batch)[0]!.records.map(record => record.value)
    assert.deepEqual(
      values,
      [...Array(30)].map((_, index) => value.subarray(index)),
    )
  }
})

test('copies the headers of another batch as they are', () => {
  fc.assert(
    fc.property(fc.array(anyRecord, { minLength: 1, maxLength: 5 }), records => {
      const source = new BatchWriter()
      for (const record of records) append(source, record)
      const bytes = source.finish()
      const copy = new BatchWriter()
      const cursor = new BatchCursor()
      cursor.reset(bytes, 0, bytes.length)
      cursor.nextBatch()
      while (cursor.next()) {
        copy.appendWithRawHeaders(
          cursor.timestamp,
          cursor.bytes,
          cursor.keyStart,
          cursor.keyEnd,
          cursor.bytes,
          cursor.valueStart,
          cursor.valueEnd,
          cursor.bytes,
          cursor.headersStart,
          cursor.headersEnd,
        )
      }
      assert.deepEqual(copy.finish(), bytes)
    }),
  )
})

test('rewind leaves what was there at the mark, whatever happened since', () => {
  const step = fc.oneof(
    { weight: 4, arbitrary: fc.record({ do: fc.constant('append' as const), record: anyRecord }) },
    { weight: 2, arbitrary: fc.record({ do: fc.constant('mark' as const) }) },
    { weight: 2, arbitrary: fc.record({ do: fc.constant('rewind' as const), to: fc.nat() }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('finish' as const) }) },
  )
  fc.assert(
    fc.property(fc.array(step, { maxLength: 25 }), steps => {
      const writer = new BatchWriter({ initialBytes: 64 })
      let records: AnyRecord[] = []
      let marks: { mark: BatchMark; length: number }[] = []
      for (const next of steps) {
        if (next.do === 'append') {
          append(writer, next.record)
          records.push(next.record)
        } else if (next.do === 'mark') {
          marks.push({ mark: writer.mark(), length: records.length })
        } else if (next.do === 'rewind' && marks.length > 0) {
          const index = next.to % marks.length
          const { mark, length } = marks[index]!
          writer.rewind(mark)
          records = records.slice(0, length)
          marks = marks.slice(0, index + 1)
        } else if (next.do === 'finish' && records.length > 0) {
          assert.deepEqual(writer.finish(), plainEncode(expected(records)))
        }
        assert.equal(writer.count, records.length)
      }
      if (records.length > 0) assert.deepEqual(writer.finish(), plainEncode(expected(records)))
    }),
  )
})

test('a mark can be reused, and one of another batch is refused', () => {
  const writer = new BatchWriter()
  const record = { timestamp: 5, key: null, value: Buffer.from('v'), headers: [] }
  const mark = writer.mark()
  append(writer, record)
  assert.equal(writer.mark(mark), mark)
  append(writer, record)
  writer.rewind(mark)
  assert.equal(writer.count, 1)
  writer.begin()
  assert.throws(() => writer.rewind(mark), { code: 'OPTION_INVALID' })
})

test('producer fields go into this and later batches until they are set again', () => {
  const writer = new BatchWriter()
  const fields = (): unknown[] => {
    writer.begin()
    writer.append(0, null, -1, -1, null, -1, -1)
    const { producerId, producerEpoch, baseSequence, attributes } = plainDecode(writer.finish())
    return [producerId, producerEpoch, baseSequence, attributes]
  }
  assert.deepEqual(fields(), [-1n, -1, -1, 0])
  writer.setProducer(2n ** 62n, 32767, 2 ** 31 - 1, true)
  assert.deepEqual(fields(), [2n ** 62n, 32767, 2 ** 31 - 1, 16])
  assert.deepEqual(fields(), [2n ** 62n, 32767, 2 ** 31 - 1, 16])
  writer.setProducer(-1n, -1, -1, false)
  assert.deepEqual(fields(), [-1n, -1, -1, 0])
})

test('a refused append leaves the batch as it was', () => {
  const writer = new BatchWriter()
  const value = Buffer.from('value')
  writer.append(-(2 ** 52), null, -1, -1, value, 0, 5)
  const before = Buffer.from(writer.finish())
  for (const timestamp of [1.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53, 2 ** 53 - 1]) {
    assert.throws(() => writer.append(timestamp, null, -1, -1, value, 0, 5), { code: 'VALUE_INVALID' })
  }
  assert.throws(() => writer.append(0, value, 3, 2, value, 0, 5), { code: 'VALUE_INVALID' })
  assert.throws(() => writer.append(0, null, -1, -1, value, 0, 6), { code: 'VALUE_INVALID' })
  const huge = Buffer.alloc(128 * 1024 * 1024)
  assert.throws(() => writer.append(0, null, -1, -1, huge, 0, huge.length), { code: 'BATCH_TOO_LARGE' })
  assert.equal(writer.count, 1)
  assert.deepEqual(writer.finish(), before)
})

test('refuses to finish an empty batch, and an unknown compression', () => {
  assert.throws(() => new BatchWriter().finish(), { code: 'OPTION_INVALID' })
  assert.throws(() => new BatchWriter({ compression: 'brotli' as 'gzip' }), AldebaranError)
})
