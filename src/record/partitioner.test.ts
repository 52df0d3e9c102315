import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { murmur2, partitionOf } from './partitioner.ts'

test('hashes as Kafka does', () => {
  // The vectors of Kafka's own UtilsTest.
  const vectors: [string, number][] = [
    ['21', -973932308],
    ['foobar', -790332482],
    ['a-little-bit-long-string', -985981536],
    ['a-little-bit-longer-string', -1486304829],
    ['lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8', -58897971],
    ['abc', 479470107],
  ]
  for (const [text, hash] of vectors) {
    const bytes = Buffer.from(`<${text}>`)
    assert.equal(murmur2(bytes, 1, bytes.length - 1), hash, text)
  }
})

test('a partition is one of those there are, and depends on the bytes of the key alone', () => {
  assert.equal(partitionOf(Buffer.from('foobar'), 0, 6, 10), (-790332482 & 0x7fffffff) % 10)
  fc.assert(
    fc.property(fc.uint8Array(), fc.integer({ min: 1, max: 10_000 }), (key, partitions) => {
      const partition = partitionOf(key, 0, key.length, partitions)
      assert.ok(Number.isInteger(partition) && partition >= 0 && partition < partitions)
      const around = Buffer.concat([Buffer.from('..'), key, Buffer.from('.')])
      assert.equal(partitionOf(around, 2, around.length - 1, partitions), partition)
    }),
  )
})
