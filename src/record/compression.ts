import { createRequire } from 'node:module'
import { gunzipSync, gzipSync, zstdCompressSync, zstdDecompressSync } from 'node:zlib'
import { AldebaranError, messageOf } from '../errors.ts'
import { MAX_BATCH_BYTES } from './layout.ts'
import { checkLz4Size } from './lz4-size.ts'
import { compressXerial, decompressSnappy, type SnappyCodec } from './snappy-framing.ts'

/**
 * The codecs of a batch's records. The number of a codec in the attributes of a batch is its index in `COMPRESSIONS`.
 *
 * 1. Nothing decompresses to more than `maxBytes`: a small batch cannot fill the memory. Checked before the memory
 *    is taken, for every codec.
 * 2. Bytes that do not decompress throw BATCH_CORRUPT.
 */
export const COMPRESSIONS = ['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const

export type Compression = (typeof COMPRESSIONS)[number]

export const NONE = 0
export const GZIP = 1
export const SNAPPY = 2
export const LZ4 = 3
export const ZSTD = 4

interface Lz4Codec {
  compressFrameSync(data: Buffer): Buffer
  decompressFrameSync(data: Buffer): Buffer
}

// The native codecs are loaded by the first batch that needs them: most processes never do.
let snappy: SnappyCodec | null = null
let lz4: Lz4Codec | null = null

function loadSnappy(): SnappyCodec {
  snappy ??= createRequire(import.meta.url)('snappy') as SnappyCodec
  return snappy
}

function loadLz4(): Lz4Codec {
  lz4 ??= createRequire(import.meta.url)('lz4-napi') as Lz4Codec
  return lz4
}

/** The attribute bits of a codec. Throws OPTION_INVALID for a name that is none. */
export function compressionCode(compression: Compression): number {
  const code = COMPRESSIONS.indexOf(compression)
  if (code >= 0) return code
  throw new AldebaranError(
    'OPTION_INVALID',
    `compression is ${JSON.stringify(compression)}: use one of ${COMPRESSIONS.join(', ')}`,
  )
}

/** Compresses with the codec `code`, in the framing that Kafka's own clients write. */
export function compress(code: number, data: Buffer): Buffer {
  switch (code) {
    case GZIP:
      return gzipSync(data)
    case SNAPPY:
      return compressXerial(loadSnappy(), data)
    case LZ4:
      return loadLz4().compressFrameSync(data)
    case ZSTD:
      return zstdCompressSync(data)
    default:
      return data
  }
}

/**
 * Decompresses what the codec `code` (1 to 4) wrote, to at most `maxBytes` bytes.
 * @throws AldebaranError BATCH_CORRUPT when the bytes are damaged or become larger than that.
 */
export function decompress(code: number, data: Buffer, maxBytes: number = MAX_BATCH_BYTES): Buffer {
  let plain: Buffer
  try {
    plain = decompressWith(code, data, maxBytes)
  } catch (error) {
    if (error instanceof AldebaranError) throw error
    throw new AldebaranError(
      'BATCH_CORRUPT',
      `${COMPRESSIONS[code]} does not decompress: ${messageOf(error)}`,
      {},
      error,
    )
  }
  if (plain.length > maxBytes) throw tooLarge(code, maxBytes)
  // Native codecs return buffers of another hidden class; one class keeps the loops that read them monomorphic.
  return Buffer.from(plain.buffer, plain.byteOffset, plain.length)
}

function decompressWith(code: number, data: Buffer, maxBytes: number): Buffer {
  switch (code) {
    case GZIP:
      return gunzipSync(data, { maxOutputLength: maxBytes })
    case SNAPPY:
      return decompressSnappy(loadSnappy(), data, maxBytes)
    case LZ4:
      checkLz4Size(data, maxBytes)
      return loadLz4().decompressFrameSync(data)
    case ZSTD:
      return zstdDecompressSync(data, { maxOutputLength: maxBytes })
    default:
      return data
  }
}

function tooLarge(code: number, maxBytes: number): AldebaranError {
  return new AldebaranError('BATCH_CORRUPT', `${COMPRESSIONS[code]} decompresses to more than ${maxBytes} bytes`)
}
