import assert from 'node:assert/strict'
import { createHmac, createPublicKey, verify as verifySignature } from 'node:crypto'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { Webhook } from 'standardwebhooks'
import { AldebaranError } from '../../errors.ts'
import { generateWebhookKeyPair, generateWebhookSecret, WebhookSigner, webhookPublicKey } from './signing.ts'

const base64 = (bytes: number) => Buffer.alloc(bytes, 0xa5).toString('base64')

function problem(secrets: string | readonly string[]): AldebaranError {
  try {
    new WebhookSigner(secrets)
  } catch (error) {
    assert.ok(error instanceof AldebaranError)
    assert.equal(error.code, 'SECRET_INVALID')
    return error
  }
  return assert.fail('the secret was taken')
}

describe('a signature', () => {
  test('is HMAC-SHA256 of id, timestamp and body', () => {
    const secret = generateWebhookSecret()
    const key = Buffer.from(secret.slice('whsec_'.length), 'base64')
    const expected = createHmac('sha256', key).update('msg_1.1700000000.{"a":"ä"}').digest('base64')
    const signer = new WebhookSigner(secret)
    assert.equal(signer.sign('msg_1', 1_700_000_000, '{"a":"ä"}'), `v1,${expected}`)
    assert.equal(signer.sign('msg_1', 1_700_000_000, Buffer.from('{"a":"ä"}')), `v1,${expected}`)
  })

  test('is ed25519 of the same', () => {
    const { privateKey, publicKey } = generateWebhookKeyPair()
    const header = new WebhookSigner(privateKey).sign('msg_1', 1_700_000_000, 'body')
    const x = Buffer.from(publicKey.slice('whpk_'.length), 'base64').toString('base64url')
    const key = createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x }, format: 'jwk' })
    assert.match(header, /^v1a,/)
    const signature = Buffer.from(header.slice('v1a,'.length), 'base64')
    assert.ok(verifySignature(null, Buffer.from('msg_1.1700000000.body'), key, signature))
    assert.equal(webhookPublicKey(privateKey), publicKey)
  })

  test('there is one for each secret, in their order', () => {
    const one = generateWebhookSecret()
    const two = generateWebhookSecret()
    const { privateKey } = generateWebhookKeyPair()
    const each = [one, privateKey, two].map(secret => new WebhookSigner(secret).sign('m', 1, 'b'))
    assert.equal(new WebhookSigner([one, privateKey, two]).sign('m', 1, 'b'), each.join(' '))
  })

  test('is that of the official library, for every body and id', () => {
    const id = fc.stringMatching(/^[A-Za-z0-9_/:-]{1,40}$/)
    const secret = fc
      .uint8Array({ minLength: 24, maxLength: 64 })
      .map(bytes => `whsec_${Buffer.from(bytes).toString('base64')}`)
    const seconds = fc.integer({ min: 0, max: 2 ** 32 })
    const body = fc.string({ unit: 'grapheme' })
    fc.assert(
      fc.property(secret, id, seconds, body, (key, message, time, payload) => {
        const official = new Webhook(key).sign(message, new Date(time * 1000), payload)
        assert.equal(new WebhookSigner(key).sign(message, time, payload), official)
      }),
    )
  })

  test('goes into three headers, with the second of the attempt', () => {
    const signer = new WebhookSigner(generateWebhookSecret())
    assert.deepEqual(signer.headers('msg_1', 1_700_000_000_999, 'b'), [
      'webhook-id',
      'msg_1',
      'webhook-timestamp',
      '1700000000',
      'webhook-signature',
      signer.sign('msg_1', 1_700_000_000, 'b'),
    ])
  })

  test('is not given for an id that could be read in two ways, or would not be one header', () => {
    const signer = new WebhookSigner(generateWebhookSecret())
    for (const id of ['', 'a.b', '.', 'a b', 'a\r\nb', 'a\0', 'ä', 'x'.repeat(257)]) {
      assert.throws(() => signer.sign(id, 1, 'b'), { code: 'HEADER_INVALID' }, JSON.stringify(id))
    }
    for (const timestamp of [-1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 60]) {
      assert.throws(() => signer.sign('m', timestamp, 'b'), { code: 'HEADER_INVALID' })
    }
  })
})

describe('secrets', () => {
  test('that are generated are good ones, each another', () => {
    const secrets = Array.from({ length: 20 }, generateWebhookSecret)
    assert.equal(new Set(secrets).size, 20)
    for (const secret of secrets) assert.match(secret, /^whsec_[A-Za-z0-9+/]{43}=$/)
    const { privateKey, publicKey } = generateWebhookKeyPair()
    assert.match(privateKey, /^whsk_[A-Za-z0-9+/]{86}==$/)
    assert.match(publicKey, /^whpk_[A-Za-z0-9+/]{43}=$/)
  })

  test('have 24 to 64 bytes, with or without the padding', () => {
    for (let bytes = 24; bytes <= 64; bytes++) {
      const text = `whsec_${base64(bytes)}`
      const header = new WebhookSigner(text).sign('m', 1, 'b')
      assert.equal(new WebhookSigner(text.replace(/=+$/, '')).sign('m', 1, 'b'), header)
    }
    assert.match(problem(`whsec_${base64(23)}`).message, /has 23 bytes/)
    assert.match(problem(`whsec_${base64(65)}`).message, /has 65 bytes/)
  })

  test('of ed25519 are a seed, or a seed with its public key', () => {
    const { privateKey } = generateWebhookKeyPair()
    const bytes = Buffer.from(privateKey.slice('whsk_'.length), 'base64')
    const seed = `whsk_${bytes.subarray(0, 32).toString('base64')}`
    assert.equal(new WebhookSigner(seed).sign('m', 1, 'b'), new WebhookSigner(privateKey).sign('m', 1, 'b'))
    bytes[63]! ^= 1
    assert.match(problem(`whsk_${bytes.toString('base64')}`).message, /not that of the private key/)
    assert.match(problem(`whsk_${base64(33)}`).message, /32 or 64 bytes/)
    assert.throws(() => webhookPublicKey(generateWebhookSecret()), { code: 'SECRET_INVALID' })
  })

  test('that are none are told by their place, and never repeated', () => {
    const good = generateWebhookSecret()
    const cases: [string, number][] = [
      ['', 0],
      ['whsec_', 6],
      ['whsec_====', 6],
      ['hunter2hunter2hunter2hunter2hunter2', 0],
      [`whsec_${base64(16)}*hunter2`, 28],
      [`whsec_${base64(24)}\n`, 38],
      [`whsec_${base64(24)}A`, 39],
      [generateWebhookKeyPair().publicKey, 0],
    ]
    for (const [text, position] of cases) {
      const error = problem([good, text])
      assert.deepEqual(error.details, { index: 1, position }, JSON.stringify(text))
      assert.doesNotMatch(JSON.stringify(error), /hunter2|whsec_[A-Za-z0-9]/)
    }
    assert.throws(() => new WebhookSigner([]), { code: 'SECRET_INVALID' })
  })
})
