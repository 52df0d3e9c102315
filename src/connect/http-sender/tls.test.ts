import assert from 'node:assert/strict'
import type { Socket } from 'node:net'
import { describe, test } from 'node:test'
import { makeCertificates } from '../../../test/servers/certificates.ts'
import { TlsIdentity, type TlsSettings } from './connector.ts'
import { HttpSender } from './http-sender.ts'
import { deliveryErrorOf } from './outcome.ts'
import type { PostOutcome } from './post.ts'
import { answer, RawReceiver } from './test/raw-receiver.ts'

const LOCAL = { ports: 'any', allow: ['127.0.0.0/8'] } as const
const ours = makeCertificates()
const theirs = makeCertificates()
const server = { key: ours.server.key, cert: ours.server.certificate }

const fate = (outcome: PostOutcome) => deliveryErrorOf(outcome, Date.now())?.fate ?? 'delivered'

async function send(url: string, tls?: TlsSettings, identity?: TlsIdentity): Promise<PostOutcome> {
  const sender = new HttpSender({ addresses: LOCAL, ...(tls === undefined ? {} : { tls }) })
  try {
    return await sender.post({ url, headers: [], body: 'b', ...(identity === undefined ? {} : { identity }) })
  } finally {
    await sender.close()
  }
}

describe('whom we trust', () => {
  test('a receiver of an authority that we trust', async () => {
    await using receiver = await RawReceiver.start(socket => socket.write(answer(200)), { tls: server })
    assert.equal(fate(await send(receiver.url, { ca: ours.authority })), 'delivered')
    assert.equal(fate(await send(receiver.url, { ca: [Buffer.from(ours.authority)] })), 'delivered')
  })

  test('no other: nothing is sent to it', async () => {
    await using receiver = await RawReceiver.start(socket => socket.write(answer(200)), { tls: server })
    for (const tls of [undefined, { ca: theirs.authority }]) {
      const outcome = await send(receiver.url, tls)
      assert.deepEqual([outcome.failure?.stage, outcome.failure?.reason, fate(outcome)], ['unsent', 'tls', 'retry'])
    }
    assert.equal(receiver.requests.length, 0)
  })

  test('nor one whose certificate is for another host', async () => {
    await using receiver = await RawReceiver.start(socket => socket.write(answer(200)), {
      tls: server,
      host: '127.0.0.2',
    })
    const outcome = await send(`https://127.0.0.2:${receiver.port}/`, { ca: ours.authority })
    assert.deepEqual([outcome.failure?.stage, outcome.failure?.reason], ['unsent', 'tls'])
    assert.equal(receiver.requests.length, 0)
  })

  test('nor one that speaks no TLS', async () => {
    const onConnection = (socket: Socket) => void socket.once('data', () => socket.end(answer(400)))
    await using receiver = await RawReceiver.start(() => {}, { onConnection })
    const outcome = await send(receiver.url.replace('http:', 'https:'))
    assert.equal(outcome.failure?.stage, 'unsent')
    assert.equal(fate(outcome), 'retry')
  })

  test('HTTP/1.1 is what is spoken, whatever else is offered', async () => {
    const tls = { ...server, ALPNProtocols: ['h2', 'http/1.1'] }
    await using receiver = await RawReceiver.start(socket => socket.write(answer(200)), { tls })
    assert.equal(fate(await send(receiver.url, { ca: ours.authority })), 'delivered')
    assert.match(receiver.requests[0]!.line, /HTTP\/1\.1$/)
  })
})

describe('who we are', () => {
  const known = { ca: ours.authority, cert: ours.client.certificate, key: ours.client.key }

  for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
    test(`a receiver that asks for our certificate gets it, and reads nothing without it (${maxVersion})`, async () => {
      const tls = { ...server, ca: ours.authority, requestCert: true, rejectUnauthorized: true, maxVersion }
      await using receiver = await RawReceiver.start(socket => socket.write(answer(200)), { tls })
      assert.equal(fate(await send(receiver.url, known)), 'delivered')
      assert.equal(fate(await send(receiver.url, { ca: ours.authority }, new TlsIdentity(known))), 'delivered')
      const foreign = { ...known, cert: theirs.client.certificate, key: theirs.client.key }
      for (const identity of [{ ca: ours.authority }, foreign]) {
        const outcome = await send(receiver.url, identity)
        // With TLS 1.3 the receiver refuses us after its handshake is over for us: the request is on its way by then.
        assert.equal(fate(outcome), maxVersion === 'TLSv1.2' ? 'retry' : 'unknown', JSON.stringify(outcome.failure))
      }
      assert.equal(receiver.requests.length, 2)
    })
  }

  test('destinations of one origin with identities of their own share no connection', async () => {
    const names: string[] = []
    const tls = { ...server, requestCert: true, rejectUnauthorized: false }
    await using receiver = await RawReceiver.start(
      socket => {
        const { subject } = (
          socket as unknown as { getPeerCertificate(): { subject?: { CN?: string } } }
        ).getPeerCertificate()
        names.push(subject?.CN ?? 'nobody')
        socket.write(answer(200))
      },
      { tls },
    )
    const sender = new HttpSender({ addresses: LOCAL, tls: { ca: ours.authority } })
    const identity = new TlsIdentity(known)
    for (const request of [{}, { identity }, {}, { identity }]) {
      assert.equal((await sender.post({ url: receiver.url, headers: [], body: 'b', ...request })).status, 200)
    }
    await sender.close()
    assert.deepEqual(names, ['nobody', 'client', 'nobody', 'client'])
    assert.equal(receiver.connections, 2)
  })
})
