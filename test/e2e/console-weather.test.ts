/** What the weather page works out, without a browser; and what it takes from the API, with the API. */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import * as fc from 'fast-check'
import { DELHI, forecast, LONDON, MINUTE, NOON, TOKYO, WeatherSite } from '../../apps/weather/api/test/site.ts'
import { CityDirectory } from '../../apps/weather/cities.ts'
import type { Forecast } from '../../apps/weather/schemas.ts'

const CONSOLE = join(import.meta.dirname, '../../console')

// The modules of the page are JavaScript with types of their own, checked by console/tsconfig.json.
const load = async <T>(name: string): Promise<T> => (await import(join(CONSOLE, name))) as T

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
interface View {
  zoom: number
  lon: number
  lat: number
  scale: number
  reset(): void
  resize(width: number, height: number): void
  x(lon: number): number
  y(lat: number): number
  zoomBy(factor: number, x?: number, y?: number): void
  pan(right: number, down: number): void
  bringIn(lon: number, lat: number): boolean
}
interface Places {
  length: number
  lat: number[]
  lon: number[]
}
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
const { WeatherCities } = await load<{ WeatherCities: new () => Cities }>('weather-cities.js')
const { MapView, nearest, neighbour, WHOLE } = await load<{
  MapView: new () => View
  nearest(view: View, places: Places, x: number, y: number, most: number): number
  neighbour(view: View, places: Places, from: number, direction: string): number
  WHOLE: { west: number; east: number; south: number; north: number }
}>('weather-view.js')
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
const { LAND } = await load<{ LAND: number[][] }>('land.js')
const { placeOf } = await load<{ placeOf(hash: string): unknown }>('delivery-words.js')

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

describe('the view of the map', () => {
  const sized = () => {
    const view = new MapView()
    view.resize(720, 272)
    return view
  }

  test('shows the whole world at first, and again after a reset', () => {
    const view = sized()
    assert.deepEqual([view.x(WHOLE.west), view.x(WHOLE.east)], [0, 720])
    assert.deepEqual([view.y(WHOLE.north), view.y(WHOLE.south)], [0, 272])
    view.zoomBy(8, 10, 10)
    assert.ok(view.x(WHOLE.east) > 720)
    view.reset()
    assert.deepEqual([view.x(WHOLE.west), view.y(WHOLE.north)], [0, 0])
  })

  test('what is pointed at stays where it is when one comes closer', () => {
    fc.assert(
      fc.property(
        fc.nat({ max: 720 }),
        fc.nat({ max: 272 }),
        fc.double({ min: 1, max: 20, noNaN: true }),
        (x, y, factor) => {
          const view = sized()
          const lon = view.lon + (x - 360) / view.scale
          const lat = view.lat - (y - 136) / view.scale
          view.zoomBy(factor, x, y)
          assert.ok(Math.abs(view.x(lon) - x) < 1e-6 && Math.abs(view.y(lat) - y) < 1e-6)
        },
      ),
    )
  })

  test('never leaves the world, and is no farther than all of it', () => {
    const step = fc.oneof(
      fc.record({ right: fc.integer({ min: -900, max: 900 }), down: fc.integer({ min: -900, max: 900 }) }),
      fc.record({ factor: fc.double({ min: 0.1, max: 9, noNaN: true }) }),
    )
    fc.assert(
      fc.property(fc.array(step), steps => {
        const view = sized()
        for (const one of steps) {
          if ('factor' in one) view.zoomBy(one.factor)
          else view.pan(one.right, one.down)
        }
        assert.ok(view.zoom >= 1)
        assert.ok(view.x(WHOLE.west) <= 1e-6 && view.x(WHOLE.east) >= 720 - 1e-6)
        assert.ok(view.y(WHOLE.north) <= 1e-6 && view.y(WHOLE.south) >= 272 - 1e-6)
      }),
    )
  })

  test('a city that is out of sight is brought in', () => {
    const view = sized()
    view.zoomBy(16)
    assert.equal(view.bringIn(139.7, 35.7), true)
    assert.ok(view.x(139.7) > 0 && view.x(139.7) < 720 && view.y(35.7) > 0 && view.y(35.7) < 272)
    assert.equal(view.bringIn(139.7, 35.7), false)
  })

  test('the nearest city is found, and none where there is none', () => {
    const places = { length: 3, lon: [0, 10, 10], lat: [0, 0, 10] }
    const view = sized()
    assert.equal(nearest(view, places, view.x(9), view.y(1), 12), 1)
    assert.equal(nearest(view, places, view.x(9), view.y(9), 12), 2)
    assert.equal(nearest(view, places, view.x(100), view.y(0), 12), -1)
  })

  test('the arrow keys go to the city in their direction', () => {
    const places = { length: 5, lon: [0, 20, -20, 2, 1], lat: [0, 3, 1, 20, -20] }
    const go = (direction: string) => neighbour(sized(), places, 0, direction)
    assert.deepEqual(['right', 'left', 'up', 'down'].map(go), [1, 2, 3, 4])
    assert.equal(neighbour(sized(), places, 1, 'right'), -1)
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
    values = card.withValue(values, value(3, { heatIndex: 99, rollingHeatIndex: null, timing: 'late' }), 3)
    assert.deepEqual(
      values.map(({ heatIndex }) => heatIndex),
      [81.5, 99, 81.5],
    )
    assert.equal(values[1]!.rollingHeatIndex, 80.25)
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

describe('the outlines of land', () => {
  const isLand = (lon: number, lat: number) => {
    let inside = false
    for (const line of LAND) {
      for (let i = 0; i < line.length; i += 2) {
        const [x, y] = [line[i]!, line[i + 1]!]
        const [beforeX, beforeY] = [line.at(i - 2)!, line.at(i - 1)!]
        if (y > lat !== beforeY > lat && lon < ((beforeX - x) * (lat - y)) / (beforeY - y) + x) inside = !inside
      }
    }
    return inside
  }

  test('are closed lines on Earth', () => {
    for (const line of LAND) {
      assert.ok(line.length >= 6 && line.length % 2 === 0)
      for (const [i, degrees] of line.entries()) assert.ok(Math.abs(degrees) <= (i % 2 === 0 ? 180 : 90))
    }
  })

  test('have land and water where they are, and the cities on land, or by the sea', () => {
    const land = [
      [10, 22],
      [100, 62],
      [134, -25],
      [-60, -5],
      [-100, 45],
      [-42, 72],
      [105, 35],
      [24, 0],
    ]
    const water = [
      [-30, 30],
      [-150, 10],
      [80, -20],
      [0, -40],
      [51, 41.5],
      [-85, 60],
      [-90, 26],
      [18, 35],
    ]
    for (const [lon, lat] of land) assert.ok(isLand(lon!, lat!), `${lon} ${lat}`)
    for (const [lon, lat] of water) assert.ok(!isLand(lon!, lat!), `${lon} ${lat}`)
    const { cities } = CityDirectory.load()
    const onLand = cities.filter(({ lon, lat }) => isLand(lon, lat)).length
    assert.ok(onLand / cities.length > 0.9, `${onLand} of ${cities.length}`)
  })
})
