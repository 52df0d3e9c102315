import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { inspect } from 'node:util'
import type { AldebaranError } from '../../errors.ts'
import { describeLocation, isKafkaLocation, parseKafkaLocation } from './location.ts'
import { NO_SECURITY, revealed } from './wire/security.ts'

const LOGIN = { KAFKA_USERNAME: 'alice', KAFKA_PASSWORD: 'w0nder' }

function refusal(text: string, environment: NodeJS.ProcessEnv = {}): AldebaranError {
  try {
    parseKafkaLocation(text, environment)
  } catch (error) {
    assert.equal((error as AldebaranError).code, 'OPTION_INVALID', String(error))
    return error as AldebaranError
  }
  assert.fail(`${text} was taken`)
}

describe('a Kafka location', () => {
  it('names brokers, with the port 9092 unless it says another', () => {
    assert.deepEqual(parseKafkaLocation('kafka://one:19092,two.example,[::1]:9,[fe80::2]', {}), {
      bootstrap: [
        { host: 'one', port: 19_092 },
        { host: 'two.example', port: 9092 },
        { host: '::1', port: 9 },
        { host: 'fe80::2', port: 9092 },
      ],
      security: NO_SECURITY,
    })
    assert.deepEqual(parseKafkaLocation('kafka://a/', {}).bootstrap, [{ host: 'a', port: 9092 }])
  })

  it('has the options of the engine', () => {
    const text =
      'kafka://a?guarantee=at-least-once&compression=zstd&replication=3&standbys=0&state=./copies&node=n1&peer=10.0.0.1:7000'
    const { bootstrap, security, ...options } = parseKafkaLocation(text, {})
    assert.equal(bootstrap.length, 1)
    assert.deepEqual(security, NO_SECURITY)
    assert.deepEqual(options, {
      guarantee: 'at-least-once',
      compression: 'zstd',
      replication: 3,
      standbys: 0,
      stateDir: './copies',
      node: 'n1',
      peer: { host: '10.0.0.1', port: 7000 },
    })
  })

  it('takes the login from itself or from the environment', () => {
    for (const name of ['plain', 'scram-sha-256', 'SCRAM-SHA-512']) {
      const { sasl } = parseKafkaLocation(`kafka://a?sasl=${name}`, LOGIN).security
      assert.ok(sasl !== null && sasl.mechanism !== 'OAUTHBEARER')
      assert.deepEqual(
        [sasl.mechanism, sasl.username, revealed(sasl.password)],
        [name.toUpperCase(), 'alice', 'w0nder'],
      )
    }
    const { sasl } = parseKafkaLocation('kafka://b%40b:p%2Fw%3A%25@a?sasl=plain', LOGIN).security
    assert.ok(sasl !== null && sasl.mechanism === 'PLAIN')
    assert.deepEqual([sasl.username, revealed(sasl.password)], ['b@b', 'p/w:%'])
    const named = parseKafkaLocation('kafka://bob@a?sasl=plain', LOGIN).security.sasl
    assert.ok(named !== null && named.mechanism === 'PLAIN')
    assert.deepEqual([named.username, revealed(named.password)], ['bob', 'w0nder'])
  })

  it('takes a token, or where tokens come from', () => {
    const token = parseKafkaLocation('kafkas://a?sasl=oauthbearer', {
      KAFKA_TOKEN: 'abc',
      KAFKA_SASL_EXTENSIONS: 'logicalCluster=lkc-1, identityPoolId=pool=2',
    }).security.sasl
    assert.ok(token?.mechanism === 'OAUTHBEARER' && token.token.kind === 'static')
    assert.equal(revealed(token.token.token), 'abc')
    assert.deepEqual(token.extensions, { logicalCluster: 'lkc-1', identityPoolId: 'pool=2' })
    const url = 'https://id.example/token'
    const environment = { KAFKA_CLIENT_ID: 'id', KAFKA_CLIENT_SECRET: 'shh', KAFKA_TOKEN_SCOPE: 'all' }
    for (const [text, more] of [
      ['kafkas://a?sasl=oauthbearer', { KAFKA_TOKEN_URL: url }],
      [`kafkas://a?sasl=oauthbearer&token-url=${encodeURIComponent(url)}`, { KAFKA_TOKEN: 'of another cluster' }],
    ] as const) {
      const { sasl } = parseKafkaLocation(text, { ...environment, ...more }).security
      assert.ok(sasl?.mechanism === 'OAUTHBEARER' && sasl.token.kind === 'client-credentials')
      const { clientSecret, ...rest } = sasl.token
      assert.deepEqual(rest, { kind: 'client-credentials', tokenUrl: url, clientId: 'id', scope: 'all' })
      assert.equal(revealed(clientSecret), 'shh')
    }
  })

  it('takes certificates and key from files', () => {
    const folder = mkdtempSync(join(tmpdir(), 'aldebaran-location-'))
    try {
      const file = (name: string): string => {
        writeFileSync(join(folder, name), `the ${name}`)
        return join(folder, name)
      }
      const { tls } = parseKafkaLocation(`kafka://a?tls=true&ca=${file('ca')}&server-name=kafka.example`, {
        KAFKA_CA_FILE: '/not/this',
        KAFKA_CERT_FILE: file('cert'),
        KAFKA_KEY_FILE: file('key'),
        KAFKA_KEY_PASSPHRASE: 'open',
      }).security
      assert.ok(tls !== null)
      const { key, passphrase, ...rest } = tls
      assert.deepEqual(rest, { authorities: 'the ca', certificate: 'the cert', serverName: 'kafka.example' })
      assert.deepEqual([revealed(key!), revealed(passphrase!)], ['the key', 'open'])
      assert.match(
        refusal('kafkas://a', { KAFKA_CERT_FILE: file('cert') }).message,
        /KAFKA_CERT_FILE: .* key is missing/,
      )
      assert.match(refusal(`kafkas://a?ca=${folder}/none`).message, /ca: ENOENT/)
      assert.match(refusal('kafka://a', { KAFKA_CA_FILE: file('ca') }).message, /KAFKA_CA_FILE: it is for TLS/)
      assert.equal(parseKafkaLocation('kafka://a?tls=false', { KAFKA_CA_FILE: file('ca') }).security.tls, null)
    } finally {
      rmSync(folder, { recursive: true })
    }
  })

  it('with TLS and nothing else trusts whom Node trusts', () => {
    const { tls } = parseKafkaLocation('kafkas://a', {}).security
    assert.equal(tls?.authorities, null)
    assert.deepEqual(parseKafkaLocation('kafka://a?tls=true', {}).security.tls, tls)
  })

  it('names every parameter that it does not know', () => {
    const { message } = refusal('kafka://a?replication=1&acks=all&linger=5')
    assert.match(message, /^acks, linger: there are tls, /)
  })

  const wrong: [text: string, message: RegExp, environment?: NodeJS.ProcessEnv][] = [
    ['kafka:a', /^location/],
    ['kafka://', /^location/],
    ['kafka://a,', /^location: an address/],
    ['kafka://a:0', /^location: an address/],
    ['kafka://a:65536', /^location: an address/],
    ['kafka://a b', /^location: an address/],
    ['kafka://::1', /^location: an address/],
    ['kafka://[a]:1', /^location: an address/],
    ['kafka://a/topic', /^location/],
    ['kafka://a#x', /^location/],
    ['kafka://u:%zz@a?sasl=plain', /^location: user name and password/],
    ['kafka://a?tls=yes', /^tls/],
    ['kafkas://a?tls=false', /^tls/],
    ['kafka://a?ca=x', /^ca: it is for TLS/],
    ['kafka://a?sasl=gssapi', /^sasl: 'gssapi' is none of plain,/],
    ['kafka://u:p@a', /^sasl: a user name is there/],
    ['kafka://a?scope=x', /^sasl: scope is there/],
    ['kafka://a?sasl=plain', /^KAFKA_USERNAME: sasl=plain needs it/],
    ['kafka://u@a?sasl=plain', /^KAFKA_PASSWORD: sasl=plain needs it/],
    ['kafka://u:p%00@a?sasl=plain', /^KAFKA_PASSWORD: it contains NUL/],
    ['kafka://u:p@a?sasl=oauthbearer', /^sasl: oauthbearer takes no user name/],
    ['kafka://a?sasl=oauthbearer', /^KAFKA_TOKEN_URL: .* needs it, or KAFKA_TOKEN/],
    ['kafka://a?sasl=oauthbearer&token-url=http://id.example', /^token-url: it is an https/],
    ['kafka://a?sasl=oauthbearer&token-url=https://id.example', /^KAFKA_CLIENT_ID/],
    ['kafka://a?sasl=oauthbearer', /^KAFKA_SASL_EXTENSIONS/, { KAFKA_TOKEN: 't', KAFKA_SASL_EXTENSIONS: 'auth=x' }],
    ['kafka://a?guarantee=twice', /^guarantee: 'twice' is none of exactly-once, at-least-once/],
    ['kafka://a?compression=rar', /^compression/],
    ['kafka://a?replication=0', /^replication/],
    ['kafka://a?replication=1.5', /^replication/],
    ['kafka://a?standbys=-1', /^standbys/],
    ['kafka://a?standbys=1&standbys=2', /^standbys: it is there twice/],
    ['kafka://a?state=', /^state: it is empty/],
    ['kafka://a?peer=b', /^peer: an address is HOST:PORT/],
  ]
  for (const [text, message, environment] of wrong) {
    it(`is refused: ${text}`, () => {
      assert.match(refusal(text, environment).message, message)
    })
  }

  it('that is refused tells nothing of a password, however it was written', () => {
    for (const text of [
      'kafka://u:hun/ter2@a?sasl=plain',
      'kafka://u:hun?ter2=1@a?sasl=plain',
      'kafka://u:hun#ter2@a?sasl=plain',
      'kafka://u:hun@ter2@a?sasl=plain',
      'kafka://u:hun,ter2:x@a?sasl=none',
      'kafka://u:hun%ter2@a?sasl=plain',
      'kafka://u:hunter2',
      'kafka://a?password=hunter2',
      'kafka://a?hun;ter2=1',
    ]) {
      const error = refusal(text)
      assert.doesNotMatch(`${inspect(error)}${JSON.stringify(error)}`.replaceAll(/ +at .*/g, ''), /hun|ter2/, text)
    }
  })

  it('is described without secrets, in a form that can be read again', () => {
    const text = 'kafkas://al%40ice:w0nder@a,[::1]:9?sasl=scram-sha-512&guarantee=exactly-once&state=/x&peer=b:1'
    const location = parseKafkaLocation(text, {})
    const shown = describeLocation(location)
    assert.equal(shown, 'kafkas://al%40ice@a:9092,[::1]:9?sasl=scram-sha-512&guarantee=exactly-once&state=/x&peer=b:1')
    assert.equal(describeLocation(parseKafkaLocation(shown, LOGIN)), shown)
    assert.doesNotMatch(`${inspect(location, { depth: 9 })}${JSON.stringify(location)}`, /w0nder/)
    assert.equal(describeLocation(parseKafkaLocation('kafka://a', {})), 'kafka://a:9092')
  })

  it('is known from other locations', () => {
    assert.deepEqual(['kafka://a', 'kafkas://a', './kafka', 'kafka', '/data'].map(isKafkaLocation), [
      true,
      true,
      false,
      false,
      false,
    ])
  })
})
