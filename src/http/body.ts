/**
 * Request bodies taken apart into values. What is wrong with one value is told with that value; what makes the rest
 * unreadable throws BODY_INVALID.
 */
import { AldebaranError, messageOf } from '../errors.ts'
import { parseJson } from '../schema/json-text.ts'
import { type BodyItem, MOST_ITEMS, newItem, tooMany } from './body-item.ts'
import { type CsvCast, readCsv } from './csv.ts'

export type Wrap = 'none' | 'value' | 'records'

export const BODY_TYPES = {
  json: 'application/json',
  ndjson: 'application/x-ndjson',
  csv: 'text/csv',
  avro: 'application/avro-binary',
  bytes: 'application/octet-stream',
} as const

export interface BodyOptions {
  wrap: Wrap
  /** Avro and bytes: each value has its length before it, 4 bytes, big-endian. */
  framed: boolean
  /** How the fields of a CSV become JSON. */
  cast: () => CsvCast
}

/** The values of a body, in their order. */
export async function openBody(body: Buffer, contentType: string, options: BodyOptions): Promise<Iterable<BodyItem>> {
  switch (contentType) {
    case BODY_TYPES.json:
      return jsonItems(body, options.wrap)
    case BODY_TYPES.ndjson:
      return lineItems(body)
    case BODY_TYPES.csv:
      if (options.wrap !== 'none') throw new AldebaranError('OPTION_INVALID', 'wrap: a CSV holds plain values')
      return await readCsv(body, options.cast())
    default:
      return options.framed ? framedItems(body) : [rawItem(body, 0, body.length)]
  }
}

function* jsonItems(body: Buffer, wrap: Wrap): Generator<BodyItem> {
  const item = newItem()
  for (const json of valuesOf(parseBody(body), wrap)) {
    item.json = json
    yield item
  }
}

/** Parses a whole body, or throws BODY_INVALID. */
export function parseBody(body: Buffer): unknown {
  try {
    return parseJson(body, 0, body.length)
  } catch (error) {
    throw bodyInvalid(error)
  }
}

function valuesOf(json: unknown, wrap: Wrap): readonly unknown[] {
  if (wrap === 'value') return [json]
  if (wrap === 'none') return checkCount(Array.isArray(json) ? json : [json])
  const records = typeof json === 'object' && json !== null ? (json as { records?: unknown }).records : undefined
  if (!Array.isArray(records))
    throw new AldebaranError('BODY_INVALID', 'with wrap=records the body is {"records": […]}')
  return checkCount(records)
}

function checkCount(values: readonly unknown[]): readonly unknown[] {
  if (values.length > MOST_ITEMS) throw tooMany()
  return values
}

/** Lines end with \n or \r\n; blank ones are passed over. */
function* lineItems(body: Buffer): Generator<BodyItem> {
  const item = newItem()
  let line = 0
  let count = 0
  for (let start = 0; start < body.length; ) {
    const newline = body.indexOf(10, start)
    const end = newline < 0 ? body.length : newline
    line++
    if (!isBlank(body, start, end)) {
      if (++count > MOST_ITEMS) throw tooMany()
      item.line = line
      item.error = null
      try {
        item.json = parseJson(body, start, end)
      } catch (error) {
        item.error = bodyInvalid(error)
      }
      yield item
    }
    start = end + 1
  }
}

function isBlank(body: Buffer, start: number, end: number): boolean {
  for (let at = start; at < end; at++) {
    const byte = body[at]!
    if (byte !== 32 && byte !== 13 && byte !== 9) return false
  }
  return true
}

function* framedItems(body: Buffer): Generator<BodyItem> {
  let count = 0
  for (let at = 0; at < body.length; ) {
    const length = at + 4 <= body.length ? body.readUInt32BE(at) : Number.POSITIVE_INFINITY
    if (at + 4 + length > body.length) {
      throw new AldebaranError(
        'BODY_INVALID',
        `the value at byte ${at} is cut off: its length is 4 bytes, big-endian`,
        {
          position: at,
        },
      )
    }
    if (++count > MOST_ITEMS) throw tooMany()
    yield rawItem(body, at + 4, at + 4 + length)
    at += 4 + length
  }
}

function rawItem(bytes: Buffer, start: number, end: number): BodyItem {
  return { line: null, json: undefined, bytes, start, end, error: null }
}

function bodyInvalid(error: unknown): AldebaranError {
  const position = error instanceof AldebaranError ? (error.details.position ?? null) : null
  return new AldebaranError('BODY_INVALID', messageOf(error), position === null ? {} : { position }, error)
}
