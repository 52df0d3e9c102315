import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { deliveryErrorOf, parseRetryAfter } from './outcome.ts'
import type { FailureStage, PostOutcome } from './post.ts'

const NOW = Date.UTC(2026, 0, 5, 12, 0, 0)
const DAY = 86_400_000

function outcome(status: number, change: Partial<PostOutcome> = {}): PostOutcome {
  return {
    status,
    retryAfter: '',
    contentType: '',
    body: '',
    isCut: false,
    sentMs: 0,
    firstByteMs: 1,
    totalMs: 1,
    failure: null,
    ...change,
  }
}

const failed = (status: number, stage: FailureStage) =>
  outcome(status, { failure: { stage, reason: 'reset', message: 'ECONNRESET' } })

describe('fates', () => {
  const fates: Record<string, number[]> = {
    retry: [300, 301, 302, 304, 307, 308, 400, 401, 403, 404, 408, 422, 500, 501, 505, 599],
    throttle: [429, 502, 503, 504],
    disable: [410],
  }
  for (const [fate, statuses] of Object.entries(fates)) {
    test(`${statuses.join(', ')}: ${fate}`, () => {
      for (const status of statuses) {
        assert.equal(deliveryErrorOf(outcome(status), NOW)?.fate, fate)
        // The receiver has said no: that its body broke off changes nothing.
        assert.equal(deliveryErrorOf(failed(status, 'sent'), NOW)?.fate, fate)
      }
    })
  }

  test('every 2xx is delivered, and none whose body broke off', () => {
    for (let status = 200; status < 300; status++) {
      assert.equal(deliveryErrorOf(outcome(status), NOW), null)
      assert.equal(deliveryErrorOf(failed(status, 'sent'), NOW)?.fate, 'unknown')
    }
  })

  test('without a status the stage decides', () => {
    assert.equal(deliveryErrorOf(failed(0, 'refused'), NOW)?.fate, 'reject')
    assert.equal(deliveryErrorOf(failed(0, 'unsent'), NOW)?.fate, 'retry')
    assert.equal(deliveryErrorOf(failed(0, 'sent'), NOW)?.fate, 'unknown')
  })

  test('Retry-After counts for those that throttle', () => {
    const later = { retryAfter: '120' }
    assert.equal(deliveryErrorOf(outcome(503, later), NOW)?.retryAfter, 120_000)
    assert.equal(deliveryErrorOf(outcome(500, later), NOW)?.retryAfter, 0)
  })
})

describe('Retry-After', () => {
  test('is a number of seconds', () => {
    assert.equal(parseRetryAfter('0', NOW), 0)
    assert.equal(parseRetryAfter(' 30 ', NOW), 30_000)
    assert.equal(parseRetryAfter('99999999999999999999', NOW), DAY)
  })

  test('is a date in each of the three forms', () => {
    for (const date of [
      'Mon, 05 Jan 2026 12:01:00 GMT',
      'Monday, 05-Jan-26 12:01:00 GMT',
      'Mon Jan  5 12:01:00 2026',
    ]) {
      assert.equal(parseRetryAfter(date, NOW), 60_000, date)
    }
    assert.equal(parseRetryAfter('Sun, 04 Jan 2026 12:00:00 GMT', NOW), 0)
    assert.equal(parseRetryAfter('Mon, 05 Jan 2030 12:00:00 GMT', NOW), DAY)
  })

  test('is nothing when it is not understood', () => {
    for (const text of ['', 'soon', '-1', '1.5', '1e3', '2026-01-05T12:01:00Z', 'Mon, 99 Foo']) {
      assert.equal(parseRetryAfter(text, NOW), 0, text)
    }
    fc.assert(
      fc.property(fc.string(), text => {
        const ms = parseRetryAfter(text, NOW)
        assert.ok(ms >= 0 && ms <= DAY)
      }),
    )
  })
})
