/** The weather API over real HTTP, on the embedded log. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import type { Forecast } from '../schemas.ts'
import { DELHI, forecast, LONDON, MINUTE, NOON, TOKYO, WeatherSite } from './test/site.ts'

let site: WeatherSite
before(async () => {
  site = await WeatherSite.open({ windows: 5 })
})
after(() => site.close())

const shown = (value: Partial<Forecast>) => {
  const { city: _, ...rest } = forecast(value)
  return rest
}

test('a city without a forecast is known, and has no value', async () => {
  const { status, body } = await site.get('cities/LGA')
  assert.equal(status, 200)
  assert.deepEqual(body, {
    id: 'LGA',
    name: 'LaGuardia Airport',
    country: 'US',
    lat: 40.777245,
    lon: -73.872608,
    population: 0,
    timezone: 'America/New_York',
    latest: null,
  })
})

test('a city shows its newest window, to the last digit', async () => {
  const exact = { heatIndex: 81.23456789012344, rollingHeatIndex: null, humidity: 1 / 3 }
  await site.show({ windowStart: NOON }, { windowStart: NOON + MINUTE, ...exact })
  const { body, headers } = await site.get(`cities/${LONDON}`)
  assert.deepEqual(body.latest, shown({ windowStart: NOON + MINUTE, ...exact }))
  assert.equal(headers.get('cache-control'), 'public, max-age=5')
  assert.equal(headers.get('content-type'), 'application/json; charset=utf-8')
  assert.equal(headers.get('x-content-type-options'), 'nosniff')
})

test('an unknown city is 404, and a bad parameter 400 with a code and a remedy', async () => {
  for (const path of ['cities/nowhere', 'cities/nowhere/heat-index', 'live?cities=LGA,nowhere']) {
    const { status, body } = await site.get(path)
    assert.equal(status, 404, path)
    assert.equal(body.error.code, 'NOT_FOUND')
    assert.ok(body.error.remedy.length > 0)
  }
  const bad = [
    'cities?limit=0',
    'cities?limit=501',
    'cities?country=GBR',
    'cities?after=nowhere',
    'cities?unknown=1',
    `cities/${LONDON}/heat-index?from=yesterday`,
    `cities/${LONDON}/heat-index?to=2024-07-01T12:00:00`,
    'hottest?limit=ten',
    'map?limit=1',
    'live?current=perhaps',
  ]
  for (const path of bad) {
    const { status, body } = await site.get(path)
    assert.equal(status, 400, path)
    assert.equal(body.error.code, 'OPTION_INVALID', path)
    assert.ok(body.error.remedy.length > 0)
  }
})

test('the same answer has the same ETag, and 304 for who has it; a new value has a new one', async () => {
  const path = `cities/${TOKYO}`
  await site.show({ city: TOKYO, heatIndex: 90 })
  const first = await site.get(path)
  const etag = first.headers.get('etag')!
  assert.match(etag, /^"[\w.:-]+"$/)
  for (const asked of [etag, `W/${etag}`, `"other", ${etag}`, '*']) {
    const again = await site.get(path, { 'if-none-match': asked })
    assert.equal(again.status, 304, asked)
    assert.equal(again.headers.get('etag'), etag)
    assert.equal(again.headers.get('cache-control'), 'public, max-age=5')
    assert.equal(again.body, undefined)
  }
  assert.equal((await site.get(path, { 'if-none-match': '"other"' })).status, 200)
  await site.show({ city: TOKYO, windowStart: NOON + MINUTE, heatIndex: 91 })
  const next = await site.get(path, { 'if-none-match': etag })
  assert.equal(next.status, 200)
  assert.equal(next.body.latest.heatIndex, 91)
  assert.notEqual(next.headers.get('etag'), etag)
})

test('a later result of a window takes the place of the earlier', async () => {
  const city = DELHI
  await site.show({ city, timing: 'early', heatIndex: 70, rollingHeatIndex: null })
  assert.equal((await site.get(`cities/${city}`)).body.latest.timing, 'early')
  await site.show({ city, timing: 'onTime', heatIndex: 71, rollingHeatIndex: 69 })
  assert.equal((await site.get(`cities/${city}`)).body.latest.heatIndex, 71)
  await site.show({ city, timing: 'late', heatIndex: 72, rollingHeatIndex: 69.5 })
  const { latest } = (await site.get(`cities/${city}`)).body
  assert.deepEqual([latest.timing, latest.heatIndex, latest.rollingHeatIndex], ['late', 72, 69.5])
  const { values } = (await site.get(`cities/${city}/heat-index`)).body
  assert.equal(values.length, 1)
})

test('the windows of a city come newest first, page by page; the oldest go', async () => {
  const city = 'JFK'
  const starts = [0, 1, 2, 3, 4, 5, 6].map(minute => NOON + minute * MINUTE)
  await site.show(...starts.map(windowStart => ({ city, windowStart })))
  const path = `cities/${city}/heat-index`
  const all = await site.get(path)
  const startsOf = (body: { values: Forecast[] }) => body.values.map(({ windowStart }) => windowStart)
  assert.deepEqual(startsOf(all.body), starts.slice(2).toReversed())
  assert.equal(all.body.city, city)
  assert.equal(all.body.next, null)
  assert.deepEqual(all.body.values[0], shown({ windowStart: starts[6]! }))
  const page = await site.get(`${path}?limit=2`)
  assert.deepEqual(startsOf(page.body), [starts[6], starts[5]])
  const next = await site.get(`${path}?limit=2&to=${page.body.next}`)
  assert.deepEqual(startsOf(next.body), [starts[4], starts[3]])
  const iso = (ms: number) => encodeURIComponent(new Date(ms).toISOString())
  const range = await site.get(`${path}?from=${iso(starts[3]!)}&to=${iso(starts[5]!)}`)
  assert.deepEqual(startsOf(range.body), [starts[4], starts[3]])
})

test('an answer about windows changes when one of them does, and not with others', async () => {
  const city = 'EWR'
  const at = (minute: number) => NOON + minute * MINUTE
  await site.show({ city, windowStart: at(0) }, { city, windowStart: at(1) }, { city, windowStart: at(2) })
  const past = `cities/${city}/heat-index?from=${at(0)}&to=${at(2)}`
  const newest = `cities/${city}/heat-index?limit=1`
  const before = { past: await site.get(past), newest: await site.get(newest) }
  await site.show({ city, windowStart: at(3) })
  assert.deepEqual((await site.get(past)).headers.get('etag'), before.past.headers.get('etag'))
  assert.equal((await site.get(newest)).body.values[0].windowStart, at(3))
  await site.show({ city, windowStart: at(1), timing: 'late', heatIndex: 99 })
  const after = await site.get(past, { 'if-none-match': before.past.headers.get('etag')! })
  assert.equal(after.status, 200)
  assert.equal(after.body.values[0].heatIndex, 99)
})

test('cities are found and paged, with their values', async () => {
  await site.show({ city: LONDON, windowStart: NOON + 2 * MINUTE, heatIndex: 65 })
  const { body } = await site.get('cities?search=LONDON&country=gb&limit=1')
  assert.equal(body.cities[0].id, LONDON)
  assert.equal(body.cities[0].latest.heatIndex, 65)
  const seen: string[] = []
  let after = ''
  do {
    const page = await site.get(`cities?country=CH&limit=7${after}`)
    seen.push(...page.body.cities.map(({ id }: { id: string }) => id))
    after = page.body.next === null ? '' : `&after=${page.body.next}`
  } while (after !== '')
  assert.equal(new Set(seen).size, seen.length)
  assert.ok(seen.length > 7)
  await site.show({ city: LONDON, windowStart: NOON + 3 * MINUTE, heatIndex: 66 })
  assert.equal((await site.get('cities?search=LONDON&country=gb&limit=1')).body.cities[0].latest.heatIndex, 66)
})

test('the hottest are the hottest after every change, of all and of a country', async () => {
  const id = (body: { cities: { id: string }[] }) => body.cities.map(one => one.id)
  await site.show(
    { city: LONDON, windowStart: NOON + 4 * MINUTE, heatIndex: 140 },
    { city: TOKYO, windowStart: NOON + 4 * MINUTE, heatIndex: 141 },
  )
  assert.deepEqual(id((await site.get('hottest?limit=2')).body), [TOKYO, LONDON])
  assert.deepEqual(id((await site.get('hottest?limit=2&country=gb')).body), [LONDON])
  await site.show({ city: DELHI, windowStart: NOON + 4 * MINUTE, heatIndex: 142 })
  assert.deepEqual(id((await site.get('hottest?limit=2')).body), [DELHI, TOKYO])
  await site.show({ city: DELHI, windowStart: NOON + 5 * MINUTE, heatIndex: null })
  assert.deepEqual(id((await site.get('hottest?limit=2')).body), [TOKYO, LONDON])
  assert.deepEqual(id((await site.get('hottest?limit=2&country=IN')).body), [])
  await site.show({ city: DELHI, windowStart: NOON + 6 * MINUTE, heatIndex: 50 })
  assert.deepEqual(id((await site.get('hottest?limit=2&country=IN')).body), [DELHI])
})

test('a city whose newest window is old leaves the hottest when time goes on elsewhere', async () => {
  const own = await WeatherSite.open({ hottestWithin: '2m' })
  try {
    const hottest = async (more = '') => {
      const { body, headers } = await own.get(`hottest?limit=5${more}`)
      return { ids: body.cities.map((one: { id: string }) => one.id), etag: headers.get('etag') }
    }
    await own.show({ city: LONDON, heatIndex: 140 }, { city: DELHI, heatIndex: 60 })
    assert.deepEqual((await hottest()).ids, [LONDON, DELHI])
    await own.show({ city: DELHI, windowStart: NOON + 2 * MINUTE, heatIndex: 61 })
    const before = await hottest()
    assert.deepEqual(before.ids, [LONDON, DELHI])
    assert.deepEqual((await hottest('&country=gb')).ids, [LONDON])
    // Neither of those that are shown, nor hotter than one of them.
    await own.show({ city: TOKYO, windowStart: NOON + 3 * MINUTE, heatIndex: null })
    const after = await hottest()
    assert.deepEqual(after.ids, [DELHI])
    assert.notEqual(after.etag, before.etag)
    assert.deepEqual((await hottest('&country=gb')).ids, [])
    const { ids, heatIndex, behind, newest, hottestWithin } = (await own.get('map')).body
    const index = ids.indexOf(LONDON)
    assert.deepEqual([heatIndex[index], newest - behind[index]], [140, NOON])
    assert.deepEqual([newest, hottestWithin], [NOON + 3 * MINUTE, 2 * MINUTE])
    await own.show({ city: LONDON, windowStart: NOON + 2 * MINUTE, heatIndex: 139, timing: 'late' })
    assert.deepEqual((await hottest()).ids, [LONDON, DELHI])
    assert.deepEqual((await hottest('&country=gb')).ids, [LONDON])
  } finally {
    await own.close()
  }
})

test('the map has every city with a value, also one that is new', async () => {
  const before = await site.get('map')
  const { ids, lat, lon, heatIndex, behind, newest } = before.body
  assert.ok(ids.length >= 3)
  assert.deepEqual([lat.length, lon.length, heatIndex.length], [ids.length, ids.length, ids.length])
  assert.equal(heatIndex[ids.indexOf(LONDON)], 140)
  assert.ok(Math.abs(lat[ids.indexOf(LONDON)] - 51.5) < 0.1)
  assert.equal(newest, NOON + 6 * MINUTE)
  assert.equal(newest - behind[ids.indexOf(LONDON)], NOON + 4 * MINUTE)
  const paris = '2988507'
  assert.ok(!ids.includes(paris))
  await site.show({ city: paris, heatIndex: 70.126 })
  const after = await site.get('map', { 'if-none-match': before.headers.get('etag')! })
  assert.equal(after.status, 200)
  assert.equal(after.body.heatIndex[after.body.ids.indexOf(paris)], 70.13)
  assert.equal((await site.get('map', { 'if-none-match': after.headers.get('etag')! })).status, 304)
})

test('large answers come compressed to those who take it, each coding with its own ETag', async () => {
  const path = 'cities?limit=500'
  const tags = new Set<string>()
  for (const coding of ['identity', 'gzip', 'br']) {
    for (const _ of ['made', 'kept']) {
      const { headers, body } = await site.get(path, { 'accept-encoding': coding })
      assert.equal(headers.get('content-encoding') ?? 'identity', coding)
      assert.equal(headers.get('vary'), 'accept-encoding')
      assert.equal(body.cities.length, 500)
      tags.add(headers.get('etag')!)
    }
  }
  assert.equal(tags.size, 3)
  for (const tag of tags) assert.equal((await site.get(path, { 'if-none-match': tag })).status, 304)
  assert.equal((await site.get('cities/LGA', { 'accept-encoding': 'br' })).headers.get('content-encoding'), null)
})

test('a forecast of a city that is not known is left out and counted', async () => {
  const before = site.view.unknown
  await site.write({ city: 'atlantis' })
  await site.show({ city: 'LGA' })
  await site.show({ city: 'EWR', windowStart: NOON + 9 * MINUTE })
  // Behind the unknown one in its own partition too.
  await site.show({ city: 'JFK', windowStart: NOON + 9 * MINUTE })
  assert.equal((await site.get('cities/atlantis')).status, 404)
  await site.restart()
  assert.equal(site.view.unknown, before + 1)
})

test('after a start each city shows what it showed before, under the same ETag', async () => {
  const paths = [LONDON, TOKYO, 'JFK'].map(id => `cities/${id}`)
  const answers = async () => await Promise.all(paths.map(path => site.get(path)))
  const before = await answers()
  await site.restart()
  const after = await answers()
  assert.deepEqual(
    after.map(({ body, headers }) => [body, headers.get('etag')]),
    before.map(({ body, headers }) => [body, headers.get('etag')]),
  )
})

test('the OpenAPI page has every route', async () => {
  const response = await fetch(`${site.running.url}/openapi.json`)
  const { paths } = (await response.json()) as { paths: Record<string, { get: { parameters?: { name: string }[] } }> }
  const parameters = (path: string) => paths[path]?.get.parameters?.map(({ name }) => name)
  assert.deepEqual(parameters('/weather/cities'), ['search', 'country', 'limit', 'after'])
  assert.deepEqual(parameters('/weather/cities/{id}'), ['id'])
  assert.deepEqual(parameters('/weather/cities/{id}/heat-index'), ['from', 'to', 'limit', 'id'])
  assert.deepEqual(parameters('/weather/hottest'), ['country', 'limit'])
  assert.deepEqual(parameters('/weather/live'), ['cities', 'current', 'access_token'])
  assert.ok('/weather/map' in paths)
  assert.deepEqual(parameters('/weather/export'), ['from', 'to', 'format'])
})

test('what answers show and nobody asks for any more is not watched for ever', async () => {
  for (let limit = 1; limit <= 20; limit++) await site.get(`hottest?limit=${limit}`)
  assert.ok(site.view.watchers.count >= 20)
  await site.show({ city: TOKYO, windowStart: NOON + 9 * MINUTE, heatIndex: 150 })
  const left = site.view.watchers.count
  assert.ok(left < 20, `${left} answers`)
})
