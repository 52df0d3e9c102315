/**
 * Secrets as they lie in topics and tables: AES-256-GCM under a key that lies elsewhere.
 *
 * 1. A sealed text opens only where it was sealed for: its place is authenticated with it.
 * 2. Several keys may be given: the first one seals, all of them open. So the key can be changed.
 * 3. No error holds any of a key or of a text.
 */
import { createCipheriv, createDecipheriv, createHash, createSecretKey, type KeyObject, randomBytes } from 'node:crypto'
import { AldebaranError } from 'aldebaran'

const KEY_BYTES = 32
const IV_BYTES = 12
const TAG_BYTES = 16

export class Vault {
  readonly #keys = new Map<string, KeyObject>()
  readonly #sealsWith: string

  /**
   * @param keys 32 bytes each in base64, separated by commas
   * @throws AldebaranError OPTION_INVALID
   */
  constructor(keys: string) {
    for (const text of keys.split(',')) {
      const bytes = Buffer.from(text.trim(), 'base64')
      if (bytes.length !== KEY_BYTES) {
        const message = `WEBHOOKS_KEY: each key is ${KEY_BYTES} bytes in base64, such as 'openssl rand -base64 32' makes`
        throw new AldebaranError('OPTION_INVALID', message, { option: 'WEBHOOKS_KEY' })
      }
      this.#keys.set(createHash('sha256').update(bytes).digest('hex').slice(0, 8), createSecretKey(bytes))
    }
    this.#sealsWith = this.#keys.keys().next().value!
  }

  /** `place`: what the text belongs to. */
  seal(text: string, place: string): string {
    const iv = randomBytes(IV_BYTES)
    const cipher = createCipheriv('aes-256-gcm', this.#keys.get(this.#sealsWith)!, iv).setAAD(Buffer.from(place))
    const parts = [iv, cipher.update(text, 'utf8'), cipher.final(), cipher.getAuthTag()]
    return `${this.#sealsWith}.${Buffer.concat(parts).toString('base64url')}`
  }

  /** @throws AldebaranError SECRET_INVALID the key is not there, or the text was changed or is of another place */
  open(sealed: string, place: string): string {
    const dot = sealed.indexOf('.')
    const key = this.#keys.get(sealed.slice(0, Math.max(0, dot)))
    const bytes = Buffer.from(sealed.slice(dot + 1), 'base64url')
    if (key === undefined) throw unopened(place, 'none of the keys in WEBHOOKS_KEY sealed it')
    if (bytes.length < IV_BYTES + TAG_BYTES) throw unopened(place, 'it is cut')
    const decipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(0, IV_BYTES), { authTagLength: TAG_BYTES })
    decipher.setAAD(Buffer.from(place)).setAuthTag(bytes.subarray(-TAG_BYTES))
    try {
      return decipher.update(bytes.subarray(IV_BYTES, -TAG_BYTES), undefined, 'utf8') + decipher.final('utf8')
    } catch {
      throw unopened(place, 'it was changed, or belongs elsewhere')
    }
  }
}

/** The place of what belongs to an endpoint. */
export function placeOf(account: string, endpoint: string): string {
  return `${account}/${endpoint}`
}

export function newKey(): string {
  return randomBytes(KEY_BYTES).toString('base64')
}

function unopened(place: string, problem: string): AldebaranError {
  return new AldebaranError('SECRET_INVALID', `the secret of ${place} cannot be opened: ${problem}`)
}
