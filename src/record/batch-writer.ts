/**
 * Writes one RecordBatch v2 after another into a buffer it reuses.
 *
 * 1. Offsets of a batch count from 0 without gaps; the log sets the base offset.
 * 2. Timestamps are relative to that of the first record, which may be newer than others.
 * 3. Before `finish` the header's 61 bytes are undefined; `finish` writes them all, the CRC last.
 * 4. `append` and `rewind` leave a batch that `finish` can finish, also when they throw.
 */
import { AldebaranError } from '../errors.ts'
import { type Compression, compress, compressionCode, NONE } from './compression.ts'
import { crc32c } from './crc32c.ts'
import { type Header, headersSize, NO_HEADERS_SIZE, writeHeaders } from './headers.ts'
import {
  ATTRIBUTES,
  BASE_OFFSET,
  BASE_SEQUENCE,
  BASE_TIMESTAMP,
  CONTROL,
  CRC,
  LAST_OFFSET_DELTA,
  LENGTH,
  LENGTH_OVERHEAD,
  MAGIC,
  MAX_BATCH_BYTES,
  MAX_TIMESTAMP,
  PARTITION_LEADER_EPOCH,
  PRODUCER_EPOCH,
  PRODUCER_ID,
  RECORD_COUNT,
  RECORDS,
  SUPPORTED_MAGIC,
  TRANSACTIONAL,
  writeInt16,
  writeInt32,
  writeInt64,
} from './layout.ts'
import { intSize, longSize, writeInt, writeLong } from './varint.ts'

export interface BatchWriterOptions {
  /** Default: 'none'. A batch that would not become smaller is written uncompressed. */
  compression?: Compression
  /** The buffer to begin with, in bytes; it grows by doubling. Default: 16 KiB. */
  initialBytes?: number
}

/** A place in the open batch, to `rewind` to. Belongs to the batch and the writer that gave it. */
export interface BatchMark {
  batch: number
  count: number
  bytes: number
  maxTimestamp: number
}

/** Up to here a loop over the bytes is faster than a call of `copy`. */
const LOOP_COPY_BYTES = 48

export class BatchWriter {
  #bytes: Buffer
  #position = RECORDS
  #count = 0
  #baseTimestamp = Number.NaN
  #maxTimestamp = Number.NaN
  /** Counts `begin`, so that a mark of an older batch is known. */
  #batch = 0
  readonly #codec: number
  /** Where a compressed batch is put together; empty until there is one. */
  #compressed: Buffer = Buffer.alloc(0)
  #producerId = -1n
  #producerEpoch = -1
  #baseSequence = -1
  #attributes = 0

  constructor(options: BatchWriterOptions = {}) {
    this.#codec = compressionCode(options.compression ?? 'none')
    this.#bytes = Buffer.allocUnsafeSlow(Math.max(options.initialBytes ?? 16 * 1024, RECORDS))
  }

  /** Records in the open batch. */
  get count(): number {
    return this.#count
  }

  /** Bytes of the open batch so far, uncompressed, the header included. */
  get bytes(): number {
    return this.#position
  }

  /** Starts a batch, or drops the open one and starts again. A new writer is already at the start of one. */
  begin(): void {
    this.#position = RECORDS
    this.#count = 0
    this.#batch++
  }

  /**
   * Sets what transactional and idempotent producers put into the header. Stays for this and later batches until set
   * again; by default -1, -1, -1, false.
   */
  setProducer(id: bigint, epoch: number, baseSequence: number, transactional: boolean): void {
    this.#producerId = id
    this.#producerEpoch = epoch
    this.#baseSequence = baseSequence
    this.#attributes = (this.#attributes & ~TRANSACTIONAL) | (transactional ? TRANSACTIONAL : 0)
  }

  /** Makes this and later batches control batches: markers of a transaction's end, invisible to applications. */
  setControl(control: boolean): void {
    this.#attributes = (this.#attributes & ~CONTROL) | (control ? CONTROL : 0)
  }

  /**
   * Appends a record; copies its bytes.
   *
   * @param timestamp ms since 1970, a safe integer; -1 for none.
   * @param key its bytes are `key[keyStart, keyEnd)`; no key: null, or a `keyStart` of -1. The value likewise.
   * @throws AldebaranError BATCH_TOO_LARGE when the batch would have more than 128 MiB; VALUE_INVALID for a timestamp
   *   that is no safe integer or a range outside its array. The batch is as before then.
   */
  append(
    timestamp: number,
    key: Uint8Array | null,
    keyStart: number,
    keyEnd: number,
    value: Uint8Array | null,
    valueStart: number,
    valueEnd: number,
    headers: readonly Header[] | null = null,
  ): void {
    if (headers === null || headers.length === 0) {
      const at = this.#record(timestamp, key, keyStart, keyEnd, value, valueStart, valueEnd, NO_HEADERS_SIZE)
      this.#bytes[at] = 0
    } else {
      const size = headersSize(headers)
      const at = this.#record(timestamp, key, keyStart, keyEnd, value, valueStart, valueEnd, size)
      writeHeaders(this.#bytes, at, headers)
    }
  }

  /**
   * As `append`, with headers copied from another batch as they are: `headersStart` and `headersEnd` of the cursor
   * that is at the record.
   */
  appendWithRawHeaders(
    timestamp: number,
    key: Uint8Array | null,
    keyStart: number,
    keyEnd: number,
    value: Uint8Array | null,
    valueStart: number,
    valueEnd: number,
    headers: Uint8Array,
    headersStart: number,
    headersEnd: number,
  ): void {
    const size = headersEnd - headersStart
    const at = this.#record(timestamp, key, keyStart, keyEnd, value, valueStart, valueEnd, size)
    copyBytes(headers, headersStart, headersEnd, this.#bytes, at)
  }

  /** Writes all of a record but its headers; returns where they go. */
  #record(
    timestamp: number,
    key: Uint8Array | null,
    keyStart: number,
    keyEnd: number,
    value: Uint8Array | null,
    valueStart: number,
    valueEnd: number,
    headersBytes: number,
  ): number {
    const first = this.#count === 0
    const timestampDelta = first ? 0 : timestamp - this.#baseTimestamp
    if (!Number.isSafeInteger(timestamp) || !Number.isSafeInteger(timestampDelta)) throw invalidTimestamp(timestamp)
    const keyLength = lengthOf(key, keyStart, keyEnd)
    const valueLength = lengthOf(value, valueStart, valueEnd)
    const size =
      1 +
      longSize(timestampDelta) +
      intSize(this.#count) +
      intSize(keyLength) +
      Math.max(keyLength, 0) +
      intSize(valueLength) +
      Math.max(valueLength, 0) +
      headersBytes
    const start = this.#position
    const end = start + intSize(size) + size
    if (end > this.#bytes.length) this.#grow(end)

    const bytes = this.#bytes
    let at = writeInt(bytes, start, size)
    bytes[at++] = 0
    at = writeLong(bytes, at, timestampDelta)
    at = writeInt(bytes, at, this.#count)
    at = writeInt(bytes, at, keyLength)
    if (keyLength > 0) at = copyBytes(key!, keyStart, keyEnd, bytes, at)
    at = writeInt(bytes, at, valueLength)
    if (valueLength > 0) at = copyBytes(value!, valueStart, valueEnd, bytes, at)

    if (first) {
      this.#baseTimestamp = timestamp
      this.#maxTimestamp = timestamp
    } else if (timestamp > this.#maxTimestamp) {
      this.#maxTimestamp = timestamp
    }
    this.#count++
    this.#position = end
    return at
  }

  #grow(needed: number): void {
    if (needed > MAX_BATCH_BYTES) {
      throw new AldebaranError(
        'BATCH_TOO_LARGE',
        `A batch would have ${needed} bytes; ${MAX_BATCH_BYTES} is the most`,
        {
          bytes: needed,
          records: this.#count,
        },
      )
    }
    const grown = Buffer.allocUnsafeSlow(Math.min(Math.max(this.#bytes.length * 2, needed), MAX_BATCH_BYTES))
    this.#bytes.copy(grown, 0, 0, this.#position)
    this.#bytes = grown
  }

  /** The place after the last record. Fills and returns `into` when given, so that a loop can reuse one object. */
  mark(into?: BatchMark): BatchMark {
    const mark = into ?? { batch: 0, count: 0, bytes: 0, maxTimestamp: Number.NaN }
    mark.batch = this.#batch
    mark.count = this.#count
    mark.bytes = this.#position
    mark.maxTimestamp = this.#maxTimestamp
    return mark
  }

  /** Undoes every append since the mark was made; earlier marks stay valid. Costs the same for one as for many. */
  rewind(mark: BatchMark): void {
    if (mark.batch !== this.#batch || mark.count > this.#count) {
      throw new AldebaranError('OPTION_INVALID', 'rewind needs a mark of the open batch that was not undone itself')
    }
    this.#count = mark.count
    this.#position = mark.bytes
    this.#maxTimestamp = mark.maxTimestamp
  }

  /**
   * The whole batch, base offset 0 and partition leader epoch -1, as a view that is valid until the next `append`,
   * `begin` or `finish`.
   * @throws AldebaranError OPTION_INVALID when nothing was appended: a batch has a record.
   */
  finish(): Buffer {
    if (this.#count === 0) throw new AldebaranError('OPTION_INVALID', 'A batch needs a record before it is finished')
    if (this.#codec !== NONE) {
      const records = compress(this.#codec, this.#bytes.subarray(RECORDS, this.#position))
      const end = RECORDS + records.length
      if (end < this.#position) {
        if (this.#compressed.length < end) {
          this.#compressed = Buffer.allocUnsafeSlow(Math.max(end * 2, 4096))
        }
        this.#compressed.set(records, RECORDS)
        return this.#writeHeader(this.#compressed, end, this.#attributes | this.#codec)
      }
    }
    return this.#writeHeader(this.#bytes, this.#position, this.#attributes)
  }

  #writeHeader(bytes: Buffer, end: number, attributes: number): Buffer {
    writeInt64(bytes, BASE_OFFSET, 0)
    writeInt32(bytes, LENGTH, end - LENGTH_OVERHEAD)
    writeInt32(bytes, PARTITION_LEADER_EPOCH, -1)
    bytes[MAGIC] = SUPPORTED_MAGIC
    writeInt16(bytes, ATTRIBUTES, attributes)
    writeInt32(bytes, LAST_OFFSET_DELTA, this.#count - 1)
    writeInt64(bytes, BASE_TIMESTAMP, this.#baseTimestamp)
    writeInt64(bytes, MAX_TIMESTAMP, this.#maxTimestamp)
    bytes.writeBigInt64BE(this.#producerId, PRODUCER_ID)
    writeInt16(bytes, PRODUCER_EPOCH, this.#producerEpoch)
    writeInt32(bytes, BASE_SEQUENCE, this.#baseSequence)
    writeInt32(bytes, RECORD_COUNT, this.#count)
    writeInt32(bytes, CRC, crc32c(bytes, ATTRIBUTES, end) | 0)
    return bytes.subarray(0, end)
  }
}

/** -1 for null. */
function lengthOf(bytes: Uint8Array | null, start: number, end: number): number {
  if (bytes === null || start < 0) return -1
  if (start <= end && end <= bytes.length) return end - start
  throw new AldebaranError('VALUE_INVALID', `[${start}, ${end}) is no range of ${bytes.length} bytes`)
}

function copyBytes(from: Uint8Array, start: number, end: number, to: Buffer, at: number): number {
  const length = end - start
  if (length > LOOP_COPY_BYTES) to.set(from.subarray(start, end), at)
  else for (let index = 0; index < length; index++) to[at + index] = from[start + index]!
  return at + length
}

function invalidTimestamp(timestamp: number): AldebaranError {
  return new AldebaranError('VALUE_INVALID', `timestamp is ${timestamp}: it must be whole milliseconds within ±2^53`)
}
