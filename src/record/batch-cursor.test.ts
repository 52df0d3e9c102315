import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { BatchCursor } from './batch-cursor.ts'
import { anyBatch, SMALL } from './test/any-batch.ts'
import { plainDecode, plainEncode } from './test/plain-batch.ts'
import { readAll } from './test/read-all.ts'

test('reads runs of batches as the plain decoder does, from any place in a buffer', () => {
  const cursor = new BatchCursor()
  fc.assert(
    fc.property(fc.array(anyBatch, { maxLength: 4 }), fc.nat(5), fc.nat(80), (batches, before, tail) => {
      const encoded = batches.map(batch => plainEncode(batch))
      const partial = plainEncode(SMALL).subarray(0, tail)
      const bytes = Buffer.concat([Buffer.alloc(before, 0xff), ...encoded, partial, Buffer.alloc(9, 0xee)])
      const found = readAll(bytes, before, bytes.length - 9, cursor)
      assert.deepEqual(found, batches)
      assert.deepEqual(found, encoded.map(plainDecode))
      assert.equal(cursor.batchEnd, bytes.length - 9 - partial.length)
    }),
    { numRuns: 300 },
  )
})

test('tells the flags of a batch', () => {
  const cursor = new BatchCursor()
  for (const attributes of [0x08, 0x10, 0x20, 0x3c]) {
    const bytes = plainEncode({ ...SMALL, attributes })
    cursor.reset(bytes, 0, bytes.length)
    assert.ok(cursor.nextBatch())
    assert.equal(cursor.isLogAppendTime, (attributes & 0x08) !== 0)
    assert.equal(cursor.isTransactional, (attributes & 0x10) !== 0)
    assert.equal(cursor.isControl, (attributes & 0x20) !== 0)
    assert.equal(cursor.compression, attributes & 4 ? 'zstd' : 'none')
  }
})

test('raw headers are the bytes of the headers, count first', () => {
  const bytes = plainEncode(SMALL)
  const cursor = new BatchCursor()
  cursor.reset(bytes, 0, bytes.length)
  cursor.nextBatch()
  const raw: string[] = []
  while (cursor.next()) raw.push(bytes.toString('latin1', cursor.headersStart, cursor.headersEnd))
  assert.deepEqual(raw, ['\0', '\x02\x02h\x021', '\0'])
})

test('nextBatch leaves a batch that was not read to its end', () => {
  const first = plainEncode(SMALL)
  const second = plainEncode({ ...SMALL, baseOffset: 60n, lastOffsetDelta: 0, records: [] })
  const cursor = new BatchCursor()
  const bytes = Buffer.concat([first, second])
  cursor.reset(bytes, 0, bytes.length)
  assert.ok(cursor.nextBatch())
  assert.ok(cursor.next())
  assert.ok(cursor.nextBatch())
  assert.equal(cursor.baseOffset, 60)
  assert.equal(cursor.next(), false)
  assert.equal(cursor.nextBatch(), false)
  assert.equal(cursor.next(), false)
})
