import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type ServerResponse } from 'node:http'
import { describe, it, type TestContext } from 'node:test'
import type { AldebaranError } from '../../../errors.ts'
import { mechanismOf } from './sasl.ts'
import { type ClientCredentials, secret } from './security.ts'
import { isTokenUrl, ProvidedToken } from './token-endpoint.ts'

interface Asked {
  method: string | undefined
  authorization: string | undefined
  body: string
}

/** An identity provider on loopback. */
async function provider(t: TestContext, answer: (response: ServerResponse, time: number) => void) {
  const asked: Asked[] = []
  const server = createServer(async (request, response) => {
    let body = ''
    for await (const chunk of request) body += chunk
    asked.push({ method: request.method, authorization: request.headers.authorization, body })
    answer(response, asked.length)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  const { port } = server.address() as { port: number }
  const source: ClientCredentials = {
    kind: 'client-credentials',
    tokenUrl: `http://127.0.0.1:${port}/token?tenant=hidden`,
    clientId: 'my app',
    clientSecret: secret('s3cret:%&ü'),
    scope: 'kafka write',
  }
  return { asked, source }
}

function json(response: ServerResponse, value: unknown, status = 200): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value))
}

async function failure(source: ClientCredentials): Promise<AldebaranError> {
  try {
    await new ProvidedToken(source).get()
  } catch (error) {
    return error as AldebaranError
  }
  assert.fail('it did not fail')
}

describe('tokens of an identity provider', () => {
  it('are asked for with the credentials in the header, and shared until shortly before they end', async t => {
    const { asked, source } = await provider(t, (response, time) =>
      json(response, { access_token: `token${time}`, token_type: 'Bearer', expires_in: 300 }),
    )
    const token = new ProvidedToken(source)
    assert.deepEqual(await Promise.all([token.get(), token.get(), token.get()]), ['token1', 'token1', 'token1'])
    assert.equal(await token.get(), 'token1')
    const basic = Buffer.from('my+app:s3cret%3A%25%26%C3%BC').toString('base64')
    const body = 'grant_type=client_credentials&scope=kafka+write'
    assert.deepEqual(asked, [{ method: 'POST', authorization: `Basic ${basic}`, body }])
  })

  it('are asked for again when they are about to end, by the answer or by the token itself', async t => {
    const ended = Buffer.from(JSON.stringify({ exp: Math.floor(Date.now() / 1000) - 1 })).toString('base64url')
    const { asked, source } = await provider(t, (response, time) => {
      if (time === 1) json(response, { access_token: `a.${ended}.b` })
      else json(response, { access_token: `token${time}`, expires_in: time === 2 ? 1e-6 : '300' })
    })
    const token = new ProvidedToken(source)
    assert.equal(await token.get(), `a.${ended}.b`)
    assert.equal(await token.get(), 'token2')
    assert.equal(await token.get(), 'token3')
    assert.equal(await token.get(), 'token3')
    assert.equal(asked.length, 3)
  })

  it('are shared by all connections of the same settings', async t => {
    const { asked, source } = await provider(t, response => json(response, { access_token: 'token', expires_in: 300 }))
    const settings = { mechanism: 'OAUTHBEARER', token: source, extensions: { logicalCluster: 'lkc-1' } } as const
    for (let i = 0; i < 3; i++) {
      const mechanism = await mechanismOf(settings)
      const first = await mechanism.respond(Buffer.alloc(0))
      assert.equal(first?.toString(), 'n,,\x01auth=Bearer token\x01logicalCluster=lkc-1\x01\x01')
      // What a broker says to that is a refusal, and is acknowledged.
      assert.equal((await mechanism.respond(Buffer.from('{"status":"invalid_token"}')))?.toString(), '\x01')
      assert.equal(await mechanism.respond(Buffer.alloc(0)), null)
    }
    assert.equal(asked.length, 1)
  })

  it('that are refused are an error of authentication, which tells no secret', async t => {
    const { source } = await provider(t, response =>
      json(response, { error: 'invalid_client', error_description: 'no such client' }, 401),
    )
    const error = await failure(source)
    assert.equal(error.code, 'KAFKA_AUTHENTICATION')
    assert.match(error.message, /\/token: invalid_client: no such client$/)
    assert.doesNotMatch(`${error.message}${JSON.stringify(error)}`, /s3cret|hidden/)
  })

  it('that could come later are asked for again by who needs them', async t => {
    const { source } = await provider(t, response => json(response, {}, 503))
    const error = await failure(source)
    assert.equal(error.code, 'KAFKA_UNREACHABLE')
    assert.match(error.message, /it answered 503/)
  })

  it('do not follow the provider elsewhere, and an endless answer is refused', async t => {
    const other = await provider(t, response => json(response, { access_token: 'stolen' }))
    const redirecting = await provider(t, response =>
      response.writeHead(307, { location: other.source.tokenUrl }).end(),
    )
    const endless = await provider(t, response => response.writeHead(200).end('x'.repeat(1_000_000)))
    assert.equal((await failure(redirecting.source)).code, 'KAFKA_UNREACHABLE')
    assert.equal(other.asked.length, 0)
    assert.match((await failure(endless.source)).message, /too long/)
  })

  it('with characters that end the message early are not sent', async t => {
    const { source } = await provider(t, response => json(response, { access_token: 'a\x01auth=b', expires_in: 300 }))
    const settings = { mechanism: 'OAUTHBEARER', token: source, extensions: {} } as const
    await assert.rejects(mechanismOf(settings), /the token has characters/)
  })

  it('come over HTTPS, or from this machine', () => {
    for (const url of ['https://id.example/token', 'http://localhost:80/t', 'http://127.0.0.1/t', 'http://[::1]:1/t']) {
      assert.ok(isTokenUrl(url), url)
    }
    for (const url of ['http://id.example/', 'http://127.0.0.1.example/', 'https://u:p@id.example/', 'ftp://a/', 'x']) {
      assert.ok(!isTokenUrl(url), url)
    }
  })
})
