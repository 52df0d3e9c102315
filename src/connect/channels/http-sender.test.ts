import assert from 'node:assert/strict'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { once } from 'node:events'
import { createServer as createTcpServer } from 'node:net'
import { test } from 'node:test'
import { createServer as createTlsServer } from 'node:tls'
import { makeCertificates } from '../../../test/servers/certificates.ts'
import { HttpSender, retryAfterOf } from './http-sender.ts'
import { fails, listening, NOW, refusedPort } from './test/apparatus.ts'
import { httpServer } from './test/http-server.ts'
import { Wording } from './wording.ts'

const PLAIN = new Wording(['s3cret'])
const never = () => new AbortController().signal

function sender(timeoutMs = 60_000, protocol = 'http:', tls = {}) {
  const made = new HttpSender(protocol, timeoutMs, PLAIN, tls)
  const post = (url: string, { signal = never(), body = 'hello' } = {}) =>
    made.post(new URL(url), { 'x-a': 'b' }, body, signal, NOW)
  return { post, [Symbol.dispose]: () => made.close() }
}

test('an answer has status, body and Retry-After, and the connection is used again', async () => {
  await using server = await httpServer({ status: 429, body: 'later', headers: { 'retry-after': '7' } })
  using http = sender()
  for (let n = 0; n < 3; n++) {
    assert.deepEqual(await http.post(`${server.url}/p?q=1`), { status: 429, retryAfter: 7000, body: 'later' })
  }
  assert.deepEqual(
    server.received.map(({ method, path, body, connection }) => [method, path, body, connection]),
    [1, 2, 3].map(() => ['POST', '/p?q=1', 'hello', 1]),
  )
})

test('nobody listens, or the name has no address: nothing was sent', async () => {
  using http = sender()
  const error = await fails(http.post(`http://127.0.0.1:${await refusedPort()}`), 'retry')
  assert.match(error.message, /ECONNREFUSED/)
  await fails(http.post('http://nowhere.invalid'), 'retry')
})

test('TLS that fails is certain: a foreign certificate, and a reset within the handshake', async () => {
  const certificates = makeCertificates()
  const { key, certificate: cert } = certificates.server
  await using server = await listening(createTlsServer({ key, cert }))
  await using resetting = await listening(
    createTcpServer(socket => socket.once('data', () => socket.resetAndDestroy())),
  )
  using http = sender(60_000, 'https:')
  await fails(http.post(`https://127.0.0.1:${server.port}`), 'retry')
  await fails(http.post(`https://127.0.0.1:${resetting.port}`), 'retry')
})

test('a reset after TLS was there leaves the outcome unknown', async () => {
  const certificates = makeCertificates()
  const { key, certificate: cert } = certificates.server
  const server = createTlsServer({ key, cert }, socket => {
    socket.on('error', () => {})
    socket.once('data', () => socket.destroy())
  })
  await using place = await listening(server)
  using http = sender(60_000, 'https:', { ca: certificates.authority })
  await fails(http.post(`https://127.0.0.1:${place.port}`), 'unknown')
})

test('a reset after the request came leaves the outcome unknown', async () => {
  await using server = await httpServer('reset')
  using http = sender()
  await fails(http.post(server.url), 'unknown')
  assert.equal(server.received.length, 1)
})

test('a reset while the request is still being written is certain', async () => {
  await using server = await listening(
    createTcpServer(socket => {
      socket.once('data', () => socket.resetAndDestroy())
    }),
  )
  using http = sender()
  // More than the buffers of both systems hold, so its last byte cannot have left.
  await fails(http.post(`http://127.0.0.1:${server.port}`, { body: 'x'.repeat(64_000_000) }), 'retry')
})

test('no answer in time leaves it unknown', async t => {
  await using silent = await httpServer('silence')
  using http = sender(5000)
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const came = silent.next()
  const sent = http.post(silent.url)
  await came
  t.mock.timers.tick(5000)
  assert.match((await fails(sent, 'unknown')).message, /no answer within 5000 ms/)
})

test('no connection in time is certain', async t => {
  // Takes connections, and never speaks TLS.
  const mute = createTcpServer()
  await using place = await listening(mute)
  using https = sender(5000, 'https:')
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const came = once(mute, 'connection')
  const sent = https.post(`https://127.0.0.1:${place.port}`)
  await came
  t.mock.timers.tick(5000)
  await fails(sent, 'retry')
})

test('an aborted request is unknown when it was written, certain before', async () => {
  await using server = await httpServer('silence')
  using http = sender()
  const controller = new AbortController()
  const came = server.next()
  const sent = http.post(server.url, { signal: controller.signal })
  await came
  controller.abort()
  await fails(sent, 'unknown')
  await fails(http.post(server.url, { signal: AbortSignal.abort() }), 'retry')
  assert.equal(server.received.length, 1)
})

test('what is no HTTP is no answer', async () => {
  await using server = await httpServer('garbage')
  using http = sender()
  await fails(http.post(server.url), 'unknown')
})

test('a status is an answer, though its body is endless or cut off', async () => {
  await using endless = await httpServer(response => {
    response.writeHead(200)
    const more = () => {
      while (!response.destroyed && response.write('y'.repeat(16_000)));
    }
    response.on('drain', more)
    more()
  })
  using http = sender()
  const { status, body } = await http.post(endless.url)
  assert.deepEqual([status, body], [200, 'y'.repeat(64_000)])
  await using cut = await httpServer(response => {
    response.writeHead(400, { 'content-length': '1000' })
    response.write('partly', () => response.socket!.resetAndDestroy())
  })
  assert.equal((await http.post(cut.url)).status, 400)
})

test('a status is an answer, though its body never comes', async t => {
  await using slow = await httpServer(response => response.writeHead(201).flushHeaders())
  using http = sender(5000)
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const headersCame = new Promise<void>(resolve => {
    const seen = () => {
      unsubscribe('http.client.response.finish', seen)
      resolve()
    }
    subscribe('http.client.response.finish', seen)
  })
  const sent = http.post(slow.url)
  await headersCame
  t.mock.timers.tick(5000)
  assert.equal((await sent).status, 201)
})

test('a redirect is an answer, and nobody follows it', async () => {
  await using server = await httpServer({ status: 302, headers: { location: '/elsewhere' } })
  using http = sender()
  assert.equal((await http.post(server.url)).status, 302)
  assert.equal(server.received.length, 1)
})

test('a connection that the server ended between two requests is not used', async () => {
  await using server = await httpServer({ status: 200 })
  using http = sender()
  await http.post(server.url)
  const ended = [...server.sockets].map(socket => new Promise(resolve => socket.once('close', resolve)))
  for (const socket of server.sockets) socket.end()
  await Promise.all(ended)
  await http.post(server.url)
  assert.deepEqual(
    server.received.map(({ connection }) => connection),
    [1, 2],
  )
})

test('Retry-After is seconds or a date, and bounded', () => {
  assert.equal(retryAfterOf('30', NOW), 30_000)
  assert.equal(retryAfterOf(new Date(NOW + 5000).toUTCString(), NOW), 5000)
  assert.equal(retryAfterOf(new Date(NOW - 5000).toUTCString(), NOW), 0)
  assert.equal(retryAfterOf('999999999999', NOW), 86_400_000)
  for (const none of [undefined, '', 'soon', '-3']) assert.equal(retryAfterOf(none, NOW), 0)
})
