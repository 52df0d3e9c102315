import assert from 'node:assert/strict'
import { test } from 'node:test'
import { pauseOf } from './cluster-pause.ts'

/** Alerts each 10 ms of two partitions, sent 5 ms before; partition 1 is silent from one time to another. */
function arrivals(silentFrom: number, silentTo: number) {
  return Array.from({ length: 1000 }, (_, i) => i * 10).flatMap(at =>
    [0, 1]
      .filter(partition => partition === 0 || at < silentFrom || at >= silentTo)
      .map(partition => ({ at, sent: at - 5, partition })),
  )
}

test('a pause of one partition is seen though others go on', () => {
  assert.deepEqual(pauseOf(arrivals(5100, 6000), 5000, 9000), { gap: 900, delay: 0 })
})

test('a pause that began with the kill is seen', () => {
  assert.equal(pauseOf(arrivals(4990, 6000), 5000, 9000).gap, 1010)
})

test('a partition that stays silent is seen', () => {
  assert.equal(pauseOf(arrivals(5500, 20_000), 5000, 9000).gap, 3500)
})

test('without a pause there is none', () => {
  assert.deepEqual(pauseOf(arrivals(0, 0), 5000, 9000), { gap: 0, delay: 0 })
})
