import assert from 'node:assert/strict'
import { generateKeyPairSync, verify } from 'node:crypto'
import { test } from 'node:test'
import type { DeliveryFate } from '../../delivery/delivery-error.ts'
import { type FcmSettings, fcmChannel } from './fcm.ts'
import { alert, attempt, fails, NOW, refusedPort } from './test/apparatus.ts'
import { httpServer } from './test/http-server.ts'

const pair = generateKeyPairSync('rsa', { modulusLength: 2048 })
const SETTINGS: FcmSettings = {
  projectId: 'shop-1',
  clientEmail: 'push@shop-1.example.com',
  privateKeyId: 'k7',
  privateKey: pair.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
  to: 'device-1',
}
const token = (text: string, seconds = 3600) => ({
  status: 200,
  body: { access_token: text, expires_in: seconds, token_type: 'Bearer' },
})
const SENT = { status: 200, body: { name: 'projects/shop-1/messages/1' } }

function channel(tokens: { url: string }, fcm: { url: string }, changes: Partial<FcmSettings> = {}) {
  const made = fcmChannel({ ...SETTINGS, endpoint: fcm.url, tokenEndpoint: `${tokens.url}/token`, ...changes })
  return { ...made, [Symbol.dispose]: () => made.close() }
}

const at = (startedAt: number) => ({ ...attempt(), startedAt })

const failure = (status: number, name: string, errorCode?: string) => ({
  status,
  body: {
    error: {
      code: status,
      message: 'why it is so',
      status: name,
      details:
        errorCode === undefined ? [] : [{ '@type': 'type.googleapis.com/google.firebase.fcm.v1.FcmError', errorCode }],
    },
  },
})

test('the assertion is signed, and the token that it is exchanged for goes with the message', async () => {
  await using tokens = await httpServer(token('ya29.a'))
  await using server = await httpServer(SENT)
  using fcm = channel(tokens, server)
  await fcm.send(alert(), at(NOW))
  const form = new URLSearchParams(tokens.received[0]!.body)
  assert.equal(form.get('grant_type'), 'urn:ietf:params:oauth:grant-type:jwt-bearer')
  const [head, claims, signature] = form.get('assertion')!.split('.')
  assert.ok(verify('sha256', Buffer.from(`${head}.${claims}`), pair.publicKey, Buffer.from(signature!, 'base64url')))
  const read = (part: string) => JSON.parse(Buffer.from(part, 'base64url').toString())
  assert.deepEqual(read(head!), { alg: 'RS256', typ: 'JWT', kid: 'k7' })
  assert.deepEqual(read(claims!), {
    iss: 'push@shop-1.example.com',
    scope: 'https://www.googleapis.com/auth/firebase.messaging',
    aud: `${tokens.url}/token`,
    iat: NOW / 1000,
    exp: NOW / 1000 + 3600,
  })
  const { path, headers, body } = server.received[0]!
  assert.equal(path, '/v1/projects/shop-1/messages:send')
  assert.equal(headers.authorization, 'Bearer ya29.a')
  assert.deepEqual(JSON.parse(body), {
    message: {
      token: 'device-1',
      notification: { title: '[CRITICAL] Account 7 overbought', body: 'Bought 120, allowed 100.' },
      data: { id: 'orders-0-41', severity: 'critical', source: 'account-7', time: String(NOW) },
      android: { priority: 'HIGH', ttl: '3600s' },
    },
  })
})

test('a token serves all until a minute before its end, and is fetched once for those who wait together', async () => {
  await using tokens = await httpServer(token('one'), token('two'))
  await using server = await httpServer(SENT)
  using fcm = channel(tokens, server, { to: 'topic:ops' })
  await Promise.all([fcm.send(alert(), at(NOW)), fcm.send(alert(), at(NOW)), fcm.send(alert(), at(NOW))])
  await fcm.send(alert(), at(NOW + 3539_000))
  assert.equal(tokens.received.length, 1)
  await fcm.send(alert(), at(NOW + 3541_000))
  assert.equal(tokens.received.length, 2)
  assert.equal(server.received.at(-1)!.headers.authorization, 'Bearer two')
  assert.equal(JSON.parse(server.received[0]!.body).message.topic, 'ops')
})

test('a token that is not taken is renewed, once', async () => {
  await using tokens = await httpServer(token('old'), token('new'))
  await using server = await httpServer(failure(401, 'UNAUTHENTICATED'), SENT)
  using fcm = channel(tokens, server)
  await fcm.send(alert(), at(NOW))
  assert.deepEqual(
    server.received.map(({ headers }) => headers.authorization),
    ['Bearer old', 'Bearer new'],
  )
  await using stubborn = await httpServer({ status: 401, body: 'no' })
  using other = channel(tokens, stubborn)
  await fails(other.send(alert(), at(NOW)), 'retry')
  assert.equal(stubborn.received.length, 2)
})

const ANSWERS: [number, string, string | undefined, DeliveryFate][] = [
  [400, 'INVALID_ARGUMENT', 'INVALID_ARGUMENT', 'reject'],
  [401, 'UNAUTHENTICATED', 'THIRD_PARTY_AUTH_ERROR', 'retry'],
  [403, 'PERMISSION_DENIED', 'SENDER_ID_MISMATCH', 'reject'],
  [403, 'PERMISSION_DENIED', undefined, 'retry'],
  [404, 'NOT_FOUND', 'UNREGISTERED', 'reject'],
  [429, 'RESOURCE_EXHAUSTED', 'QUOTA_EXCEEDED', 'throttle'],
  [500, 'INTERNAL', 'INTERNAL', 'unknown'],
  [503, 'UNAVAILABLE', 'UNAVAILABLE', 'throttle'],
  [503, '', undefined, 'unknown'],
]
for (const [status, name, code, fate] of ANSWERS) {
  test(`${status} ${name || 'without a reason'}${code === undefined ? '' : `, ${code}`}: ${fate}`, async () => {
    await using tokens = await httpServer(token('ya29.a'))
    await using server = await httpServer(name === '' ? { status } : failure(status, name, code))
    using fcm = channel(tokens, server)
    const error = await fails(fcm.send(alert(), at(NOW)), fate)
    assert.equal(error.retryAfter, code === 'QUOTA_EXCEEDED' ? 60_000 : 0)
    assert.equal(server.received.length, 1)
  })
}

test('without a token nothing is sent: it is certain, whatever happens at the exchange', async () => {
  await using server = await httpServer(SENT)
  for (const answer of [
    'reset',
    { status: 400, body: { error: 'invalid_grant' } },
    { status: 200, body: '{}' },
  ] as const) {
    await using tokens = await httpServer(answer)
    using fcm = channel(tokens, server)
    await fails(fcm.send(alert(), at(NOW)), 'retry')
  }
  using refused = channel({ url: `http://127.0.0.1:${await refusedPort()}` }, server)
  await fails(refused.send(alert(), at(NOW)), 'retry')
  await using busy = await httpServer({ status: 429, headers: { 'retry-after': '4' } })
  using later = channel(busy, server)
  assert.equal((await fails(later.send(alert(), at(NOW)), 'throttle')).retryAfter, 4000)
  assert.equal(server.received.length, 0)
})

test('who is given up while the token comes sends nothing, and others wait on', async () => {
  let answer: () => void = () => {}
  await using tokens = await httpServer(response => {
    answer = () => response.end(JSON.stringify({ access_token: 'late', expires_in: 3600 }))
  })
  await using server = await httpServer(SENT)
  using fcm = channel(tokens, server)
  const controller = new AbortController()
  const came = tokens.next()
  const given = fcm.send(alert(), { ...at(NOW), signal: controller.signal })
  const other = fcm.send(alert(), at(NOW))
  await came
  controller.abort()
  await fails(given, 'retry')
  answer()
  await other
  assert.equal(server.received.length, 1)
})

test('neither the token nor the assertion is in an error', async () => {
  await using tokens = await httpServer(token('ya29.secret'))
  await using server = await httpServer({
    status: 400,
    body: { error: { status: 'X', message: 'no Bearer ya29.secret' } },
  })
  using fcm = channel(tokens, server)
  const { message } = await fails(fcm.send(alert(), at(NOW)), 'reject')
  assert.equal(message, 'FCM answers 400 X: no Bearer ***')
  await using echo = await httpServer(response => {
    const { assertion } = Object.fromEntries(new URLSearchParams(echo.received[0]!.body))
    response.writeHead(400).end(JSON.stringify({ error: 'invalid_grant', error_description: `not ${assertion}` }))
  })
  using wrong = channel(echo, server)
  assert.match((await fails(wrong.send(alert(), at(NOW)), 'retry')).message, /answers 400: invalid_grant, not \*\*\*$/)
})

test('a reset after the message came leaves it unknown', async () => {
  await using tokens = await httpServer(token('ya29.a'))
  await using server = await httpServer('reset')
  using fcm = channel(tokens, server)
  await fails(fcm.send(alert(), at(NOW)), 'unknown')
})

test('a message has 4096 bytes at most', async () => {
  await using tokens = await httpServer(token('ya29.a'))
  await using server = await httpServer(SENT)
  using fcm = channel(tokens, server)
  await fcm.send(alert({ text: '"é\n'.repeat(5000), title: '"'.repeat(300), source: '\\'.repeat(300) }), at(NOW))
  assert.ok(Buffer.byteLength(server.received[0]!.body) <= 4096, `${server.received[0]!.body.length}`)
})

test('settings that cannot be right are refused by name, without the key', () => {
  const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ type: 'pkcs8', format: 'pem' })
  const wrong: [Partial<FcmSettings>, RegExp][] = [
    [{ privateKey: ec.toString() }, /^privateKey: it must be an RSA key$/],
    [{ projectId: '' }, /^projectId/],
    [{ expires: '29d' }, /^expires/],
    [{ endpoint: 'http://fcm.example.com' }, /^endpoint/],
    [{ tokenEndpoint: 'http://token.example.com' }, /^tokenEndpoint/],
  ]
  for (const [change, message] of wrong) {
    assert.throws(() => fcmChannel({ ...SETTINGS, ...change }), { code: 'OPTION_INVALID', message })
  }
})
