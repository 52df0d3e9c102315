/** TLS, SASL and the renewal of sessions, against a real broker. */
import assert from 'node:assert/strict'
import { createPrivateKey } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, before, describe, it, type TestContext } from 'node:test'
import { AldebaranError } from '../../src/errors.ts'
import { listGroups } from '../../src/log/kafka/wire/admin-messages.ts'
import { Connection, type ConnectionSettings } from '../../src/log/kafka/wire/connection.ts'
import {
  NO_SECURITY,
  PLAIN_TLS,
  type SaslSettings,
  type ScramMechanism,
  type Security,
  secret,
  type TlsSettings,
} from '../../src/log/kafka/wire/security.ts'
import { makeCertificates } from '../servers/certificates.ts'
import { kafkaBroker } from '../servers/kafka.ts'
import type { KafkaCluster } from '../servers/kafka-cluster.ts'
import type { ClientListener } from '../servers/kafka-properties.ts'

const SCRAM: ScramMechanism[] = ['SCRAM-SHA-256', 'SCRAM-SHA-512']
const WITH_PASSWORD = ['PLAIN', ...SCRAM] as const
const SESSION_MS = 2000
const STRANGER = makeCertificates()

let broker: KafkaCluster
before(async () => {
  broker = await kafkaBroker({
    tls: { clientCertificate: 'requested' },
    sasl: [...WITH_PASSWORD, 'OAUTHBEARER'],
    properties: { 'connections.max.reauth.ms': String(SESSION_MS) },
  })
})
after(() => broker.end())

function open(listener: ClientListener, security: Security, of = broker): Promise<Connection> {
  const [host, port] = of.addresses[listener]!.split(':')
  const settings: ConnectionSettings = {
    clientId: 'test',
    security,
    connectTimeoutMs: 30_000,
    requestTimeoutMs: 30_000,
  }
  return Connection.open({ host: host!, port: Number(port) }, settings)
}

async function works(opening: Promise<Connection>): Promise<void> {
  const connection = await opening
  assert.equal((await connection.request(listGroups, { statesFilter: [] })).errorCode, 0)
  connection.close()
}

/** @returns the error of opening the connection, or of the first request */
async function refused(opening: Promise<Connection>, code: string, message: RegExp): Promise<void> {
  await assert.rejects(works(opening), error => {
    assert.ok(error instanceof AldebaranError, String(error))
    assert.equal(error.code, code, String(error))
    assert.match(error.message, message)
    assert.doesNotMatch(`${error.message}${JSON.stringify(error)}`, /secret/)
    return true
  })
}

function trusting(more: Partial<TlsSettings> = {}): TlsSettings {
  return { ...PLAIN_TLS, authorities: broker.certificates.authority, ...more }
}

function login(mechanism: (typeof WITH_PASSWORD)[number], username: string, password: string): SaslSettings {
  return { mechanism, username, password: secret(password) }
}

/** A JSON web token without a signature, as Kafka takes it when it is told to take any. */
function unsigned(lifetimeSeconds: number): string {
  const now = Math.floor(Date.now() / 1000)
  const encode = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url')
  return `${encode({ alg: 'none' })}.${encode({ sub: 'alice', iat: now - 3600, exp: now + lifetimeSeconds })}.`
}

function token(lifetimeSeconds: number): SaslSettings {
  const source = { kind: 'static', token: secret(unsigned(lifetimeSeconds)) } as const
  return { mechanism: 'OAUTHBEARER', token: source, extensions: {} }
}

/** An identity provider on loopback, and the settings of who asks it. */
async function provider(t: TestContext, lifetimeSeconds: number): Promise<SaslSettings> {
  const server = createServer((_, response) => {
    response.end(JSON.stringify({ access_token: unsigned(lifetimeSeconds) }))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  const { port } = server.address() as AddressInfo
  const client = { clientId: 'test', clientSecret: secret('secret'), scope: null }
  const source = { kind: 'client-credentials', tokenUrl: `http://127.0.0.1:${port}/token`, ...client } as const
  return { mechanism: 'OAUTHBEARER', token: source, extensions: {} }
}

describe('TLS', () => {
  it('connects to who has a certificate of a trusted authority, for this address or name', async () => {
    await works(open('SSL', { tls: trusting(), sasl: null }))
    await works(open('SSL', { tls: trusting({ serverName: 'localhost' }), sasl: null }))
    const wrongName = trusting({ serverName: 'kafka.example' })
    await refused(open('SSL', { tls: wrongName, sasl: null }), 'KAFKA_AUTHENTICATION', /ALTNAME/)
  })

  it('does not connect to who has another certificate', async () => {
    const wrong = trusting({ authorities: STRANGER.authority })
    await refused(open('SSL', { tls: wrong, sasl: null }), 'KAFKA_AUTHENTICATION', /TLS: .*(signature|certificate)/)
    await refused(open('SSL', { tls: PLAIN_TLS, sasl: null }), 'KAFKA_AUTHENTICATION', /TLS: .*certificate/)
  })

  it('says so when only one of both speaks it', async () => {
    await refused(open('SSL', NO_SECURITY), 'KAFKA_PROTOCOL', /speaks TLS/)
    await refused(open('PLAINTEXT', { tls: trusting(), sasl: null }), 'KAFKA_UNREACHABLE', /TLS/)
  })

  it('says what is wrong with certificate, key or passphrase before anything is sent', async () => {
    const { certificate, key } = broker.certificates.client
    const encrypted = createPrivateKey(key)
      .export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'open' })
      .toString()
    const settings: [Partial<TlsSettings>, RegExp][] = [
      [{ authorities: 'no certificate' }, /TLS: .*certificate/],
      [{ certificate, key: secret('no key') }, /TLS: /],
      [{ certificate, key: secret(STRANGER.client.key) }, /TLS: .*mismatch/],
      [{ certificate, key: secret(encrypted), passphrase: secret('wrong') }, /TLS: .*decrypt/],
    ]
    for (const [wrong, message] of settings) {
      await refused(open('SSL', { tls: trusting(wrong), sasl: null }), 'KAFKA_AUTHENTICATION', message)
    }
    const right = trusting({ certificate, key: secret(encrypted), passphrase: secret('open') })
    await works(open('SSL', { tls: right, sasl: null }))
  })

  it('shows the certificate of the client to who requires one', async () => {
    await using strict = await kafkaBroker({ tls: { clientCertificate: 'required' } })
    const { authority: authorities, client } = strict.certificates
    const shown = { ...PLAIN_TLS, authorities, certificate: client.certificate, key: secret(client.key) }
    await works(open('SSL', { tls: shown, sasl: null }, strict))
    const nothing = { ...PLAIN_TLS, authorities }
    await refused(open('SSL', { tls: nothing, sasl: null }, strict), 'KAFKA_AUTHENTICATION', /TLS: .*certificate/)
    const { certificate, key } = STRANGER.client
    const foreign = { ...PLAIN_TLS, authorities, certificate, key: secret(key) }
    await refused(open('SSL', { tls: foreign, sasl: null }, strict), 'KAFKA_AUTHENTICATION', /TLS: .*alert/)
  })
})

describe('SASL', () => {
  for (const mechanism of WITH_PASSWORD) {
    it(`${mechanism} lets in who knows the password, with TLS and without`, async () => {
      const { name, password } = broker.user
      await works(open('SASL_PLAINTEXT', { tls: null, sasl: login(mechanism, name, password) }))
      await works(open('SASL_SSL', { tls: trusting(), sasl: login(mechanism, name, password) }))
      for (const wrong of [login(mechanism, name, 'secret'), login(mechanism, 'nobody', password)]) {
        const said = /^(PLAIN|SCRAM-SHA-\d+): Authentication failed/
        await refused(open('SASL_SSL', { tls: trusting(), sasl: wrong }), 'KAFKA_AUTHENTICATION', said)
      }
    })
  }

  it('OAUTHBEARER lets in who has a token that holds', async () => {
    await works(open('SASL_SSL', { tls: trusting(), sasl: token(3600) }))
    const expired = open('SASL_SSL', { tls: trusting(), sasl: token(-3600) })
    await refused(expired, 'KAFKA_AUTHENTICATION', /^OAUTHBEARER: .*(invalid_token|expire)/)
  })

  it('says what the listener takes instead', async () => {
    await using other = await kafkaBroker({ sasl: ['SCRAM-SHA-512'] })
    const sasl = login('PLAIN', 'alice', 'secret')
    const taken = /PLAIN: UNSUPPORTED_SASL_MECHANISM: the broker takes SCRAM-SHA-512$/
    await refused(open('SASL_PLAINTEXT', { tls: null, sasl }, other), 'KAFKA_AUTHENTICATION', taken)
    const none = /PLAIN: ILLEGAL_SASL_STATE: this listener takes no SASL/
    await refused(open('PLAINTEXT', { tls: null, sasl }, other), 'KAFKA_AUTHENTICATION', none)
    await refused(open('SASL_PLAINTEXT', NO_SECURITY, other), 'KAFKA_UNREACHABLE', /may want TLS or SASL/)
  })

  it('is renewed before the session ends, under load, on the same connection', async t => {
    const { name, password } = broker.user
    const passwords = WITH_PASSWORD.map(mechanism => login(mechanism, name, password))
    const settings = [...passwords, token(3600), await provider(t, 4)]
    const began = performance.now()
    const asked = settings.map(async sasl => {
      const connection = await open('SASL_SSL', { tls: trusting(), sasl })
      let answers = 0
      while (performance.now() < began + 2.5 * SESSION_MS) {
        const several = Array.from({ length: 4 }, () => connection.request(listGroups, { statesFilter: [] }))
        for (const { errorCode } of await Promise.all(several)) assert.equal(errorCode, 0)
        answers += several.length
      }
      assert.equal(connection.closed, false)
      connection.close()
      return answers
    })
    for (const answers of await Promise.all(asked)) assert.ok(answers > 100, String(answers))
  })

  it('that has only a token closes the connection when the token ends', async () => {
    const connection = await open('SASL_PLAINTEXT', { tls: null, sasl: token(4) })
    const error = await new Promise<AldebaranError>(resolve => connection.onClose(resolve))
    assert.equal(error.code, 'KAFKA_AUTHENTICATION', String(error))
  })
})
