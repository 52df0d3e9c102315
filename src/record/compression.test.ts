import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { AldebaranError } from '../errors.ts'
import { COMPRESSIONS, compress, compressionCode, decompress, GZIP, LZ4, SNAPPY, ZSTD } from './compression.ts'
import { plainCompress } from './test/plain-batch.ts'

const CODECS = [GZIP, SNAPPY, LZ4, ZSTD]

test('what is compressed decompresses to the same bytes, of which there may be just so many', () => {
  const words = fc.array(fc.constantFrom('be', 'lambda ', 'upsilon-', 'xyz', '\n', 'gamma delta, '), { maxLength: 300 })
  const pieces = fc.array(fc.tuple(fc.uint8Array({ maxLength: 30 }), fc.integer({ min: 1, max: 8000 })), {
    maxLength: 4,
  })
  fc.assert(
    fc.property(pieces, words, (drawn, text) => {
      const repeated = drawn.flatMap(([piece, times]) => Array<Uint8Array>(times).fill(piece))
      const plain = Buffer.concat([Buffer.from(text.join('')), ...repeated])
      const limit = Math.max(plain.length, 1)
      for (const codec of CODECS)
        assert.ok(decompress(codec, compress(codec, plain), limit).equals(plain), `codec ${codec}`)
    }),
    { numRuns: 60 },
  )
})

test('snappy is written as xerial chunks of 64 KiB and read also as one raw block', () => {
  const plain = Buffer.alloc(150_000, 'what repeats itself ')
  const framed = compress(SNAPPY, plain)
  assert.equal(framed.toString('latin1', 0, 16), '\x82SNAPPY\0\0\0\0\x01\0\0\0\x01')
  let chunks = 0
  for (let at = 16; at < framed.length; at += 4 + framed.readInt32BE(at)) chunks++
  assert.equal(chunks, 3)
  assert.ok(decompress(SNAPPY, plainCompress(SNAPPY, plain)).equals(plain))
})

test('reads a frame that the lz4 command line tool wrote, with its checksums', () => {
  // lz4 1.9.4: `lz4 -c --content-size FILE | base64`
  const frame = Buffer.from('BCJNGGxAJwAAAAAAAABnFAAAAK9hbGRlYmFyYW4gCgAFUGJhcmFuAAAAADwbg+g=', 'base64')
  assert.equal(decompress(LZ4, frame).toString(), 'aldebaran aldebaran aldebaran aldebaran')
})

test('nothing decompresses to more than the limit, and what just fits does', () => {
  const size = 3_000_000
  for (const plain of [Buffer.alloc(size), Buffer.alloc(size, 'some text that repeats itself')]) {
    const forms = CODECS.flatMap(codec =>
      [compress(codec, plain), plainCompress(codec, plain)].map(data => ({ codec, data })),
    )
    for (const { codec, data } of forms) {
      assert.ok(decompress(codec, data, size).equals(plain), `codec ${codec}`)
      for (const limit of [size - 1, size - 70_000, 1000, 1]) {
        assert.throws(
          () => decompress(codec, data, limit),
          { code: 'BATCH_CORRUPT' },
          `${COMPRESSIONS[codec]} ${limit}`,
        )
      }
    }
  }
})

test('a second lz4 frame behind the first is refused where it could pass the limit', () => {
  const frame = compress(LZ4, Buffer.alloc(1000))
  assert.throws(() => decompress(LZ4, Buffer.concat([frame, frame]), 1500), { code: 'BATCH_CORRUPT' })
})

test('damaged bytes give BATCH_CORRUPT or other bytes within the limit, never another error', () => {
  const plain = Buffer.from([...Array(3000)].map((_, index) => (index * index) >> 7))
  const limit = 5000
  const damage = fc.array(fc.record({ at: fc.nat(), with: fc.nat(255) }), { maxLength: 3 })
  let refused = 0
  fc.assert(
    fc.property(fc.constantFrom(...CODECS), fc.boolean(), damage, fc.nat(10), (codec, ours, damages, cut) => {
      const data = Buffer.from(ours ? compress(codec, plain) : plainCompress(codec, plain))
      for (const { at, with: byte } of damages) data[at % data.length] = byte
      try {
        const found = decompress(codec, data.subarray(0, data.length - cut), limit)
        assert.ok(found.length <= limit)
      } catch (error) {
        assert.ok(error instanceof AldebaranError, `${COMPRESSIONS[codec]}: ${error}`)
        assert.equal(error.code, 'BATCH_CORRUPT')
        refused++
      }
    }),
    { numRuns: 1000 },
  )
  assert.ok(refused > 300, `${refused} refused`)
})

test('no bytes are no compressed block', () => {
  for (const codec of CODECS) {
    assert.throws(() => decompress(codec, Buffer.alloc(0)), { code: 'BATCH_CORRUPT' }, `codec ${codec}`)
  }
})

test('the number of a compression is its number in Kafka', () => {
  assert.deepEqual(
    COMPRESSIONS.map(name => compressionCode(name)),
    [0, 1, 2, 3, 4],
  )
  assert.throws(() => compressionCode('deflate' as 'gzip'), { code: 'OPTION_INVALID' })
})
