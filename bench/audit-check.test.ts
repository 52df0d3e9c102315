import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { AlertKind } from '../apps/audit/rules.ts'
import { AldebaranError } from '../src/errors.ts'
import { AlertCheck } from './audit-check.ts'

test('counts as sets and a list would, in any order', () => {
  const step = fc.record({
    expect: fc.boolean(),
    orderId: fc.oneof(fc.integer({ min: 0, max: 4 }), fc.constantFrom(-1, 2 ** 20, 2 ** 27 - 1, 2 ** 27, 2 ** 52)),
    kind: fc.constantFrom<AlertKind>('OVERBOUGHT', 'NO_REQUEST'),
  })
  // Ids up to 2^27 make the check reserve 128 MB, so they are in few runs.
  const small = step.filter(({ orderId }) => orderId !== 2 ** 27 - 1)
  const check = (steps: { expect: boolean; orderId: number; kind: AlertKind }[]): void => {
    const alerts = new AlertCheck(2)
    const expected = new Set<string>()
    const seen: string[] = []
    for (const { expect, orderId, kind } of steps) {
      if (expect) {
        alerts.expect(orderId, kind)
        expected.add(`${orderId} ${kind}`)
      } else {
        alerts.see(orderId, kind)
        seen.push(`${orderId} ${kind}`)
      }
    }
    const distinct = new Set(seen)
    const missing = [...expected].filter(key => !distinct.has(key))
    const unexpected = [...distinct].filter(key => !expected.has(key))
    assert.equal(alerts.expected, expected.size)
    assert.equal(alerts.seen, distinct.size)
    assert.equal(alerts.duplicates, seen.length - distinct.size)
    assert.equal(alerts.missing, missing.length)
    assert.equal(alerts.unexpected, unexpected.length)
    assert.equal(alerts.correct, missing.length + unexpected.length + seen.length - distinct.size === 0)
  }
  fc.assert(fc.property(fc.array(small), check))
  check([
    { expect: true, orderId: 2 ** 27 - 1, kind: 'NO_REQUEST' },
    { expect: false, orderId: 2 ** 27 - 1, kind: 'NO_REQUEST' },
  ])
})

test('tells which alerts are missing and unexpected', () => {
  const alerts = new AlertCheck()
  alerts.expect(1, 'OVERBOUGHT')
  alerts.expect(2, 'NO_REQUEST')
  alerts.expect(3, 'OVERBOUGHT')
  alerts.see(2, 'OVERBOUGHT')
  alerts.see(3, 'OVERBOUGHT')
  alerts.see(2 ** 40, 'NO_REQUEST')
  assert.deepEqual(alerts.samples(), {
    missing: ['1 OVERBOUGHT', '2 NO_REQUEST'],
    unexpected: ['2 OVERBOUGHT', `${2 ** 40} NO_REQUEST`],
  })
  assert.deepEqual(alerts.samples(1), { missing: ['1 OVERBOUGHT'], unexpected: ['2 OVERBOUGHT'] })
})

test('reads the lines of an expected file', () => {
  const alerts = new AlertCheck()
  for (const line of ['# messages=3 seed=1', '17 OVERBOUGHT', '18 NO_REQUEST', '']) alerts.expectLine(line)
  alerts.see(17, 'OVERBOUGHT')
  alerts.see(18, 'NO_REQUEST')
  assert.equal(alerts.expected, 2)
  assert.ok(alerts.correct)
  for (const line of ['17', '17 OTHER', 'x OVERBOUGHT', ' OVERBOUGHT']) {
    assert.throws(
      () => alerts.expectLine(line),
      (error: unknown) => error instanceof AldebaranError && error.code === 'VALUE_INVALID',
    )
  }
})

test('ten million orders take a byte each', () => {
  const alerts = new AlertCheck(10_000_000)
  for (let orderId = 1; orderId <= 10_000_000; orderId += 3) {
    alerts.expect(orderId, 'OVERBOUGHT')
    alerts.see(orderId, 'OVERBOUGHT')
  }
  assert.equal(alerts.expected, 3_333_334)
  assert.ok(alerts.correct)
})
