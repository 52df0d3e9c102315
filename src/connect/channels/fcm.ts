import { DeliveryError, type DeliveryFate } from '../../delivery/delivery-error.ts'
import { parseDuration } from '../../pipeline/units.ts'
import {
  type AlertChannel,
  type AlertMessage,
  accept,
  clipBytes,
  headline,
  type Recipient,
  recipientOf,
  untilAborted,
} from './channel.ts'
import { GoogleToken } from './google-token.ts'
import { type HttpAnswer, HttpSender, objectIn } from './http-sender.ts'
import {
  below,
  type ChannelOptions,
  invalid,
  requireEndpoint,
  requireRecipient,
  requireText,
  requireTimeout,
} from './options.ts'
import { privateKey } from './signed-token.ts'
import { Wording } from './wording.ts'

/** HTTP v1, https://firebase.google.com/docs/reference/fcm/rest/v1/projects.messages/send */
export interface FcmSettings extends ChannelOptions {
  projectId: string
  /** Of the key file of a service account. */
  clientEmail: string
  privateKeyId: string
  /** PEM. */
  privateKey: string
  /** The token of an app on a device, or a topic as 'topic:NAME'. */
  to: Recipient
  /** How long the device may be away. Default '1h', at most '28d'. */
  expires?: string | number
  /** Default 'https://fcm.googleapis.com'. */
  endpoint?: string
  /** Default 'https://oauth2.googleapis.com/token'. */
  tokenEndpoint?: string
}

const LONGEST_EXPIRY_MS = 28 * 86_400_000
/** Of the notification and the data together. */
const MOST_BYTES = 4096
/** What Google asks for when QUOTA_EXCEEDED says no time. */
const QUOTA_WAIT_MS = 60_000

/**
 * Push through Firebase Cloud Messaging. FCM knows no repetition: `idempotent` is false.
 * @throws AldebaranError OPTION_INVALID
 */
export function fcmChannel(settings: FcmSettings): AlertChannel {
  const { name = 'fcm' } = settings
  const project = requireText('projectId', settings.projectId, 64)
  const to = requireRecipient('to', settings.to)
  const account = {
    email: requireText('clientEmail', settings.clientEmail),
    keyId: requireText('privateKeyId', settings.privateKeyId),
    key: privateKey('privateKey', settings.privateKey, 'RS256'),
    tokenUrl: requireEndpoint('tokenEndpoint', settings.tokenEndpoint ?? 'https://oauth2.googleapis.com/token', true),
  }
  const expires = parseDuration(settings.expires ?? '1h', 'expires')
  if (expires > LONGEST_EXPIRY_MS) throw invalid('expires', "it must be '28d' at most")
  const endpoint = requireEndpoint('endpoint', settings.endpoint ?? 'https://fcm.googleapis.com', true)
  const url = below(endpoint, `/v1/projects/${encodeURIComponent(project)}/messages:send`)
  const timeout = requireTimeout('timeout', settings.timeout)
  const plain = new Wording([])
  const tokenSender = new HttpSender(account.tokenUrl.protocol, timeout, plain)
  const sender = new HttpSender(url.protocol, timeout, plain)
  const access = new GoogleToken(account, tokenSender)
  return {
    name: requireText('name', name),
    idempotent: false,
    async send(given, attempt) {
      const message = accept(given, attempt)
      const { id, signal, startedAt } = attempt
      const target = targetOf(recipientOf(to, message, attempt))
      const body = payloadOf(target, message, id, expires)
      for (let turn = 1; ; turn++) {
        const token = await untilAborted(access.get(startedAt), signal)
        const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' }
        const answer = await sender.post(url, headers, body, signal, startedAt)
        if (answer.status >= 200 && answer.status < 300) return
        const { code, error } = failureIn(answer, new Wording([token]))
        if (answer.status !== 401 || code === 'THIRD_PARTY_AUTH_ERROR') throw error
        access.drop(token)
        if (turn > 1) throw error
      }
    },
    close() {
      sender.close()
      tokenSender.close()
    },
  }
}

function targetOf(recipient: string): object {
  return recipient.startsWith('topic:') ? { topic: recipient.slice(6) } : { token: recipient }
}

function payloadOf(target: object, message: AlertMessage, id: string, expires: number): string {
  const { severity, source, time, text } = message
  const write = (body: string): string => {
    const notification = { title: headline(message), body }
    // Values are texts: FCM takes no others.
    const data = { id: id.slice(0, 200), severity, source, time: String(time) }
    const android = { priority: severity === 'ok' ? 'NORMAL' : 'HIGH', ttl: `${Math.floor(expires / 1000)}s` }
    return JSON.stringify({ message: { ...target, notification, data, android } })
  }
  return write(clipBytes(text, MOST_BYTES, body => Buffer.byteLength(write(body))))
}

function failureIn({ status, retryAfter, body }: HttpAnswer, wording: Wording): { code: string; error: DeliveryError } {
  const error = Object(objectIn(body).error) as { status?: unknown; message?: unknown; details?: unknown }
  const details: unknown[] = Array.isArray(error.details) ? error.details : []
  // The code of FCM says more than the one that all of Google's interfaces have.
  const own = details.map(detail => (Object(detail) as { errorCode?: unknown }).errorCode)
  const code = String(own.find(value => typeof value === 'string') ?? error.status ?? '').slice(0, 60)
  const why = `FCM answers ${status} ${wording.of(code)}: ${wording.of(error.message) || 'it says no more'}`
  const wait = retryAfter === 0 && code === 'QUOTA_EXCEEDED' ? QUOTA_WAIT_MS : retryAfter
  return { code, error: new DeliveryError(fateOf(status, code), why, { retryAfter: wait }) }
}

function fateOf(status: number, code: string): DeliveryFate {
  switch (code) {
    case 'UNREGISTERED':
    case 'INVALID_ARGUMENT':
    case 'SENDER_ID_MISMATCH':
      return 'reject'
    case 'QUOTA_EXCEEDED':
    case 'RESOURCE_EXHAUSTED':
    case 'UNAVAILABLE':
      return 'throttle'
    // What an operator of the project can correct.
    case 'UNAUTHENTICATED':
    case 'THIRD_PARTY_AUTH_ERROR':
    case 'PERMISSION_DENIED':
      return 'retry'
  }
  if (status === 429) return 'throttle'
  if (status === 401 || status === 403) return 'retry'
  return status >= 300 && status < 500 ? 'reject' : 'unknown'
}
