import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { decimalEnd, decimalOf, readDecimal } from './decimal-text.ts'
import { DECIMAL_BYTES, writeDecimal } from './decimal-writer.ts'

function written(value: number): string {
  const bytes = Buffer.alloc(64)
  const end = writeDecimal(bytes, 3, value)
  assert.ok(end - 3 <= DECIMAL_BYTES, `${value} took ${end - 3} bytes`)
  return bytes.toString('latin1', 3, end)
}

/** What is read, and how far. */
function read(text: string): [number, number] {
  const bytes = Buffer.from(`,${text},`)
  const value = readDecimal(bytes, 1)
  return [value, decimalEnd]
}

const usual = fc.double({ min: -1000, max: 1000, noNaN: true })
const any = fc.double({ noNaN: true, noDefaultInfinity: true })

test('a number is written as String writes it', () => {
  fc.assert(
    fc.property(fc.oneof(usual, any, fc.integer()), value => assert.equal(written(value), String(value))),
    { numRuns: 20_000 },
  )
})

test('numbers around powers of two and ten, short and long ones, are written as String writes them', () => {
  for (let exponent = -30; exponent < 60; exponent++) {
    for (const value of [2 ** exponent, 2 ** exponent * (1 + 2 ** -52), 2 ** exponent * (1 - 2 ** -53)]) {
      assert.equal(written(value), String(value))
      assert.equal(written(-value), String(-value))
    }
  }
  for (let exponent = -12; exponent < 22; exponent++) {
    for (const value of [
      10 ** exponent,
      (10 - 2 ** -49) * 10 ** exponent,
      1.5 * 10 ** exponent,
      0.1 * 10 ** exponent,
    ]) {
      assert.equal(written(value), String(value))
    }
  }
  assert.equal(written(0), '0')
})

test('a number is read as Number reads it, or left to the one that does', () => {
  const digits = fc.string({ unit: fc.constantFrom(...'0123456789'), maxLength: 20 })
  const text = fc.tuple(fc.constantFrom('', '-'), digits, fc.constantFrom('', '.'), digits).map(parts => parts.join(''))
  let direct = 0
  fc.assert(
    fc.property(fc.oneof(text, usual.map(String), any.map(String)), text => {
      const [value, end] = read(text)
      const bytes = Buffer.from(text)
      const isNumber = text.trim() !== '' && !Number.isNaN(Number(text))
      assert.deepEqual(decimalOf(bytes, 0, bytes.length), isNumber ? Number(text) : Number.NaN)
      if (end < 0) return
      direct++
      assert.ok(Object.is(value, Number(text)), `${text} was read as ${value}`)
      assert.equal(end, 1 + text.length)
    }),
    { numRuns: 20_000 },
  )
  assert.ok(direct > 3000, `only ${direct} were read directly`)
})

test('what is no number is not read as one', () => {
  for (const text of ['', '-', '.', '-.', 'x', '1e5', '1E5', '1234567890', '0x10', 'Infinity', 'NaN', '--1', '1e']) {
    const [, end] = read(text)
    assert.ok(end < 0 || end < 1 + text.length, `${text} was read to its end`)
  }
  for (const text of ['', '-', '.', 'x', '0x10', 'Infinity', '--1', '1e', '1_0', '1 2']) {
    assert.ok(Number.isNaN(decimalOf(Buffer.from(text), 0, text.length)), text)
  }
})
