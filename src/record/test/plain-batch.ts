/**
 * RecordBatch v2 once more, in the plainest way and with nothing of the code under test: an object per record, BigInt
 * varints, straight from the protocol's description (https://kafka.apache.org/documentation/#recordbatch).
 */
import { createRequire } from 'node:module'
import { gunzipSync, gzipSync, zstdCompressSync, zstdDecompressSync } from 'node:zlib'

const require = createRequire(import.meta.url)
const snappy = require('snappy') as { compressSync(data: Buffer): Buffer; uncompressSync(data: Buffer): Buffer }
const lz4 = require('lz4-napi') as {
  compressFrameSync(data: Buffer): Buffer
  decompressFrameSync(data: Buffer): Buffer
}

export interface PlainHeader {
  key: string
  value: Buffer | null
}

export interface PlainRecord {
  timestamp: bigint
  offset: bigint
  key: Buffer | null
  value: Buffer | null
  headers: PlainHeader[]
}

export interface PlainBatch {
  baseOffset: bigint
  lastOffsetDelta: number
  attributes: number
  baseTimestamp: bigint
  maxTimestamp: bigint
  producerId: bigint
  producerEpoch: number
  baseSequence: number
  records: PlainRecord[]
}

export function plainCrc32c(bytes: Buffer): number {
  let crc = 0xffffffff
  for (const byte of bytes) {
    crc ^= byte
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1
  }
  return (crc ^ 0xffffffff) >>> 0
}

export function plainVarint(value: bigint): Buffer {
  let rest = value < 0n ? -2n * value - 1n : 2n * value
  const bytes: number[] = []
  while (rest > 127n) {
    bytes.push(Number(rest % 128n) + 128)
    rest /= 128n
  }
  bytes.push(Number(rest))
  return Buffer.from(bytes)
}

function sized(bytes: Buffer | null): Buffer {
  return bytes === null ? plainVarint(-1n) : Buffer.concat([plainVarint(BigInt(bytes.length)), bytes])
}

export function plainRecord(record: PlainRecord, baseOffset: bigint, baseTimestamp: bigint): Buffer {
  const body = Buffer.concat([
    Buffer.from([0]),
    plainVarint(record.timestamp - baseTimestamp),
    plainVarint(record.offset - baseOffset),
    sized(record.key),
    sized(record.value),
    plainVarint(BigInt(record.headers.length)),
    ...record.headers.flatMap(header => [sized(Buffer.from(header.key)), sized(header.value)]),
  ])
  return sized(body)
}

export function plainCompress(codec: number, bytes: Buffer): Buffer {
  const codecs = [
    (data: Buffer) => data,
    (data: Buffer) => gzipSync(data),
    (data: Buffer) => snappy.compressSync(data),
    (data: Buffer) => lz4.compressFrameSync(data),
    (data: Buffer) => zstdCompressSync(data),
  ]
  return codecs[codec]!(bytes)
}

function plainDecompress(codec: number, bytes: Buffer): Buffer {
  if (codec === 0) return bytes
  if (codec === 1) return gunzipSync(bytes)
  if (codec === 3) return lz4.decompressFrameSync(bytes)
  if (codec === 4) return zstdDecompressSync(bytes)
  if (bytes.toString('latin1', 0, 8) !== '\x82SNAPPY\0') return snappy.uncompressSync(bytes)
  const chunks: Buffer[] = []
  for (let at = 16; at < bytes.length; ) {
    const size = bytes.readInt32BE(at)
    chunks.push(snappy.uncompressSync(bytes.subarray(at + 4, at + 4 + size)))
    at += 4 + size
  }
  return Buffer.concat(chunks)
}

/** The batch as bytes. `records` replaces the uncompressed bytes of its records. */
export function plainEncode(batch: PlainBatch, records?: Buffer): Buffer {
  const plain =
    records ?? Buffer.concat(batch.records.map(record => plainRecord(record, batch.baseOffset, batch.baseTimestamp)))
  const body = plainCompress(batch.attributes & 7, plain)
  const checked = Buffer.alloc(40)
  checked.writeInt16BE(batch.attributes, 0)
  checked.writeInt32BE(batch.lastOffsetDelta, 2)
  checked.writeBigInt64BE(batch.baseTimestamp, 6)
  checked.writeBigInt64BE(batch.maxTimestamp, 14)
  checked.writeBigInt64BE(batch.producerId, 22)
  checked.writeInt16BE(batch.producerEpoch, 30)
  checked.writeInt32BE(batch.baseSequence, 32)
  checked.writeInt32BE(batch.records.length, 36)
  const head = Buffer.alloc(21)
  head.writeBigInt64BE(batch.baseOffset, 0)
  head.writeInt32BE(9 + checked.length + body.length, 8)
  head.writeInt32BE(-1, 12)
  head[16] = 2
  head.writeUInt32BE(plainCrc32c(Buffer.concat([checked, body])), 17)
  return Buffer.concat([head, checked, body])
}

function unzigzag(value: bigint): bigint {
  return value % 2n === 0n ? value / 2n : -(value + 1n) / 2n
}

class PlainReader {
  readonly bytes: Buffer
  at = 0

  constructor(bytes: Buffer) {
    this.bytes = bytes
  }

  take(count: number): Buffer {
    if (count < 0 || this.at + count > this.bytes.length) throw new Error('too short')
    this.at += count
    return this.bytes.subarray(this.at - count, this.at)
  }

  unsigned(mostBytes: number): bigint {
    let value = 0n
    for (let index = 0; index < mostBytes; index++) {
      const byte = this.take(1)[0]!
      value += BigInt(byte & 127) << BigInt(7 * index)
      if (byte < 128) return value
    }
    throw new Error('varint too long')
  }

  long(): bigint {
    return unzigzag(this.unsigned(10))
  }

  int(): number {
    // As in Java, bits of the fifth byte that an int has no room for are dropped.
    return Number(unzigzag(BigInt.asUintN(32, this.unsigned(5))))
  }

  sized(): Buffer | null {
    const size = this.int()
    if (size < -1) throw new Error('negative size')
    return size === -1 ? null : this.take(size)
  }
}

/** Decodes exactly one batch; throws an Error for anything that is not as it should be. */
export function plainDecode(bytes: Buffer): PlainBatch {
  if (bytes.length !== bytes.readInt32BE(8) + 12) throw new Error('length')
  if (bytes[16] !== 2) throw new Error('magic')
  if (bytes.readUInt32BE(17) !== plainCrc32c(bytes.subarray(21))) throw new Error('crc')
  const batch: PlainBatch = {
    baseOffset: bytes.readBigInt64BE(0),
    attributes: bytes.readInt16BE(21),
    lastOffsetDelta: bytes.readInt32BE(23),
    baseTimestamp: bytes.readBigInt64BE(27),
    maxTimestamp: bytes.readBigInt64BE(35),
    producerId: bytes.readBigInt64BE(43),
    producerEpoch: bytes.readInt16BE(51),
    baseSequence: bytes.readInt32BE(53),
    records: [],
  }
  const count = bytes.readInt32BE(57)
  const run = new PlainReader(plainDecompress(batch.attributes & 7, bytes.subarray(61)))
  let previous = -1
  for (let index = 0; index < count; index++) {
    const size = run.int()
    const reader = new PlainReader(run.take(size))
    reader.take(1)
    const timestampDelta = reader.long()
    const offsetDelta = reader.int()
    if (offsetDelta <= previous || offsetDelta > batch.lastOffsetDelta) throw new Error('offset delta')
    previous = offsetDelta
    const key = reader.sized()
    const value = reader.sized()
    const headers: PlainHeader[] = []
    const headerCount = reader.int()
    if (headerCount < 0) throw new Error('header count')
    for (let header = 0; header < headerCount; header++) {
      const name = reader.sized()
      if (name === null) throw new Error('header key')
      headers.push({ key: name.toString(), value: reader.sized() })
    }
    if (reader.at !== size) throw new Error('record size')
    const timestamp = batch.attributes & 8 ? batch.maxTimestamp : batch.baseTimestamp + timestampDelta
    for (const number of [timestamp, timestampDelta]) {
      if (!Number.isSafeInteger(Number(number))) throw new Error('timestamp')
    }
    batch.records.push({ timestamp, offset: batch.baseOffset + BigInt(offsetDelta), key, value, headers })
  }
  if (run.at !== run.bytes.length) throw new Error('bytes left')
  return batch
}
