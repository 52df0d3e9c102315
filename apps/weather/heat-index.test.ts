import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { nwsHeatIndex, regressionHeatIndex } from './heat-index.ts'

/** The chart of the US National Weather Service, which is whole degrees: temperature °F, humidity %, heat index °F. */
const CHART: readonly (readonly [number, number, number])[] = [
  [80, 40, 80],
  [90, 50, 95],
  [96, 40, 101],
  [100, 40, 109],
  [104, 55, 137],
]

describe('heat index', () => {
  test('is that of the chart', () => {
    for (const [temperature, humidity, expected] of CHART) {
      assert.ok(Math.abs(regressionHeatIndex(temperature, humidity) - expected) < 1, `${temperature} °F, ${humidity} %`)
      assert.ok(Math.abs(nwsHeatIndex(temperature, humidity) - expected) < 1, `${temperature} °F, ${humidity} %`)
    }
  })

  test('of the whole algorithm is the simple formula where that is below 80 °F', () => {
    // What other implementations of it are tested against, to 0.005 °F.
    for (const [temperature, humidity, expected] of [
      [42, 80, 39.66],
      [50, 30, 46.11],
      [70, 100, 71.4],
    ] as const) {
      assert.ok(Math.abs(nwsHeatIndex(temperature, humidity) - expected) <= 0.0051, `${temperature} °F, ${humidity} %`)
    }
  })

  test('is adjusted for dry and for humid air, and nowhere else', () => {
    assert.ok(nwsHeatIndex(95, 10) < regressionHeatIndex(95, 10))
    assert.ok(nwsHeatIndex(85, 95) > regressionHeatIndex(85, 95))
    assert.equal(nwsHeatIndex(95, 50), regressionHeatIndex(95, 50))
  })

  test('of anything measured is a number', () => {
    fc.assert(
      fc.property(
        fc.double({ min: -150, max: 160, noNaN: true }),
        fc.double({ min: 0, max: 100, noNaN: true }),
        (temperature, humidity) => {
          assert.ok(Number.isFinite(nwsHeatIndex(temperature, humidity)))
          assert.ok(Number.isFinite(regressionHeatIndex(temperature, humidity)))
        },
      ),
    )
  })
})
