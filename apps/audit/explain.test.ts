/** The story of an order, in sentences. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { tell } from './explain.ts'

test('the story of an order nobody requested', () => {
  const purchases = [{ id: 1, shares: 5, stock: 'XYZ', ts: 1_000_000 }]
  const alerts = [{ kind: 'NO_REQUEST' as const, requested: 0, purchased: 5, ts: 1_000_000 }]
  const { sentences } = tell('o-3', { requests: [], purchases, alerts, book: null })
  assert.deepEqual(sentences, [
    'No request for order o-3 is in the log.',
    '5 shares were bought in one purchase, though nobody had asked for them.',
    'Reported NO_REQUEST: 5 shares were bought, the first with purchase 1 at 1970-01-01T00:00:01.000Z, and no request came in time.',
    'There is no book of it now: it was forgotten after its time.',
  ])
})
