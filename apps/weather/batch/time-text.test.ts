import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { readPlainTime, TIME_BYTES, timeOf, timeText, writeTime } from './time-text.ts'

const MICROS = 1000

test('times of whole seconds are written and read as ISO 8601, in any order of days', () => {
  const seconds = fc.integer({ min: Date.UTC(1000, 0) / 1000, max: Date.UTC(2254, 0) / 1000 })
  fc.assert(
    fc.property(fc.array(seconds, { minLength: 1, maxLength: 5 }), times => {
      for (const time of times) {
        const text = new Date(time * 1000).toISOString().replace('.000', '')
        const bytes = Buffer.alloc(TIME_BYTES)
        assert.equal(bytes.toString('latin1', 0, writeTime(bytes, 0, time * 1e6)), text)
        assert.equal(readPlainTime(bytes, 0), time * 1e6)
        assert.equal(timeOf(text), time * 1e6)
      }
    }),
  )
})

test('a fraction is kept to the microsecond', () => {
  fc.assert(
    fc.property(fc.integer({ min: -1e15, max: 4e15 }), micros => {
      const bytes = Buffer.alloc(TIME_BYTES)
      const text = timeText(micros)
      assert.equal(bytes.toString('latin1', 0, writeTime(bytes, 0, micros)), text)
      assert.equal(timeOf(text), micros)
    }),
  )
  assert.equal(timeText(1_500_000), '1970-01-01T00:00:01.5Z')
})

test('the forms that people write are read', () => {
  const noon = Date.UTC(2013, 0, 1, 12) * MICROS
  for (const text of [
    '2013-01-01T12:00:00Z',
    '2013-01-01 12:00:00',
    '2013-01-01T12:00',
    '2013-01-01T14:00:00+02:00',
    '2013-01-01T07:30:00-0430',
    '2013-01-01T13:00+01',
    ' 2013-01-01T12:00:00.000000000Z ',
  ]) {
    assert.equal(timeOf(text), noon, text)
  }
  assert.equal(timeOf('2013-01-01'), Date.UTC(2013, 0, 1) * MICROS)
})

test('what is no time is none', () => {
  for (const text of [
    '',
    'now',
    '2013-02-29T00:00:00Z',
    '2013-13-01T00:00:00Z',
    '2013-00-01T00:00:00Z',
    '2013-01-00T00:00:00Z',
    '2013-01-01T24:00:00Z',
    '2013-01-01T00:60:00Z',
    '2013-01-01T00:00:61Z',
    '2013-01-01T00:00:00.0000001Z',
    '2O13-01-01T00:00:00Z',
  ]) {
    assert.ok(Number.isNaN(timeOf(text)), text)
    assert.ok(Number.isNaN(readPlainTime(Buffer.from(text.padEnd(20, ' ')), 0)), text)
  }
})
