/** Keys and values as HTTP shows and takes them: JSON where the schema can, base64 where the bytes do not fit it. */
import { AldebaranError, messageOf } from '../errors.ts'
import { ByteWriter } from '../schema/byte-writer.ts'
import type { Schema } from '../schema/schema.ts'

export interface Shown {
  /** The decoded value, or null when there is none or it cannot be decoded. */
  value: unknown
  /** The bytes, when they cannot be decoded. */
  base64?: string
  error?: { code: string; message: string }
}

/** `bytes[start, end)` as JSON; a start below 0 is null. Never throws. */
export function show(schema: Schema<unknown>, bytes: Buffer, start: number, end: number): Shown {
  if (start < 0) return { value: null }
  try {
    return { value: schema.toJson(schema.decode(bytes, start, end)) }
  } catch (error) {
    const code = error instanceof AldebaranError ? error.code : 'VALUE_UNDECODABLE'
    return { value: null, base64: bytes.toString('base64', start, end), error: { code, message: messageOf(error) } }
  }
}

/**
 * A key written as text, in a path or a query: text as it is, numbers and UUIDs as they are spelled, bytes as base64,
 * anything else as JSON.
 * @throws AldebaranError VALUE_INVALID
 */
export function keyFromText(schema: Schema<unknown>, text: string): unknown {
  if (schema.format === 'json') {
    const parsed = parsedOrUndefined(text)
    return schema.fromJson(parsed === undefined ? text : parsed)
  }
  try {
    return schema.fromJson(text)
  } catch (error) {
    const parsed = parsedOrUndefined(text)
    if (parsed === undefined || typeof parsed === 'string') throw error
    return schema.fromJson(parsed)
  }
}

/** The bytes of a key written as text, in a buffer of their own. */
export function keyBytesFromText(schema: Schema<unknown>, text: string): Buffer {
  return encoded(schema, keyFromText(schema, text))
}

/** In a buffer of its own. */
export function encoded(schema: Schema<unknown>, value: unknown): Buffer {
  const out = new ByteWriter(64)
  schema.encode(value, out)
  return out.bytes.subarray(0, out.position)
}

/** What `keyFromText` takes back. */
export function keyToText(schema: Schema<unknown>, key: unknown): string {
  const json = schema.toJson(key)
  return schema.format !== 'json' && typeof json === 'string' ? json : JSON.stringify(json)
}

/** Field values of rows as JSON has them: bigints as decimal text, bytes as base64, NaN and the infinities by name. */
export function plain(value: unknown): unknown {
  if (typeof value === 'bigint') return String(value)
  if (typeof value === 'number') return Number.isFinite(value) ? value : String(value)
  if (value instanceof Uint8Array) return Buffer.from(value.buffer, value.byteOffset, value.length).toString('base64')
  if (Array.isArray(value)) return value.map(plain)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([name, part]) => [name, plain(part)]))
}

function parsedOrUndefined(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
