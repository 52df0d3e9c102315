/** The notifier from end to end: events come in over HTTP or by the topic, and arrive signed at a real receiver. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { Producer } from 'aldebaran'
import { verify } from 'aldebaran/webhooks/verify'
import { Webhook } from 'standardwebhooks'
import { webhooksFromEnvironment } from './environment.ts'
import { newKey } from './sealing.ts'
import type { ReceivedCall, Receiver } from './test/receiver.ts'
import { WebhooksSite } from './test/site.ts'

let site: WebhooksSite
let receiver: Receiver
before(async () => {
  site = await WebhooksSite.open({ WEBHOOKS_KEY: newKey() })
  receiver = site.receiver
})
after(() => site.close())

function headersOf({ headers }: ReceivedCall): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, String(value)]))
}

async function callsTo(path: string, count: number): Promise<ReceivedCall[]> {
  await site.until(() => receiver.to(path).length >= count)
  return receiver.to(path)
}

async function attemptsAt(account: string, endpoint: string, count: number) {
  let found: Record<string, unknown>[] = []
  await site.until(async () => {
    found = (await site.call('GET', `/${account}/endpoints/${endpoint}/attempts`)).body.attempts
    return found.length >= count
  })
  return found
}

test('an event arrives as Standard Webhooks says, and both verifiers take it', async () => {
  const { id: endpoint, secret } = await site.endpoint('acme', '/plain')
  const id = await site.event(
    'acme',
    'invoice.paid',
    { total: 42, note: 'Grüße' },
    { timestamp: '2026-01-02T03:04:05Z' },
  )
  const [call] = await callsTo('/plain', 1)
  const { body } = call!
  assert.equal(body, '{"type":"invoice.paid","timestamp":"2026-01-02T03:04:05Z","data":{"total":42,"note":"Grüße"}}')
  assert.equal(call!.headers['content-type'], 'application/json')
  assert.equal(call!.headers['webhook-id'], id)
  assert.equal(verify(headersOf(call!), body, secret).id, id)
  assert.deepEqual(new Webhook(secret).verify(body, headersOf(call!)), JSON.parse(body))
  assert.throws(() => verify(headersOf(call!), body.replace('42', '43'), secret), /no signature/)
  const [attempt] = await attemptsAt('acme', endpoint, 1)
  const { event, outcome, status, type, number } = attempt!
  assert.deepEqual(
    { event, outcome, status, type, number },
    { event: id, outcome: 'delivered', status: 200, type: 'invoice.paid', number: 1 },
  )
  const { body: found } = await site.call('GET', `/acme/events/${id}/attempts`)
  assert.deepEqual(found.attempts, [attempt])
  assert.deepEqual((await site.call('GET', `/other/events/${id}/attempts`)).body.attempts, [])
})

test('an event goes to every endpoint of its account that wants its type, and to no other', async () => {
  const filters = { '/all': ['*'], '/one': ['a.b'], '/below': ['a.*'], '/two': ['a.b', 'c'], '/none': ['a.b.c'] }
  for (const [path, types] of Object.entries(filters)) await site.endpoint('fan', path, { types })
  await site.endpoint('stranger', '/stranger')
  await site.event('fan', 'a.b', 1)
  await site.event('fan', 'c', 2)
  await site.event('fan', 'ab', 3)
  await callsTo('/all', 3)
  await callsTo('/two', 2)
  await callsTo('/one', 1)
  await callsTo('/below', 1)
  await site.processed()
  const counts = [...Object.keys(filters), '/stranger'].map(path => receiver.to(path).length)
  assert.deepEqual(counts, [3, 1, 1, 2, 0, 0])
})

test('after a rotation both secrets verify; once the old one has ended only the new one does', async () => {
  const { id, secret } = await site.endpoint('turn', '/turn')
  const { body } = await site.call('POST', `/turn/endpoints/${id}/secret/rotate`)
  const [fresh, old] = body.secrets
  assert.equal(old.secret, secret)
  assert.ok(old.until > Date.now() + 86_000_000 && fresh.until === 0)
  await site.event('turn', 'x', 1)
  const [first] = await callsTo('/turn', 1)
  assert.equal(String(first!.headers['webhook-signature']).split(' ').length, 2)
  for (const one of [fresh.secret, old.secret]) {
    verify(headersOf(first!), first!.body, one)
    new Webhook(one).verify(first!.body, headersOf(first!))
  }
  const again = (await site.call('POST', `/turn/endpoints/${id}/secret/rotate?keepFor=0s`)).body.secrets
  await site.event('turn', 'x', 2)
  const call = (await callsTo('/turn', 2))[1]!
  verify(headersOf(call), call.body, again[0].secret)
  assert.throws(() => verify(headersOf(call), call.body, fresh.secret), /no signature/)
  // The first one was told that it signs for a day.
  verify(headersOf(call), call.body, secret)
  assert.deepEqual((await site.call('GET', `/turn/endpoints/${id}/secret`)).body.secrets, again)
})

test('an endpoint that wants v1a is signed for with a key whose private half nobody is shown', async () => {
  const { id, publicKey, secret } = await site.endpoint('keys', '/keys', { signature: 'v1a' })
  assert.match(publicKey, /^whpk_/)
  assert.equal(secret, undefined)
  const { body } = await site.call('POST', `/keys/endpoints/${id}/secret/rotate`)
  await site.event('keys', 'x', 1)
  const [call] = await callsTo('/keys', 1)
  verify(headersOf(call!), call!.body, publicKey)
  verify(headersOf(call!), call!.body, body.secrets[0].publicKey)
  assert.ok(!JSON.stringify(body).includes('whsk_'))
})

test('who fails is tried again with the same id, and a new timestamp', async () => {
  receiver.answer('/flaky', { status: 500 }, { status: 302, headers: { location: '/elsewhere' } }, { status: 204 })
  const { id: endpoint, secret } = await site.endpoint('retry', '/flaky')
  const id = await site.event('retry', 'x', 1)
  const calls = await callsTo('/flaky', 3)
  for (const call of calls) {
    assert.equal(verify(headersOf(call), call.body, secret).id, id)
    assert.equal(call.body, calls[0]!.body)
  }
  const attempts = await attemptsAt('retry', endpoint, 3)
  assert.deepEqual(
    attempts.map(({ number, status, outcome }) => [number, status, outcome]),
    [
      [3, 204, 'delivered'],
      [2, 302, 'retry'],
      [1, 500, 'retry'],
    ],
  )
  assert.equal(receiver.to('/elsewhere').length, 0)
})

test('who answers 429 gets nothing before Retry-After', async () => {
  receiver.answer('/busy', { status: 429, headers: { 'retry-after': '1' } }, { status: 200 })
  const { id } = await site.endpoint('busy', '/busy')
  await site.event('busy', 'x', 1)
  const [first, second] = await callsTo('/busy', 2)
  assert.ok(second!.at - first!.at >= 1000, `${second!.at - first!.at}`)
  assert.equal((await attemptsAt('busy', id, 2))[1]!.outcome, 'throttle')
})

test('who answers 410 is disabled, its owner can see why, and enabled again it gets events', async () => {
  receiver.answer('/gone', { status: 410 })
  const { id } = await site.endpoint('gone', '/gone')
  await site.event('gone', 'x', 1)
  let endpoint = { status: '', reason: '' }
  await site.until(async () => {
    endpoint = (await site.call('GET', `/gone/endpoints/${id}`)).body
    return endpoint.status === 'disabled'
  })
  assert.equal(endpoint.reason, 'the receiver answered 410')
  const { records } = (await site.get(`/topics/webhooks.notices/records?key=${id}`)).body
  assert.deepEqual(
    records.map((one: { value: { what: string; tenant: string } }) => [one.value.what, one.value.tenant]),
    [['paused', 'gone']],
  )
  await site.event('gone', 'x', 2)
  await site.processed()
  assert.equal(receiver.to('/gone').length, 1)
  receiver.answer('/gone', { status: 200 })
  assert.equal((await site.call('POST', `/gone/endpoints/${id}/enable`)).body.status, 'enabled')
  await site.event('gone', 'x', 3)
  assert.match((await callsTo('/gone', 2))[1]!.body, /"data":3/)
})

test('a replay since a time brings what was given up since, once, to that endpoint alone', async () => {
  receiver.answer('/down', { status: 500 })
  const { id } = await site.endpoint('replay', '/down')
  await site.endpoint('replay', '/up')
  const dead = async () => (await site.get(`/dead-letters?state=open&destination=${id}`)).body.letters
  await site.event('replay', 'x', 'early')
  await site.until(async () => (await dead()).length === 1)
  const since = (await dead())[0].time + 1
  await site.until(() => Date.now() > since)
  const late = [await site.event('replay', 'x', 'late'), await site.event('replay', 'x', 'later')]
  await site.until(async () => (await dead()).length === 3)
  receiver.answer('/down', { status: 200 })
  const before = receiver.to('/down').length
  await site.call('PATCH', `/replay/endpoints/${id}`, { types: ['nothing.of.it'] })
  const { status, body } = await site.call('POST', `/replay/endpoints/${id}/replay`, { since })
  assert.deepEqual({ status, body }, { status: 202, body: { replayed: 2, failed: [], sent: 0, more: false } })
  const calls = await callsTo('/down', before + 2)
  await site.processed()
  const ids = calls.slice(before).map(call => call.headers['webhook-id'])
  assert.deepEqual(ids.sort(), late.sort())
  assert.equal(receiver.to('/up').length, 3)
  const again = await site.call('POST', `/replay/endpoints/${id}/replay`, { since: new Date(since).toISOString() })
  assert.equal(again.body.replayed, 0)
  await site.call('POST', `/replay/endpoints/${id}/disable`)
  const refused = await site.call('POST', `/replay/endpoints/${id}/replay`, { since: 0 })
  assert.deepEqual([refused.status, refused.body.error.code], [409, 'NOT_REPLAYABLE'])
})

test('a replay is tried at once, whatever the breaker said', async () => {
  receiver.answer('/broken', { status: 500 })
  const { id } = await site.endpoint('broken', '/broken')
  const ids: string[] = []
  for (let n = 0; n < 6; n++) ids.push(await site.event('broken', 'x', n))
  let opensAt = 0
  await site.until(async () => {
    const { destinations } = (await site.get(`/deliveries/webhooks/destinations?from=${id}&limit=1`)).body
    const { state, notBefore, waiting, scheduled, underWay } = destinations[0] ?? {}
    const { letters } = (await site.get(`/dead-letters?state=open&destination=${id}`)).body
    opensAt = notBefore
    // Nothing is under way, and what was given up is committed.
    return state === 'open' && underWay === 0 && waiting + scheduled + letters.length === ids.length
  })
  receiver.answer('/broken', { status: 200 })
  await site.call('POST', `/broken/endpoints/${id}/replay`, { since: 0 })
  const taken = () => receiver.to('/broken').filter(({ status }) => status === 200)
  const idsOf = () => new Set(taken().map(({ headers }) => String(headers['webhook-id'])))
  await site.until(() => idsOf().size === ids.length)
  assert.deepEqual([...idsOf()].sort(), ids.sort())
  for (const { at } of taken()) assert.ok(at < opensAt)
})

test('a deleted endpoint gets nothing more, and what waited for it is a dead letter', async () => {
  receiver.answer('/left', { status: 503, headers: { 'retry-after': '3600' } })
  const { id } = await site.endpoint('left', '/left')
  await site.event('left', 'x', 1)
  await callsTo('/left', 1)
  await attemptsAt('left', id, 1)
  assert.equal((await site.call('DELETE', `/left/endpoints/${id}`)).status, 204)
  await site.until(async () => (await site.get(`/dead-letters?destination=${id}`)).body.letters.length === 1)
  await site.event('left', 'x', 2)
  await site.processed()
  assert.equal(receiver.to('/left').length, 1)
  assert.equal((await site.call('GET', `/left/endpoints/${id}`)).status, 404)
  assert.deepEqual((await site.call('GET', '/left/endpoints')).body, { endpoints: [] })
})

test('events come by the topic too; without headers the type is that of the payload, and the place gives the id', async () => {
  await site.endpoint('bus', '/bus', { types: ['bus.*'] })
  const { events } = webhooksFromEnvironment({ WEBHOOKS_KEY: newKey() })
  const producer = new Producer(site.running.log)
  const headers = [
    { key: 'id', value: Buffer.from('order-17') },
    { key: 'type', value: Buffer.from('bus.a') },
  ]
  producer.send(events, 'bus', Buffer.from('{"anything": [1,  2]}'), { headers })
  producer.send(events, 'bus', Buffer.from('{"type":"bus.b","data":{}}'))
  producer.send(events, 'bus', Buffer.from('no JSON'))
  await producer.flush()
  const calls = await callsTo('/bus', 2)
  assert.deepEqual(calls.map(call => call.body).sort(), ['{"anything": [1,  2]}', '{"type":"bus.b","data":{}}'])
  const ids = calls.map(call => String(call.headers['webhook-id'])).sort()
  assert.equal(ids[1], 'order-17')
  assert.match(ids[0]!, /^msg_\d+_\d+$/)
  await site.until(async () => (await site.get('/dead-letters?code=HANDLER_THREW')).body.letters.length === 1)
})

test('an event whose id was sent before is not sent again, whether the id is in the body or in the header', async () => {
  await site.endpoint('once', '/once')
  await site.event('once', 'x', 1, { id: 'e1' })
  await site.event('once', 'x', 2, { id: 'e1' })
  const { body } = await site.call('POST', '/once/events', { type: 'x', data: 3 }, { 'webhook-id': 'e1' })
  assert.deepEqual(body, { ids: ['e1'] })
  const list = [
    { type: 'x', data: 4, id: 'e2' },
    { type: 'x', data: 5 },
  ]
  assert.equal((await site.call('POST', '/once/events', list)).body.ids[0], 'e2')
  await callsTo('/once', 3)
  await site.processed()
  assert.deepEqual(
    receiver
      .to('/once')
      .map(call => JSON.parse(call.body).data)
      .sort(),
    [1, 4, 5],
  )
})

test('an event of the test goes to its endpoint, whatever that wants', async () => {
  const { id } = await site.endpoint('probe', '/probe', { types: ['never'] })
  await site.endpoint('probe', '/bystander')
  const { status, body } = await site.call('POST', `/probe/endpoints/${id}/test`)
  assert.equal(status, 202)
  const [call] = await callsTo('/probe', 1)
  assert.equal(call!.headers['webhook-id'], body.id)
  assert.equal(JSON.parse(call!.body).type, 'webhook.test')
  await site.processed()
  assert.equal(receiver.to('/bystander').length, 0)
})
