/** The map of the weather page, without a browser: what is seen of the world, and its land. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import * as fc from 'fast-check'
import { CityDirectory } from '../../apps/weather/cities.ts'
import { load } from './console-modules.ts'

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

const { MapView, nearest, neighbour, WHOLE } = await load<{
  MapView: new () => View
  nearest(view: View, places: Places, x: number, y: number, most: number): number
  neighbour(view: View, places: Places, from: number, direction: string): number
  WHOLE: { west: number; east: number; south: number; north: number }
}>('weather-view.js')
const { LAND } = await load<{ LAND: number[][] }>('land.js')

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
