/** The weather API over a real broker: the same, and a second node that was started later answers the same. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { kafka } from 'aldebaran'
import { kafkaBroker } from '../../../test/servers/kafka.ts'
import { LONDON, MINUTE, NOON, TOKYO, WeatherSite } from './test/site.ts'

test('on Kafka what is written is shown, and a node that starts later shows it under the same ETag', async () => {
  const { bootstrap } = await kafkaBroker()
  const log = kafka(bootstrap)
  const first = await WeatherSite.open({ log, windows: 10 })
  try {
    const minutes = Array.from({ length: 30 }, (_, minute) => NOON + minute * MINUTE)
    for (const windowStart of minutes) {
      await first.show({ windowStart, heatIndex: 70 }, { city: TOKYO, windowStart, heatIndex: 90 })
    }
    const second = await WeatherSite.open({ log, windows: 10 })
    try {
      for (const path of [`cities/${LONDON}`, `cities/${TOKYO}`, 'hottest', 'map']) {
        const [one, other] = [await first.get(path), await second.get(path)]
        assert.equal(one.status, 200)
        assert.deepEqual(other.body, one.body, path)
        assert.equal(other.headers.get('etag'), one.headers.get('etag'), path)
      }
      const { body } = await second.get(`cities/${LONDON}/heat-index`)
      assert.deepEqual(
        body.values.map(({ windowStart }: { windowStart: number }) => windowStart),
        minutes.slice(-10).toReversed(),
      )
      const events = await second.follow(`live?cities=${TOKYO}`)
      const { id } = await events.next('begin')
      events.close()
      await first.show({ city: TOKYO, windowStart: NOON + 30 * MINUTE, heatIndex: 95 })
      // The id of one node is understood by the other.
      const resumed = await first.follow(`live?cities=${TOKYO}`, { 'last-event-id': id! })
      assert.deepEqual((await resumed.next()).data, { resumed: true })
      assert.equal((await resumed.next()).data.heatIndex, 95)
      resumed.close()
    } finally {
      await second.close()
    }
  } finally {
    await first.close()
  }
})

test('nodes that hold different pasts give one ETag for what both show', async () => {
  await using broker = await kafkaBroker({})
  const log = kafka(broker.bootstrap)
  const first = await WeatherSite.open({ log, windows: 10 })
  try {
    // Too long ago to be read by a node that starts later; this one has it.
    await first.show({ windowStart: NOON - 60 * MINUTE, heatIndex: 60 })
    await first.show({ windowStart: NOON, heatIndex: 70 }, { windowStart: NOON + MINUTE, heatIndex: 71 })
    const second = await WeatherSite.open({ log, windows: 10 })
    try {
      const both = (path: string) => Promise.all([first.get(path), second.get(path)])
      for (const range of [`from=${NOON}`, 'limit=2', `from=${NOON + 2 * MINUTE}`]) {
        const [one, other] = await both(`cities/${LONDON}/heat-index?${range}`)
        assert.deepEqual(other.body, one.body, range)
        assert.equal(other.headers.get('etag'), one.headers.get('etag'), range)
      }
      const [one, other] = await both(`cities/${LONDON}/heat-index`)
      assert.deepEqual([one.body.values.length, other.body.values.length], [3, 2])
      assert.notEqual(other.headers.get('etag'), one.headers.get('etag'))
    } finally {
      await second.close()
    }
  } finally {
    await first.close()
  }
})
