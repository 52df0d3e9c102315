/**
 * The JSON spelling of the messages:
 *
 *     {"id": "o-1", "#shares": 100, "client": "ACME", "stock": "XYZ"}                                  a request
 *     {"id": "p-1", "initial_order_id": "o-1", "#shares": 60, "client": "ACME", "stock": "XYZ"}        a purchase
 *
 * 1. `initial_order_id`, whatever its value, makes a message a purchase: a null there is an error, not a request.
 * 2. Only a message's own fields count, and fields not named here are ignored.
 * 3. A message is taken whole or refused with the first field that does not fit; nothing is rounded or cut.
 * 4. An id has one meaning in one spelling: in `text` mode the integer 42 is "42"; in `integer` mode the text "42" is
 *    42, and "042", "+42", "4e1" are refused, so that two orders never become one.
 */
import { AldebaranError } from 'aldebaran'
import { MAX_SHARES } from './rules.ts'
import type { IdOf, IdSpelling } from './schemas.ts'

export interface RequestMessage<Id> {
  readonly kind: 'request'
  /** The order id. */
  readonly id: Id
  readonly shares: number
  readonly client: string
  readonly stock: string
  /** Microseconds since 1970 UTC; null: the message has none, and the receiver stamps it. */
  readonly ts: number | null
}

export interface PurchaseMessage<Id> {
  readonly kind: 'purchase'
  readonly id: Id
  readonly orderId: Id
  readonly shares: number
  /** Empty when the message has none: a purchase may leave it out. */
  readonly client: string
  readonly stock: string
  /** Microseconds since 1970 UTC; null: the message has none, and the receiver stamps it. */
  readonly ts: number | null
}

export type AuditMessage<Id> = RequestMessage<Id> | PurchaseMessage<Id>

const MAX_TEXT = 255
/** Longest part of a refused value that goes into an error. */
const MAX_SHOWN = 40

// biome-ignore lint/suspicious/noControlCharactersInRegex: finding them is the purpose.
const CONTROL = /[\u0000-\u001f\u007f-\u009f]/
const CANONICAL_INTEGER = /^(?:0|-?[1-9][0-9]{0,15})$/

/**
 * Parses one message.
 * @param json what `JSON.parse` gave
 * @param ids how ids are spelled inside
 * @throws AldebaranError VALUE_INVALID; `details.path` is the field, '' when the message is not an object at all
 */
export function parseMessage<S extends IdSpelling>(json: unknown, ids: S): AuditMessage<IdOf<S>>
export function parseMessage(json: unknown, ids: IdSpelling): AuditMessage<number | string> {
  if (typeof json !== 'object' || json === null || Array.isArray(json)) {
    throw invalid('', 'a JSON object', json)
  }
  const id = parseId(own(json, 'id'), 'id', ids)
  if (!Object.hasOwn(json, 'initial_order_id')) {
    return {
      kind: 'request',
      id,
      shares: parseShares(own(json, '#shares')),
      client: parseText(own(json, 'client'), 'client'),
      stock: parseText(own(json, 'stock'), 'stock'),
      ts: parseTs(own(json, 'ts')),
    }
  }
  const client = own(json, 'client')
  return {
    kind: 'purchase',
    id,
    orderId: parseId(own(json, 'initial_order_id'), 'initial_order_id', ids),
    shares: parseShares(own(json, '#shares')),
    client: client === undefined ? '' : parseText(client, 'client'),
    stock: parseText(own(json, 'stock'), 'stock'),
    ts: parseTs(own(json, 'ts')),
  }
}

/** The JSON spelling of a message: what `parseMessage` reads back as an equal one. */
export function messageToJson(message: AuditMessage<number | string>): Record<string, string | number> {
  const json: Record<string, string | number> = { id: message.id }
  if (message.kind === 'purchase') json.initial_order_id = message.orderId
  json['#shares'] = message.shares
  if (message.kind === 'request' || message.client !== '') json.client = message.client
  json.stock = message.stock
  if (message.ts !== null) json.ts = message.ts
  return json
}

function own(json: object, field: string): unknown {
  return Object.hasOwn(json, field) ? (json as Record<string, unknown>)[field] : undefined
}

function parseId(value: unknown, path: string, ids: IdSpelling): number | string {
  if (typeof value === 'number') {
    if (!Number.isSafeInteger(value)) throw invalid(path, 'a text or an integer of at most 2^53 - 1', value)
    // JSON has -0, which is the same id as 0.
    return ids === 'integer' ? value + 0 : String(value)
  }
  if (ids === 'text') return parseText(value, path)
  const id = typeof value === 'string' && CANONICAL_INTEGER.test(value) ? Number(value) : Number.NaN
  if (!Number.isSafeInteger(id)) throw invalid(path, 'an integer of at most 2^53 - 1, as number or plain text', value)
  return id
}

function parseShares(value: unknown): number {
  if (typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= MAX_SHARES) return value
  throw invalid('#shares', `an integer from 1 to ${MAX_SHARES}`, value)
}

function parseText(value: unknown, path: string): string {
  if (typeof value !== 'string') throw invalid(path, 'a text', value)
  if (value.length < 1 || value.length > MAX_TEXT) throw invalid(path, `1 to ${MAX_TEXT} characters`, value)
  if (CONTROL.test(value)) throw invalid(path, 'no control characters', value)
  // Half of a surrogate pair has no UTF-8: it would come out as another text.
  if (!value.isWellFormed()) throw invalid(path, 'well-formed Unicode', value)
  return value
}

function parseTs(value: unknown): number | null {
  if (value === undefined) return null
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return value + 0
  throw invalid('ts', 'an integer, microseconds since 1970', value)
}

function invalid(path: string, expected: string, value: unknown): AldebaranError {
  const where = path === '' ? 'message' : path
  return new AldebaranError('VALUE_INVALID', `${where}: expected ${expected}, got ${show(value)}`, { path })
}

/** What was there instead, short and on one line. */
function show(value: unknown): string {
  if (value === undefined) return 'nothing'
  if (value === null) return 'null'
  if (Array.isArray(value)) return 'an array'
  if (typeof value === 'object') return 'an object'
  if (typeof value === 'number' || typeof value === 'boolean') return String(value)
  if (typeof value !== 'string') return `a ${typeof value}`
  return value.length > MAX_SHOWN
    ? `a text of ${value.length} characters: ${JSON.stringify(value.slice(0, MAX_SHOWN).toWellFormed())}…`
    : JSON.stringify(value)
}
