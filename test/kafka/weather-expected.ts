/** What the weather platform is to make of readings, worked out in the simplest way: all of them at once. */
import assert from 'node:assert/strict'
import { regressionHeatIndex } from '../../apps/weather/heat-index.ts'
import type { Forecast, Reading } from '../../apps/weather/schemas.ts'
import { differencesOf } from '../postgres/differences.ts'

/** Of values, relative: sums are added up in another order here. */
const TOLERANCE = 1e-9

/** A forecast on time for each window of each city. `readings`: none of them late. */
export function forecastsOf(readings: readonly Reading[], windowMs: number, rollingMs: number): Forecast[] {
  return [...Map.groupBy(readings, ({ city }) => city)].flatMap(([city, own]) => {
    const windows = [...Map.groupBy(own, ({ timestamp }) => Math.floor(timestamp / windowMs) * windowMs)]
      .sort(([one], [other]) => one - other)
      .map(([windowStart, inside]) => {
        const whole = inside.filter(({ temperature, humidity }) => temperature !== null && humidity !== null)
        return {
          windowStart,
          heatIndex: meanOf(whole.map(one => regressionHeatIndex(one.temperature!, one.humidity!))),
          temperature: meanOf(whole.map(one => one.temperature!)),
          humidity: meanOf(whole.map(one => one.humidity!)),
          readings: inside.length,
        }
      })
    return windows.map((window, i): Forecast => {
      const before = windows.slice(0, i + 1).filter(one => one.windowStart >= window.windowStart - rollingMs)
      const known = before.flatMap(({ heatIndex }) => (heatIndex === null ? [] : [heatIndex]))
      return {
        city,
        ...window,
        windowEnd: window.windowStart + windowMs,
        rollingHeatIndex: meanOf(known),
        timing: 'onTime',
      }
    })
  })
}

/** Each of `expected` is there once, and nothing else. */
export function assertForecasts(found: readonly Forecast[], expected: readonly Forecast[]): void {
  const one = found.toSorted(inOrder)
  const other = expected.toSorted(inOrder)
  assert.deepEqual(differencesOf(one.map(labelOf), other.map(labelOf)), [])
  for (const [i, { city: _, ...forecast }] of one.entries()) {
    for (const name of ['heatIndex', 'temperature', 'humidity', 'rollingHeatIndex'] as const) {
      const [is, wanted] = [forecast[name], other[i]![name]]
      const isEqual =
        is === wanted || (is !== null && wanted !== null && Math.abs(is - wanted) <= TOLERANCE * Math.abs(wanted))
      assert.ok(isEqual, `${name} of ${labelOf(other[i]!)}: ${is}, and not ${wanted}`)
    }
  }
}

/** By city and time. */
export function inOrder(one: Forecast, other: Forecast): number {
  if (one.city !== other.city) return one.city < other.city ? -1 : 1
  return one.windowStart - other.windowStart
}

function labelOf({ city, windowStart, windowEnd, readings, timing }: Forecast): string {
  return `${city} ${windowStart} to ${windowEnd}: ${readings} ${timing}`
}

function meanOf(values: readonly number[]): number | null {
  return values.length === 0 ? null : values.reduce((sum, value) => sum + value, 0) / values.length
}
