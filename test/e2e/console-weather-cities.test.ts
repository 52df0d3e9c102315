/** The cities of the weather page as the stream of changes moves them; and what they take from the API, with the API. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import * as fc from 'fast-check'
import { DELHI, forecast, LONDON, MINUTE, NOON, TOKYO, WeatherSite } from '../../apps/weather/api/test/site.ts'
import type { Forecast } from '../../apps/weather/schemas.ts'
import { load } from './console-modules.ts'

interface MapAnswer {
  ids: string[]
  lat: number[]
  lon: number[]
  heatIndex: (number | null)[]
  behind: number[]
  newest: number | null
  hottestWithin: number
}
interface Cities {
  ids: string[]
  heat: Float64Array
  newest: number
  counts: number[]
  updates: number
  isIncomplete: boolean
  length: number
  numberOf(id: string): number
  beginMap(): void
  endMap(answer: MapAnswer): void
  failMap(): void
  take(forecast: Forecast): boolean
  hottest(limit: number): number[]
}

const scale = await load<{ categoryOf(value: number): number }>('weather-scale.js')
const { WeatherCities } = await load<{ WeatherCities: new () => Cities }>('weather-cities.js')

const HOTTEST_WITHIN = 2 * MINUTE
const place = (ids: string[], heatIndex: (number | null)[], behind = ids.map(() => 0)): MapAnswer => ({
  ids,
  lat: ids.map((_, i) => i),
  lon: ids.map((_, i) => 2 * i),
  heatIndex,
  behind,
  newest: NOON,
  hottestWithin: HOTTEST_WITHIN,
})

function citiesOf(answer: MapAnswer): Cities {
  const cities = new WeatherCities()
  cities.beginMap()
  cities.endMap(answer)
  return cities
}

describe('the cities of the map', () => {
  test('show the value of the newest window, whatever comes for older ones', () => {
    const cities = citiesOf(place(['a', 'b'], [70, null]))
    assert.deepEqual([...cities.heat], [70, Number.NaN])
    assert.equal(cities.take(forecast({ city: 'a', windowStart: NOON + MINUTE, heatIndex: 85 })), true)
    assert.equal(cities.take(forecast({ city: 'a', windowStart: NOON, heatIndex: 60, timing: 'late' })), false)
    assert.equal(cities.take(forecast({ city: 'a', windowStart: NOON + MINUTE, heatIndex: 86, timing: 'late' })), true)
    assert.equal(cities.take(forecast({ city: 'a', windowStart: NOON + MINUTE, heatIndex: 86 })), false)
    assert.equal(cities.heat[0], 86)
    assert.equal(cities.newest, NOON + MINUTE)
    assert.equal(cities.updates, 4)
    assert.equal(cities.take(forecast({ city: 'a', windowStart: NOON + 2 * MINUTE, heatIndex: null })), true)
    assert.ok(Number.isNaN(cities.heat[0]))
  })

  test('a correction of an old window does not touch what only the map told', () => {
    const cities = citiesOf(place(['a'], [70]))
    assert.equal(cities.take(forecast({ city: 'a', windowStart: NOON - MINUTE, heatIndex: 99, timing: 'late' })), false)
    assert.equal(cities.heat[0], 70)
  })

  test('a correction of the newest window of a city counts, also where others have newer ones', () => {
    const cities = citiesOf(place(['a', 'b'], [70, 80], [MINUTE, 0]))
    const correction = { city: 'a', windowStart: NOON - MINUTE, timing: 'late' } as const
    assert.equal(cities.take(forecast({ ...correction, heatIndex: 99 })), true)
    assert.equal(cities.heat[0], 99)
    assert.equal(cities.take(forecast({ ...correction, windowStart: NOON - 2 * MINUTE, heatIndex: 60 })), false)
    assert.equal(cities.take(forecast({ city: 'b', windowStart: NOON - MINUTE, heatIndex: 60 })), false)
    assert.deepEqual([...cities.heat], [99, 80])
  })

  test('what came while the map was asked for holds over an answer that is older', () => {
    const cities = citiesOf(place(['a'], [70]))
    cities.beginMap()
    cities.take(forecast({ city: 'a', windowStart: NOON + MINUTE, heatIndex: 91 }))
    cities.take(forecast({ city: 'b', windowStart: NOON + MINUTE, heatIndex: 92 }))
    assert.equal(cities.isIncomplete, true)
    cities.endMap(place(['b', 'a'], [50, 70]))
    assert.equal(cities.isIncomplete, false)
    assert.deepEqual([...cities.heat], [92, 91])
    assert.deepEqual(
      ['a', 'b', 'c'].map(id => cities.numberOf(id)),
      [1, 0, -1],
    )
    cities.beginMap()
    cities.failMap()
    assert.deepEqual([...cities.heat], [92, 91])
  })

  test('the counts of the categories and the hottest are always those of what is shown', () => {
    const heat = fc.option(fc.integer({ min: 60, max: 130 }), { nil: null })
    const change = fc.record({ number: fc.nat({ max: 7 }), at: fc.nat({ max: 4 }), heatIndex: heat })
    fc.assert(
      fc.property(
        fc.array(heat, { minLength: 8, maxLength: 8 }),
        fc.array(change),
        fc.nat({ max: 9 }),
        fc.array(fc.nat({ max: 4 }), { minLength: 8, maxLength: 8 }),
        (first, changes, limit, behind) => {
          const ids = first.map((_, i) => `c${i}`)
          const starts = behind.map(windows => NOON - windows * MINUTE)
          const cities = citiesOf(
            place(
              ids,
              first,
              behind.map(windows => windows * MINUTE),
            ),
          )
          const expected = [...first]
          let newest = NOON
          for (const { number, at, heatIndex } of changes) {
            const windowStart = NOON + (at - 2) * MINUTE
            cities.take(forecast({ city: ids[number]!, windowStart, heatIndex }))
            newest = Math.max(newest, windowStart)
            if (windowStart < starts[number]!) continue
            starts[number] = windowStart
            expected[number] = heatIndex
          }
          const values = [...cities.heat]
          assert.deepEqual(
            values,
            expected.map(value => value ?? Number.NaN),
          )
          assert.equal(cities.newest, newest)
          const inCategory = (category: number) => values.filter(value => scale.categoryOf(value) === category).length
          assert.deepEqual(cities.counts, [...[0, 1, 2, 3, 4].map(inCategory), inCategory(-1)])
          const sorted = [...values.keys()]
            .filter(number => !Number.isNaN(values[number]!) && newest - starts[number]! <= HOTTEST_WITHIN)
            .sort((a, b) => values[b]! - values[a]! || a - b)
          assert.deepEqual(cities.hottest(limit), sorted.slice(0, limit))
        },
      ),
    )
  })

  test('are what the API tells, at first and after every change', async () => {
    const site = await WeatherSite.open()
    try {
      await site.show({ city: LONDON, heatIndex: 61 }, { city: TOKYO, heatIndex: 88.126 })
      const events = await site.follow('live')
      await events.next('begin')
      const cities = citiesOf((await site.get('map')).body)
      assert.deepEqual(
        [LONDON, TOKYO, DELHI].map(id => cities.heat[cities.numberOf(id)]),
        [61, 88.13, undefined],
      )
      const later = NOON + MINUTE
      const changes = [
        { city: LONDON, windowStart: later, heatIndex: 92.5 },
        { city: LONDON, windowStart: NOON, heatIndex: 40.25, timing: 'late' },
        { city: TOKYO, windowStart: later, heatIndex: null },
        { city: DELHI, windowStart: later, heatIndex: 104 },
      ] as const
      await site.write(...changes)
      for (const _ of changes) cities.take((await events.next('forecast')).data)
      assert.equal(cities.isIncomplete, true)
      const { body } = await site.get('map')
      const shown = (id: string) => cities.heat[cities.numberOf(id)]
      assert.deepEqual([shown(LONDON), shown(TOKYO)], [92.5, Number.NaN])
      cities.beginMap()
      cities.endMap(body)
      assert.deepEqual([shown(LONDON), shown(TOKYO), shown(DELHI)], [92.5, Number.NaN, 104])
      assert.equal(cities.newest, later)
      assert.deepEqual(
        cities.hottest(5).map(number => cities.ids[number]),
        (await site.get('hottest?limit=5')).body.cities.map(({ id }: { id: string }) => id),
      )
      events.close()
    } finally {
      await site.close()
    }
  })
})
