/** Tokens from an identity provider, by the client credentials grant (RFC 6749, section 4.4). */
import { AldebaranError, messageOf } from '../../../errors.ts'
import { authenticationFailed, printable } from './mechanism.ts'
import { type ClientCredentials, revealed } from './security.ts'

const TIMEOUT_MS = 10_000
/** Of a token's life, the part for which it is used again. */
const USED_PART = 0.8
/** For a token whose end nobody tells. */
const DEFAULT_LIFETIME_MS = 60_000
const LARGEST_ANSWER = 256 * 1024

/** One token that all connections use until shortly before it ends. */
export class ProvidedToken {
  readonly #source: ClientCredentials
  #token = ''
  #usedUntil = Number.NEGATIVE_INFINITY
  #asking: Promise<string> | null = null

  constructor(source: ClientCredentials) {
    this.#source = source
  }

  /** @throws AldebaranError KAFKA_AUTHENTICATION, KAFKA_UNREACHABLE */
  get(): string | Promise<string> {
    if (performance.now() < this.#usedUntil) return this.#token
    this.#asking ??= this.#renew().finally(() => {
      this.#asking = null
    })
    return this.#asking
  }

  async #renew(): Promise<string> {
    const asked = performance.now()
    const { token, lifetimeMs } = await requestToken(this.#source)
    this.#token = token
    this.#usedUntil = asked + lifetimeMs * USED_PART
    return token
  }
}

/** Whether a token may be fetched from there: secrets go over HTTPS, or do not leave the machine. */
export function isTokenUrl(text: string): boolean {
  if (!URL.canParse(text)) return false
  const { protocol, hostname, username, password } = new URL(text)
  if (username !== '' || password !== '') return false
  if (protocol === 'https:') return true
  return protocol === 'http:' && (hostname === 'localhost' || hostname === '[::1]' || /^127(\.\d+){3}$/.test(hostname))
}

async function requestToken(source: ClientCredentials): Promise<{ token: string; lifetimeMs: number }> {
  const { tokenUrl, clientId, clientSecret, scope } = source
  if (!isTokenUrl(tokenUrl)) throw authenticationFailed('the URL for tokens is not HTTPS (HTTP is for loopback only)')
  // What a URL carries besides host and path may be secret.
  const { origin, pathname } = new URL(tokenUrl)
  const place = `identity provider ${origin}${pathname}`
  const form = new URLSearchParams({ grant_type: 'client_credentials', ...(scope === null ? {} : { scope }) })
  let status: number
  let text: string
  try {
    const answer = await fetch(tokenUrl, {
      method: 'POST',
      headers: { authorization: basic(clientId, revealed(clientSecret)), accept: 'application/json' },
      body: form,
      // It would take the credentials elsewhere.
      redirect: 'error',
      signal: AbortSignal.timeout(TIMEOUT_MS),
    })
    status = answer.status
    text = await bounded(answer)
  } catch (error) {
    const reason = error instanceof Error && error.cause !== undefined ? error.cause : error
    throw new AldebaranError('KAFKA_UNREACHABLE', `${place}: ${printable(messageOf(reason))}`, {}, error)
  }
  const answer = objectOf(text)
  if (status === 429 || status >= 500) {
    throw new AldebaranError('KAFKA_UNREACHABLE', `${place}: it answered ${status}`, { status })
  }
  const token = answer.access_token
  if (status !== 200 || typeof token !== 'string' || token === '') {
    const said = [answer.error, answer.error_description].filter(part => typeof part === 'string').join(': ')
    throw authenticationFailed(`${place}: ${said || `it answered ${status} without a token`}`)
  }
  return { token, lifetimeMs: lifetimeOf(answer.expires_in, token) }
}

/** RFC 6749, section 2.3.1: each part is encoded as in a form. */
function basic(clientId: string, clientSecret: string): string {
  const encoded = [clientId, clientSecret].map(part => new URLSearchParams({ part }).toString().slice('part='.length))
  return `Basic ${Buffer.from(encoded.join(':')).toString('base64')}`
}

async function bounded(answer: Response): Promise<string> {
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of answer.body ?? []) {
    size += chunk.length
    if (size > LARGEST_ANSWER) throw new Error('its answer is too long')
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}

/** What the answer says, else what the token says if it is a JSON web token. */
function lifetimeOf(expiresIn: unknown, token: string): number {
  // Some send it as text.
  const seconds = typeof expiresIn === 'string' ? Number(expiresIn) : expiresIn
  if (typeof seconds === 'number' && seconds > 0) return seconds * 1000
  const { exp } = objectOf(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString('utf8'))
  return typeof exp === 'number' ? exp * 1000 - Date.now() : DEFAULT_LIFETIME_MS
}

function objectOf(text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {}
  } catch {
    return {}
  }
}
