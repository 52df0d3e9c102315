import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import fc from 'fast-check'
import { Webhook } from 'standardwebhooks'
import { HttpSender } from '../http-sender/http-sender.ts'
import { generateWebhookKeyPair, generateWebhookSecret, WebhookSigner } from './signing.ts'
import { type VerificationFailure, verify, WebhookVerificationError, webhookVerifier } from './verify.ts'

const SECONDS = 1_700_000_000
const BODY = '{"type":"a","data":"ä"}'
const now = () => SECONDS * 1000 + 400
const secret = generateWebhookSecret()
const pair = generateWebhookKeyPair()

function signed(secrets: string | string[], id = 'msg_1', timestamp = SECONDS, body: string | Buffer = BODY) {
  return {
    'webhook-id': id,
    'webhook-timestamp': String(timestamp),
    'webhook-signature': new WebhookSigner(secrets).sign(id, timestamp, body),
  }
}

function refused(reason: VerificationFailure, work: () => unknown, message?: string): void {
  assert.throws(work, (error: unknown) => error instanceof WebhookVerificationError && error.reason === reason, message)
}

describe('what is genuine', () => {
  test('is taken, by secret and by public key, as text and as bytes', () => {
    for (const [signing, verifying] of [
      [secret, secret],
      [pair.privateKey, pair.publicKey],
    ] as const) {
      for (const body of [BODY, Buffer.from(BODY), new Uint8Array(Buffer.from(BODY))]) {
        assert.deepEqual(verify(signed(signing), body, verifying, { now }), { id: 'msg_1', timestamp: SECONDS })
      }
    }
  })

  test('is taken with headers in every form', () => {
    const headers = signed(secret)
    const upper = Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toUpperCase(), value]))
    const lists = Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, [value]]))
    for (const form of [headers, upper, lists, new Headers(headers)]) {
      assert.equal(verify(form, BODY, secret, { now }).id, 'msg_1')
    }
  })

  test('is taken while a secret is changed, by who knows either, in any order', () => {
    const old = generateWebhookSecret()
    const both = signed([secret, old, pair.privateKey])
    for (const known of [secret, old, pair.publicKey]) assert.equal(verify(both, BODY, known, { now }).id, 'msg_1')
    assert.equal(verify(signed(old), BODY, [secret, old, pair.publicKey], { now }).id, 'msg_1')
    const reordered = both['webhook-signature'].split(' ').reverse().join(' ')
    for (const known of [secret, old, pair.publicKey]) {
      assert.equal(verify({ ...both, 'webhook-signature': reordered }, BODY, known, { now }).id, 'msg_1')
    }
  })

  test('is taken whatever stands beside its signature', () => {
    const headers = signed(secret)
    for (const more of ['v2,abc', 'v1,', 'v1', ',', 'v1a,abc', 'nonsense', `v1,${'A'.repeat(43)}=`, '  ']) {
      const signature = `${more} ${headers['webhook-signature']} ${more}`
      assert.equal(verify({ ...headers, 'webhook-signature': signature }, BODY, secret, { now }).id, 'msg_1', more)
    }
  })

  test('is taken for the tolerance in both directions, and no longer', () => {
    for (const [tolerance, options] of [
      [300, {}],
      [10, { tolerance: 10 }],
      [0, { tolerance: 0 }],
    ] as const) {
      const verifier = webhookVerifier(secret, { ...options, now })
      for (const off of [-tolerance, tolerance]) assert.ok(verifier(signed(secret, 'm', SECONDS + off), BODY))
      refused('too-old', () => verifier(signed(secret, 'm', SECONDS - tolerance - 1), BODY))
      refused('too-new', () => verifier(signed(secret, 'm', SECONDS + tolerance + 1), BODY))
    }
  })
})

describe('what is not', () => {
  test('a missing header is named', () => {
    for (const name of ['webhook-id', 'webhook-timestamp', 'webhook-signature'] as const) {
      const headers: Record<string, string | string[]> = signed(secret)
      for (const value of ['', [], ['a', 'b']]) {
        refused('missing-header', () => verify({ ...headers, [name]: value }, BODY, secret, { now }))
      }
      delete headers[name]
      assert.throws(() => verify(headers, BODY, secret, { now }), {
        reason: 'missing-header',
        message: new RegExp(name),
      })
    }
    refused('missing-header', () => verify(new Headers(), BODY, secret, { now }))
    refused('missing-header', () => verify(Object.create({ 'webhook-id': 'm' }), BODY, secret, { now }))
  })

  test('a timestamp that is no number of seconds', () => {
    for (const text of ['soon', '-1', '1.5', '1e9', '0x1', ` ${SECONDS}`, `${SECONDS} `, '9'.repeat(16), '１']) {
      refused(
        'bad-timestamp',
        () => verify({ ...signed(secret), 'webhook-timestamp': text }, BODY, secret, { now }),
        text,
      )
    }
  })

  test('another id, another time, another body, another secret', () => {
    for (const [signing, verifying, other] of [
      [secret, secret, generateWebhookSecret()],
      [pair.privateKey, pair.publicKey, generateWebhookKeyPair().publicKey],
    ] as const) {
      const headers = signed(signing)
      refused('no-match', () => verify({ ...headers, 'webhook-id': 'msg_2' }, BODY, verifying, { now }))
      refused('no-match', () => verify({ ...headers, 'webhook-timestamp': `${SECONDS + 1}` }, BODY, verifying, { now }))
      refused('no-match', () => verify({ ...headers, 'webhook-timestamp': `0${SECONDS}` }, BODY, verifying, { now }))
      for (const body of [`${BODY} `, BODY.slice(1), '', BODY.replace('ä', 'a')]) {
        refused('no-match', () => verify(headers, body, verifying, { now }))
      }
      refused('no-match', () => verify(headers, BODY, other, { now }))
    }
  })

  test('the limits between id, timestamp and body cannot be shifted', () => {
    const headers = signed(secret, 'msg_1', SECONDS, `${SECONDS}.x`)
    refused('no-match', () =>
      verify({ ...headers, 'webhook-id': `msg_1.${SECONDS}` }, `.${SECONDS}.x`, secret, { now }),
    )
    assert.throws(() => signed(secret, `msg_1.${SECONDS}`), { code: 'HEADER_INVALID' })
  })

  test('a signature of another scheme, however it is named', () => {
    const hmac = signed(secret)['webhook-signature'].slice(3)
    const key = signed(pair.privateKey)['webhook-signature'].slice(4)
    const secrets = [secret, pair.publicKey]
    const wrong = [
      `v1a,${hmac}`,
      `v1,${key}`,
      `v2,${hmac}`,
      `V1,${hmac}`,
      `v1${hmac}`,
      `v1;${hmac}`,
      hmac,
      `,${hmac}`,
      `v1,,${hmac}`,
    ]
    for (const signature of wrong) {
      const headers = { ...signed(secret), 'webhook-signature': signature }
      refused('no-match', () => verify(headers, BODY, secrets, { now }), signature)
    }
    // The bytes of a public key are known to all: they are no secret for HMAC.
    const publicBytes = `whsec_${pair.publicKey.slice('whpk_'.length)}`
    refused('no-match', () => verify(signed(publicBytes), BODY, pair.publicKey, { now }))
  })

  test('any change of a signature', () => {
    for (const [signing, verifying] of [
      [secret, secret],
      [pair.privateKey, pair.publicKey],
    ] as const) {
      const headers = signed(signing)
      const genuine = headers['webhook-signature']
      const change = fc.oneof(
        fc.nat(genuine.length - 1).map(length => genuine.slice(0, length)),
        fc
          .tuple(fc.nat(genuine.length - 1), fc.constantFrom(...'ABCabc019+/=,v \t-_'))
          .map(([at, character]) => genuine.slice(0, at) + character + genuine.slice(at + 1)),
        fc
          .tuple(fc.nat(genuine.length), fc.constantFrom(...'Aa0+/=,.'))
          .map(([at, more]) => genuine.slice(0, at) + more + genuine.slice(at)),
        fc.shuffledSubarray([...genuine], { minLength: genuine.length }).map(letters => letters.join('')),
      )
      fc.assert(
        fc.property(change, signature => {
          // A comma or a blank behind it, or before it, leaves the genuine one in the list.
          fc.pre(!signature.split(' ').includes(genuine))
          refused('no-match', () =>
            verify({ ...headers, 'webhook-signature': signature || 'x' }, BODY, verifying, { now }),
          )
        }),
      )
    }
  })

  test('other base64 for the same bytes', () => {
    const digits = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'
    for (const [signing, verifying] of [
      [secret, secret],
      [pair.privateKey, pair.publicKey],
    ] as const) {
      const headers = signed(signing)
      const genuine = headers['webhook-signature']
      const at = genuine.search(/.=+$/)
      for (const digit of digits.replace(genuine[at]!, '')) {
        const signature = genuine.slice(0, at) + digit + genuine.slice(at + 1)
        refused(
          'no-match',
          () => verify({ ...headers, 'webhook-signature': signature }, BODY, verifying, { now }),
          digit,
        )
      }
    }
  })

  test('a header of many signatures is read up to a bound', () => {
    const many = `v1,${'A'.repeat(43)}= `.repeat(16)
    const headers = signed(secret)
    const behind = { ...headers, 'webhook-signature': many + headers['webhook-signature'] }
    refused('no-match', () => verify(behind, BODY, secret, { now }))
  })

  test('whatever comes, it is one of the reasons', () => {
    const text = fc.oneof(fc.string({ unit: 'binary' }), fc.constantFrom(`${SECONDS}`, 'v1,', 'msg_1'))
    fc.assert(
      fc.property(text, text, text, text, (id, timestamp, signature, body) => {
        const headers = { 'webhook-id': id, 'webhook-timestamp': timestamp, 'webhook-signature': signature }
        assert.throws(() => verify(headers, body, [secret, pair.publicKey], { now }), WebhookVerificationError)
      }),
    )
  })

  test('a body that was parsed is a mistake of the receiver', () => {
    assert.throws(() => verify(signed(secret), JSON.parse(BODY), secret, { now }), TypeError)
    assert.throws(() => verify(signed(secret), undefined as unknown as string, secret, { now }), TypeError)
  })

  test('secrets that are none are told, and not repeated', () => {
    const wrong = ['', 'whsec_', 'whsec_hunter2*', 'whpk_aHVudGVyMg==', pair.privateKey, 'whsec_A']
    for (const text of wrong) {
      assert.throws(
        () => webhookVerifier([secret, text]),
        (error: unknown) =>
          error instanceof TypeError && /^secret 1: /.test(error.message) && !/hunter2|aHVu/.test(error.message),
        text,
      )
    }
    assert.throws(() => webhookVerifier([]), TypeError)
    assert.throws(() => webhookVerifier(secret, { tolerance: Number.NaN }), TypeError)
    assert.throws(() => webhookVerifier(secret, { tolerance: -1 }), TypeError)
  })
})

describe('the official library', () => {
  test('takes what we sign, and we take what it signs', () => {
    const seconds = Math.floor(Date.now() / 1000)
    const id = fc.stringMatching(/^[A-Za-z0-9_-]{1,40}$/)
    fc.assert(
      fc.property(id, fc.json(), (message, body) => {
        const official = new Webhook(secret)
        const ours = signed([generateWebhookSecret(), secret, pair.privateKey], message, seconds, body)
        assert.deepEqual(official.verify(body, ours), JSON.parse(body))
        const theirs = { ...ours, 'webhook-signature': official.sign(message, new Date(seconds * 1000), body) }
        assert.deepEqual(verify(theirs, body, secret), { id: message, timestamp: seconds })
      }),
    )
  })

  test('refuses what we refuse', () => {
    const seconds = Math.floor(Date.now() / 1000)
    const official = new Webhook(secret)
    for (const headers of [signed(generateWebhookSecret(), 'm', seconds), signed(secret, 'm', seconds - 400)]) {
      assert.throws(() => official.verify(BODY, headers))
      assert.throws(() => verify(headers, BODY, secret), WebhookVerificationError)
    }
  })
})

test('what is sent is verified where it arrives', async () => {
  const verifier = webhookVerifier([pair.publicKey, secret])
  const server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      const { id } = verifier(request.headers, Buffer.concat(chunks))
      response.end(id)
    })
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as { port: number }
  const sender = new HttpSender({ addresses: { http: true, ports: 'any', allow: ['127.0.0.1'] } })
  try {
    for (const signer of [new WebhookSigner(secret), new WebhookSigner(pair.privateKey)]) {
      const headers = signer.headers('msg_1', Date.now(), BODY)
      const { status, body } = await sender.post({ url: `http://127.0.0.1:${port}/`, headers, body: BODY })
      assert.deepEqual([status, body], [200, 'msg_1'])
    }
  } finally {
    await sender.close()
    server.closeAllConnections()
    await new Promise(resolve => server.close(resolve))
  }
})

test('the library for receivers imports nothing but node:crypto', () => {
  const text = readFileSync(fileURLToPath(new URL('./verify.ts', import.meta.url)), 'utf8')
  const imported = [...text.matchAll(/\bfrom '([^']+)'|\bimport\(|\brequire\(|^import '([^']+)'/gm)].map(
    ([, name]) => name,
  )
  assert.deepEqual(imported, ['node:crypto'])
})
