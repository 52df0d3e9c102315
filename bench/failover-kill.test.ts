import assert from 'node:assert/strict'
import { test } from 'node:test'
import { figuresOf, type Kill, within } from './failover-kill.ts'

function killOf(gap: number, laterGap: number): Kill {
  return { pause: { gap, delay: gap / 2 }, later: { gap: laterGap, delay: 0 }, restored: 0, settledMs: 2 * gap }
}

test('figures are the middle, the 99th percentile and the longest of all kills', () => {
  const figures = figuresOf([killOf(300, 9), killOf(100.4, 7), killOf(45_000, 8)])
  assert.deepEqual(figures, {
    p50_pause_ms: 300,
    p99_pause_ms: 45_000,
    longest_pause_ms: 45_000,
    p50_delay_ms: 150,
    p99_delay_ms: 22_500,
    longest_delay_ms: 22_500,
    p50_return_pause_ms: 8,
    p99_return_pause_ms: 9,
    longest_return_pause_ms: 9,
    p50_settled_ms: 600,
    p99_settled_ms: 90_000,
    longest_settled_ms: 90_000,
  })
})

test('without a kill there are no figures', () => {
  assert.deepEqual(figuresOf([]), {})
})

test('what does not come in time is told by its name; what comes is not held up', async () => {
  await assert.rejects(
    within(new Promise(() => {}), 1, 'the answer was not there'),
    /the answer was not there within 1 ms/,
  )
  await within(Promise.resolve(), 3_600_000, 'nothing')
  await assert.rejects(within(Promise.reject(new Error('its own')), 3_600_000, 'nothing'), /its own/)
})
