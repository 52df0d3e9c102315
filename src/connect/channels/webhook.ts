import { createHmac } from 'node:crypto'
import { validateHeaderName, validateHeaderValue } from 'node:http'
import { DeliveryError, type DeliveryFate } from '../../delivery/delivery-error.ts'
import { type AlertChannel, accept, recordOf, uuidOf } from './channel.ts'
import { type HttpAnswer, HttpSender } from './http-sender.ts'
import {
  type ChannelOptions,
  invalid,
  requireEndpoint,
  requireText,
  requireTimeout,
  type TlsOptions,
} from './options.ts'
import { Wording } from './wording.ts'

export interface WebhookSettings extends ChannelOptions {
  /** It may be a secret itself: no error contains more of it than the host. */
  endpoint: string
  /** More headers, such as Authorization; their values are secrets. */
  headers?: Readonly<Record<string, string>>
  /** Signs the body: `sha256=` and the HMAC-SHA256 of it in hex stand in `header`, by default X-Aldebaran-Signature. */
  signature?: { secret: string; header?: string }
  /** The receiver takes one request for each Idempotency-Key. Default false. */
  idempotent?: boolean
  tls?: TlsOptions
}

const OWN: readonly string[] = [
  'host',
  'content-length',
  'content-type',
  'transfer-encoding',
  'connection',
  'expect',
  'te',
]
const KEY = 'idempotency-key'
/** What is shorter in an address is no secret. */
const SHORTEST_TOKEN = 8

/**
 * The alert as JSON, with `id`, in a POST. Each has an Idempotency-Key that stays the same over its tries.
 * @throws AldebaranError OPTION_INVALID
 */
export function webhookChannel(settings: WebhookSettings): AlertChannel {
  const { name = 'webhook', idempotent = false, signature } = settings
  if (typeof idempotent !== 'boolean') throw invalid('idempotent', 'it must be true or false')
  const own = checkHeaders(settings.headers ?? {})
  const secret = signature === undefined ? '' : requireText('signature.secret', signature.secret)
  const header = (signature?.header ?? 'x-aldebaran-signature').toLowerCase()
  if (signature !== undefined) checkHeader('signature.header', header, '')
  const url = requireEndpoint('endpoint', settings.endpoint, Object.keys(own).length > 0)
  const tokens = [url.pathname.slice(1), url.search.slice(1)].filter(part => part.length >= SHORTEST_TOKEN)
  const values = Object.values(own)
  // Without the scheme too: `Bearer abc` may come back as `abc`.
  const bare = values.map(value => value.slice(value.indexOf(' ') + 1))
  const wording = new Wording([secret, ...tokens, ...values, ...bare])
  const timeout = requireTimeout('timeout', settings.timeout)
  const sender = new HttpSender(url.protocol, timeout, wording, settings.tls)
  return {
    name: requireText('name', name),
    idempotent,
    async send(given, attempt) {
      const message = accept(given, attempt)
      const body = JSON.stringify(recordOf(message, attempt))
      const headers: Record<string, string> = {
        ...own,
        'content-type': 'application/json',
        [KEY]: uuidOf(attempt.id),
      }
      if (secret !== '') headers[header] = `sha256=${createHmac('sha256', secret).update(body).digest('hex')}`
      const answer = await sender.post(url, headers, body, attempt.signal, attempt.startedAt)
      if (answer.status >= 200 && answer.status < 300) return
      throw new DeliveryError(fateOf(answer), `${url.host} answers ${answer.status}: ${wording.of(answer.body)}`, {
        retryAfter: answer.retryAfter,
      })
    },
    close: () => sender.close(),
  }
}

function fateOf({ status, retryAfter }: HttpAnswer): DeliveryFate {
  if (status === 429) return 'throttle'
  // 503 may be a proxy that lost the answer; with a Retry-After it is the receiver that speaks, and took nothing.
  if (status === 503 && retryAfter > 0) return 'throttle'
  if (status === 410) return 'disable'
  // The credentials can be corrected; 408 and 425 say themselves that the request may be sent again.
  if (status === 401 || status === 403 || status === 407 || status === 408 || status === 425) return 'retry'
  return status >= 300 && status < 500 ? 'reject' : 'unknown'
}

function checkHeaders(headers: Readonly<Record<string, string>>): Record<string, string> {
  const checked: Record<string, string> = {}
  for (const [name, value] of Object.entries(headers)) {
    checkHeader(`headers.${name}`, name, value)
    checked[name.toLowerCase()] = value
  }
  return checked
}

function checkHeader(option: string, name: string, value: string): void {
  try {
    validateHeaderName(name)
    validateHeaderValue(name, value)
  } catch {
    throw invalid(option, 'it is no header')
  }
  const lower = name.toLowerCase()
  if (OWN.includes(lower) || lower === KEY) throw invalid(option, 'the channel sets this header itself')
}
