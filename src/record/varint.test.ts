import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { plainVarint } from './test/plain-batch.ts'
import { intSize, longSize, writeInt, writeLong } from './varint.ts'

const EDGES = [6, 7, 13, 14, 20, 21, 27, 28, 30, 31, 32, 34, 35, 41, 42, 48, 49, 52, 53].flatMap(bits =>
  [-1, 0, 1].flatMap(around => [2 ** bits + around, -(2 ** bits) + around]),
)

function written(write: typeof writeLong, value: number): Buffer {
  const bytes = Buffer.alloc(16)
  return bytes.subarray(0, write(bytes, 0, value))
}

function checkLong(value: number): void {
  const expected = plainVarint(BigInt(value))
  assert.deepEqual(written(writeLong, value), expected, `${value}`)
  assert.equal(longSize(value), expected.length, `${value}`)
}

function checkInt(value: number): void {
  const expected = plainVarint(BigInt(value))
  assert.deepEqual(written(writeInt, value), expected, `${value}`)
  assert.equal(intSize(value), expected.length, `${value}`)
}

test('longs are written as BigInt arithmetic says, over all safe integers', () => {
  for (const value of EDGES.filter(Number.isSafeInteger)) checkLong(value)
  fc.assert(fc.property(fc.maxSafeInteger(), checkLong))
})

test('ints are written as BigInt arithmetic says, over 32 bits', () => {
  for (const value of EDGES.filter(edge => edge === (edge | 0))) checkInt(value)
  fc.assert(fc.property(fc.integer(), checkInt))
})
