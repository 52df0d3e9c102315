/** What the REST API is given, checked: what does not fit throws VALUE_INVALID with the path of the field. */
import { AldebaranError, parseDuration } from 'aldebaran'
import type { EndpointFields, EventType } from './accounts.ts'
import { EVENT_ID, EVENT_TYPE } from './app.ts'
import { type Identity, parseIdentity } from './client-certificates.ts'
import type { SignatureScheme } from './endpoint-secrets.ts'
import { FILTER, LARGEST_PAYLOAD } from './event-rules.ts'

/** Of an endpoint, as they are asked for; what is undefined was not given. */
export interface EndpointInput {
  readonly fields: Partial<Omit<EndpointFields, 'headers' | 'headerNames' | 'clientCertificate'>>
  readonly headers: Record<string, string> | undefined
  /** Null: none of its own. */
  readonly clientCertificate: Identity | null | undefined
  readonly scheme: SignatureScheme | undefined
  readonly secret: string | undefined
}

export interface EventInput {
  readonly id: string | undefined
  readonly type: string
  /** As it is sent. */
  readonly payload: Buffer
}

export const MOST_EVENTS = 1000

const ACCOUNT = /^[\w.:@-]{1,100}$/
const RATE = /^\d{1,9}(?:\.\d{1,6})?\/\d{0,6}(?:ms|s|m|h|d)$/
const HEADER_NAME = /^[!#$%&'*+.^`|~\w-]{1,100}$/
const HEADER_VALUE = /^[\t\x20-\x7e\x80-\xff]{0,2000}$/
/** Set by the sender, or by the connection. */
const OWN_HEADERS =
  /^(?:webhook-.*|content-.*|user-agent|host|connection|keep-alive|expect|te|trailer|upgrade|transfer-encoding|http2-settings|proxy-.*)$/i
const MOST_FILTERS = 100
const MOST_HEADERS = 20
const MOST_TYPES = 1000
const LONGEST_TEXT = 500
const ENDPOINT_FIELDS = ['url', 'description', 'types', 'rate', 'concurrency', 'headers', 'clientCertificate']

/** @throws AldebaranError VALUE_INVALID */
export function checkAccount(id: string): string {
  if (ACCOUNT.test(id)) return id
  throw invalid('account', 'has 1 to 100 letters, digits, and _ . : @ -')
}

/** @throws AldebaranError VALUE_INVALID, ADDRESS_REFUSED by `checkUrl` */
export function parseEndpoint(
  json: unknown,
  isNew: boolean,
  checkUrl: (url: string) => void,
  now: number,
): EndpointInput {
  const given = objectOf(json, 'the body', isNew ? [...ENDPOINT_FIELDS, 'signature', 'secret'] : ENDPOINT_FIELDS)
  const { url, description, types, rate, concurrency, headers, clientCertificate, signature, secret } = given
  if (url !== undefined || isNew) checkUrl(textOf(url, 'url', 4096))
  if (signature !== undefined && signature !== 'v1' && signature !== 'v1a')
    throw invalid('signature', "is 'v1' or 'v1a'")
  if (rate !== undefined && rate !== '' && (typeof rate !== 'string' || !RATE.test(rate) || /^[0.]+\//.test(rate))) {
    throw invalid('rate', "is a rate such as '100/s', or '' for that of the settings")
  }
  if (concurrency !== undefined && !isWithin(concurrency, 0, 1000)) {
    throw invalid('concurrency', 'is a whole number up to 1000; 0: that of the settings')
  }
  const fields: EndpointInput['fields'] = {
    ...(url === undefined ? {} : { url: url as string }),
    ...(description === undefined ? {} : { description: textOf(description, 'description', LONGEST_TEXT) }),
    ...(types === undefined ? {} : { types: parseFilters(types) }),
    ...(rate === undefined ? {} : { rate: rate as string }),
    ...(concurrency === undefined ? {} : { concurrency: concurrency as number }),
  }
  return {
    fields,
    headers: headers === undefined ? undefined : parseHeaders(headers),
    clientCertificate: clientCertificate
      ? parseClientCertificate(clientCertificate, now)
      : (clientCertificate as null | undefined),
    scheme: signature as SignatureScheme | undefined,
    secret: secret === undefined ? undefined : textOf(secret, 'secret', 200),
  }
}

/** One event, or a list of them. @throws AldebaranError VALUE_INVALID, BODY_TOO_LARGE */
export function parseEvents(json: unknown, headerId: string | undefined, now: number): EventInput[] {
  if (!Array.isArray(json)) return [parseEvent(json, '', headerId, now)]
  if (json.length === 0 || json.length > MOST_EVENTS) throw invalid('', `a list has 1 to ${MOST_EVENTS} events`)
  if (headerId !== undefined) throw invalid('webhook-id', 'is of one event: in a list each brings its id')
  return json.map((one, index) => parseEvent(one, `[${index}].`, undefined, now))
}

/** The payload of Standard Webhooks. */
export function payloadOf(type: string, timestamp: string, data: unknown): Buffer {
  return Buffer.from(JSON.stringify({ type, timestamp, data }))
}

/** @throws AldebaranError VALUE_INVALID */
export function parseEventTypes(json: unknown): EventType[] {
  const { eventTypes } = objectOf(json, 'the body', ['eventTypes'])
  if (!Array.isArray(eventTypes) || eventTypes.length > MOST_TYPES) {
    throw invalid('eventTypes', `is a list of at most ${MOST_TYPES}`)
  }
  const names = new Set<string>()
  return eventTypes.map((one, index) => {
    const path = `eventTypes[${index}]`
    const { name, description = '' } = objectOf(one, path, ['name', 'description'])
    if (typeof name !== 'string' || !EVENT_TYPE.test(name)) throw badType(`${path}.name`)
    if (names.has(name)) throw invalid(`${path}.name`, 'is there twice')
    names.add(name)
    return { name, description: textOf(description, `${path}.description`, LONGEST_TEXT) }
  })
}

/** Times as ms since 1970, or as ISO 8601. @throws AldebaranError VALUE_INVALID */
export function parseRange(json: unknown): { since: number; until: number | undefined } {
  const { since, until } = objectOf(json, 'the body', ['since', 'until'])
  const range = { since: timeOf(since, 'since'), until: until === undefined ? undefined : timeOf(until, 'until') }
  if (range.until !== undefined && range.until <= range.since) throw invalid('until', 'is not after since')
  return range
}

/** @throws AldebaranError OPTION_INVALID */
export function parseOverlap(text: string): number {
  const ms = parseDuration(text, 'keepFor')
  if (ms <= 2_592_000_000) return ms
  throw new AldebaranError('OPTION_INVALID', `keepFor: '${text}' is longer than 30 days`, { option: 'keepFor' })
}

function parseEvent(json: unknown, at: string, headerId: string | undefined, now: number): EventInput {
  const { id = headerId, type, data, timestamp } = objectOf(json, at || 'the body', ['id', 'type', 'data', 'timestamp'])
  if (headerId !== undefined && id !== headerId) throw invalid('webhook-id', 'is another than the id in the body')
  if (id !== undefined && (typeof id !== 'string' || !EVENT_ID.test(id))) {
    throw invalid(`${at}id`, 'has 1 to 128 letters, digits, - _ and :')
  }
  if (typeof type !== 'string' || !EVENT_TYPE.test(type)) throw badType(`${at}type`)
  if (data === undefined) throw invalid(`${at}data`, 'is missing')
  const time = timestamp === undefined ? new Date(now).toISOString() : timestamp
  if (typeof time !== 'string' || Number.isNaN(Date.parse(time)))
    throw invalid(`${at}timestamp`, 'is a time of ISO 8601')
  const payload = payloadOf(type, time, data)
  if (payload.length > LARGEST_PAYLOAD) {
    const message = `the payload has ${payload.length} bytes, and may have ${LARGEST_PAYLOAD}`
    throw new AldebaranError('BODY_TOO_LARGE', message, { path: `${at}data` })
  }
  return { id, type, payload }
}

function parseClientCertificate(json: unknown, now: number): Identity {
  const given = objectOf(json, 'clientCertificate', ['certificate', 'key'])
  return parseIdentity(given as unknown as Identity, now)
}

function parseFilters(types: unknown): string[] {
  if (!Array.isArray(types) || types.length === 0 || types.length > MOST_FILTERS) {
    throw invalid('types', `is a list of 1 to ${MOST_FILTERS} filters`)
  }
  return types.map((filter, index) => {
    if (typeof filter === 'string' && FILTER.test(filter)) return filter
    throw invalid(`types[${index}]`, "is a type, or its beginning with .*, or '*'")
  })
}

function parseHeaders(json: unknown): Record<string, string> {
  const headers = objectOf(json, 'headers', null)
  const entries = Object.entries(headers)
  if (entries.length > MOST_HEADERS) throw invalid('headers', `are at most ${MOST_HEADERS}`)
  for (const [name, value] of entries) {
    if (!HEADER_NAME.test(name) || OWN_HEADERS.test(name)) throw invalid('headers', 'has a name that is not for it')
    if (typeof value !== 'string' || !HEADER_VALUE.test(value))
      throw invalid(`headers.${name}`, 'is no value of a header')
  }
  return headers as Record<string, string>
}

/** `fields`: null: any. */
function objectOf(json: unknown, path: string, fields: readonly string[] | null): Record<string, unknown> {
  if (typeof json !== 'object' || json === null || Array.isArray(json)) throw invalid(path, 'is a JSON object')
  const other = fields === null ? undefined : Object.keys(json).find(name => !fields.includes(name))
  if (other !== undefined) throw invalid(other, 'is no field here')
  return json as Record<string, unknown>
}

function textOf(value: unknown, path: string, longest: number): string {
  if (typeof value === 'string' && value.length <= longest) return value
  throw invalid(path, `is a text of at most ${longest} characters`)
}

function timeOf(value: unknown, path: string): number {
  const ms = typeof value === 'string' ? Date.parse(value) : value
  if (typeof ms === 'number' && ms >= 0) return ms
  throw invalid(path, 'is a time: ms since 1970, or ISO 8601')
}

function isWithin(value: unknown, least: number, most: number): boolean {
  return Number.isInteger(value) && (value as number) >= least && (value as number) <= most
}

function badType(path: string): AldebaranError {
  return invalid(path, 'has 1 to 128 letters, digits, _ . and -')
}

function invalid(path: string, what: string): AldebaranError {
  return new AldebaranError('VALUE_INVALID', `${path} ${what}`.trim(), { path })
}
