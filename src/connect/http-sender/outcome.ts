/** What an outcome means for the event, by the rules of Standard Webhooks 1.0.0. */
import { DeliveryError, type DeliveryFate } from '../../delivery/delivery-error.ts'
import type { PostFailure, PostOutcome } from './post.ts'

/** Whoever asks for more waits a day. */
const LONGEST_RETRY_AFTER_MS = 86_400_000

/**
 * Null: delivered. Otherwise what `send` throws.
 *
 * A status that is no success decides, whether or not its body came to an end. After a success that broke off it is not
 * known what the receiver has done. The `detail` of the error is the outcome.
 * @param now ms since 1970
 */
export function deliveryErrorOf(outcome: PostOutcome, now: number): DeliveryError | null {
  const { status, failure } = outcome
  if (status >= 300) {
    const fate = fateOf(status)
    const retryAfter = fate === 'throttle' ? parseRetryAfter(outcome.retryAfter, now) : 0
    return new DeliveryError(fate, `the receiver answered ${status}`, { retryAfter, detail: outcome })
  }
  if (failure === null) return null
  const message = status === 0 ? failure.message : `the answer ${status} broke off: ${failure.message}`
  const blameless = failure.stage === 'refused'
  return new DeliveryError(FATES[failure.stage], `${IN_WORDS[failure.reason]}: ${message}`, {
    detail: outcome,
    blameless,
  })
}

/** `Retry-After`: seconds, or a date in any form of HTTP. ms from `now`, a day at most; 0: nothing that is understood. */
export function parseRetryAfter(text: string, now: number): number {
  const value = text.trim()
  if (/^\d+$/.test(value)) return Math.min(LONGEST_RETRY_AFTER_MS, Number(value) * 1000)
  // Of the three forms (RFC 9110, section 5.6.7) that of asctime names no zone, and means GMT.
  if (!/^(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)[a-z]*,? /.test(value)) return 0
  const at = Date.parse(value.endsWith('GMT') ? value : `${value} GMT`)
  return Number.isNaN(at) ? 0 : Math.min(LONGEST_RETRY_AFTER_MS, Math.max(0, at - now))
}

function fateOf(status: number): DeliveryFate {
  if (status === 410) return 'disable'
  return status === 429 || (status >= 502 && status <= 504) ? 'throttle' : 'retry'
}

const FATES: Readonly<Record<PostFailure['stage'], DeliveryFate>> = {
  refused: 'reject',
  unsent: 'retry',
  sent: 'unknown',
}

const IN_WORDS: Readonly<Record<PostFailure['reason'], string>> = {
  address: 'refused',
  header: 'refused',
  names: 'the host was not found',
  connect: 'no connection',
  tls: 'no trust',
  timeout: 'too late',
  aborted: 'ended',
  closed: 'ended',
  reset: 'the connection broke',
  protocol: 'no valid answer',
}
