/** Older values, which whoever assembles the application has elsewhere; and answers that need a token. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { AldebaranError } from 'aldebaran'
import type { Forecast } from '../schemas.ts'
import { forecast, LONDON, MINUTE, NOON, TOKYO, WeatherSite } from './test/site.ts'

const TOKEN = 'a-token-for-the-tests'
const bearer = { authorization: `Bearer ${TOKEN}` }
const at = (minute: number) => NOON + minute * MINUTE
/** What is stored: minutes 0 to 9 of London, as they were before anything came late. */
const stored = Array.from({ length: 10 }, (_, minute) => forecast({ windowStart: at(minute), heatIndex: minute }))
const asked: { city: string; from: number; to: number; limit: number }[] = []

async function history(city: string, from: number, to: number, limit: number): Promise<Forecast[]> {
  asked.push({ city, from, to, limit })
  if (city === TOKYO) throw new AldebaranError('BUSY', 'the store is not there')
  return stored.filter(({ windowStart }) => windowStart >= from && windowStart < to).slice(-limit)
}

let site: WeatherSite
before(async () => {
  site = await WeatherSite.open({ windows: 3, history, tokens: [TOKEN] })
  const events = await site.follow(`live?cities=${LONDON}`, bearer)
  await events.next('begin')
  await site.write(...[5, 6, 7, 8, 9].map(minute => ({ windowStart: at(minute), heatIndex: 100 + minute })))
  for (let i = 0; i < 5; i++) await events.next('forecast')
  events.close()
})
after(() => site.close())

const valuesOf = async (query: string) => {
  const { status, body, headers } = await site.get(`cities/${LONDON}/heat-index${query}`, bearer)
  assert.equal(status, 200)
  return { values: body.values.map(({ heatIndex }: Forecast) => heatIndex), next: body.next, headers }
}

test('what the node holds is answered without the store', async () => {
  asked.length = 0
  assert.deepEqual((await valuesOf(`?from=${at(7)}`)).values, [109, 108, 107])
  assert.deepEqual((await valuesOf('?limit=2')).values, [109, 108])
  assert.deepEqual(asked, [])
})

test('what is older comes from the store, and what is held takes the place of what is stored', async () => {
  asked.length = 0
  const { values, next, headers } = await valuesOf(`?from=${at(2)}`)
  assert.deepEqual(values, [109, 108, 107, 6, 5, 4, 3, 2])
  assert.equal(next, null)
  assert.equal(headers.get('etag'), null)
  assert.equal(headers.get('cache-control'), 'private, max-age=5')
  assert.deepEqual(asked, [{ city: LONDON, from: at(2), to: Number.POSITIVE_INFINITY, limit: 60 }])
})

test('pages go on from what is held into what is stored', async () => {
  const first = await valuesOf('?limit=3')
  assert.deepEqual(first.values, [109, 108, 107])
  const second = await valuesOf(`?limit=4&to=${first.next}`)
  assert.deepEqual(second.values, [6, 5, 4, 3])
  assert.deepEqual((await valuesOf(`?limit=4&to=${second.next}`)).values, [2, 1, 0])
})

test('a store that is down is told to those who need it, and nobody else', async () => {
  const { status, body } = await site.get(`cities/${TOKYO}/heat-index`, bearer)
  assert.equal(status, 503)
  assert.equal(body.error.code, 'BUSY')
  assert.equal((await site.get(`cities/${TOKYO}`, bearer)).status, 200)
})

test('with tokens an answer that is ready still needs one, and is for nobody between', async () => {
  const path = `cities/${LONDON}`
  for (const _ of ['made', 'kept']) {
    const { status, headers } = await site.get(path, bearer)
    assert.equal(status, 200)
    assert.equal(headers.get('cache-control'), 'private, max-age=5')
  }
  for (const headers of [{}, { authorization: 'Bearer another-token-of-nobody' }, { authorization: TOKEN }]) {
    const { status, body } = await site.get(path, headers as Record<string, string>)
    assert.equal(status, 401)
    assert.equal(body.error.code, 'UNAUTHORIZED')
  }
  const events = await site.follow(`live?cities=${LONDON}&access_token=${TOKEN}`)
  assert.equal((await events.next()).event, 'begin')
  events.close()
  assert.equal((await site.follow('live')).status, 401)
})
