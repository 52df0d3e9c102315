import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { once } from 'node:events'
import { constants } from 'node:http2'
import { connect, createServer } from 'node:net'
import { test } from 'node:test'
import type { DeliveryFate } from '../../delivery/delivery-error.ts'
import { VirtualClock } from '../../time/clock.ts'
import { type ApnsSettings, apnsChannel } from './apns.ts'
import { uuidOf } from './channel.ts'
import { apnsServer, respond } from './test/apns-server.ts'
import { alert, attempt, fails, listening, NOW, refusedPort } from './test/apparatus.ts'

const pair = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const PRIVATE = pair.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
const PUBLIC = pair.publicKey.export({ type: 'spki', format: 'pem' }).toString()
const SETTINGS: ApnsSettings = {
  teamId: 'TEAM',
  keyId: 'KEY1',
  privateKey: PRIVATE,
  topic: 'com.example.app',
  to: 'abc123',
}
const OK = { status: 200 }

function channel(server: { endpoint: string; authority: string }, changes: Partial<ApnsSettings> = {}) {
  const clock = new VirtualClock(NOW)
  const tls = { ca: server.authority }
  const made = apnsChannel({ ...SETTINGS, endpoint: server.endpoint, tls, clock, ...changes })
  return { ...made, clock, [Symbol.dispose]: () => made.close() }
}

const claimsOf = (authorization = '') =>
  authorization
    .slice(7)
    .split('.')
    .slice(0, 2)
    .map(part => JSON.parse(Buffer.from(part, 'base64url').toString()))

test('a push has the headers and the payload that Apple wants, and a token that it can verify', async () => {
  await using server = await apnsServer(PUBLIC, OK)
  using apns = channel(server, { collapse: ({ source }) => source })
  await apns.send(alert(), attempt('an id\r\nof any kind'))
  const { headers, body } = server.received[0]!
  assert.equal(headers[':path'], '/3/device/abc123')
  assert.equal(headers['apns-id'], uuidOf('an id\r\nof any kind'))
  assert.equal(headers['apns-topic'], 'com.example.app')
  assert.equal(headers['apns-push-type'], 'alert')
  assert.equal(headers['apns-priority'], '10')
  assert.equal(headers['apns-expiration'], String(NOW / 1000 + 3600))
  assert.equal(headers['apns-collapse-id'], 'account-7')
  assert.deepEqual(claimsOf(headers.authorization), [
    { alg: 'ES256', typ: 'JWT', kid: 'KEY1' },
    { iss: 'TEAM', iat: NOW / 1000 },
  ])
  const payload = JSON.parse(body)
  assert.deepEqual(payload.aps.alert, { title: '[CRITICAL] Account 7 overbought', body: 'Bought 120, allowed 100.' })
  assert.equal(payload.source, 'account-7')
})

test('a payload has 4096 bytes at most, and a collapse id 64', async () => {
  await using server = await apnsServer(PUBLIC, OK)
  using apns = channel(server, { collapse: 'é'.repeat(60), expires: 0 })
  await apns.send(
    alert({ text: 'é"\n'.repeat(5000), title: '"'.repeat(300), source: '\\'.repeat(300) }),
    attempt('i'.repeat(999)),
  )
  const { body, headers } = server.received[0]!
  assert.ok(Buffer.byteLength(body) <= 4096 && Buffer.byteLength(body) > 4080, `${Buffer.byteLength(body)}`)
  assert.match(String(headers['apns-collapse-id']), /^[\w-]{43}$/)
  assert.equal(headers['apns-expiration'], '0')
})

test('a silent push has no text', async () => {
  await using server = await apnsServer(PUBLIC, OK)
  using apns = channel(server, { pushType: 'background' })
  await apns.send(alert(), attempt())
  assert.equal(server.received[0]!.headers['apns-priority'], '5')
  assert.deepEqual(JSON.parse(server.received[0]!.body).aps, { 'content-available': 1 })
})

test('one connection and one token serve many pushes; after 40 minutes there is a new token', async () => {
  await using server = await apnsServer(PUBLIC, OK)
  using apns = channel(server)
  await Promise.all(Array.from({ length: 20 }, (_, n) => apns.send(alert(), attempt(`a${n}`))))
  apns.clock.advance(40 * 60_000)
  await apns.send(alert(), attempt('b'))
  const tokens = server.received.map(({ headers }) => headers.authorization)
  assert.equal(new Set(tokens.slice(0, 20)).size, 1)
  assert.notEqual(tokens[20], tokens[0])
  assert.deepEqual(new Set(server.received.map(({ connection }) => connection)), new Set([1]))
  // It was quiet for long, so it was asked whether it still answers.
  assert.equal(server.pings(), 1)
})

test('an expired token is signed anew, once', async () => {
  await using server = await apnsServer(PUBLIC, { status: 403, reason: 'ExpiredProviderToken' }, OK)
  using apns = channel(server)
  await apns.send(alert(), attempt())
  assert.equal(server.received.length, 2)
  assert.notEqual(server.received[0]!.headers.authorization, server.received[1]!.headers.authorization)
  await using stubborn = await apnsServer(PUBLIC, { status: 403, reason: 'ExpiredProviderToken' })
  using other = channel(stubborn)
  await fails(other.send(alert(), attempt()), 'retry')
  assert.equal(stubborn.received.length, 2)
})

const ANSWERS: [number, string, DeliveryFate][] = [
  [400, 'BadDeviceToken', 'reject'],
  [400, 'DeviceTokenNotForTopic', 'reject'],
  [403, 'InvalidProviderToken', 'retry'],
  [404, 'BadPath', 'reject'],
  [410, 'Unregistered', 'reject'],
  [413, 'PayloadTooLarge', 'reject'],
  [429, 'TooManyRequests', 'throttle'],
  [500, 'InternalServerError', 'unknown'],
  [503, 'ServiceUnavailable', 'throttle'],
]
for (const [status, reason, fate] of ANSWERS) {
  test(`${status} ${reason}: ${fate}`, async () => {
    await using server = await apnsServer(PUBLIC, { status, reason, headers: { 'retry-after': '2' } })
    using apns = channel(server)
    const error = await fails(apns.send(alert(), attempt()), fate)
    assert.equal(error.message, `APNs answers ${status}: ${reason}`)
    assert.equal(error.retryAfter, 2000)
  })
}

test('an answer that repeats the token is told without it', async () => {
  await using server = await apnsServer(PUBLIC, ({ stream, headers }) =>
    respond(stream, 400, String(headers.authorization)),
  )
  using apns = channel(server)
  const { message } = await fails(apns.send(alert(), attempt()), 'reject')
  assert.equal(message, 'APNs answers 400: bearer ***')
})

test('nobody listens, or it is no HTTP/2 with a certificate that is trusted: nothing was sent', async () => {
  await using server = await apnsServer(PUBLIC, OK)
  using refused = channel({ ...server, endpoint: `https://127.0.0.1:${await refusedPort()}` })
  await fails(refused.send(alert(), attempt()), 'retry')
  using foreign = channel(server, { tls: {} })
  await fails(foreign.send(alert(), attempt()), 'retry')
  await using other = await listening(createServer(socket => socket.once('data', () => socket.resetAndDestroy())))
  using reset = channel({ ...server, endpoint: `https://127.0.0.1:${other.port}` })
  await fails(reset.send(alert(), attempt()), 'retry')
  assert.equal(server.received.length, 0)
})

test('a stream that the server refused was not processed', async () => {
  await using server = await apnsServer(PUBLIC, ({ stream }) => stream.close(constants.NGHTTP2_REFUSED_STREAM))
  using apns = channel(server)
  await fails(apns.send(alert(), attempt()), 'retry')
})

test('any other end of a stream leaves it unknown: a reset of it, and of the connection', async () => {
  await using server = await apnsServer(
    PUBLIC,
    ({ stream }) => stream.close(constants.NGHTTP2_INTERNAL_ERROR),
    ({ stream }) => stream.session!.destroy(),
  )
  using apns = channel(server)
  await fails(apns.send(alert(), attempt()), 'unknown')
  await fails(apns.send(alert(), attempt()), 'unknown')
})

test('GOAWAY: an earlier last stream makes it certain, its own does not, and the next push has a new connection', async () => {
  await using server = await apnsServer(
    PUBLIC,
    OK,
    ({ stream }) => stream.session!.goaway(constants.NGHTTP2_NO_ERROR, stream.id! - 2),
    ({ stream }) => {
      stream.session!.goaway(constants.NGHTTP2_INTERNAL_ERROR, stream.id!)
    },
    ({ stream }) => {
      stream.session!.goaway(constants.NGHTTP2_NO_ERROR, stream.id!)
      respond(stream, 200)
    },
    OK,
  )
  using apns = channel(server)
  await apns.send(alert(), attempt('0'))
  await fails(apns.send(alert(), attempt('1')), 'retry')
  await fails(apns.send(alert(), attempt('2')), 'unknown')
  await apns.send(alert(), attempt('3'))
  await apns.send(alert(), attempt('4'))
  assert.deepEqual(
    server.received.map(({ connection }) => connection),
    [1, 1, 2, 3, 4],
  )
})

test('what hangs is unknown when its time is over or it is given up, and its stream is cancelled', async t => {
  await using server = await apnsServer(PUBLIC, 'silence')
  using apns = channel(server, { timeout: 5000 })
  const controller = new AbortController()
  let came = server.next()
  const given = apns.send(alert(), attempt('a', controller.signal))
  await came
  controller.abort()
  await fails(given, 'unknown')
  t.mock.timers.enable({ apis: ['setTimeout'] })
  came = server.next()
  const late = apns.send(alert(), attempt('b'))
  await came
  const { stream } = server.received[1]!
  const closed = once(stream, 'close')
  t.mock.timers.tick(5000)
  assert.match((await fails(late, 'unknown')).message, /no answer within 5000 ms/)
  await closed
  assert.equal(stream.rstCode, constants.NGHTTP2_CANCEL)
})

test('a quiet connection that has died is replaced before a push goes on it', async t => {
  await using server = await apnsServer(PUBLIC, OK)
  // When it pauses, it takes what it is sent and passes nothing on: as a firewall that forgot the connection.
  const relay = createServer(socket => {
    const onward = connect(Number(new URL(server.endpoint).port), '127.0.0.1')
    onward.on('error', () => {})
    socket.pipe(onward).pipe(socket)
  })
  await using way = await listening(relay)
  using apns = channel({ ...server, endpoint: `https://127.0.0.1:${way.port}` })
  await apns.send(alert(), attempt('a'))
  for (const socket of way.sockets) socket.pause()
  apns.clock.advance(120_000)
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const sent = apns.send(alert(), attempt('b'))
  // Only the ping has a limit as short as this.
  t.mock.timers.tick(5000)
  t.mock.timers.reset()
  await sent
  assert.deepEqual(
    server.received.map(({ connection }) => connection),
    [1, 2],
  )
})

test('what is no token of a device is rejected before anything is sent', async () => {
  await using server = await apnsServer(PUBLIC, OK)
  using apns = channel(server, { to: ({ text }) => text })
  await fails(apns.send(alert({ text: '../../x' }), attempt()), 'reject')
  assert.equal(server.received.length, 0)
})

test('settings that cannot be right are refused by name, without the key', () => {
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({ type: 'pkcs8', format: 'pem' })
  const wrong: [Partial<ApnsSettings>, RegExp][] = [
    [{ privateKey: 'nonsense' }, /^privateKey: it must be a private key as PEM$/],
    [{ privateKey: rsa.toString() }, /^privateKey: .*P-256$/],
    [{ teamId: '' }, /^teamId/],
    [{ topic: 'a\nb' }, /^topic/],
    [{ pushType: 'voip' as never }, /^pushType/],
    [{ expires: '60d' }, /^expires/],
    [{ endpoint: 'http://api.push.apple.com' }, /^endpoint/],
  ]
  for (const [change, message] of wrong) {
    assert.throws(() => apnsChannel({ ...SETTINGS, ...change }), { code: 'OPTION_INVALID', message })
  }
})
