import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { crc32c, tableCrc32c } from './crc32c.ts'
import { plainCrc32c } from './test/plain-batch.ts'

test('gives the values of RFC 3720, appendix B.4', () => {
  const ascending = Buffer.from([...Array(32).keys()])
  assert.equal(crc32c(Buffer.alloc(32), 0, 32), 0x8a9136aa)
  assert.equal(crc32c(Buffer.alloc(32, 0xff), 0, 32), 0x62a8ab43)
  assert.equal(crc32c(ascending, 0, 32), 0x46dd794e)
  assert.equal(crc32c(Buffer.from(ascending).reverse(), 0, 32), 0x113fdb5c)
  assert.equal(crc32c(Buffer.from('123456789'), 0, 9), 0xe3069283)
})

test('table, native and bit by bit agree on every range', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 700 }), fc.nat(), fc.nat(), (array, from, size) => {
      const bytes = Buffer.from(array)
      const start = from % (bytes.length + 1)
      const end = start + (size % (bytes.length - start + 1))
      const expected = plainCrc32c(bytes.subarray(start, end))
      assert.equal(crc32c(bytes, start, end), expected)
      assert.equal(tableCrc32c(bytes, start, end), expected)
    }),
    { numRuns: 500 },
  )
})
