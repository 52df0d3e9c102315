/** UTF-8, strictly: bytes that are not UTF-8 and texts that have no UTF-8 are refused, never replaced by U+FFFD. */
import { isUtf8 } from 'node:buffer'
import { undecodable } from './failures.ts'
import { writeVarint32 } from './varint.ts'

const REPLACEMENT = '\ufffd'
/** Up to here a loop in JavaScript beats the call into Node. */
const SHORT_READ = 8
/** Byte lengths below this have a varint of one byte. */
const SHORT_WRITE = 64

/** The text in `bytes[start, end)`. `origin` is where the value begins: error positions count from there. */
export function readText(bytes: Buffer, start: number, end: number, origin: number): string {
  if (end - start <= SHORT_READ) {
    const short = readShort(bytes, start, end - start)
    if (short !== undefined) return short
  }
  const text = bytes.toString('utf8', start, end)
  // Only a replacement character in the result can come from bytes that are not UTF-8.
  if (text.includes(REPLACEMENT) && !isUtf8(bytes.subarray(start, end))) {
    throw undecodable('the text is not UTF-8', firstBadByte(bytes, start, end) - origin)
  }
  return text
}

/** Up to 8 ASCII characters, or undefined. */
function readShort(bytes: Buffer, at: number, length: number): string | undefined {
  const from = String.fromCharCode
  if (length === 0) return ''
  const a = bytes[at]!
  if (length === 1) return a < 128 ? from(a) : undefined
  const b = bytes[at + 1]!
  if (length === 2) return (a | b) < 128 ? from(a, b) : undefined
  const c = bytes[at + 2]!
  if (length === 3) return (a | b | c) < 128 ? from(a, b, c) : undefined
  const d = bytes[at + 3]!
  if ((a | b | c | d) > 127) return undefined
  if (length === 4) return from(a, b, c, d)
  const e = bytes[at + 4]!
  if (length === 5) return e < 128 ? from(a, b, c, d, e) : undefined
  const f = bytes[at + 5]!
  if (length === 6) return (e | f) < 128 ? from(a, b, c, d, e, f) : undefined
  const g = bytes[at + 6]!
  if (length === 7) return (e | f | g) < 128 ? from(a, b, c, d, e, f, g) : undefined
  const h = bytes[at + 7]!
  return (e | f | g | h) < 128 ? from(a, b, c, d, e, f, g, h) : undefined
}

function firstBadByte(bytes: Buffer, start: number, end: number): number {
  let at = start
  while (at < end) {
    const lead = bytes[at]!
    const length = lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4
    if (!isUtf8(bytes.subarray(at, Math.min(at + length, end)))) return at
    at += length
  }
  return start
}

/**
 * Writes the text with its byte length as a zigzag varint before it. Needs room for 3 × length + 5 bytes.
 * Returns the next position, or −1 when the text holds half of a surrogate pair, which has no UTF-8.
 */
export function writeText(bytes: Buffer, position: number, text: string): number {
  const length = text.length
  if (length < SHORT_WRITE) {
    let at = position + 1
    for (let i = 0; i < length; i++) {
      const code = text.charCodeAt(i)
      if (code > 127) return writeLongText(bytes, position, text)
      bytes[at++] = code
    }
    bytes[position] = length << 1
    return at
  }
  return writeLongText(bytes, position, text)
}

function writeLongText(bytes: Buffer, position: number, text: string): number {
  if (!text.isWellFormed()) return -1
  const length = Buffer.byteLength(text)
  const at = writeVarint32(bytes, position, length << 1)
  return at + bytes.write(text, at, length)
}
