import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { readBigint, readInt, readLong, skipVarint, varintCursor, writeBigint, writeInt, writeLong } from './varint.ts'

/** Zigzag and seven-bit groups as the Avro specification words them, in BigInt. */
function reference(value: bigint): Buffer {
  let rest = BigInt.asUintN(64, (value << 1n) ^ (value >> 63n))
  const bytes: number[] = []
  do {
    const seven = Number(rest & 127n)
    rest >>= 7n
    bytes.push(rest === 0n ? seven : seven | 128)
  } while (rest !== 0n)
  return Buffer.from(bytes)
}

const edges = [0n, 31n, 32n, 52n, 53n].flatMap(bits =>
  [-1n, 0n, 1n].flatMap(by => [(1n << bits) + by, -(1n << bits) + by]),
)

function cursorOver(bytes: Buffer) {
  return { ...varintCursor(), end: bytes.length }
}

function failure(call: () => unknown): { code: string; position: unknown } {
  try {
    call()
  } catch (error) {
    const { code, details } = error as { code: string; details: Record<string, unknown> }
    return { code, position: details.position }
  }
  throw new Error('nothing was thrown')
}

test('longs are written as the specification says, and read back', () => {
  const check = (value: number) => {
    const bytes = Buffer.alloc(12, 0xff)
    const end = writeLong(bytes, 1, value)
    assert.deepEqual(bytes.subarray(1, end), reference(BigInt(value)))
    const cursor = cursorOver(bytes)
    assert.equal(readLong(bytes, 1, cursor), value)
    assert.equal(cursor.position, end)
    assert.equal(skipVarint(bytes, 1, cursor), end)
  }
  for (const edge of edges) if (Number.isSafeInteger(Number(edge))) check(Number(edge))
  fc.assert(fc.property(fc.maxSafeInteger(), check), { numRuns: 2000 })
})

test('bigints of all 64 bits are written as the specification says and read back', () => {
  const check = (value: bigint) => {
    const bytes = Buffer.alloc(10)
    const end = writeBigint(bytes, 0, value)
    assert.deepEqual(bytes.subarray(0, end), reference(value))
    const cursor = cursorOver(bytes)
    assert.equal(readBigint(bytes, 0, cursor), value)
    assert.equal(cursor.position, end)
  }
  for (const edge of [...edges, 2n ** 63n - 1n, -(2n ** 63n)]) check(edge)
  fc.assert(fc.property(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), check), { numRuns: 2000 })
})

test('ints of all 32 bits are written and read back', () => {
  fc.assert(
    fc.property(fc.integer(), value => {
      const bytes = Buffer.alloc(5)
      const end = writeInt(bytes, 0, value)
      assert.deepEqual(bytes.subarray(0, end), reference(BigInt(value)))
      assert.equal(readInt(bytes, 0, cursorOver(bytes)), value)
    }),
  )
})

test('a number that is no safe integer is not written', () => {
  const bytes = Buffer.alloc(10)
  for (const value of [2 ** 53, -(2 ** 53), 0.5, Number.NaN, Number.POSITIVE_INFINITY]) {
    assert.equal(writeLong(bytes, 0, value), -1)
  }
  assert.deepEqual(bytes, Buffer.alloc(10))
})

test('a long outside the safe range is refused, not rounded', () => {
  for (const value of [2n ** 53n, -(2n ** 53n), 2n ** 63n - 1n, -(2n ** 63n)]) {
    const bytes = reference(value)
    assert.equal(failure(() => readLong(bytes, 0, cursorOver(bytes))).code, 'VALUE_UNDECODABLE')
  }
})

test('over-long forms that still fit are read, longer ones are refused at the byte where they go wrong', () => {
  const padded = Buffer.from([0x84, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x00])
  assert.equal(readLong(padded, 0, cursorOver(padded)), 2)
  assert.equal(readBigint(padded, 0, cursorOver(padded)), 2n)
  const endless = Buffer.alloc(20, 0xff)
  const wrong = { code: 'VALUE_UNDECODABLE', position: 9 }
  assert.deepEqual(
    failure(() => readLong(endless, 0, cursorOver(endless))),
    wrong,
  )
  assert.deepEqual(
    failure(() => readBigint(endless, 0, cursorOver(endless))),
    wrong,
  )
  assert.deepEqual(
    failure(() => readInt(endless, 0, cursorOver(endless))),
    { ...wrong, position: 4 },
  )
  assert.equal(failure(() => skipVarint(endless, 0, cursorOver(endless))).code, 'VALUE_UNDECODABLE')
})
