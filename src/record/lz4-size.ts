import { AldebaranError } from '../errors.ts'

/**
 * The decompressed size of an LZ4 frame, found before decompressing it: the codec has no limit of its own.
 * Format: "LZ4 Frame Format" 1.6 and "LZ4 Block Format" (https://github.com/lz4/lz4/tree/dev/doc), little-endian.
 */

/** A block cannot grow by more: a byte of a length adds at most 255 bytes. */
const MOST_GROWTH = 255

const MAGIC = 0x184d2204
const BLOCK_CHECKSUMS = 0x10
const CONTENT_SIZE = 0x08
const CONTENT_CHECKSUM = 0x04
const DICTIONARY = 0x01
const STORED = 0x8000_0000

/**
 * Throws BATCH_CORRUPT when the first frame of `data` is larger than `maxBytes` once decompressed, or is no frame.
 * Costs nothing for frames so small that they cannot be.
 */
export function checkLz4Size(data: Buffer, maxBytes: number): void {
  if (data.length < 11) throw corrupt('is shorter than the smallest frame')
  if (data.length * MOST_GROWTH <= maxBytes) return
  if (data.readUInt32LE(0) !== MAGIC) throw corrupt('does not begin as a frame does')
  const flags = data[4]!
  let at = 7 + (flags & CONTENT_SIZE ? 8 : 0) + (flags & DICTIONARY ? 4 : 0)
  const checksumBytes = flags & BLOCK_CHECKSUMS ? 4 : 0
  let total = 0
  for (;;) {
    if (at + 4 > data.length) throw corrupt('ends before its end mark')
    const header = data.readUInt32LE(at)
    at += 4
    if (header === 0) break
    const size = header >= STORED ? header - STORED : header
    if (size > data.length - at) throw corrupt('has a block that goes on after the end')
    total += header >= STORED ? size : blockSize(data, at, at + size, maxBytes - total)
    if (total > maxBytes) throw corrupt(`decompresses to more than ${maxBytes} bytes`)
    at += size + checksumBytes
  }
  // Anything after the frame would be decompressed unmeasured.
  if (at + (flags & CONTENT_CHECKSUM ? 4 : 0) !== data.length) throw corrupt('goes on after its end mark')
}

/** Adds up the literals and matches of a block; stops early once they are more than `limit`. */
function blockSize(data: Buffer, start: number, end: number, limit: number): number {
  let total = 0
  let at = start
  while (at < end && total <= limit) {
    const token = data[at++]!
    let literals = token >>> 4
    if (literals === 15) {
      let more = 255
      while (more === 255 && at < end) {
        more = data[at++]!
        literals += more
      }
    }
    total += literals
    at += literals
    if (at >= end) break // the last sequence has no match
    at += 2
    let match = (token & 15) + 4
    if (match === 19) {
      let more = 255
      while (more === 255 && at < end) {
        more = data[at++]!
        match += more
      }
    }
    total += match
  }
  return total
}

function corrupt(reason: string): AldebaranError {
  return new AldebaranError('BATCH_CORRUPT', `lz4 ${reason}`)
}
