/**
 * Verifies webhooks signed as Standard Webhooks 1.0.0 says. For receivers: it is `aldebaran/webhooks/verify`, and imports
 * nothing but `node:crypto`.
 *
 * Invariants
 * 1. What is verified is `id.timestamp.body`, with the bytes of the body as they came.
 * 2. A key belongs to one scheme, and only signatures of that scheme are held against it.
 * 3. How long it takes does not tell how much of a signature was right, nor which key fits.
 * 4. The work for one webhook is bounded, whatever its headers hold.
 */
import {
  createHmac,
  createPublicKey,
  createSecretKey,
  type KeyObject,
  timingSafeEqual,
  verify as verifySignature,
} from 'node:crypto'

/** As Node gives them (lower case), as a Fetch `Headers`, or as any record: the case of names does not matter. */
export type WebhookHeaders =
  | { get(name: string): string | null }
  | Readonly<Record<string, string | readonly string[] | undefined>>

export interface VerifyOptions {
  /** How far the timestamp may be from now, before and after, seconds. Default 300. */
  tolerance?: number
  /** What time it is, ms since 1970. Default `Date.now`. */
  now?: () => number
}

/** What the signature vouches for, with the body. */
export interface VerifiedWebhook {
  /** Stays the same when it is sent again: what was done for an id need not be done again. */
  readonly id: string
  /** Of this try, seconds since 1970. */
  readonly timestamp: number
}

export type VerificationFailure = 'missing-header' | 'bad-timestamp' | 'too-old' | 'too-new' | 'no-match'

/** It is not from who it says, or not fresh: answer 400 or 401, and do nothing. */
export class WebhookVerificationError extends Error {
  readonly reason: VerificationFailure

  constructor(reason: VerificationFailure, message: string) {
    super(message)
    this.name = 'WebhookVerificationError'
    this.reason = reason
  }
}

export type WebhookVerifier = (headers: WebhookHeaders, rawBody: string | Uint8Array) => VerifiedWebhook

const TOLERANCE_SECONDS = 300
/** Signatures of each scheme that are looked at. A sender that changes its secret sends two. */
const MOST_SIGNATURES = 16
const HMAC_SIGNATURE = /^[A-Za-z0-9+/]{43}=$/
/** The last character has two bits of the signature; other bits would be passed over. */
const ED25519_SIGNATURE = /^[A-Za-z0-9+/]{85}[AQgw]==$/

/**
 * Verifies one webhook. Who verifies many keeps a `webhookVerifier`, which reads the secrets once.
 *
 * @param rawBody the body as it came, before anything parsed it
 * @param secrets `whsec_…` (HMAC-SHA256) and `whpk_…` (the public key of ed25519); while a secret is changed, both
 * @throws WebhookVerificationError it is not genuine, or not fresh: see `reason`
 * @throws TypeError a secret is none, or the body was parsed
 */
export function verify(
  headers: WebhookHeaders,
  rawBody: string | Uint8Array,
  secrets: string | readonly string[],
  options: VerifyOptions = {},
): VerifiedWebhook {
  return webhookVerifier(secrets, options)(headers, rawBody)
}

/**
 * A function that verifies webhooks with these secrets; see `verify`.
 * @throws TypeError a secret is none, or `tolerance` is no number of seconds
 */
export function webhookVerifier(secrets: string | readonly string[], options: VerifyOptions = {}): WebhookVerifier {
  const { tolerance = TOLERANCE_SECONDS, now = Date.now } = options
  if (!(tolerance >= 0)) throw new TypeError('tolerance is not a number of seconds')
  const texts = typeof secrets === 'string' ? [secrets] : secrets
  if (texts.length === 0) throw new TypeError('there is no secret to verify with')
  const hmacKeys: KeyObject[] = []
  const publicKeys: KeyObject[] = []
  for (const [index, text] of texts.entries()) {
    const key = parseSecret(text, index)
    if (key.type === 'secret') hmacKeys.push(key)
    else publicKeys.push(key)
  }
  return (headers, rawBody) => {
    if (typeof rawBody !== 'string' && !(rawBody instanceof Uint8Array)) {
      throw new TypeError('rawBody is neither text nor bytes: verify the body as it came, before it is parsed')
    }
    const id = headerOf(headers, 'webhook-id')
    const timestamp = headerOf(headers, 'webhook-timestamp')
    const signatures = headerOf(headers, 'webhook-signature')
    const seconds = checkTimestamp(timestamp, now() / 1000, tolerance)
    const { hmac, ed25519 } = split(signatures)
    const prefix = `${id}.${timestamp}.`
    // Both are looked at whatever the first one says.
    const byHmac = hmac.length > 0 && matchesHmac(hmac, hmacKeys, prefix, rawBody)
    const byKey = ed25519.length > 0 && matchesKey(ed25519, publicKeys, prefix, rawBody)
    if (!byHmac && !byKey) throw new WebhookVerificationError('no-match', 'no signature of the webhook matches')
    return { id, timestamp: seconds }
  }
}

function checkTimestamp(text: string, now: number, tolerance: number): number {
  if (!/^\d{1,15}$/.test(text)) {
    throw new WebhookVerificationError('bad-timestamp', 'the header webhook-timestamp is not a number of seconds')
  }
  const seconds = Number(text)
  const age = Math.floor(now) - seconds
  if (age > tolerance) throw new WebhookVerificationError('too-old', `the webhook was sent ${age} seconds ago`)
  if (age < -tolerance) {
    throw new WebhookVerificationError('too-new', `the webhook was sent ${-age} seconds in the future`)
  }
  return seconds
}

function headerOf(headers: WebhookHeaders, name: string): string {
  const value = readHeader(headers, name)
  // One that is there twice is as good as none: it is not known which of them was signed.
  const text = Array.isArray(value) && value.length === 1 ? value[0] : value
  if (typeof text === 'string' && text !== '') return text
  throw new WebhookVerificationError('missing-header', `the webhook has no header ${name}`)
}

function readHeader(headers: WebhookHeaders, name: string): unknown {
  if (typeof headers.get === 'function') return headers.get(name)
  const record = headers as Readonly<Record<string, unknown>>
  if (Object.hasOwn(record, name)) return record[name]
  const own = Object.keys(record).find(key => key.toLowerCase() === name)
  return own === undefined ? undefined : record[own]
}

/** The signatures of the schemes we know, in the one form that base64 has for them. */
function split(header: string): { hmac: Buffer[]; ed25519: Buffer[] } {
  const hmac: Buffer[] = []
  const ed25519: Buffer[] = []
  for (const part of header.split(' ', 8 * MOST_SIGNATURES)) {
    const comma = part.indexOf(',')
    const scheme = part.slice(0, Math.max(0, comma))
    const text = part.slice(comma + 1)
    if (scheme === 'v1' && HMAC_SIGNATURE.test(text)) hmac.push(Buffer.from(text, 'latin1'))
    else if (scheme === 'v1a' && ED25519_SIGNATURE.test(text)) ed25519.push(Buffer.from(text, 'base64'))
  }
  return { hmac: hmac.slice(0, MOST_SIGNATURES), ed25519: ed25519.slice(0, MOST_SIGNATURES) }
}

function matchesHmac(given: Buffer[], keys: KeyObject[], prefix: string, body: string | Uint8Array): boolean {
  let found = false
  for (const key of keys) {
    const digest = createHmac('sha256', key).update(prefix).update(body).digest('base64')
    const expected = Buffer.from(digest, 'latin1')
    for (const one of given) found = timingSafeEqual(one, expected) || found
  }
  return found
}

function matchesKey(given: Buffer[], keys: KeyObject[], prefix: string, body: string | Uint8Array): boolean {
  const content = Buffer.concat([Buffer.from(prefix), typeof body === 'string' ? Buffer.from(body) : body])
  let found = false
  for (const key of keys) {
    for (const one of given) found = verifySignature(null, content, key, one) || found
  }
  return found
}

/** Messages never hold the secret: they are logged. */
function parseSecret(text: string, index: number): KeyObject {
  const [, prefix = '', encoded] = /^(whsec_|whpk_|whsk_)?([A-Za-z0-9+/]+)={0,2}$/.exec(String(text)) ?? []
  if (encoded === undefined || encoded.length % 4 === 1) {
    throw new TypeError(`secret ${index}: it is not whsec_ or whpk_ with base64 behind it`)
  }
  if (prefix === 'whsk_') {
    throw new TypeError(`secret ${index}: whsk_ is the sender's own; the receiver has the public key, whpk_`)
  }
  const bytes = Buffer.from(encoded, 'base64')
  if (prefix !== 'whpk_') return createSecretKey(bytes)
  if (bytes.length !== 32) throw new TypeError(`secret ${index}: a public key of ed25519 has 32 bytes`)
  return createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x: bytes.toString('base64url') }, format: 'jwk' })
}
