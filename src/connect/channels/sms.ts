import { DeliveryError, type DeliveryFate } from '../../delivery/delivery-error.ts'
import { type AlertChannel, accept, clip, headline, type Recipient, recipientOf } from './channel.ts'
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
import { Wording } from './wording.ts'

/** A message of Twilio, https://www.twilio.com/docs/messaging/api/message-resource */
export interface SmsSettings extends ChannelOptions {
  accountSid: string
  authToken: string
  /** An API key, whose secret is `authToken` then. Default: the account itself. */
  apiKey?: string
  /** A telephone number as +15551234567. */
  to: Recipient
  /** A number or a name of the account, or the SID of a messaging service (MG…). */
  from: string
  /** Characters; the rest is left out. Default 1600, the most that Twilio takes. */
  longest?: number
  /** Default 'https://api.twilio.com'. */
  endpoint?: string
}

const MOST_CHARACTERS = 1600
/** https://www.twilio.com/docs/api/errors: too many requests, and the queue of the sender is full. */
const BUSY: readonly unknown[] = [20429, 21611, 14107]

/**
 * SMS by Twilio's Messages API. Twilio knows no repetition: `idempotent` is false.
 * @throws AldebaranError OPTION_INVALID
 */
export function smsChannel(settings: SmsSettings): AlertChannel {
  const { name = 'sms', longest = MOST_CHARACTERS } = settings
  const account = requireText('accountSid', settings.accountSid, 64)
  const token = requireText('authToken', settings.authToken)
  const user = settings.apiKey === undefined ? account : requireText('apiKey', settings.apiKey)
  const from = requireText('from', settings.from, 64)
  const to = requireRecipient('to', settings.to)
  if (!Number.isInteger(longest) || longest < 1 || longest > MOST_CHARACTERS) {
    throw invalid('longest', `it must be a whole number from 1 to ${MOST_CHARACTERS}`)
  }
  const endpoint = requireEndpoint('endpoint', settings.endpoint ?? 'https://api.twilio.com', true)
  const url = below(endpoint, `/2010-04-01/Accounts/${encodeURIComponent(account)}/Messages.json`)
  const authorization = `Basic ${Buffer.from(`${user}:${token}`).toString('base64')}`
  const wording = new Wording([token, authorization.slice(6)])
  const sender = new HttpSender(url.protocol, requireTimeout('timeout', settings.timeout), wording)
  const headers = { authorization, 'content-type': 'application/x-www-form-urlencoded', accept: 'application/json' }
  return {
    name: requireText('name', name),
    idempotent: false,
    async send(given, attempt) {
      const message = accept(given, attempt)
      const body = message.text === '' ? headline(message) : `${headline(message)}\n${message.text}`
      const form = new URLSearchParams({ To: recipientOf(to, message, attempt), Body: clip(body, longest) })
      form.set(/^MG[0-9a-f]{32}$/.test(from) ? 'MessagingServiceSid' : 'From', from)
      const answer = await sender.post(url, headers, form.toString(), attempt.signal, attempt.startedAt)
      judge(answer, wording)
    },
    close: () => sender.close(),
  }
}

function judge({ status, retryAfter, body }: HttpAnswer, wording: Wording): void {
  const { code, message, status: state, error_code: failure } = objectIn(body)
  if (status >= 200 && status < 300) {
    if (state !== 'failed' && state !== 'undelivered') return
    throw new DeliveryError('reject', `Twilio could not send it: ${wording.of(String(failure ?? state))}`)
  }
  const known = typeof code === 'number' ? ` ${code}` : ''
  const why = `Twilio answers ${status}${known}: ${wording.of(message) || 'it says no more'}`
  throw new DeliveryError(fateOf(status, code), why, { retryAfter })
}

function fateOf(status: number, code: unknown): DeliveryFate {
  if (status === 429 || BUSY.includes(code)) return 'throttle'
  // The credentials can be corrected, and the alert is as good as before.
  if (status === 401 || status === 403) return 'retry'
  return status >= 300 && status < 500 ? 'reject' : 'unknown'
}
