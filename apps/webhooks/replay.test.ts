/** An endpoint that was down, whose events wait for retries that are hours away. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { newKey } from './sealing.ts'
import { WebhooksSite } from './test/site.ts'

let site: WebhooksSite
before(async () => {
  site = await WebhooksSite.open({ WEBHOOKS_KEY: newKey(), WEBHOOKS_RETRY: '10h' })
})
after(() => site.close())

test('a replay since a time brings what waits for a retry too, of that time and of that endpoint alone', async () => {
  const { receiver } = site
  receiver.answer('/down', { status: 500 })
  receiver.answer('/other', { status: 500 })
  const { id } = await site.endpoint('acme', '/down')
  await site.endpoint('acme', '/other')
  const scheduled = async () =>
    (await site.get(`/deliveries/webhooks/events?state=scheduled&destination=${id}`)).body.events
  const early = await site.event('acme', 'x', 'early')
  await site.until(async () => (await scheduled()).length === 1)
  const since = (await scheduled())[0].since + 1
  await site.until(() => Date.now() > since)
  const late = [await site.event('acme', 'x', 'late'), await site.event('acme', 'x', 'later')]
  await site.until(async () => (await scheduled()).length === 3)
  receiver.answer('/down', { status: 200 })
  const { status, body } = await site.call('POST', `/acme/endpoints/${id}/replay`, { since })
  assert.deepEqual({ status, body }, { status: 202, body: { replayed: 0, failed: [], sent: 2, more: false } })
  const delivered = () => receiver.to('/down').filter(call => call.status === 200)
  await site.until(() => delivered().length === 2)
  assert.deepEqual(
    delivered()
      .map(({ headers }) => String(headers['webhook-id']))
      .sort(),
    late.sort(),
  )
  await site.until(async () => (await scheduled()).length === 1)
  assert.equal((await scheduled())[0].id, early)
  assert.equal(receiver.to('/other').length, 3)
})
