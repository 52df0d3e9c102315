import { AldebaranError } from '../errors.ts'
import { readInt32, writeInt32 } from './layout.ts'

/**
 * Snappy as Kafka carries it. Kafka's Java clients write the stream of xerial's snappy-java: a header, then chunks of
 * an int32 length and one raw Snappy block each. Other clients write one raw block. Both are read; the stream is
 * written.
 */
export interface SnappyCodec {
  compressSync(data: Buffer): Buffer
  uncompressSync(data: Buffer): Buffer | string
}

/** 0x82 'SNAPPY' 0x00. No raw block begins so: after its size, 0x82 0x53, the 'N' would copy from before the start. */
const MAGIC = [0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0x00] as const
/** The magic, then two int32: version and lowest compatible version, both 1. */
const HEADER_BYTES = 16
/** Snappy looks back at most this far, so that larger chunks would not compress better. */
const CHUNK_BYTES = 64 * 1024

export function compressXerial(codec: SnappyCodec, data: Buffer): Buffer {
  const parts: Buffer[] = [xerialHeader()]
  for (let start = 0; start < data.length; start += CHUNK_BYTES) {
    const block = codec.compressSync(data.subarray(start, Math.min(start + CHUNK_BYTES, data.length)))
    const length = Buffer.allocUnsafe(4)
    writeInt32(length, 0, block.length)
    parts.push(length, block)
  }
  return Buffer.concat(parts)
}

function xerialHeader(): Buffer {
  const header = Buffer.alloc(HEADER_BYTES)
  header.set(MAGIC)
  writeInt32(header, 8, 1)
  writeInt32(header, 12, 1)
  return header
}

/** Throws BATCH_CORRUPT, or what the codec throws, for bytes that are damaged or become larger than `maxBytes`. */
export function decompressSnappy(codec: SnappyCodec, data: Buffer, maxBytes: number): Buffer {
  if (!isXerial(data)) {
    if (uncompressedSize(data, 0, data.length) > maxBytes) throw corrupt(`decompresses to more than ${maxBytes} bytes`)
    return codec.uncompressSync(data) as Buffer
  }
  let total = 0
  for (let at = HEADER_BYTES; at < data.length; ) {
    const end = chunkEnd(data, at)
    total += uncompressedSize(data, at + 4, end)
    if (total > maxBytes) throw corrupt(`decompresses to more than ${maxBytes} bytes`)
    at = end
  }
  const plain = Buffer.allocUnsafeSlow(total)
  let written = 0
  for (let at = HEADER_BYTES; at < data.length; ) {
    const end = chunkEnd(data, at)
    const chunk = codec.uncompressSync(data.subarray(at + 4, end)) as Buffer
    written += chunk.copy(plain, written)
    at = end
  }
  return plain
}

function isXerial(data: Buffer): boolean {
  if (data.length < HEADER_BYTES) return false
  for (let at = 0; at < MAGIC.length; at++) if (data[at] !== MAGIC[at]) return false
  return true
}

function chunkEnd(data: Buffer, at: number): number {
  if (at + 4 > data.length) throw corrupt('ends within the length of a chunk')
  const length = readInt32(data, at)
  if (length < 0 || length > data.length - at - 4) throw corrupt('has a chunk that goes on after the end')
  return at + 4 + length
}

/** The size a raw block says at its beginning: a varint of at most five bytes, without zigzag. */
function uncompressedSize(data: Buffer, start: number, end: number): number {
  let size = 0
  for (let at = start; at < end && at < start + 5; at++) {
    const byte = data[at]!
    size += (byte & 0x7f) * 2 ** (7 * (at - start))
    if (byte < 0x80) return size
  }
  throw corrupt('has a block without a size')
}

function corrupt(reason: string): AldebaranError {
  return new AldebaranError('BATCH_CORRUPT', `snappy ${reason}`)
}
