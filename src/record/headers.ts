import { intSize, writeInt } from './varint.ts'

/** A record header as Kafka has it. Keys may repeat; their order is kept. */
export interface Header {
  key: string
  value: Uint8Array | null
}

/** One byte: the count 0. What a record without headers has. */
export const NO_HEADERS_SIZE = 1

/** Bytes of the headers, their count included. */
export function headersSize(headers: readonly Header[]): number {
  let size = intSize(headers.length)
  for (const header of headers) {
    const keyBytes = Buffer.byteLength(header.key)
    size += intSize(keyBytes) + keyBytes
    size += header.value === null ? 1 : intSize(header.value.length) + header.value.length
  }
  return size
}

/** Writes the headers, their count first; returns the position after them. Room is the caller's business. */
export function writeHeaders(bytes: Buffer, at: number, headers: readonly Header[]): number {
  at = writeInt(bytes, at, headers.length)
  for (const header of headers) {
    const keyBytes = Buffer.byteLength(header.key)
    at = writeInt(bytes, at, keyBytes)
    at += bytes.write(header.key, at, keyBytes, 'utf8')
    const value = header.value
    if (value === null) {
      at = writeInt(bytes, at, -1)
    } else {
      at = writeInt(bytes, at, value.length)
      bytes.set(value, at)
      at += value.length
    }
  }
  return at
}

/**
 * Reads headers that were checked before (the cursor checks every record it stops at). The values are views of
 * `bytes`.
 */
export function readHeaders(bytes: Buffer, start: number): Header[] {
  const reader = new HeaderReader(bytes, start)
  const headers: Header[] = []
  for (let left = reader.int(); left > 0; left--) {
    const key = reader.text(reader.int())
    headers.push({ key, value: reader.view(reader.int()) })
  }
  return headers
}

class HeaderReader {
  readonly #bytes: Buffer
  #at: number

  constructor(bytes: Buffer, start: number) {
    this.#bytes = bytes
    this.#at = start
  }

  int(): number {
    let zigzag = 0
    for (let shift = 0; ; shift += 7) {
      const byte = this.#bytes[this.#at++]!
      zigzag |= (byte & 0x7f) << shift
      if (byte < 0x80) return (zigzag >>> 1) ^ -(zigzag & 1)
    }
  }

  text(length: number): string {
    const start = this.#at
    this.#at += length
    return this.#bytes.toString('utf8', start, this.#at)
  }

  view(length: number): Buffer | null {
    if (length < 0) return null
    const start = this.#at
    this.#at += length
    return this.#bytes.subarray(start, this.#at)
  }
}
