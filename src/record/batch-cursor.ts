/**
 * Reads records from a run of RecordBatch v2 bytes without making an object per record.
 *
 * 1. Only a batch with a right length and CRC is entered; one that is `verified` had its CRC checked before.
 * 2. No byte outside the records of the batch is read: each field leaves at least the bytes that must follow it.
 * 3. The records of a batch use all of its bytes, their count is that of the header, and their offsets ascend.
 * 4. A field of the cursor keeps its representation (offsets and timestamps are doubles, positions small integers),
 *    so that the loop that reads it is compiled once and allocates nothing.
 * 5. After it threw, a cursor must be reset.
 */

import type { AldebaranError } from '../errors.ts'
import { refused } from './batch-header.ts'
import { BatchReader } from './batch-reader.ts'
import { type Header, readHeaders } from './headers.ts'
import { SMALLEST_RECORD } from './layout.ts'
import { MAX_INT_BYTES, MAX_LONG_BYTES } from './varint.ts'

export class BatchCursor extends BatchReader {
  // The record. Valid after next() answered true.
  offset = Number.NaN
  /** ms since 1970; -1 when the producer gave none. */
  timestamp = Number.NaN
  /** -1: the key is null. */
  keyStart = -1
  keyEnd = -1
  /** -1: the value is null. */
  valueStart = -1
  valueEnd = -1
  headerCount = 0
  /** The headers as they are, their count first: what `BatchWriter.appendWithRawHeaders` takes. */
  headersStart = 0
  headersEnd = 0

  /** Where a varint of more than two bytes ended. */
  #after = 0

  /**
   * Goes to the next record of the batch. False: it has no more.
   * @throws AldebaranError BATCH_CORRUPT for a record that is malformed although the CRC is right.
   */
  next(): boolean {
    if (this.left === 0) return false
    this.left--
    const bytes = this.bytes
    let at = this.position
    if (at > this.recordsEnd - SMALLEST_RECORD) throw this.#malformed('no bytes left')

    // Each varint: one byte, else two, else the slow way. The limit of each leaves room for the fields after it.
    let zigzag = bytes[at++]!
    if (zigzag >= 0x80) {
      const second = bytes[at]!
      if (second < 0x80) {
        zigzag = (zigzag & 0x7f) | (second << 7)
        at++
      } else {
        zigzag = this.#int(at - 1, this.recordsEnd - SMALLEST_RECORD + 1)
        at = this.#after
      }
    }
    const length = (zigzag >>> 1) ^ -(zigzag & 1)
    if (length < SMALLEST_RECORD - 1 || length > this.recordsEnd - at) throw this.#malformed(`a length of ${length}`)
    const end = at + length
    at++ // attributes of a record: none are defined

    let timestampDelta = bytes[at++]!
    if (timestampDelta < 0x80) {
      timestampDelta = (timestampDelta >>> 1) ^ -(timestampDelta & 1)
    } else {
      const second = bytes[at]!
      if (second < 0x80 && at < end - 4) {
        const two = (timestampDelta & 0x7f) | (second << 7)
        timestampDelta = (two >>> 1) ^ -(two & 1)
        at++
      } else {
        timestampDelta = this.#long(at - 1, end - 4)
        at = this.#after
      }
    }

    zigzag = bytes[at++]!
    if (zigzag >= 0x80) {
      const second = bytes[at]!
      if (second < 0x80 && at < end - 3) {
        zigzag = (zigzag & 0x7f) | (second << 7)
        at++
      } else {
        zigzag = this.#int(at - 1, end - 3)
        at = this.#after
      }
    }
    const offsetDelta = (zigzag >>> 1) ^ -(zigzag & 1)

    zigzag = bytes[at++]!
    if (zigzag >= 0x80) {
      zigzag = this.#int(at - 1, end - 2)
      at = this.#after
    }
    let size = (zigzag >>> 1) ^ -(zigzag & 1)
    if (size >= 0) {
      if (size > end - 2 - at) throw this.#malformed(`a key of ${size} bytes`)
      this.keyStart = at
      at += size
      this.keyEnd = at
    } else {
      if (size !== -1) throw this.#malformed(`a key of ${size} bytes`)
      this.keyStart = -1
      this.keyEnd = -1
    }

    zigzag = bytes[at++]!
    if (zigzag >= 0x80) {
      const second = bytes[at]!
      if (second < 0x80 && at < end - 1) {
        zigzag = (zigzag & 0x7f) | (second << 7)
        at++
      } else {
        zigzag = this.#int(at - 1, end - 1)
        at = this.#after
      }
    }
    size = (zigzag >>> 1) ^ -(zigzag & 1)
    if (size >= 0) {
      if (size > end - 1 - at) throw this.#malformed(`a value of ${size} bytes`)
      this.valueStart = at
      at += size
      this.valueEnd = at
    } else {
      if (size !== -1) throw this.#malformed(`a value of ${size} bytes`)
      this.valueStart = -1
      this.valueEnd = -1
    }

    this.headersStart = at
    this.headersEnd = end
    if (bytes[at] === 0) {
      this.headerCount = 0
      if (at + 1 !== end) throw this.#malformed('bytes after its end')
    } else {
      this.#checkHeaders(at, end)
    }

    if (offsetDelta <= this.previousDelta || offsetDelta > this.lastDelta) {
      throw this.#malformed(`offset delta ${offsetDelta} after ${this.previousDelta} of ${this.lastDelta}`)
    }
    this.previousDelta = offsetDelta
    this.offset = this.baseOffset + offsetDelta
    this.timestamp = this.isLogAppendTime ? this.maxTimestamp : this.baseTimestamp + timestampDelta
    if (this.timestamp > Number.MAX_SAFE_INTEGER || this.timestamp < Number.MIN_SAFE_INTEGER) {
      throw this.#malformed('a timestamp beyond 2^53')
    }
    this.position = end
    if (this.left === 0 && end !== this.recordsEnd) throw this.#malformed('bytes after the last record')
    return true
  }

  /** The headers of the record, as a new array; the values are views of `bytes`. */
  headers(): Header[] {
    return this.headerCount === 0 ? [] : readHeaders(this.bytes, this.headersStart)
  }

  /** Walks the headers and sets their count. The slow way: few records have any. */
  #checkHeaders(start: number, end: number): void {
    const count = unzigzag(this.#int(start, end))
    // A header has at least a byte for each of its two lengths.
    if (count < 0 || count * 2 > end - this.#after) throw this.#malformed(`${count} headers`)
    for (let index = 0; index < count; index++) {
      const keyLength = unzigzag(this.#int(this.#after, end))
      if (keyLength < 0 || keyLength > end - this.#after) throw this.#malformed(`a header key of ${keyLength} bytes`)
      const valueLength = unzigzag(this.#int(this.#after + keyLength, end))
      if (valueLength < -1 || valueLength > end - this.#after) {
        throw this.#malformed(`a header value of ${valueLength} bytes`)
      }
      if (valueLength > 0) this.#after += valueLength
    }
    if (this.#after !== end) throw this.#malformed('bytes after its headers')
    this.headerCount = count
  }

  /** A 32-bit varint of any length at `at`, still zigzag, that ends by `limit`. Sets `#after`. */
  #int(at: number, limit: number): number {
    const last = Math.min(limit, at + MAX_INT_BYTES)
    let value = 0
    for (let shift = 0; at < last; shift += 7) {
      const byte = this.bytes[at++]!
      value |= (byte & 0x7f) << shift
      if (byte < 0x80) {
        this.#after = at
        return value
      }
    }
    throw this.#malformed('a varint without end')
  }

  /** A 64-bit varint, decoded, in doubles: sign and six bits, then seven bits a byte. */
  #long(at: number, limit: number): number {
    const last = Math.min(limit, at + MAX_LONG_BYTES)
    if (at < last) {
      let byte = this.bytes[at++]!
      const negative = (byte & 1) !== 0
      let magnitude = (byte & 0x7f) >>> 1
      let weight = 64
      while (byte >= 0x80 && at < last) {
        byte = this.bytes[at++]!
        magnitude += (byte & 0x7f) * weight
        weight *= 128
      }
      if (byte < 0x80) {
        if (magnitude > Number.MAX_SAFE_INTEGER) throw this.#malformed('a timestamp delta beyond 2^53')
        this.#after = at
        return negative ? -magnitude - 1 : magnitude
      }
    }
    throw this.#malformed('a varint without end')
  }

  #malformed(reason: string): AldebaranError {
    const index = this.count - this.left - 1
    return refused(this.source, this.batchStart, 'BATCH_CORRUPT', `has, at record ${index}, ${reason}`)
  }
}

function unzigzag(zigzag: number): number {
  return (zigzag >>> 1) ^ -(zigzag & 1)
}
