/**
 * Alert channels: each brings an alert to one kind of recipient, and says for certain what became of it.
 *
 * 1. `send` resolves when the provider has taken the alert over, and only then.
 * 2. What it throws is a `DeliveryError`. `retry` and `throttle` mean that nothing was taken over, `reject` that it never
 *    will be; whenever neither is certain the fate is `unknown`.
 * 3. A channel's own `timeout` ends before that of the delivery: so a try that hangs has the fate that the channel knows.
 * 4. No message of an error contains a credential.
 */
import { createHash } from 'node:crypto'
import type { Attempt } from '../../delivery/contract.ts'
import { DeliveryError } from '../../delivery/delivery-error.ts'

export type Severity = 'ok' | 'warning' | 'critical' | 'unknown'

/** An alert, whichever way it goes. */
export interface AlertMessage {
  /** One line. Of what is longer than 200 characters the rest is left out. */
  readonly title: string
  /** May have several lines. Of what is longer than 16,000 characters the rest is left out; channels may take less. */
  readonly text: string
  readonly severity: Severity
  /** What it is about: an account, a host … */
  readonly source: string
  /** When it happened, ms since 1970. */
  readonly time: number
  /** Whatever else belongs to it, as JSON of 64 kB at most. Email, webhooks and topics have it. */
  readonly data: Readonly<Record<string, unknown>>
}

export interface AlertChannel {
  readonly name: string
  /** True: what is sent again with the same id reaches the recipient once, so an unknown outcome may be tried again. */
  readonly idempotent: boolean
  /**
   * Sends it; `attempt.id` says what is the same alert.
   * @throws DeliveryError
   */
  send(message: AlertMessage, attempt: Attempt): Promise<void>
  /** Ends its connections. What is under way fails. */
  close(): void
}

/** Who gets it: always the same, or who the message or the attempt names. */
export type Recipient = string | ((message: AlertMessage, attempt: Attempt) => string)

const LONGEST_TITLE = 200
const LONGEST_TEXT = 16_000
const LONGEST_SOURCE = 200
const LARGEST_DATA = 64_000
const SEVERITIES: readonly unknown[] = ['ok', 'warning', 'critical', 'unknown'] satisfies Severity[]

/**
 * The message within its bounds, with a title of one line.
 * @throws DeliveryError reject: it is no such message, or the signal was aborted: retry
 */
export function accept(message: AlertMessage, { signal }: Attempt): AlertMessage {
  if (signal.aborted) throw new DeliveryError('retry', 'given up before it was sent')
  const { title, text, severity, source, time, data } = message
  if (typeof title !== 'string' || typeof text !== 'string' || typeof source !== 'string') {
    throw new DeliveryError('reject', 'title, text and source of an alert are texts')
  }
  if (!SEVERITIES.includes(severity)) {
    throw new DeliveryError('reject', `the severity of an alert is one of ${SEVERITIES.join(', ')}`)
  }
  // Date takes no larger number.
  if (!(Math.abs(time) <= 8.64e15)) throw new DeliveryError('reject', 'the time of an alert is in ms since 1970')
  checkData(data)
  return {
    title: clip(oneLine(title), LONGEST_TITLE),
    text: clip(text, LONGEST_TEXT),
    severity,
    source: clip(oneLine(source), LONGEST_SOURCE),
    time,
    data,
  }
}

function checkData(data: unknown): void {
  if (typeof data !== 'object' || data === null || Array.isArray(data)) {
    throw new DeliveryError('reject', 'the data of an alert is an object')
  }
  let bytes: number
  try {
    bytes = Buffer.byteLength(JSON.stringify(data))
  } catch {
    throw new DeliveryError('reject', 'the data of the alert cannot be written as JSON')
  }
  if (bytes > LARGEST_DATA) {
    throw new DeliveryError('reject', `the data of the alert has ${bytes} bytes, more than ${LARGEST_DATA}`)
  }
}

/** @throws DeliveryError reject: there is none, or it has line breaks or the like */
export function recipientOf(recipient: Recipient, message: AlertMessage, attempt: Attempt): string {
  if (typeof recipient === 'string') return recipient
  let found: unknown
  try {
    found = recipient(message, attempt)
  } catch (error) {
    throw new DeliveryError('reject', 'the function that finds the recipient or the key threw', { cause: error })
  }
  if (typeof found === 'string' && isPlain(found, 1000)) return found
  throw new DeliveryError('reject', 'the alert has no recipient or key')
}

/** '[CRITICAL] title' */
export function headline({ severity, title }: AlertMessage): string {
  return `[${severity.toUpperCase()}] ${title}`
}

/** As a program reads it: what webhooks and topics carry. */
export interface AlertRecord extends AlertMessage {
  readonly id: string
}

export function recordOf(message: AlertMessage, { id }: Attempt): AlertRecord {
  return { id, ...message }
}

/** Always the same UUID for an id: a provider wants one, and knows a repetition by it. */
export function uuidOf(id: string): string {
  const hash = createHash('sha256').update(id).digest()
  // Version 8 and variant of RFC 9562: a UUID of contents of our own.
  hash[6] = (hash[6]! & 0x0f) | 0x80
  hash[8] = (hash[8]! & 0x3f) | 0x80
  const hex = hash.toString('hex', 0, 16)
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-')
}

/** What `work` gives, unless the signal is aborted before: nothing was sent then. `work` goes on for others. */
export function untilAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = () => reject(new DeliveryError('retry', 'given up before it was sent'))
    signal.addEventListener('abort', abort)
    if (signal.aborted) abort()
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort))
  })
}

/** At most so many UTF-16 units, no character cut in two. */
export function clip(text: string, most: number): string {
  if (text.length <= most) return text.toWellFormed()
  let end = most - 1
  if (isHighSurrogate(text, end - 1)) end--
  return `${text.slice(0, end).toWellFormed()}…`
}

/** The longest start of the text for which `bytes` says no more than `most`. */
export function clipBytes(text: string, most: number, bytes: (text: string) => number): string {
  if (bytes(text) <= most) return text
  let fits = 0
  let over = text.length
  while (over - fits > 1) {
    const middle = (fits + over) >>> 1
    if (bytes(clip(text, middle)) <= most) fits = middle
    else over = middle
  }
  return fits === 0 ? '' : clip(text, fits)
}

/** Control characters are spaces: it stays one line wherever it is written. */
export function oneLine(text: string): string {
  return text.replace(CONTROL, ' ').trim()
}

/** True: not empty, and nothing in it that begins a new line or a new header. */
export function isPlain(text: string, longest: number): boolean {
  return text !== '' && text.length <= longest && text.search(CONTROL) === -1
}

// Control and format characters, line and paragraph separators.
const CONTROL = /[\p{Cc}\u2028\u2029]+/gu

function isHighSurrogate(text: string, at: number): boolean {
  return (text.charCodeAt(at) & 0xfc00) === 0xd800
}
