/** The REST API beside the sending of events: endpoints and event types, what is refused, and where secrets are not. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { newKey } from './sealing.ts'
import type { Receiver } from './test/receiver.ts'
import { WebhooksSite } from './test/site.ts'

let site: WebhooksSite
let receiver: Receiver
before(async () => {
  site = await WebhooksSite.open({ WEBHOOKS_KEY: newKey() })
  receiver = site.receiver
})
after(() => site.close())

/** Whether a text lies in clear in any topic, internal ones too, keys and headers included. */
function liesInTopics(text: string): boolean {
  const { log } = site.running
  const wanted = Buffer.from(text)
  return log.topics({ internal: true }).some(({ name, partitions }) => {
    for (let partition = 0; partition < partitions; partition++) {
      const reader = log.reader(name, partition, 'earliest')
      try {
        while (reader.poll(1024 * 1024)) {
          if (reader.chunk.subarray(0, reader.size).includes(wanted)) return true
        }
      } finally {
        reader.close()
      }
    }
    return false
  })
}

test('an endpoint is listed as it was made, without its secret and the values of its headers', async () => {
  const settings = { types: ['a.*'], description: 'Buchhaltung', rate: '5/s', concurrency: 2 }
  const made = await site.endpoint('shop', '/shop', { ...settings, headers: { authorization: 'Bearer very-private' } })
  const { secret, ...shown } = made
  assert.match(secret, /^whsec_/)
  const { body } = await site.call('GET', '/shop/endpoints')
  assert.deepEqual(body.endpoints, [shown])
  assert.deepEqual((await site.call('GET', `/shop/endpoints/${made.id}`)).body, shown)
  const { url, status, headers, ...others } = body.endpoints[0]
  assert.deepEqual(
    { url, status, headers },
    { url: `${receiver.origin}/shop`, status: 'enabled', headers: ['authorization'] },
  )
  for (const [name, value] of Object.entries(settings)) assert.deepEqual(others[name], value, name)
  assert.deepEqual((await site.call('GET', `/shop/endpoints/${made.id}/secret`)).body, {
    secrets: [{ secret, until: 0 }],
  })
  await site.until(async () => {
    const { destinations } = (await site.get('/deliveries/webhooks/destinations')).body
    return destinations.some(
      (one: { rate: string; concurrency: number }) => one.rate === '5/s' && one.concurrency === 2,
    )
  })
})

test('a changed address and changed headers hold for what already waits', async () => {
  receiver.answer('/old', { status: 503, headers: { 'retry-after': '1' } })
  const { id } = await site.endpoint('moved', '/old', { headers: { 'x-key': 'first' } })
  await site.event('moved', 'x', 1)
  await site.until(() => receiver.to('/old').length === 1)
  const fields = { url: `${receiver.origin}/new`, headers: { 'x-key': 'second' } }
  assert.equal((await site.call('PATCH', `/moved/endpoints/${id}`, fields)).body.url, fields.url)
  await site.until(() => receiver.to('/new').length === 1)
  assert.equal(receiver.to('/new')[0]!.headers['x-key'], 'second')
  assert.equal(receiver.to('/old').length, 1)
})

test('no secret lies in clear in any topic, nor in what the API tells of tries, also when a receiver sends it back', async () => {
  receiver.answer('/mirror', { status: 400, body: 'echo' })
  const own = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'
  const headers = { 'x-token': 'a-token-that-is-private' }
  const { id } = await site.endpoint('quiet', '/mirror', { secret: own, headers, description: 'can be found' })
  const rotated = (await site.call('POST', `/quiet/endpoints/${id}/secret/rotate`)).body.secrets[0].secret
  const pair = await site.endpoint('quiet', '/mirror2', { signature: 'v1a' })
  await site.event('quiet', 'x', 'the payload can be found')
  await site.until(async () => (await site.get(`/dead-letters?destination=${id}`)).body.letters.length === 1)
  assert.equal(receiver.to('/mirror')[0]!.headers['x-token'], headers['x-token'])
  for (const text of ['can be found', 'the payload can be found', '"host":"127.0.0.1', id, pair.id]) {
    assert.ok(liesInTopics(text), text)
  }
  for (const secret of [own, rotated, headers['x-token'], own.slice(6), rotated.slice(6)]) {
    assert.ok(!liesInTopics(secret), secret)
  }
  assert.ok(!liesInTopics('whsec_') && !liesInTopics('whsk_'))
  const { body } = await site.call('GET', `/quiet/endpoints/${id}/attempts`)
  assert.match(body.attempts[0].body, /"x-token":"…"/)
})

test('event types are declared, and then no others are taken', async () => {
  const eventTypes = [{ name: 'order.made', description: 'Somebody bought something' }, { name: 'order.sent' }]
  assert.deepEqual((await site.call('GET', '/types/event-types')).body, { eventTypes: [] })
  const { status, body } = await site.call('PUT', '/types/event-types', { eventTypes })
  assert.equal(status, 200)
  assert.deepEqual((await site.call('GET', '/types/event-types')).body, body)
  assert.deepEqual(body.eventTypes[1], { name: 'order.sent', description: '' })
  await site.endpoint('types', '/types')
  await site.event('types', 'order.sent', 1)
  const refused = await site.call('POST', '/types/events', { type: 'order.lost', data: 1 })
  assert.deepEqual([refused.status, refused.body.error.code], [400, 'VALUE_INVALID'])
  await site.call('PUT', '/types/event-types', { eventTypes: [] })
  await site.event('types', 'order.lost', 1)
  await site.until(() => receiver.to('/types').length === 2)
})

test('what is disabled by its owner gets nothing; what waited for it is a dead letter', async () => {
  receiver.answer('/pausing', { status: 503, headers: { 'retry-after': '3600' } })
  const { id } = await site.endpoint('pausing', '/pausing')
  await site.event('pausing', 'x', 1)
  await site.until(async () => (await site.call('GET', `/pausing/endpoints/${id}/attempts`)).body.attempts.length === 1)
  const { body } = await site.call('POST', `/pausing/endpoints/${id}/disable`)
  assert.deepEqual([body.status, body.reason], ['disabled', 'by its owner'])
  await site.until(async () => (await site.get(`/dead-letters?destination=${id}`)).body.letters.length === 1)
  await site.event('pausing', 'x', 2)
  await site.processed()
  assert.equal(receiver.to('/pausing').length, 1)
})

test('what is wrong is refused with a code, a remedy and the place', async () => {
  const url = `${receiver.origin}/bad`
  const { id } = await site.endpoint('bad', '/bad')
  const cases: [method: string, path: string, body: unknown, status: number, code: string][] = [
    ['POST', '/bad/endpoints', {}, 400, 'VALUE_INVALID'],
    ['POST', '/bad/endpoints', { url: 'http://example.com/' }, 400, 'ADDRESS_REFUSED'],
    ['POST', '/bad/endpoints', { url: 'https://127.0.0.1/' }, 400, 'ADDRESS_REFUSED'],
    ['POST', '/bad/endpoints', { url: 'https://[::ffff:a9fe:a9fe]/' }, 400, 'ADDRESS_REFUSED'],
    ['POST', '/bad/endpoints', { url: 'https://localhost/' }, 400, 'ADDRESS_REFUSED'],
    ['POST', '/bad/endpoints', { url: 'nowhere' }, 400, 'ADDRESS_REFUSED'],
    ['POST', '/bad/endpoints', { url, types: [] }, 400, 'VALUE_INVALID'],
    ['POST', '/bad/endpoints', { url, types: ['a*'] }, 400, 'VALUE_INVALID'],
    ['POST', '/bad/endpoints', { url, rate: 'often' }, 400, 'VALUE_INVALID'],
    ['POST', '/bad/endpoints', { url, rate: '0/s' }, 400, 'VALUE_INVALID'],
    ['POST', '/bad/endpoints', { url, concurrency: 1.5 }, 400, 'VALUE_INVALID'],
    ['POST', '/bad/endpoints', { url, headers: { 'webhook-id': 'x' } }, 400, 'VALUE_INVALID'],
    ['POST', '/bad/endpoints', { url, headers: { 'x-a': 'a\r\nb: c' } }, 400, 'VALUE_INVALID'],
    ['POST', '/bad/endpoints', { url, secret: 'short' }, 400, 'SECRET_INVALID'],
    ['POST', '/bad/endpoints', { url, colour: 'red' }, 400, 'VALUE_INVALID'],
    ['PATCH', `/bad/endpoints/${id}`, { secret: 'x' }, 400, 'VALUE_INVALID'],
    ['PATCH', `/bad/endpoints/${id}`, { url: 'https://10.0.0.1/' }, 400, 'ADDRESS_REFUSED'],
    ['PATCH', '/bad/endpoints/ep_none', {}, 404, 'NOT_FOUND'],
    ['DELETE', '/bad/endpoints/ep_none', undefined, 404, 'NOT_FOUND'],
    ['POST', '/bad/endpoints/ep_none/test', undefined, 404, 'NOT_FOUND'],
    ['GET', `/stranger/endpoints/${id}`, undefined, 404, 'NOT_FOUND'],
    ['GET', `/stranger/endpoints/${id}/secret`, undefined, 404, 'NOT_FOUND'],
    ['POST', `/bad/endpoints/${id}/secret/rotate?keepFor=long`, undefined, 400, 'OPTION_INVALID'],
    ['POST', `/bad/endpoints/${id}/replay`, {}, 400, 'VALUE_INVALID'],
    ['POST', '/bad/events', { type: 'a b', data: 1 }, 400, 'VALUE_INVALID'],
    ['POST', '/bad/events', { type: 'a' }, 400, 'VALUE_INVALID'],
    ['POST', '/bad/events', { type: 'a', data: 1, id: 'a.b' }, 400, 'VALUE_INVALID'],
    ['POST', '/bad/events', { type: 'a', data: 1, timestamp: 'soon' }, 400, 'VALUE_INVALID'],
    ['POST', '/bad/events', [], 400, 'VALUE_INVALID'],
    ['POST', '/bad/events', [{ type: 'a', data: 1 }, { type: '' }], 400, 'VALUE_INVALID'],
    ['POST', '/bad/events', { type: 'a', data: 'x'.repeat(256_000) }, 413, 'BODY_TOO_LARGE'],
    ['POST', '/bad%20one/events', { type: 'a', data: 1 }, 400, 'VALUE_INVALID'],
    ['PUT', '/bad/event-types', { eventTypes: [{ name: 'a' }, { name: 'a' }] }, 400, 'VALUE_INVALID'],
  ]
  for (const [method, path, body, status, code] of cases) {
    const answer = await site.call(method, path, body)
    const label = `${method} ${path} ${JSON.stringify(body)?.slice(0, 80)}: ${JSON.stringify(answer.body)}`
    assert.deepEqual([answer.status, answer.body?.error?.code], [status, code], label)
    assert.ok(answer.body.error.remedy.length > 0, label)
  }
  await site.processed()
  assert.equal(receiver.to('/bad').length, 0)
  assert.equal((await site.call('GET', '/bad/endpoints')).body.endpoints.length, 1)
})

test('changes of one account at the same time are all made', async () => {
  const made = await Promise.all(Array.from({ length: 20 }, (_, n) => site.endpoint('many', `/many/${n}`)))
  const { endpoints } = (await site.call('GET', '/many/endpoints')).body
  assert.deepEqual(endpoints.map((one: { id: string }) => one.id).sort(), made.map(({ id }) => id).sort())
})

test('the routes are in the OpenAPI page', async () => {
  const { paths } = (await site.get('/openapi.json')).body
  const own = Object.keys(paths).filter(path => path.startsWith('/webhooks/accounts/{account}'))
  assert.equal(own.length, 12)
  const of = (path: string, method: string) => {
    const { requestBody, responses } = paths[`/webhooks/accounts/{account}${path}`][method]
    const schema = requestBody?.content['application/json'].schema
    return [
      Object.keys(responses)[0],
      Object.keys(schema?.properties ?? schema?.anyOf ?? {}),
      responses['415']?.description,
    ]
  }
  const [status, properties, other] = of('/endpoints', 'post')
  assert.equal(status, '201')
  assert.deepEqual(properties.slice(0, 2), ['url', 'types'])
  assert.match(other, /Content-Type/)
  assert.deepEqual(of('/endpoints/{endpoint}', 'delete'), ['204', [], undefined])
  assert.deepEqual(of('/event-types', 'put').slice(0, 2), ['200', ['eventTypes']])
  assert.deepEqual(of('/events', 'post').slice(0, 2), ['202', ['0', '1']])
  assert.deepEqual(of('/endpoints/{endpoint}/replay', 'post').slice(0, 2), ['202', ['since', 'until']])
  const command = paths['/deliveries/{delivery}/commands'].post.requestBody.content['application/json'].schema
  assert.ok(command.properties.command.enum.includes('limit'))
})

test('the metrics have the names that dashboards and autoscalers of webhook senders know', async () => {
  await site.endpoint('measured', '/measured/well')
  await site.endpoint('measured', '/measured/sick')
  receiver.answer('/measured/sick', { status: 500 })
  const figures = async () => {
    const text = await (await fetch(`${site.running.url}/metrics`)).text()
    const lines = text.split('\n').filter(line => line.includes('{application="webhooks"} '))
    return Object.fromEntries(lines.map(line => [line.slice(0, line.indexOf('{')), Number(line.split(' ').at(-1))]))
  }
  const before = await figures()
  await site.event('measured', 'a', 1)
  await site.until(() => receiver.to('/measured/sick').length === 3)
  const grown = async (name: string) => (await figures())[name]! - before[name]!
  await site.until(async () => (await grown('webhook_execution_seconds_count')) === 4)
  assert.equal(await grown('kafka_event_count_total'), 2)
  assert.equal(await grown('webhook_success_total'), 1)
  assert.equal(await grown('webhook_failure_total'), 3)
  assert.ok((await grown('webhook_execution_seconds_sum')) > 0)
  assert.ok((await grown('kafka_batch_processing_time_seconds_count')) > 0)
  assert.ok((await grown('kafka_batch_processing_time_seconds_sum')) >= 0)
  assert.equal((await figures()).circuit_open, 0)
})
