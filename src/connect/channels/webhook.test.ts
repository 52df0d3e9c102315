import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { test } from 'node:test'
import type { DeliveryFate } from '../../delivery/delivery-error.ts'
import { uuidOf } from './channel.ts'
import { alert, attempt, fails } from './test/apparatus.ts'
import { httpServer } from './test/http-server.ts'
import { type WebhookSettings, webhookChannel } from './webhook.ts'

function channel(settings: WebhookSettings) {
  const made = webhookChannel(settings)
  return { ...made, [Symbol.dispose]: () => made.close() }
}

test('the alert is JSON, signed, with a key that stays the same over tries', async () => {
  await using server = await httpServer({ status: 503 }, { status: 204 })
  using webhook = channel({
    endpoint: `${server.url}/hook?team=ops`,
    headers: { Authorization: 'Bearer abc' },
    signature: { secret: 'k1', header: 'X-Sign' },
    idempotent: true,
  })
  await fails(webhook.send(alert(), attempt('a\r\nb')), 'unknown')
  await webhook.send(alert(), attempt('a\r\nb'))
  assert.equal(webhook.idempotent, true)
  for (const { path, headers, body } of server.received) {
    assert.equal(path, '/hook?team=ops')
    assert.deepEqual(JSON.parse(body), { id: 'a\r\nb', ...alert() })
    assert.equal(headers['idempotency-key'], uuidOf('a\r\nb'))
    assert.equal(headers['x-sign'], `sha256=${createHmac('sha256', 'k1').update(body).digest('hex')}`)
    assert.equal(headers.authorization, 'Bearer abc')
    assert.equal(headers['content-type'], 'application/json')
  }
})

const ANSWERS: [number, Record<string, string>, DeliveryFate][] = [
  [301, { location: '/' }, 'reject'],
  [400, {}, 'reject'],
  [404, {}, 'reject'],
  [401, {}, 'retry'],
  [403, {}, 'retry'],
  [408, {}, 'retry'],
  [410, {}, 'disable'],
  [429, {}, 'throttle'],
  [500, {}, 'unknown'],
  [502, {}, 'unknown'],
  [503, {}, 'unknown'],
  [503, { 'retry-after': '3' }, 'throttle'],
]
for (const [status, headers, fate] of ANSWERS) {
  test(`${status}${headers['retry-after'] === undefined ? '' : ' with Retry-After'}: ${fate}`, async () => {
    await using server = await httpServer({ status, headers })
    using webhook = channel({ endpoint: server.url })
    const error = await fails(webhook.send(alert(), attempt()), fate)
    assert.equal(error.retryAfter, headers['retry-after'] === undefined ? 0 : 3000)
  })
}

test('neither the secret in the address nor a header is in an error', async () => {
  const body = 'no /T000/hook-key-1 for Bearer abc, abc'
  await using server = await httpServer({ status: 400, body })
  using webhook = channel({ endpoint: `${server.url}/T000/hook-key-1`, headers: { authorization: 'Bearer abc' } })
  const { message } = await fails(webhook.send(alert(), attempt()), 'reject')
  assert.equal(message, `127.0.0.1:${server.port} answers 400: no /*** for ***, ***`)
})

test('settings that cannot be right are refused by name', () => {
  const endpoint = 'https://example.com'
  const wrong: [WebhookSettings, RegExp][] = [
    [{ endpoint: 'ftp://example.com' }, /^endpoint/],
    [{ endpoint: 'http://example.com', headers: { authorization: 'Bearer abc' } }, /^endpoint: .*https/],
    [{ endpoint, headers: { 'x-a': 'b\r\nx-c: d' } }, /^headers\.x-a/],
    [{ endpoint, headers: { 'x a': 'b' } }, /^headers\.x a/],
    [{ endpoint, headers: { 'Content-Length': '1' } }, /^headers\.Content-Length/],
    [{ endpoint, headers: { 'Idempotency-Key': '1' } }, /^headers\.Idempotency-Key/],
    [{ endpoint, signature: { secret: '' } }, /^signature\.secret/],
    [{ endpoint, signature: { secret: 's', header: 'x:y' } }, /^signature\.header/],
    [{ endpoint, idempotent: 'yes' as never }, /^idempotent/],
  ]
  for (const [settings, message] of wrong) {
    assert.throws(() => webhookChannel(settings), { code: 'OPTION_INVALID', message })
  }
})
