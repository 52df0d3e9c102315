/** That the servers of the tests are what the tests take them for. Everything else about Kafka is tested elsewhere. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { test } from 'node:test'
import { type ConnectionOptions, connect as connectTls } from 'node:tls'
import { kafkaBroker, kafkaCluster } from '../servers/kafka.ts'

const API_VERSIONS = 18
const SASL_HANDSHAKE = 17
const SASL_AUTHENTICATE = 36
const STREAMS_GROUP_HEARTBEAT = 88
const NO_ERROR = 0
const SASL_AUTHENTICATION_FAILED = 58

test('the shared broker answers which requests it knows, streams groups among them', async () => {
  const { bootstrap } = await kafkaBroker()
  const versions = await apiVersions(bootstrap)
  assert.ok(versions.size > 50)
  assert.ok(versions.has(STREAMS_GROUP_HEARTBEAT))
})

test('brokers of a cluster are killed, paused and started again, one by one, while the others answer', async () => {
  await using cluster = await kafkaCluster({ brokers: 3 })
  const addresses = cluster.bootstrap.split(',')
  for (const address of addresses) assert.ok((await apiVersions(address)).size > 50)

  await cluster.kill(1)
  await assert.rejects(apiVersions(addresses[1]!), { code: 'ECONNREFUSED' })
  for (const i of [0, 2]) assert.ok((await apiVersions(addresses[i]!)).size > 50)
  await cluster.start(1)
  assert.ok((await apiVersions(addresses[1]!)).size > 50)

  cluster.pause(2)
  let answered = false
  const paused = apiVersions(addresses[2]!).then(versions => {
    answered = true
    return versions
  })
  assert.ok((await apiVersions(addresses[0]!)).size > 50)
  assert.equal(answered, false)
  cluster.resume(2)
  assert.ok((await paused).size > 50)

  await cluster.stop(0)
  await assert.rejects(apiVersions(addresses[0]!), { code: 'ECONNREFUSED' })
  await cluster.start(0)
  assert.ok((await apiVersions(addresses[0]!)).size > 50)
})

test('the secure listeners take a TLS handshake and logins, and refuse a wrong password', async () => {
  await using broker = await kafkaBroker({
    tls: { clientCertificate: 'none' },
    sasl: ['PLAIN', 'SCRAM-SHA-256', 'SCRAM-SHA-512', 'OAUTHBEARER'],
  })
  const tls = { ca: broker.certificates.authority }
  const { SSL, SASL_PLAINTEXT, SASL_SSL } = broker.addresses
  assert.ok((await apiVersions(SSL!, tls)).size > 50)

  const { name, password } = broker.user
  const plain = Buffer.from(`\0${name}\0${password}`)
  assert.equal(await login(SASL_PLAINTEXT!, 'PLAIN', plain), NO_ERROR)
  assert.equal(await login(SASL_SSL!, 'PLAIN', plain, tls), NO_ERROR)
  assert.equal(await login(SASL_SSL!, 'PLAIN', Buffer.from(`\0${name}\0wrong`), tls), SASL_AUTHENTICATION_FAILED)
  const token = Buffer.from(`n,,\x01auth=Bearer ${unsecuredToken(name)}\x01\x01`)
  assert.equal(await login(SASL_SSL!, 'OAUTHBEARER', token, tls), NO_ERROR)
  for (const mechanism of ['SCRAM-SHA-256', 'SCRAM-SHA-512']) {
    // The broker goes on only with a user it knows.
    assert.equal(await login(SASL_SSL!, mechanism, Buffer.from(`n,,n=${name},r=nonce`), tls), NO_ERROR)
    const stranger = await login(SASL_SSL!, mechanism, Buffer.from('n,,n=nobody,r=nonce'), tls)
    assert.equal(stranger, SASL_AUTHENTICATION_FAILED)
  }
})

test('a broker can ask clients for a certificate', async () => {
  await using broker = await kafkaBroker({ tls: { clientCertificate: 'required' } })
  const { authority: ca, client } = broker.certificates
  assert.ok((await apiVersions(broker.addresses.SSL!, { ca, key: client.key, cert: client.certificate })).size > 50)
  await assert.rejects(apiVersions(broker.addresses.SSL!, { ca }), /alert (bad certificate|certificate required)/)
})

/** The keys of the requests the broker at the first of these addresses knows. */
async function apiVersions(bootstrap: string, tls?: ConnectionOptions): Promise<Set<number>> {
  const body = await talk(bootstrap, tls, ask => ask(API_VERSIONS, 0, Buffer.alloc(0)))
  assert.equal(body.readInt16BE(0), NO_ERROR)
  return new Set(Array.from({ length: body.readInt32BE(2) }, (_, i) => body.readInt16BE(6 + 6 * i)))
}

/** The error code the broker answers to the first message of a login. */
async function login(address: string, mechanism: string, first: Buffer, tls?: ConnectionOptions): Promise<number> {
  const body = await talk(address, tls, async ask => {
    const name = Buffer.from(mechanism)
    const handshake = await ask(SASL_HANDSHAKE, 1, Buffer.concat([int16(name.length), name]))
    assert.equal(handshake.readInt16BE(0), NO_ERROR)
    return ask(SASL_AUTHENTICATE, 0, Buffer.concat([int32(first.length), first]))
  })
  return body.readInt16BE(0)
}

type Ask = (key: number, version: number, body: Buffer) => Promise<Buffer>

/** Opens a connection for some requests: each is a length, a header (key, version, number, client) and a body. */
async function talk(bootstrap: string, tls: ConnectionOptions | undefined, about: (ask: Ask) => Promise<Buffer>) {
  const [host = '', port = ''] = bootstrap.split(',')[0]!.split(':')
  const socket: Socket = tls ? connectTls({ host, port: Number(port), ...tls }) : connect(Number(port), host)
  try {
    await once(socket, tls ? 'secureConnect' : 'connect')
    return await about(async (key, version, body) => {
      const request = Buffer.concat([int16(key), int16(version), int32(1), int16(-1), body])
      socket.write(Buffer.concat([int32(request.length), request]))
      return (await answer(socket)).subarray(8)
    })
  } finally {
    socket.destroy()
  }
}

async function answer(socket: Socket): Promise<Buffer> {
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>()
  let received = Buffer.alloc(0)
  socket.once('error', reject).once('close', () => reject(new Error('the connection was closed')))
  socket.on('data', (data: Buffer) => {
    received = Buffer.concat([received, data])
    if (received.length >= 4 && received.length >= 4 + received.readInt32BE(0)) resolve(received)
  })
  return promise.finally(() => socket.removeAllListeners('data'))
}

/** A JSON web signature without a signature, as Kafka takes it for tests. */
function unsecuredToken(subject: string): string {
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
  const now = Math.floor(Date.now() / 1000)
  return `${part({ alg: 'none' })}.${part({ sub: subject, iat: now, exp: now + 3600 })}.`
}

function int16(value: number): Buffer {
  const bytes = Buffer.alloc(2)
  bytes.writeInt16BE(value)
  return bytes
}

function int32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeInt32BE(value)
  return bytes
}
