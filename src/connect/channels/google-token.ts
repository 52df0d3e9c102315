/**
 * Access tokens of a Google service account: a signed assertion is exchanged for one (RFC 7523).
 *
 * 1. One exchange at a time; who comes meanwhile waits for it.
 * 2. A token is used until a minute before it ends, or until somebody says that it is not taken.
 */
import type { KeyObject } from 'node:crypto'
import { DeliveryError } from '../../delivery/delivery-error.ts'
import { messageOf } from '../../errors.ts'
import { type HttpSender, objectIn } from './http-sender.ts'
import { signToken } from './signed-token.ts'
import { Wording } from './wording.ts'

export interface ServiceAccount {
  readonly email: string
  readonly keyId: string
  readonly key: KeyObject
  readonly tokenUrl: URL
}

const SCOPE = 'https://www.googleapis.com/auth/firebase.messaging'
const GRANT = 'urn:ietf:params:oauth:grant-type:jwt-bearer'
const VALID_SECONDS = 3600
const EARLY_MS = 60_000
/** The exchange is for all who wait: none of them ends it. Its own time does. */
const NEVER = new AbortController().signal

export class GoogleToken {
  readonly #account: ServiceAccount
  readonly #sender: HttpSender
  #token = ''
  /** ms since 1970. */
  #until = 0
  #pending: Promise<string> | null = null

  constructor(account: ServiceAccount, sender: HttpSender) {
    this.#account = account
    this.#sender = sender
  }

  /**
   * @param now ms since 1970
   * @throws DeliveryError retry, throttle: nothing was sent yet
   */
  get(now: number): Promise<string> {
    if (this.#token !== '' && now < this.#until) return Promise.resolve(this.#token)
    this.#pending ??= this.#exchange(now).finally(() => {
      this.#pending = null
    })
    return this.#pending
  }

  /** It was not taken. */
  drop(token: string): void {
    if (this.#token === token) this.#token = ''
  }

  async #exchange(now: number): Promise<string> {
    const { email, keyId, key, tokenUrl } = this.#account
    const issued = Math.floor(now / 1000)
    const claims = { iss: email, scope: SCOPE, aud: tokenUrl.href, iat: issued, exp: issued + VALID_SECONDS }
    const assertion = signToken('RS256', keyId, claims, key)
    const wording = new Wording([assertion])
    const body = new URLSearchParams({ grant_type: GRANT, assertion }).toString()
    const headers = { 'content-type': 'application/x-www-form-urlencoded' }
    const answer = await this.#sender.post(tokenUrl, headers, body, NEVER, now).catch((error: unknown) => {
      throw new DeliveryError('retry', `no access token: ${messageOf(error)}`)
    })
    const { access_token: token, expires_in: seconds, error, error_description: description } = objectIn(answer.body)
    if (answer.status === 200 && typeof token === 'string' && /^[\x21-\x7e]+$/.test(token)) {
      this.#token = token
      this.#until = now + (typeof seconds === 'number' ? seconds * 1000 : 0) - EARLY_MS
      return token
    }
    const why = [error, description].map(part => wording.of(part)).filter(part => part !== '')
    throw new DeliveryError(
      answer.status === 429 ? 'throttle' : 'retry',
      `no access token: ${tokenUrl.host} answers ${answer.status}${why.length > 0 ? `: ${why.join(', ')}` : ''}`,
      { retryAfter: answer.retryAfter },
    )
  }
}
