import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { FORMULAS } from '../heat-index.ts'
import { baselineHeatIndexes, type HeatIndexes, type Readings, RollingMean, rollingHeatIndexes } from './index.ts'

const value = fc.oneof(
  { weight: 4, arbitrary: fc.double({ min: -40, max: 130, noNaN: true }) },
  { weight: 1, arbitrary: fc.constant(Number.NaN) },
)
const reading = fc.record({
  city: fc.constantFrom('EWR', 'JFK', 'Łódź', '東京', '𐐀', 'E'),
  time: fc.integer({ min: 0, max: 60 }),
  temperature: value,
  humidity: value,
})

function columnsOf(rows: readonly { city: string; time: number; temperature: number; humidity: number }[]): Readings {
  return {
    city: rows.map(row => row.city),
    time: Float64Array.from(rows, row => row.time),
    temperature: Float64Array.from(rows, row => row.temperature),
    humidity: Float64Array.from(rows, row => row.humidity),
  }
}

function assertEqual(got: HeatIndexes, want: HeatIndexes): void {
  assert.deepEqual(got.city, want.city)
  assert.deepEqual(got.time, want.time)
  assert.deepEqual(got.heatIndex, want.heatIndex)
  for (const [row, mean] of want.rollingHeatIndex.entries()) {
    const ours = got.rollingHeatIndex[row]!
    assert.ok(Object.is(ours, mean) || Math.abs(ours - mean) <= 1e-9, `row ${row}: ${ours}, not ${mean}`)
  }
}

test('one pass equals row by row, on gaps, duplicates, missing values and any order', () => {
  fc.assert(
    fc.property(
      fc.array(reading, { maxLength: 120 }),
      fc.integer({ min: 0, max: 70 }),
      fc.constantFrom(...FORMULAS),
      (rows, width, formula) => {
        const readings = columnsOf(rows)
        assertEqual(rollingHeatIndexes(readings, width, formula), baselineHeatIndexes(readings, width, formula))
      },
    ),
    { numRuns: 500 },
  )
})

test('a running mean equals row by row, row after row', () => {
  fc.assert(
    fc.property(fc.array(reading, { maxLength: 300 }), fc.integer({ min: 0, max: 70 }), (rows, width) => {
      const want = baselineHeatIndexes(columnsOf(rows), width)
      const mean = new RollingMean(width)
      const got = want.city.map((city, row) => {
        if (row > 0 && city !== want.city[row - 1]) mean.reset()
        return mean.add(want.time[row]!, want.heatIndex[row]!)
      })
      assertEqual({ ...want, rollingHeatIndex: Float64Array.from(got) }, want)
    }),
  )
})

test('a window of more values than the ring began with is kept whole', () => {
  const mean = new RollingMean(1000)
  for (let time = 0; time < 5000; time++) {
    const first = Math.max(0, time - 1000)
    assert.equal(mean.add(time, time), (first + time) / 2)
  }
})

test('the window has both its ends, and a value that left takes nothing with it', () => {
  const mean = new RollingMean(10)
  assert.equal(mean.add(0, 1e300), 1e300)
  assert.equal(mean.add(10, 3), 5e299)
  assert.equal(mean.add(11, 5), 4)
  assert.ok(Number.isNaN(mean.add(100, Number.NaN)))
  assert.ok(Number.isNaN(mean.add(101, Number.POSITIVE_INFINITY)))
  assert.equal(mean.add(102, 0.1), 0.1)
})

test('rows of one time see themselves and those before, in the order they came', () => {
  const rows = [70, 80, 90].map(temperature => ({ city: 'A', time: 5, temperature, humidity: 50 }))
  const { heatIndex, rollingHeatIndex } = rollingHeatIndexes(columnsOf(rows), 0)
  assert.equal(rollingHeatIndex[0], heatIndex[0])
  assert.equal(rollingHeatIndex[1], (heatIndex[0]! + heatIndex[1]!) / 2)
  assert.ok(Math.abs(rollingHeatIndex[2]! - (heatIndex[0]! + heatIndex[1]! + heatIndex[2]!) / 3) < 1e-12)
})
