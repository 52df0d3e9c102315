import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { baselineHeatIndexes, rollingHeatIndexes } from '../batch/index.ts'
import { areEqual, comparisonOf } from './compare.ts'
import { compareImplementations, datasetOf, SIZES, type Size, writeCharts } from './index.ts'

test('the data is one day of one city, the same every time', () => {
  const rows = { small: 145, medium: 721, large: 1441 }
  for (const size of Object.keys(SIZES) as Size[]) {
    const readings = datasetOf(size)
    assert.equal(readings.city.length, rows[size])
    assert.deepEqual(readings, datasetOf(size))
    assert.equal(new Date(readings.time[0]!).toISOString(), '2024-02-01T00:00:00.000Z')
    assert.equal(new Date(readings.time.at(-1)!).toISOString(), '2024-02-02T00:00:00.000Z')
    assert.ok(readings.temperature.every(value => value >= 60 && value < 110))
    assert.ok(readings.humidity.every(value => value >= 20 && value < 100))
  }
})

test('the implementations are equal, and both are timed', async () => {
  const [comparison, ...others] = await compareImplementations({ sizes: ['small'], runs: 2 })
  assert.deepEqual(others, [])
  assert.ok(comparison)
  const { baselineMs, optimisedMs } = comparison
  assert.ok(baselineMs > 0 && optimisedMs > 0)
  assert.deepEqual(comparison, comparisonOf('small', 145, baselineMs, optimisedMs, true))
})

test('it fails under 97 %, and when results differ', () => {
  assert.equal(comparisonOf('small', 145, 100, 2.9, true).ok, true)
  assert.equal(comparisonOf('small', 145, 100, 3.1, true).ok, false)
  assert.equal(comparisonOf('small', 145, 100, 1, false).ok, false)
})

test('a difference in a value, a missing value or a row is seen', () => {
  const readings = datasetOf('small')
  const results = rollingHeatIndexes(readings, 3_600_000)
  assert.ok(areEqual(results, baselineHeatIndexes(readings, 3_600_000)))
  assert.equal(areEqual(results, baselineHeatIndexes(readings, 3_599_999)), false)
  for (const wrong of [results.rollingHeatIndex[7]! + 1e-8, Number.NaN]) {
    const rollingHeatIndex = Float64Array.from(results.rollingHeatIndex).fill(wrong, 7, 8)
    assert.equal(areEqual(results, { ...results, rollingHeatIndex }), false)
  }
  assert.equal(areEqual(results, { ...results, city: results.city.slice(1) }), false)
})

test('the chart is drawn as SVG and as PNG', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'aldebaran-compare-test-'))
  try {
    const comparisons = [comparisonOf('small', 145, 0.2, 0.004, true), comparisonOf('large', 1441, 9, 0.03, false)]
    const [svg, png, ...others] = await writeCharts(comparisons, join(folder, 'new'))
    assert.deepEqual(others, [])
    const drawing = readFileSync(svg!, 'utf8')
    for (const text of ['200 µs', '4 µs', '9 ms', '30 µs', 'small: 145 rows', '98.00 % saved', 'RESULTS DIFFER']) {
      assert.ok(drawing.includes(text), text)
    }
    const pixels = readFileSync(png!)
    assert.equal(pixels.toString('latin1', 1, 4), 'PNG')
    assert.deepEqual([pixels.readUInt32BE(16), pixels.readUInt32BE(20)], [1440, 840])
  } finally {
    rmSync(folder, { recursive: true })
  }
})
