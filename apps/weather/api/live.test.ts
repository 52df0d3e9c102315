/** The stream of changes over real HTTP: what comes, how it goes on after a break, and what becomes of slow clients. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect } from 'node:net'
import { after, before, test } from 'node:test'
import { DELHI, type Event, forecast, LONDON, MINUTE, NOON, TOKYO, WeatherSite } from './test/site.ts'

/** Few, so that it takes little to be too late. */
const CHANGES = 64

let site: WeatherSite
before(async () => {
  site = await WeatherSite.open({ changes: CHANGES, followers: 5 })
})
after(() => site.close())

const at = (minute: number) => NOON + minute * MINUTE

test('a client gets the changes of its cities, whole, and no others', async () => {
  const events = await site.follow(`live?cities=${LONDON},LGA`)
  assert.equal(events.response.headers['content-type'], 'text/event-stream; charset=utf-8')
  assert.deepEqual((await events.next()).data, { resumed: false })
  await site.write({ city: TOKYO }, { windowStart: at(1) })
  await site.write({ city: DELHI }, { city: 'LGA', heatIndex: null, timing: 'early' })
  const seen = [await events.next(), await events.next()]
  assert.deepEqual(
    seen.map(({ event, data }) => [event, data]),
    [
      ['forecast', forecast({ windowStart: at(1) })],
      ['forecast', forecast({ city: 'LGA', heatIndex: null, timing: 'early' })],
    ],
  )
  events.close()
})

test('the newest values come first for who asks for them', async () => {
  const events = await site.follow(`live?cities=${LONDON},EWR&current=true`)
  assert.equal((await events.next()).event, 'begin')
  const value = await events.next()
  assert.deepEqual([value.event, value.data.city, value.data.windowStart], ['forecast', LONDON, at(1)])
  assert.equal((await events.next()).event, 'current')
  await site.write({ city: 'EWR', windowStart: at(1) })
  assert.equal((await events.next('forecast')).data.city, 'EWR')
  events.close()
})

test('Last-Event-ID goes on where the client was: nothing is missed, nothing comes twice', async () => {
  const cities = [LONDON, TOKYO, DELHI]
  const first = await site.follow(`live?cities=${cities.join()}`)
  await first.next('begin')
  await site.write(...cities.map(city => ({ city, windowStart: at(2) })))
  await first.next('forecast')
  const { id, data } = await first.next('forecast')
  first.close()
  await site.show(...cities.map(city => ({ city, windowStart: at(3) })))
  const second = await site.follow(`live?cities=${cities.join()}`, { 'last-event-id': id! })
  assert.deepEqual((await second.next()).data, { resumed: true })
  const rest = []
  for (let i = 0; i < 4; i++) rest.push(await second.next())
  assert.ok(rest.every(({ event }) => event === 'forecast'))
  const old = rest.filter(({ data: { windowStart } }) => windowStart === at(2))
  assert.equal(old.length, 1)
  assert.notEqual(old[0]!.data.city, data.city)
  assert.deepEqual(
    rest.flatMap(({ data: { city, windowStart } }) => (windowStart === at(3) ? [city] : [])).sort(),
    cities.toSorted(),
  )
  await site.write({ city: TOKYO, windowStart: at(4) })
  assert.equal((await second.next()).data.windowStart, at(4))
  second.close()
})

test('who was away too long, or comes with an id of something else, is told and gets the newest values', async () => {
  const first = await site.follow('live?cities=JFK')
  const { id } = await first.next('begin')
  first.close()
  // The end of the stream is told by a client that is still there.
  const witness = await site.follow('live?cities=JFK')
  await witness.next('begin')
  const values = Array.from({ length: 2 * CHANGES }, (_, i) => ({ city: 'JFK', windowStart: at(i) }))
  for (let i = 0; i < values.length; i += 8) {
    await site.write(...values.slice(i, i + 8))
    for (let seen = 0; seen < 8; seen++) await witness.next('forecast')
  }
  witness.close()
  for (const given of [id!, 'nonsense', '0:1']) {
    const late = await site.follow('live?cities=JFK', { 'last-event-id': given })
    const reset = await late.next()
    assert.equal(reset.event, 'reset', given)
    assert.ok(reset.data.reason.length > 10)
    assert.equal((await late.next()).data.windowStart, values.at(-1)!.windowStart)
    const { event, id: from } = await late.next()
    assert.equal(event, 'current')
    late.close()
    const again = await site.follow('live?cities=JFK', { 'last-event-id': from! })
    assert.deepEqual((await again.next()).data, { resumed: true })
    again.close()
  }
})

test('a client that reads nothing holds up nobody, and little is kept for it', async () => {
  const { hostname, port } = new URL(site.running.url!)
  const slow = connect(Number(port), hostname)
  slow.on('error', () => {})
  await once(slow, 'connect')
  slow.write('GET /weather/live HTTP/1.1\r\nHost: localhost\r\n\r\n')
  slow.pause()
  const quick = await site.follow('live?cities=LGA')
  await quick.next('begin')
  for (let round = 0; round < 200; round++) {
    await site.write(
      ...Array.from({ length: 50 }, (_, i) => ({ city: LONDON, windowStart: at(100 + i), readings: round })),
    )
  }
  await site.write({ city: 'LGA', windowStart: at(5) })
  // It may have been told the newest value before: so much is written in a turn that even a quick client is too slow.
  let shown: Event
  do shown = await quick.next('forecast')
  while (shown.data.windowStart !== at(5))
  assert.equal(shown.data.city, 'LGA')
  slow.destroy()
  quick.close()
})

test('more clients than are allowed are told to come later', async () => {
  while (site.view.live.count > 0) await site.running.log.changed(5)
  const all = []
  for (let i = 0; i < 5; i++) all.push(await site.follow('live?cities=LGA'))
  const { status, body } = await site.get('live?cities=LGA')
  assert.equal(status, 503)
  assert.equal(body.error.code, 'BUSY')
  for (const events of all) events.close()
})

test('the stream ends when the application stops', async () => {
  while (site.view.live.count > 0) await site.running.log.changed(5)
  const events = await site.follow('live')
  await events.next('begin')
  const ended = assert.rejects(events.next('forecast'), /the stream ended/)
  await site.restart()
  await ended
})
