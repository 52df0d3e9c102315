import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { application } from '../../runtime/application.ts'
import { drive } from '../../testing/drive.ts'
import { count as counted, max as highest, sum as summed } from '../aggregates/numbers.ts'
import { pipeline } from '../pipeline.ts'
import { DISORDER, FLUSH, input, START, told } from './test/scene.ts'
import { rolling, session, tumbling } from './window.ts'

describe('what follows throws', () => {
  for (const [name, window, records] of [
    ['tumbling', tumbling(20), 2],
    ['session', session(5), 2],
    ['rolling', rolling(20), 2],
  ] as const) {
    test(`a result of ${name} windows becomes a dead letter, and nothing of it stays`, async () => {
      const p = pipeline('p')
      p.from(input, { idleAfter: false, maxAhead: false })
        .window('w', window)
        .aggregate({ sum: summed(one => one.n) })
        .each(({ sum }) => {
          if (sum === 13) throw new Error('bad luck')
        })
      const driver = await drive(application('a', { pipelines: [p] }), { startMs: START })
      driver.send(input, 'bad', { n: 13 }, START)
      driver.send(input, 'good', { n: 1 }, START)
      driver.send(input, 'flush', { n: 0 }, FLUSH)
      assert.deepEqual(
        driver.deadLetters().map(({ code, timer }) => [code, timer?.split('/')[0]]),
        [['HANDLER_THREW', 'w']],
      )
      driver.send(input, 'flush', { n: 0 }, FLUSH + 10_000)
      const keys = driver.rows('p', 'w').map(({ key }) => (key as { key: string }).key)
      assert.ok(keys.length <= records && keys.every(key => key === 'flush'), String(keys))
      const heads = name === 'tumbling' ? [] : driver.rows('p', 'w-keys')
      assert.ok(heads.every(({ key }) => key === 'flush'))
    })
  }

  test('a record whose own result cannot be told makes a dead letter, and counts for those behind it', async () => {
    const p = pipeline('p')
    p.from(input, { outOfOrderness: DISORDER, idleAfter: false, maxAhead: false })
      .window('w', rolling(25))
      .aggregate({ count: counted(), sum: summed(one => one.n), max: highest(one => one.n) })
      .map(({ windowStart: start, windowEnd: end, timing, count, sum, max }) => {
        if (sum === 101) throw new Error('bad luck')
        return { start, end, timing, count, sum, max }
      })
      .to(told)
    const driver = await drive(application('a', { pipelines: [p] }), { startMs: START })
    for (const [n, at] of [
      [1, 10],
      [100, 20],
      [2, 30],
      [3, 40],
      [0, 200],
      [0, 300],
    ] as const) {
      driver.send(input, 'a', { n }, at)
    }
    assert.deepEqual(
      driver.deadLetters().map(({ code, timer }) => [code, timer]),
      [['HANDLER_THREW', 'w/due']],
    )
    assert.deepEqual(
      driver.outputs(told).map(({ value }) => [value!.end, value!.count, value!.sum]),
      [
        [10, 1, 1],
        [30, 3, 103],
        [40, 3, 105],
        [200, 1, 0],
      ],
    )
  })
})
