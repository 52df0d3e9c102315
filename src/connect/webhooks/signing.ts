/**
 * Signatures of Standard Webhooks 1.0.0 (https://www.standardwebhooks.com), as the sender makes them.
 *
 * Invariants
 * 1. What is signed is `id.timestamp.body`; an id has no full stop, so nobody can shift the limits between them.
 * 2. Keys are read once, and then live in OpenSSL. No error holds any of a secret.
 * 3. The header has one signature for each secret, in their order: receivers take the one that they know.
 */
import {
  createHmac,
  createPrivateKey,
  createPublicKey,
  createSecretKey,
  generateKeyPairSync,
  type KeyObject,
  randomBytes,
  sign,
} from 'node:crypto'
import { AldebaranError } from '../../errors.ts'

const LEAST_BYTES = 24
const MOST_BYTES = 64
const SEED_BYTES = 32
/** A private key of ed25519 in PKCS #8 (RFC 8410): this, then its seed. */
const PRIVATE_KEY_HEAD = Buffer.from('302e020100300506032b657004220420', 'hex')
/** Visible ASCII without the full stop. */
const ID = /^[\x21-\x2d\x2f-\x7e]{1,256}$/

/** Signs for one endpoint, with all of its secrets at once. */
export class WebhookSigner {
  readonly #keys: readonly KeyObject[]

  /**
   * @param secrets `whsec_…` with 24 to 64 bytes in base64, or `whsk_…` with a private key of ed25519. While a secret is
   * changed: the new one and the old one.
   * @throws AldebaranError SECRET_INVALID; `details` has the `index` of the secret, and the `position` in its text
   */
  constructor(secrets: string | readonly string[]) {
    const texts = typeof secrets === 'string' ? [secrets] : secrets
    if (texts.length === 0) throw new AldebaranError('SECRET_INVALID', 'A webhook needs one secret at least')
    this.#keys = texts.map(parseSigningSecret)
  }

  /**
   * What `webhook-signature` says.
   * @param timestamp of the attempt, seconds since 1970
   * @throws AldebaranError HEADER_INVALID
   */
  sign(id: string, timestamp: number, body: string | Uint8Array): string {
    if (!ID.test(id)) {
      const wanted = '1 to 256 visible characters of ASCII without a full stop'
      throw new AldebaranError('HEADER_INVALID', `webhook-id: the id of a webhook has ${wanted}`, {
        name: 'webhook-id',
      })
    }
    if (!Number.isSafeInteger(timestamp) || timestamp < 0) {
      const message = `webhook-timestamp: ${timestamp} is not a whole number of seconds since 1970`
      throw new AldebaranError('HEADER_INVALID', message, { name: 'webhook-timestamp' })
    }
    const prefix = `${id}.${timestamp}.`
    const keys = this.#keys
    let header = signWith(keys[0]!, prefix, body)
    for (let n = 1; n < keys.length; n++) header += ` ${signWith(keys[n]!, prefix, body)}`
    return header
  }

  /**
   * The three headers of an attempt, each name followed by its value.
   * @param now when the attempt is made, ms since 1970
   * @throws AldebaranError HEADER_INVALID
   */
  headers(id: string, now: number, body: string | Uint8Array): string[] {
    const timestamp = Math.floor(now / 1000)
    const signature = this.sign(id, timestamp, body)
    return ['webhook-id', id, 'webhook-timestamp', String(timestamp), 'webhook-signature', signature]
  }
}

/** A new secret for HMAC-SHA256, `whsec_…`. The receiver gets the same. */
export function generateWebhookSecret(): string {
  return `whsec_${randomBytes(32).toString('base64')}`
}

/** A new key pair of ed25519: the sender keeps `privateKey`, `whsk_…`; the receiver gets `publicKey`, `whpk_…`. */
export function generateWebhookKeyPair(): { privateKey: string; publicKey: string } {
  const { privateKey } = generateKeyPairSync('ed25519')
  const { d = '' } = privateKey.export({ format: 'jwk' })
  const seed = Buffer.from(d, 'base64url')
  const publicBytes = publicBytesOf(privateKey)
  return {
    // The seed and the public key, as most libraries keep it.
    privateKey: `whsk_${Buffer.concat([seed, publicBytes]).toString('base64')}`,
    publicKey: `whpk_${publicBytes.toString('base64')}`,
  }
}

/**
 * The public key, `whpk_…`, of a private one, `whsk_…`.
 * @throws AldebaranError SECRET_INVALID
 */
export function webhookPublicKey(privateKey: string): string {
  const key = parseSigningSecret(privateKey, 0)
  if (key.type === 'secret') throw invalid(0, 0, 'whsec_ has no public key: it is a secret that both sides know')
  return `whpk_${publicBytesOf(key).toString('base64')}`
}

function signWith(key: KeyObject, prefix: string, body: string | Uint8Array): string {
  if (key.type === 'secret') return `v1,${createHmac('sha256', key).update(prefix).update(body).digest('base64')}`
  const content = Buffer.concat([Buffer.from(prefix), typeof body === 'string' ? Buffer.from(body) : body])
  return `v1a,${sign(null, content, key).toString('base64')}`
}

function parseSigningSecret(text: string, index: number): KeyObject {
  if (typeof text !== 'string') throw invalid(index, 0, 'it is not a text')
  const prefix = /^wh(?:sec|sk|pk)_/.exec(text)?.[0] ?? ''
  if (prefix === '') throw invalid(index, 0, 'it begins neither with whsec_ nor with whsk_')
  if (prefix === 'whpk_') throw invalid(index, 0, 'whpk_ is a public key, which verifies; whsk_ signs')
  const bytes = decode(text, prefix.length, index)
  if (prefix === 'whsk_') return parsePrivateKey(bytes, prefix.length, index)
  if (bytes.length < LEAST_BYTES || bytes.length > MOST_BYTES) {
    throw invalid(index, prefix.length, `it has ${bytes.length} bytes, and not ${LEAST_BYTES} to ${MOST_BYTES}`)
  }
  return createSecretKey(bytes)
}

function parsePrivateKey(bytes: Buffer, position: number, index: number): KeyObject {
  if (bytes.length !== SEED_BYTES && bytes.length !== 2 * SEED_BYTES) {
    throw invalid(index, position, `a private key of ed25519 has 32 or 64 bytes, and not ${bytes.length}`)
  }
  const seed = bytes.subarray(0, SEED_BYTES)
  const key = createPrivateKey({ key: Buffer.concat([PRIVATE_KEY_HEAD, seed]), format: 'der', type: 'pkcs8' })
  if (bytes.length > SEED_BYTES && !publicBytesOf(key).equals(bytes.subarray(SEED_BYTES))) {
    throw invalid(index, position, 'the public key in it is not that of the private key')
  }
  return key
}

function publicBytesOf(key: KeyObject): Buffer {
  const { x = '' } = createPublicKey(key).export({ format: 'jwk' })
  return Buffer.from(x, 'base64url')
}

/** Base64 with or without its padding. */
function decode(text: string, from: number, index: number): Buffer {
  const encoded = text.slice(from).replace(/={1,2}$/, '')
  const wrong = encoded.search(/[^A-Za-z0-9+/]/)
  if (wrong !== -1) throw invalid(index, from + wrong, 'a character is not base64')
  if (encoded === '' || encoded.length % 4 === 1) throw invalid(index, text.length, 'its base64 is not complete')
  return Buffer.from(encoded, 'base64')
}

function invalid(index: number, position: number, problem: string): AldebaranError {
  const message = `Secret ${index}, at character ${position}: ${problem}`
  return new AldebaranError('SECRET_INVALID', message, { index, position })
}
