import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { chartOfRun } from './chart.ts'
import { Histogram } from './histogram.ts'
import { Meter } from './meter.ts'
import { judge } from './ramp.ts'

test('quantiles lie within 2 % of what was measured', () => {
  const times = fc.array(fc.double({ min: 0.02, max: 1e6, noNaN: true }), { minLength: 1 })
  fc.assert(
    fc.property(times, measured => {
      const histogram = new Histogram()
      for (const ms of measured) histogram.add(ms)
      const sorted = measured.toSorted((a, b) => a - b)
      const { p50, p99, max } = histogram.quantiles()!
      for (const [quantile, share] of [
        [p50, 0.5],
        [p99, 0.99],
      ] as const) {
        const exact = sorted[Math.ceil(share * sorted.length) - 1]!
        assert.ok(quantile >= exact * 0.999 && quantile <= exact * 1.021, `${quantile} for ${exact}`)
      }
      assert.ok(Math.abs(max - sorted.at(-1)!) <= max * 0.001)
    }),
  )
})

test('a measurement counts as often as its weight, and nothing measured is null', () => {
  const histogram = new Histogram()
  assert.equal(histogram.quantiles(), null)
  histogram.add(1, 98)
  histogram.add(100, 2)
  const { p50, p99, max } = histogram.quantiles()!
  assert.ok(p50 < 1.03 && p99 > 97 && max === 100)
  histogram.clear()
  assert.equal(histogram.quantiles(), null)
})

test('a second has what came since the one before, and forecasts count for times while readings are sent', () => {
  const meter = new Meter()
  const levels = { rate: 100, behind: 0, underWay: 1, lag: 7 }
  meter.sent = 10
  meter.accept(5, 8)
  meter.refuse('BUSY', 2)
  meter.forecast(40, true)
  const first = meter.endSecond(levels)
  assert.deepEqual([first.second, first.sent, first.accepted, first.refused, first.forecasts], [1, 10, 8, 2, 1])
  assert.deepEqual([first.ingestMs!.max, first.forecastMs!.max, first.lag], [5, 40, 7])
  meter.sent = 11
  meter.forecast(9000, false)
  const second = meter.endSecond(levels)
  assert.deepEqual([second.second, second.sent, second.accepted, second.forecasts], [2, 1, 0, 1])
  assert.deepEqual([second.ingestMs, second.forecastMs], [null, null])
  assert.deepEqual([meter.forecastMs!.max, meter.refusals], [40, { BUSY: 2 }])
})

test('a rate is kept when 95 % of it is accepted and the lag grows by 5 % of that at most', () => {
  assert.equal(judge(1000, 5000, 5000, 0, 250).kept, true)
  assert.equal(judge(1000, 4740, 5000, 0, 0).kept, false)
  assert.equal(judge(1000, 5000, 5000, 100, 351).kept, false)
  assert.deepEqual(judge(1000, 4800, 5000, 300, 20), {
    rate: 1000,
    acceptedPerSecond: 960,
    lag: 20,
    lagGrowth: -280,
    kept: true,
  })
  assert.equal(judge(1000, 5000, 5000, 300, null).lagGrowth, 0)
})

test('the chart has a curve for each measure, with gaps where nothing was measured', () => {
  const meter = new Meter()
  const levels = { rate: 100, behind: 0, underWay: 0, lag: 3 }
  for (const ms of [1, 2, null, 4, 5, 6]) {
    if (ms !== null) meter.accept(ms, 100)
    meter.endSecond(levels)
  }
  const drawing = chartOfRun('a < b & c', meter.seconds, [{ second: 3, label: 'not kept' }])
  assert.equal(drawing.match(/<path /g)!.length, 8)
  assert.match(drawing, /a &lt; b &amp; c/)
  assert.equal(drawing.match(/not measured/g)!.length, 1)
  assert.equal(drawing.match(/not kept/g)!.length, 4)
  assert.doesNotMatch(drawing, /NaN|Infinity/)
  // Accepted is one curve, what was measured in two pieces is two.
  const curves = [...drawing.matchAll(/<path d="([^"]*)"/g)].map(([, path]) => path!.match(/M/g)?.length ?? 0)
  assert.deepEqual(curves, [1, 1, 2, 2, 0, 0, 1, 1])
  assert.doesNotMatch(chartOfRun('nothing', []), /NaN|Infinity/)
})
