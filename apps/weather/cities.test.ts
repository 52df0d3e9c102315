import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CityDirectory } from './cities.ts'

const directory = CityDirectory.load()
const names = (numbers: readonly number[]) => numbers.map(number => directory.cities[number]!.name)

test('15,000 cities by population, and the three airports behind them', () => {
  assert.equal(directory.cities.length, 15_003)
  assert.deepEqual(directory.cities[0], {
    id: '1796236',
    name: 'Shanghai',
    country: 'CN',
    lat: 31.22222,
    lon: 121.45806,
    population: 24_874_500,
    timezone: 'Asia/Shanghai',
  })
  assert.deepEqual(
    directory.cities.slice(-3).map(({ id }) => id),
    ['EWR', 'JFK', 'LGA'],
  )
  assert.equal(new Set(directory.cities.map(({ id }) => id)).size, 15_003)
  for (const { lat, lon, country, timezone } of directory.cities) {
    assert.ok(Math.abs(lat) <= 90 && Math.abs(lon) <= 180 && /^[A-Z]{2}$/.test(country) && timezone.includes('/'))
  }
})

test('a city is found by its id, an unknown one is not', () => {
  assert.equal(directory.cities[directory.numberOf('5128581')!]?.name, 'New York City')
  assert.equal(directory.cities[directory.numberOf('LGA')!]?.country, 'US')
  assert.equal(directory.numberOf('XYZ'), undefined)
})

test('a quoted name keeps its commas', () => {
  const found = directory.find({ search: 'Mianzhu', limit: 5 })
  assert.deepEqual(names(found), ['Mianzhu, Deyang, Sichuan'])
})

test('case and accents do not matter in a search, on either side', () => {
  for (const search of ['São Paulo', 'sao paulo', 'SAO PAULO', 'SÃO p']) {
    assert.equal(names(directory.find({ search, limit: 1 }))[0], 'São Paulo', search)
  }
  assert.deepEqual(names(directory.find({ search: 'lodz', limit: 1 })), ['Łódź'])
  assert.deepEqual(names(directory.find({ search: 'istanbul', limit: 1 })), ['Istanbul'])
})

test('the most populous come first, page after page, each once', () => {
  const all = directory.find({ search: 'spring', limit: 1000 })
  assert.ok(all.length > 5)
  const populations = all.map(number => directory.cities[number]!.population)
  assert.deepEqual(
    populations,
    populations.toSorted((a, b) => b - a),
  )
  const paged: number[] = []
  for (;;) {
    const page = directory.find({ search: 'spring', limit: 2, after: paged.at(-1) })
    if (page.length === 0) break
    paged.push(...page)
  }
  assert.deepEqual(paged, all)
})

test('a country narrows a search, and is a search of its own', () => {
  const swiss = directory.find({ country: 'ch', limit: 1000 })
  assert.ok(swiss.length > 5)
  assert.ok(swiss.every(number => directory.cities[number]!.country === 'CH'))
  assert.deepEqual(names(directory.find({ search: 'zur', country: 'CH', limit: 1 })), ['Zürich'])
  assert.deepEqual(directory.find({ search: 'zurich', country: 'US', limit: 1 }), [])
  assert.deepEqual(directory.find({ search: 'no such place', limit: 10 }), [])
})
