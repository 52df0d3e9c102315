/**
 * Avro object container files, of the Avro specification 1.11: magic `Obj` 1, a map of metadata, a sync marker of 16
 * bytes; then blocks: count, size, values, marker. The values of a block are told apart by reading them as an array,
 * whose encoding is the same but for a zero at its end.
 */
import { inflateRawSync, zstdDecompressSync } from 'node:zlib'
import { AldebaranError } from '../errors.ts'
import { schemaFromStored } from '../schema/stored.ts'

const MAGIC = Buffer.from([0x4f, 0x62, 0x6a, 1])
const SYNC_BYTES = 16

const CODECS: Readonly<Record<string, (block: Buffer) => Buffer>> = {
  null: block => block,
  deflate: block => inflateRawSync(block),
  zstandard: block => zstdDecompressSync(block),
}

export function isAvroFile(bytes: Buffer): boolean {
  return bytes.subarray(0, MAGIC.length).equals(MAGIC)
}

/** The values of a container file as JSON, a block at a time. Throws VALUE_UNDECODABLE. */
export function* avroFileBlocks(bytes: Buffer): Generator<unknown[]> {
  const cursor = new Cursor(bytes, MAGIC.length)
  const metadata = new Map<string, Buffer>()
  for (let count = cursor.long(); count !== 0; count = cursor.long()) {
    if (count < 0) cursor.long()
    for (let i = 0; i < Math.abs(count); i++)
      metadata.set(cursor.take(cursor.long()).toString(), cursor.take(cursor.long()))
  }
  const sync = cursor.take(SYNC_BYTES)
  const definition = metadata.get('avro.schema')
  if (definition === undefined) throw undecodable('the file has no schema', cursor.at)
  const name = metadata.get('avro.codec')?.toString() ?? 'null'
  const codec = Object.hasOwn(CODECS, name) ? CODECS[name] : undefined
  if (codec === undefined)
    throw undecodable(`its codec ${name} is not one of ${Object.keys(CODECS).join(', ')}`, cursor.at)
  const array = schemaFromStored('avro', `{"type":"array","items":${definition}}`)
  while (cursor.at < bytes.length) {
    const start = cursor.at
    const count = cursor.take(cursor.longBytes())
    const block = codec(cursor.take(cursor.long()))
    if (!cursor.take(SYNC_BYTES).equals(sync))
      throw undecodable('the block is not ended by the marker of the file', start)
    const encoded = Buffer.concat([count, block, Buffer.from([0])])
    yield array.toJson(array.decode(encoded, 0, encoded.length)) as unknown[]
  }
}

class Cursor {
  at: number
  readonly #bytes: Buffer

  constructor(bytes: Buffer, at: number) {
    this.#bytes = bytes
    this.at = at
  }

  /** A zigzag number; the sizes of a file fit a double. */
  long(): number {
    let value = 0
    let scale = 1
    for (;;) {
      const byte = this.take(1)[0]!
      value += (byte & 0x7f) * scale
      if (byte < 0x80) break
      scale *= 128
      if (scale > 2 ** 49) throw undecodable('a number is too large', this.at)
    }
    return value % 2 === 0 ? value / 2 : -(value + 1) / 2
  }

  /** How many bytes the next number takes. */
  longBytes(): number {
    let end = this.at
    while (end < this.#bytes.length && this.#bytes[end]! >= 0x80) end++
    return end + 1 - this.at
  }

  take(length: number): Buffer {
    if (length < 0 || this.at + length > this.#bytes.length) throw undecodable('the file is cut off', this.at)
    this.at += length
    return this.#bytes.subarray(this.at - length, this.at)
  }
}

function undecodable(reason: string, position: number): AldebaranError {
  return new AldebaranError('VALUE_UNDECODABLE', `the Avro file cannot be read: ${reason}`, { position })
}
