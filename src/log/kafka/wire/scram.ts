/**
 * SCRAM (RFC 5802, RFC 7677), without channel binding, as Kafka speaks it.
 *
 * Kafka hashes passwords as the bytes they have in UTF-8; it does not prepare them (RFC 4013). Nor is it done here: a
 * password that preparation changes would be refused. For ASCII both are the same.
 */
import { createHash, createHmac, pbkdf2, randomBytes, timingSafeEqual } from 'node:crypto'
import { promisify } from 'node:util'
import { authenticationFailed, type Mechanism } from './mechanism.ts'
import type { ScramMechanism, Secret } from './security.ts'

/** Fewer are too easy to guess from (RFC 7677, section 4); more would be work that a stranger makes us do. */
const LEAST_ITERATIONS = 4096
const MOST_ITERATIONS = 1_000_000

/** Without channel binding, and the base64 of that. */
const GS2_HEADER = 'n,,'
const CHANNEL_BINDING = 'biws'

const derive = promisify(pbkdf2)

export class Scram implements Mechanism {
  readonly name: ScramMechanism
  readonly #hash: 'sha256' | 'sha512'
  readonly #username: string
  readonly #password: Secret
  readonly #nonce: string
  #step: 'first' | 'proof' | 'verify' | 'done' = 'first'
  #signature: Buffer = Buffer.alloc(0)

  /** @param nonce of the client: printable ASCII without commas, and never the same twice */
  constructor(name: ScramMechanism, username: string, password: Secret, nonce = randomBytes(24).toString('base64')) {
    this.name = name
    this.#hash = name === 'SCRAM-SHA-256' ? 'sha256' : 'sha512'
    this.#username = username
    this.#password = password
    this.#nonce = nonce
  }

  async respond(challenge: Buffer): Promise<Buffer | null> {
    switch (this.#step) {
      case 'first':
        this.#step = 'proof'
        return Buffer.from(GS2_HEADER + this.#firstBare())
      case 'proof':
        this.#step = 'verify'
        return this.#proof(challenge.toString('utf8'))
      case 'verify':
        this.#step = 'done'
        this.#verify(challenge.toString('utf8'))
        return null
      default:
        return null
    }
  }

  #firstBare(): string {
    return `n=${this.#username.replaceAll('=', '=3D').replaceAll(',', '=2C')},r=${this.#nonce}`
  }

  async #proof(first: string): Promise<Buffer> {
    const { r: nonce, s: salt, i, e } = attributesOf(first)
    if (e !== undefined) throw authenticationFailed(`${this.name}: ${e}`)
    const iterations = i !== undefined && /^[1-9]\d{0,9}$/.test(i) ? Number(i) : Number.NaN
    const saltBytes = Buffer.from(salt ?? '', 'base64')
    if (nonce === undefined || saltBytes.length === 0 || Number.isNaN(iterations)) {
      throw authenticationFailed(`the broker's part of ${this.name} cannot be read`)
    }
    if (!nonce.startsWith(this.#nonce) || nonce.length === this.#nonce.length) {
      throw authenticationFailed(`the broker answered another exchange of ${this.name}: the nonce is not ours`)
    }
    if (iterations < LEAST_ITERATIONS || iterations > MOST_ITERATIONS) {
      const bounds = `${LEAST_ITERATIONS} to ${MOST_ITERATIONS}`
      throw authenticationFailed(`the broker asks for ${iterations} iterations of ${this.name}; ${bounds} are taken`)
    }
    const length = this.#hash === 'sha256' ? 32 : 64
    const salted = await derive(this.#password.export(), saltBytes, iterations, length, this.#hash)
    const clientKey = this.#hmac(salted, 'Client Key')
    const withoutProof = `c=${CHANNEL_BINDING},r=${nonce}`
    const message = `${this.#firstBare()},${first},${withoutProof}`
    const proof = this.#hmac(createHash(this.#hash).update(clientKey).digest(), message)
    for (const [at, byte] of clientKey.entries()) proof[at]! ^= byte
    this.#signature = this.#hmac(this.#hmac(salted, 'Server Key'), message)
    return Buffer.from(`${withoutProof},p=${proof.toString('base64')}`)
  }

  /** Who does not know the password cannot have made the signature. */
  #verify(last: string): void {
    const { v, e } = attributesOf(last)
    if (e !== undefined) throw authenticationFailed(`${this.name}: ${e}`)
    const signature = Buffer.from(v ?? '', 'base64')
    if (signature.length !== this.#signature.length || !timingSafeEqual(signature, this.#signature)) {
      throw authenticationFailed('the broker does not know the password either: its signature is wrong')
    }
  }

  #hmac(key: Buffer, text: string): Buffer {
    return createHmac(this.#hash, key).update(text).digest()
  }
}

/** `a=…,b=…`, where the values may have further `=`. An extension that must be understood (`m=…`) is refused. */
function attributesOf(message: string): Partial<Record<string, string>> {
  const attributes: Partial<Record<string, string>> = {}
  for (const part of message.split(',')) {
    if (part[1] !== '=' || part[0] === 'm') throw authenticationFailed('the broker speaks another kind of SCRAM')
    attributes[part[0]!] ??= part.slice(2)
  }
  return attributes
}
