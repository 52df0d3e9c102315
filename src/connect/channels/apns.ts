import { createHash } from 'node:crypto'
import type { Attempt } from '../../delivery/contract.ts'
import { DeliveryError, type DeliveryFate } from '../../delivery/delivery-error.ts'
import { parseDuration } from '../../pipeline/units.ts'
import { type Clock, systemClock } from '../../time/clock.ts'
import { ApnsSession } from './apns-session.ts'
import {
  type AlertChannel,
  type AlertMessage,
  accept,
  clipBytes,
  headline,
  type Recipient,
  recipientOf,
  uuidOf,
} from './channel.ts'
import { type HttpAnswer, objectIn } from './http-sender.ts'
import {
  type ChannelOptions,
  invalid,
  requireEndpoint,
  requireRecipient,
  requireText,
  requireTimeout,
  type TlsOptions,
} from './options.ts'
import { privateKey, signToken } from './signed-token.ts'
import { Wording } from './wording.ts'

/** https://developer.apple.com/documentation/usernotifications/sending-notification-requests-to-apns */
export interface ApnsSettings extends ChannelOptions {
  teamId: string
  keyId: string
  /** The .p8 file that Apple gave: PEM. */
  privateKey: string
  /** The bundle id of the app. */
  topic: string
  /** The token of a device, in hex. */
  to: Recipient
  /** Default 'alert'. */
  pushType?: 'alert' | 'background'
  /** How long Apple keeps it for a device that is away; 0: one try. Default '1h', at most '30d'. */
  expires?: string | number
  /** Of several with the same text the device shows the last. Default: none. */
  collapse?: string | ((message: AlertMessage, attempt: Attempt) => string | undefined)
  /** Default 'https://api.push.apple.com'; for apps in development 'https://api.sandbox.push.apple.com'. */
  endpoint?: string
  tls?: TlsOptions
  /** Default: the system's. */
  clock?: Clock
}

/** Apple takes a token for an hour, and a new one every 20 minutes at most. */
const TOKEN_MS = 40 * 60_000
const LONGEST_EXPIRY_MS = 30 * 86_400_000
const MOST_PAYLOAD_BYTES = 4096
const MOST_COLLAPSE_BYTES = 64

/**
 * Push to Apple's devices. Apple shows what is sent twice twice, also with the same apns-id: `idempotent` is false.
 * @throws AldebaranError OPTION_INVALID
 */
export function apnsChannel(settings: ApnsSettings): AlertChannel {
  const { name = 'apns', pushType = 'alert', clock = systemClock } = settings
  const to = requireRecipient('to', settings.to)
  const topic = requireText('topic', settings.topic, 200)
  if (pushType !== 'alert' && pushType !== 'background') throw invalid('pushType', "it must be 'alert' or 'background'")
  const expires = parseDuration(settings.expires ?? '1h', 'expires')
  if (expires > LONGEST_EXPIRY_MS) throw invalid('expires', "it must be '30d' at most")
  const { collapse } = settings
  if (typeof collapse === 'string') requireText('collapse', collapse)
  const tokens = new ProviderToken(settings)
  const endpoint = requireEndpoint('endpoint', settings.endpoint ?? 'https://api.push.apple.com', true)
  const timeout = requireTimeout('timeout', settings.timeout)
  const session = new ApnsSession(endpoint, settings.tls ?? {}, timeout, () => clock.monotonic())
  const isSilent = pushType === 'background'
  return {
    name: requireText('name', name),
    idempotent: false,
    async send(given, attempt) {
      const message = accept(given, attempt)
      const device = recipientOf(to, message, attempt)
      if (!/^[0-9a-f]{1,200}$/i.test(device)) throw new DeliveryError('reject', 'a token of a device is in hex')
      const headers: Record<string, string> = {
        'apns-id': uuidOf(attempt.id),
        'apns-topic': topic,
        'apns-push-type': pushType,
        'apns-priority': isSilent ? '5' : '10',
        'apns-expiration': String(expires === 0 ? 0 : Math.floor((clock.now() + expires) / 1000)),
      }
      const group = typeof collapse === 'function' ? collapse(message, attempt) : collapse
      if (group !== undefined && group !== '') headers['apns-collapse-id'] = collapseId(group)
      const body = payloadOf(message, attempt, isSilent)
      for (let turn = 1; ; turn++) {
        const token = tokens.get(clock.now())
        headers.authorization = `bearer ${token}`
        const answer = await session.post(`/3/device/${device}`, headers, body, attempt.signal)
        if (answer.status === 200) return
        const { reason, error } = failureIn(answer, new Wording([token]))
        if (reason !== 'ExpiredProviderToken' || turn > 1) throw error
        tokens.drop(token)
      }
    },
    close: () => session.close(),
  }
}

/** Signed anew every 40 minutes, or when Apple says that it is too old. */
class ProviderToken {
  readonly #sign: (now: number) => string
  #token = ''
  #signedAt = 0

  constructor(settings: ApnsSettings) {
    const team = requireText('teamId', settings.teamId, 64)
    const keyId = requireText('keyId', settings.keyId, 64)
    const key = privateKey('privateKey', settings.privateKey, 'ES256')
    this.#sign = now => signToken('ES256', keyId, { iss: team, iat: Math.floor(now / 1000) }, key)
  }

  /** `now`: ms since 1970. */
  get(now: number): string {
    // A clock that was set back counts as well: the token would be from the future.
    if (this.#token === '' || Math.abs(now - this.#signedAt) >= TOKEN_MS) {
      this.#token = this.#sign(now)
      this.#signedAt = now
    }
    return this.#token
  }

  /** It was not taken. */
  drop(token: string): void {
    if (this.#token === token) this.#token = ''
  }
}

function payloadOf(message: AlertMessage, { id }: Attempt, isSilent: boolean): string {
  const { severity, source, time, text } = message
  const write = (body: string): string => {
    const aps = isSilent ? { 'content-available': 1 } : { alert: { title: headline(message), body }, sound: 'default' }
    return JSON.stringify({ aps, id: id.slice(0, 200), severity, source, time })
  }
  return write(isSilent ? '' : clipBytes(text, MOST_PAYLOAD_BYTES, body => Buffer.byteLength(write(body))))
}

function collapseId(group: string): string {
  if (Buffer.byteLength(group) <= MOST_COLLAPSE_BYTES && /^[\x21-\x7e]+$/.test(group)) return group
  return createHash('sha256').update(group).digest('base64url')
}

function failureIn(
  { status, retryAfter, body }: HttpAnswer,
  wording: Wording,
): { reason: string; error: DeliveryError } {
  const { reason } = objectIn(body)
  const known = wording.of(reason) || 'it says no more'
  const error = new DeliveryError(fateOf(status), `APNs answers ${status}: ${known}`, { retryAfter })
  return { reason: known, error }
}

function fateOf(status: number): DeliveryFate {
  if (status === 429 || status === 503) return 'throttle'
  // The key or the team can be corrected.
  if (status === 403) return 'retry'
  return status >= 300 && status < 500 ? 'reject' : 'unknown'
}
