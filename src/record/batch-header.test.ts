import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import {
  baseOffsetOf,
  batchLength,
  lastOffsetOf,
  maxTimestampOf,
  recordCountOf,
  setBaseOffset,
  verifyBatch,
} from './batch-header.ts'
import { anyBatch } from './test/any-batch.ts'
import { plainDecode, plainEncode } from './test/plain-batch.ts'

test('tells the header of a batch anywhere in a buffer, and numbers it anew', () => {
  const anyOffset = fc.integer({ min: 0, max: 2 ** 53 - 100 })
  fc.assert(
    fc.property(anyBatch, fc.nat(9), anyOffset, (batch, start, offset) => {
      const encoded = plainEncode(batch)
      const bytes = Buffer.concat([Buffer.alloc(start, 0xff), encoded, Buffer.alloc(3, 0xff)])
      const end = start + encoded.length
      assert.equal(batchLength(bytes, start), encoded.length)
      assert.equal(baseOffsetOf(bytes, start), Number(batch.baseOffset))
      assert.equal(lastOffsetOf(bytes, start), Number(batch.baseOffset) + batch.lastOffsetDelta)
      assert.equal(recordCountOf(bytes, start), batch.records.length)
      assert.equal(maxTimestampOf(bytes, start), Number(batch.maxTimestamp))
      verifyBatch(bytes, start, end)

      setBaseOffset(bytes, start, offset)
      verifyBatch(bytes, start, end)
      const moved = plainDecode(bytes.subarray(start, end))
      assert.equal(moved.baseOffset, BigInt(offset))
      assert.equal(baseOffsetOf(bytes, start), offset)
    }),
  )
})

test('verifies exactly one batch: not less, not more, not another', () => {
  const [batch] = fc.sample(anyBatch, { numRuns: 1, seed: 7 })
  const bytes = plainEncode({ ...batch!, attributes: 0 })
  const position = 5
  const run = Buffer.concat([Buffer.alloc(position), bytes, bytes])
  verifyBatch(run, position, position + bytes.length)
  const ends = [0, 1, 11, 12, 60, bytes.length - 1, bytes.length + 1, bytes.length * 2]
  for (const end of ends) {
    assert.throws(
      () => verifyBatch(run, position, position + end),
      error => {
        assert.equal((error as { code: string }).code, 'BATCH_CORRUPT')
        assert.equal((error as { details: { position: number } }).details.position, position)
        return true
      },
    )
  }
  run[position + 16] = 1
  assert.throws(() => verifyBatch(run, position, position + bytes.length), { code: 'BATCH_UNSUPPORTED' })
  run[position + 16] = 2
  run[position + 40]! ^= 1
  assert.throws(() => verifyBatch(run, position, position + bytes.length), { code: 'BATCH_CORRUPT' })
})
