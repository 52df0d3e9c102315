/** What the weather page tells of a place, without a browser: its address, its category, its line of values. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import * as fc from 'fast-check'
import { forecast, MINUTE, NOON } from '../../apps/weather/api/test/site.ts'
import type { Forecast } from '../../apps/weather/schemas.ts'
import { load } from './console-modules.ts'

type Value = Omit<Forecast, 'city'>
interface Frame {
  x(time: number): number
  y(value: number): number
  low: number
  high: number
}

const scale = await load<{
  CATEGORIES: { name: string; from: number; colour: string }[]
  PALETTE: string[]
  categoryOf(value: number): number
  shadeOf(value: number): number
  rangeOf(category: number): string
  bothDegrees(value: number | null): string
  categoryName(value: number | null): string
}>('weather-scale.js')
const chart = await load<{
  frameOf(points: Value[]): Frame | null
  pathOf(points: Value[], pick: (point: Value) => number | null, frame: Frame): string
  ticksOf(low: number, high: number, most: number): number[]
  chartWords(points: Value[], name: string): string
}>('weather-chart.js')
const card = await load<{
  withValue(values: Value[], value: Value, most: number): Value[]
  doubtOf(value: { heatIndex: number | null; temperature: number | null } | undefined): string
  localTime(timezone: string, now: number): string
}>('weather-city.js')
const { placeOf } = await load<{ placeOf(hash: string): unknown }>('delivery-words.js')

test('an address names the page of the weather, and a city on it', () => {
  assert.deepEqual(placeOf('#/weather'), { page: 'weather', city: null })
  assert.deepEqual(placeOf('#/weather/a%2Fb'), { page: 'weather', city: 'a/b' })
  for (const hash of ['#/weather/', '#/weather/a/b', '#/weather/%', '#/weatherman'])
    assert.equal(placeOf(hash), null, hash)
})

describe('the scale of heat indexes', () => {
  test('a category begins at its degree', () => {
    const names = [79.99, 80, 89.99, 90, 102.99, 103, 124.99, 125, 200, -60].map(scale.categoryName)
    const [none, caution, extreme, danger, worst] = scale.CATEGORIES.map(({ name }) => name)
    assert.deepEqual(names, [none, caution, caution, extreme, extreme, danger, danger, worst, worst, none])
    assert.equal(scale.categoryName(null), '')
    assert.deepEqual([0, 1, 4].map(scale.rangeOf), ['below 80 °F', '80 to 90 °F', 'from 125 °F'])
    assert.equal(scale.bothDegrees(212), '212.0 °F, 100.0 °C')
    assert.equal(scale.bothDegrees(null), '–')
  })

  test('any value has a colour, in a category its own, and no value has that of none', () => {
    fc.assert(
      fc.property(fc.double({ min: -500, max: 900, noNaN: true }), value => {
        const colour = scale.PALETTE[scale.shadeOf(value)]
        const category = scale.categoryOf(value)
        assert.match(colour!, category === 0 ? /^rgb\(\d+,\d+,\d+\)$/ : /^#/)
        if (category > 0) assert.equal(colour, scale.CATEGORIES[category]!.colour)
      }),
    )
    assert.equal(scale.shadeOf(Number.NaN), scale.PALETTE.length - 1)
    assert.equal(scale.categoryOf(Number.NaN), -1)
  })
})

describe('the city that is looked at', () => {
  const value = (minute: number, more: Partial<Forecast> = {}): Value => {
    const { city: _, ...rest } = forecast({ windowStart: NOON + minute * MINUTE, ...more })
    return rest
  }

  test('has its windows in order, one value each, the newest of them', () => {
    let values: Value[] = []
    for (const minute of [3, 1, 2, 4]) values = card.withValue(values, value(minute), 3)
    assert.deepEqual(
      values.map(({ windowStart }) => (windowStart - NOON) / MINUTE),
      [2, 3, 4],
    )
    values = card.withValue(values, value(3, { heatIndex: 99, rollingHeatIndex: 81, timing: 'late' }), 3)
    assert.deepEqual(
      values.map(({ heatIndex }) => heatIndex),
      [81.5, 99, 81.5],
    )
    assert.equal(values[1]!.rollingHeatIndex, 81)
    assert.deepEqual(card.withValue(values, value(0), 3), values)
  })

  test('the line is broken where a window is missing or has no value', () => {
    const points = [value(0), value(1), value(2, { heatIndex: null }), value(3), value(5)]
    const frame = chart.frameOf(points)!
    const path = chart.pathOf(points, ({ heatIndex }) => heatIndex, frame)
    assert.equal(path.replace(/[\d. ]+(?=[ML]|$)/g, '').replace(/[^ML]/g, ''), 'MLMM')
    assert.equal(chart.frameOf([]), null)
    assert.match(chart.chartWords(points, 'Rome'), /^Heat index of Rome, 4 windows, from 81\.5 °F/)
    assert.equal(chart.chartWords([], 'Rome'), 'Rome: no values yet')
  })

  test('all values lie within the frame, also when all are the same', () => {
    fc.assert(
      fc.property(fc.array(fc.double({ min: -40, max: 130, noNaN: true }), { minLength: 1, maxLength: 20 }), heats => {
        const points = heats.map((heatIndex, i) => value(i, { heatIndex, rollingHeatIndex: null }))
        const { low, high } = chart.frameOf(points)!
        for (const heat of heats) assert.ok(heat > low && heat < high)
        const ticks = chart.ticksOf(low, high, 4)
        assert.ok(ticks.length >= 1 && ticks.length <= 5, ticks.join())
        for (const tick of ticks) assert.ok(tick >= low && tick <= high)
      }),
    )
  })

  test('a value of the regression below its range is told to mean nothing', () => {
    assert.match(card.doubtOf({ heatIndex: 702, temperature: -25 }), /holds from 80/)
    for (const one of [
      { heatIndex: 50, temperature: 52 },
      { heatIndex: 130, temperature: 100 },
      { heatIndex: null, temperature: 20 },
    ]) {
      assert.equal(card.doubtOf(one), '')
    }
    assert.equal(card.doubtOf(undefined), '')
  })

  test('its time of day is its own', () => {
    assert.match(card.localTime('Asia/Tokyo', NOON), /21:00/)
    assert.equal(card.localTime('Nowhere/Nothing', NOON), '–')
  })
})
