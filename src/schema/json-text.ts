/**
 * JSON as bytes, strictly: UTF-8 without a byte order mark, nested at most 256 levels, so that nothing which later walks
 * the value (JSON.stringify, validators) can run out of stack. Duplicate keys: the last one counts, as in JSON.parse.
 */
import { AldebaranError, messageOf } from '../errors.ts'
import type { ByteWriter } from './byte-writer.ts'
import { invalid, undecodable } from './failures.ts'
import { syntaxErrorAt } from './json-position.ts'
import { readText } from './utf8.ts'

const MAX_JSON_DEPTH = 256

const QUOTE = 0x22
const BACKSLASH = 0x5c
/** `[` and `{`, `]` and `}` are alike but for this bit. */
const CURLY = 0x20
const OPEN = 0x5b
const CLOSE = 0x5d

/** Throws VALUE_UNDECODABLE. Keys like `__proto__` become plain own properties. */
export function parseJson(bytes: Buffer, start: number, end: number): unknown {
  if (bytes[start] === 0xef && bytes[start + 1] === 0xbb && bytes[start + 2] === 0xbf && end - start >= 3) {
    throw undecodable('the JSON begins with a byte order mark, which JSON does not allow: send it without', 0)
  }
  const tooDeep = deepAt(bytes, start, end)
  if (tooDeep >= 0) throw undecodable(`the JSON nests more than ${MAX_JSON_DEPTH} levels`, tooDeep - start)
  const text = readText(bytes, start, end, start)
  try {
    return JSON.parse(text)
  } catch (error) {
    throw undecodable(`not JSON: ${messageOf(error)}`, Buffer.byteLength(text.slice(0, syntaxErrorAt(text))), '', error)
  }
}

/** Writes a value as JSON. Throws VALUE_INVALID for what JSON cannot carry: a cycle, a bigint, nothing at all. */
export function writeJson(value: unknown, out: ByteWriter): void {
  const text = stringify(value)
  const before = out.position
  out.ensure(text.length * 3)
  const end = before + out.bytes.write(text, before)
  if (deepAt(out.bytes, before, end) >= 0) throw invalid('', `nests more than ${MAX_JSON_DEPTH} levels`)
  out.position = end
}

/** A copy with only what JSON carries. */
export function plainJson(value: unknown): unknown {
  return JSON.parse(stringify(value))
}

function stringify(value: unknown): string {
  let text: string | undefined
  try {
    text = JSON.stringify(value)
  } catch (error) {
    if (error instanceof AldebaranError) throw error
    throw invalid('', `cannot be written as JSON: ${messageOf(error)}`, error)
  }
  if (text === undefined) throw invalid('', `is ${typeof value}, which JSON cannot carry`)
  return text
}

/** Where the nesting goes too deep, or −1. Text too short to nest that deep is not looked at. */
function deepAt(bytes: Buffer, start: number, end: number): number {
  if (end - start <= MAX_JSON_DEPTH) return -1
  let depth = 0
  let quoted = false
  for (let at = start; at < end; at++) {
    const byte = bytes[at]!
    if (quoted) {
      if (byte === BACKSLASH) at++
      else if (byte === QUOTE) quoted = false
    } else if (byte === QUOTE) quoted = true
    else if ((byte & ~CURLY) === OPEN) {
      if (++depth > MAX_JSON_DEPTH) return at
    } else if ((byte & ~CURLY) === CLOSE) depth--
  }
  return -1
}
