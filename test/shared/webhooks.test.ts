/** Standard Webhooks against the vectors of the specification's own libraries. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { WebhookSigner, webhookPublicKey } from '../../src/connect/webhooks/signing.ts'
import { verify, WebhookVerificationError, webhookVerifier } from '../../src/connect/webhooks/verify.ts'

interface Vectors {
  tolerance_s: number
  sign: { secret: string; id: string; timestamp: number; payload: string; signature: string }[]
  reject_signature: { signature_header: string }[]
  reject_secret: { secret: string }[]
  reject_timestamp_when_signing: { timestamp: string }[]
  unpadded_secret_accepted: { secret: string; padding: string }[]
  header_example: Record<string, string>
}

const path = fileURLToPath(new URL('../../../shared/data/standard-webhooks-vectors.json', import.meta.url))
const vectors: Vectors = JSON.parse(readFileSync(path, 'utf8'))
const [sample] = vectors.sign
assert.ok(sample !== undefined)

const headersOf = (vector: { id: string; timestamp: number; signature: string }) => ({
  'webhook-id': vector.id,
  'webhook-timestamp': String(vector.timestamp),
  'webhook-signature': vector.signature,
})

test('the signatures of the vectors are made and verified', () => {
  assert.ok(vectors.sign.length >= 2)
  for (const vector of vectors.sign) {
    const { secret, id, timestamp, payload, signature } = vector
    assert.equal(new WebhookSigner(secret).sign(id, timestamp, payload), signature)
    const now = () => timestamp * 1000
    assert.deepEqual(verify(headersOf(vector), payload, secret, { now }), { id, timestamp })
  }
})

test('the signatures that do not fit are refused', () => {
  assert.ok(vectors.reject_signature.length >= 6)
  const now = () => sample.timestamp * 1000
  for (const { signature_header: signature } of vectors.reject_signature) {
    for (const { secret, payload } of vectors.sign) {
      assert.throws(
        () => verify(headersOf({ ...sample, signature }), payload, secret, { now }),
        (error: unknown) => error instanceof WebhookVerificationError && error.reason === 'no-match',
      )
    }
  }
})

test('the tolerance is that of the vectors', () => {
  const { timestamp, payload, secret } = sample
  const at = (seconds: number) => verify(headersOf(sample), payload, secret, { now: () => seconds * 1000 })
  for (const off of [-vectors.tolerance_s, vectors.tolerance_s]) assert.ok(at(timestamp + off))
  assert.throws(() => at(timestamp + vectors.tolerance_s + 1), { reason: 'too-old' })
  assert.throws(() => at(timestamp - vectors.tolerance_s - 1), { reason: 'too-new' })
})

test('the secrets that are none are refused', () => {
  assert.ok(vectors.reject_secret.length >= 2)
  for (const { secret } of vectors.reject_secret) {
    assert.throws(() => new WebhookSigner(secret), { code: 'SECRET_INVALID' })
    assert.throws(() => webhookVerifier(secret), TypeError)
  }
})

test('the timestamps that are none are refused', () => {
  assert.ok(vectors.reject_timestamp_when_signing.length >= 3)
  for (const { timestamp } of vectors.reject_timestamp_when_signing) {
    const signer = new WebhookSigner(sample.secret)
    const given = timestamp as unknown as number
    assert.throws(() => signer.sign(sample.id, given, sample.payload), { code: 'HEADER_INVALID' })
    const headers = { ...headersOf(sample), 'webhook-timestamp': timestamp }
    assert.throws(() => verify(headers, sample.payload, sample.secret), { reason: 'bad-timestamp' })
  }
})

test('secrets mean the same with their padding and without it', () => {
  assert.ok(vectors.unpadded_secret_accepted.length >= 3)
  for (const { secret, padding } of vectors.unpadded_secret_accepted) {
    const now = () => sample.timestamp * 1000
    const bytes = Buffer.from(secret, 'base64')
    if (bytes.length < 24) {
      // Too short for a sender; a receiver takes what it was given.
      assert.ok(webhookVerifier(secret) && webhookVerifier(secret + padding))
      continue
    }
    const signature = new WebhookSigner(`whsec_${secret}`).sign(sample.id, sample.timestamp, sample.payload)
    assert.equal(
      new WebhookSigner(`whsec_${secret}${padding}`).sign(sample.id, sample.timestamp, sample.payload),
      signature,
    )
    for (const known of [secret, secret + padding, `whsec_${secret}`]) {
      assert.ok(verify(headersOf({ ...sample, signature }), sample.payload, known, { now }))
    }
  }
})

test('the asymmetric signature of the specification is that of the key which other libraries test with', () => {
  // Of the tests of the Svix libraries (MIT), which sign the first vector with it.
  const privateKey = 'whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbfVKIDij2HKpMKkioLlX0dRqSKJp4AJ6p9lMicMFs6Kvg=='
  const signature = vectors.header_example['webhook-signature']?.split(' ').find(part => part.startsWith('v1a,'))
  assert.ok(signature !== undefined)
  const { id, timestamp, payload } = sample
  assert.equal(new WebhookSigner(privateKey).sign(id, timestamp, payload), signature)
  const now = () => timestamp * 1000
  assert.ok(verify(headersOf({ id, timestamp, signature }), payload, webhookPublicKey(privateKey), { now }))
})
