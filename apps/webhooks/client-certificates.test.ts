/** Endpoints that ask by TLS who we are, and get the certificate that is meant for them. */
import assert from 'node:assert/strict'
import { createHash, generateKeyPairSync, X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import type { TLSSocket } from 'node:tls'
import { makeAuthority } from '../../test/servers/certificates.ts'
import { parseIdentity } from './client-certificates.ts'
import { tlsFrom } from './environment-tls.ts'
import { newKey } from './sealing.ts'
import { WebhooksSite } from './test/site.ts'

const authority = makeAuthority()
const stranger = makeAuthority()
const usual = authority.issueClient('usual')
const folder = mkdtempSync(join(tmpdir(), 'aldebaran-certificates-'))
after(() => rmSync(folder, { recursive: true }))

function file(name: string, content: string): string {
  writeFileSync(join(folder, name), content)
  return join(folder, name)
}

const fingerprintOf = ({ certificate }: { certificate: string }) => new X509Certificate(certificate).fingerprint256

describe('to endpoints', () => {
  /** The paths that were asked for, with the name in the certificate that came. */
  const calls: { path: string; name: string; port: number }[] = []
  let server: Server
  let origin: string
  let site: WebhooksSite

  before(async () => {
    const { key, certificate } = authority.issueServer()
    // A certificate of the authority is demanded: others fail in the handshake.
    const tls = { key, cert: certificate, ca: authority.certificate, requestCert: true, rejectUnauthorized: true }
    server = createServer(tls, (request, response) => {
      const socket = request.socket as TLSSocket
      const { CN } = socket.getPeerCertificate().subject
      calls.push({ path: request.url!, name: String(CN), port: socket.remotePort! })
      request.resume().on('end', () => response.end())
    })
    server.on('tlsClientError', () => {})
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    origin = `https://127.0.0.1:${(server.address() as AddressInfo).port}`
    site = await WebhooksSite.open({
      WEBHOOKS_KEY: newKey(),
      WEBHOOKS_TRUSTED: origin,
      WEBHOOKS_CA: file('ca.pem', authority.certificate),
      WEBHOOKS_CLIENT_CERT: file('usual.pem', usual.certificate),
      WEBHOOKS_CLIENT_KEY: file('usual.key', usual.key),
    })
  })
  after(async () => {
    await site.close()
    server.closeAllConnections()
    server.close()
    for (const name of ['CA', 'CLIENT_CERT', 'CLIENT_KEY']) delete process.env[`WEBHOOKS_${name}`]
  })

  const namesAt = (path: string) => calls.filter(call => call.path === path).map(({ name }) => name)
  const endpoint = async (account: string, path: string, clientCertificate?: object | null) => {
    const more = clientCertificate === undefined ? {} : { clientCertificate }
    const { status, body } = await site.call('POST', `/${account}/endpoints`, { url: origin + path, ...more })
    assert.equal(status, 201, JSON.stringify(body))
    return body
  }

  test('each gets its own, also where several are at one origin; others get that of the settings', async () => {
    const [first, second] = [authority.issueClient('first'), authority.issueClient('second')]
    await endpoint('both', '/first', first)
    await endpoint('both', '/second', second)
    await endpoint('both', '/usual')
    const ROUNDS = 4
    for (let n = 1; n <= ROUNDS; n++) {
      await site.event('both', 'x', n)
      await site.until(() => ['/first', '/second', '/usual'].every(path => namesAt(path).length === n))
    }
    for (const name of ['first', 'second', 'usual']) {
      assert.deepEqual(namesAt(`/${name}`), Array(ROUNDS).fill(name))
    }
    // No connection was used with two certificates.
    const names = new Map<number, string>()
    for (const { name, port } of calls) {
      assert.equal(names.get(port) ?? name, name)
      names.set(port, name)
    }
  })

  test('a changed one holds from the next try; removed, it is that of the settings', async () => {
    const { id } = await endpoint('turn', '/turn', authority.issueClient('old'))
    await site.event('turn', 'x', 1)
    await site.until(() => namesAt('/turn').length === 1)
    const fresh = authority.issueClient('fresh')
    const changed = await site.call('PATCH', `/turn/endpoints/${id}`, { clientCertificate: fresh })
    assert.equal(changed.body.clientCertificate.fingerprint, fingerprintOf(fresh))
    await site.event('turn', 'x', 2)
    await site.until(() => namesAt('/turn').length === 2)
    // Other changes leave it as it is.
    const described = await site.call('PATCH', `/turn/endpoints/${id}`, { description: 'still the same' })
    assert.deepEqual(described.body.clientCertificate, changed.body.clientCertificate)
    await site.event('turn', 'x', 3)
    await site.until(() => namesAt('/turn').length === 3)
    const removed = await site.call('PATCH', `/turn/endpoints/${id}`, { clientCertificate: null })
    assert.equal(removed.body.clientCertificate, null)
    await site.event('turn', 'x', 4)
    await site.until(() => namesAt('/turn').length === 4)
    assert.deepEqual(namesAt('/turn'), ['old', 'fresh', 'fresh', 'usual'])
  })

  test('with one of another authority nothing is delivered', async () => {
    const { id } = await endpoint('wrong', '/wrong', stranger.issueClient('stranger'))
    await site.event('wrong', 'x', 1)
    await site.until(async () => (await site.get(`/dead-letters?destination=${id}`)).body.letters.length === 1)
    assert.deepEqual(namesAt('/wrong'), [])
  })

  test('it is shown without its key, which lies in clear nowhere', async () => {
    const identity = authority.issueClient('shown')
    const made = await endpoint('shown', '/shown', identity)
    const { body } = await site.call('GET', `/shown/endpoints/${made.id}`)
    const { expiresAt, ...others } = body.clientCertificate
    const { validTo } = new X509Certificate(identity.certificate)
    assert.equal(expiresAt, Date.parse(validTo))
    assert.deepEqual(others, {
      subject: 'CN=shown',
      issuer: 'CN=test authority',
      fingerprint: fingerprintOf(identity),
      state: 'expires soon',
    })
    const everything = JSON.stringify([made, body, (await site.call('GET', '/shown/endpoints')).body])
    const inTopics = JSON.stringify((await site.get('/topics/webhooks.accounts/records?key=shown')).body)
    assert.match(inTopics, /"subject":"CN=shown"/)
    for (const line of identity.key.split('\n').filter(text => text.length > 40)) {
      assert.equal(everything.includes(line) || inTopics.includes(line), false)
    }
    assert.doesNotMatch(everything + inTopics, /PRIVATE KEY/)
    assert.doesNotMatch(everything, /sealed/)
  })

  test('what is wrong is refused with what to do', async () => {
    const [one, other] = [authority.issueClient('one'), authority.issueClient('other')]
    const locked = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({
      type: 'pkcs8',
      format: 'pem',
      cipher: 'aes-256-cbc',
      passphrase: 'secret',
    })
    const cases: [RegExp, unknown][] = [
      [/certificate is no certificate in PEM/, { ...one, certificate: 'no PEM' }],
      [/certificate cannot be read/, { ...one, certificate: one.certificate.replace(/M/g, 'A') }],
      [/key is no private key/, { ...one, key: one.certificate }],
      [/key belongs to another certificate/, { ...one, key: other.key }],
      [/key is encrypted/, { ...one, key: locked }],
      [/certificate has expired/, authority.issueClient('past', Date.now() - 1000)],
      [/key is a text/, { certificate: one.certificate }],
      [/certificate is a text of 1 to/, { ...one, certificate: 'x'.repeat(40_000) }],
      [/certificate has more than 10/, { ...one, certificate: one.certificate.repeat(11) }],
      [/is a JSON object/, one.certificate],
      [/no field here/, { ...one, passphrase: 'x' }],
    ]
    const { id } = await endpoint('wrongs', '/wrongs')
    for (const [message, clientCertificate] of cases) {
      for (const [method, path] of [
        ['POST', '/wrongs/endpoints'],
        ['PATCH', `/wrongs/endpoints/${id}`],
      ] as const) {
        const body = method === 'POST' ? { url: origin, clientCertificate } : { clientCertificate }
        const answer = await site.call(method, path, body)
        const label = `${method} ${message}: ${JSON.stringify(answer.body)}`
        assert.deepEqual([answer.status, answer.body.error?.code], [400, 'VALUE_INVALID'], label)
        assert.match(answer.body.error.message, message)
        assert.doesNotMatch(label, /BEGIN EC|[A-Za-z0-9+/]{60}/)
      }
    }
    assert.equal((await site.call('GET', '/wrongs/endpoints')).body.endpoints.length, 1)
  })
})

test('an endpoint by http: takes none, and one that has one stays with https:', async () => {
  const site = await WebhooksSite.open({ WEBHOOKS_KEY: newKey() })
  try {
    const url = `${site.receiver.origin}/plain`
    const clientCertificate = authority.issueClient('one')
    const refused = await site.call('POST', '/plain/endpoints', { url, clientCertificate })
    assert.match(refused.body.error.message, /needs an endpoint by https:/)
    const { body } = await site.call('POST', '/plain/endpoints', {
      url: 'https://hooks.example.com',
      clientCertificate,
    })
    const changed = await site.call('PATCH', `/plain/endpoints/${body.id}`, { url })
    assert.deepEqual([changed.status, changed.body.error.code], [400, 'VALUE_INVALID'])
  } finally {
    await site.close()
  }
})

test('what is kept of a certificate and its key is what was read of them', () => {
  const { certificate, key } = authority.issueClient('one')
  const noise = (text: string) => `Bag Attributes\n    friendlyName: x\n${text}trailing`
  const chain = certificate + authority.certificate
  assert.deepEqual(parseIdentity({ certificate: noise(chain), key: noise(key) }, Date.now()), {
    certificate: chain,
    key,
  })
})

test('the environment names files; what is wrong with them is told with the name of the variable', () => {
  assert.equal(tlsFrom({}), undefined)
  const [cert, key] = [file('c.pem', usual.certificate), file('k.pem', usual.key)]
  assert.deepEqual(tlsFrom({ WEBHOOKS_CLIENT_CERT: cert, WEBHOOKS_CLIENT_KEY: key }), {
    cert: usual.certificate,
    key: usual.key,
  })
  const { ca } = tlsFrom({ WEBHOOKS_CA: file('a.pem', stranger.certificate + authority.certificate) }) as {
    ca: string[]
  }
  assert.equal(ca.length > 10, true)
  const hash = (text: string) => createHash('sha256').update(text.trim()).digest('hex')
  assert.deepEqual(ca.slice(-2).map(hash), [stranger.certificate, authority.certificate].map(hash))
  const refused: [string, Record<string, string>][] = [
    ['WEBHOOKS_CLIENT_CERT', { WEBHOOKS_CLIENT_CERT: cert }],
    ['WEBHOOKS_CLIENT_CERT', { WEBHOOKS_CLIENT_CERT: join(folder, 'none.pem'), WEBHOOKS_CLIENT_KEY: key }],
    ['WEBHOOKS_CLIENT_CERT', { WEBHOOKS_CLIENT_CERT: key, WEBHOOKS_CLIENT_KEY: key }],
    ['WEBHOOKS_CA', { WEBHOOKS_CA: key }],
    ['WEBHOOKS_CA', { WEBHOOKS_CA: folder }],
  ]
  for (const [option, environment] of refused) {
    assert.throws(
      () => tlsFrom(environment),
      { code: 'OPTION_INVALID', details: { option } },
      JSON.stringify(environment),
    )
  }
})
