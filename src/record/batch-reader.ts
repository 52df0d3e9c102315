/**
 * Goes from batch to batch in a run of RecordBatch v2 bytes, checks each and decompresses it. `BatchCursor` adds the
 * records.
 */
import { AldebaranError } from '../errors.ts'
import {
  baseOffsetOf,
  batchLength,
  checkHeader,
  checkLength,
  maxTimestampOf,
  recordCountOf,
  refused,
} from './batch-header.ts'
import { COMPRESSIONS, type Compression, decompress, NONE } from './compression.ts'
import {
  ATTRIBUTES,
  BASE_SEQUENCE,
  BASE_TIMESTAMP,
  COMPRESSION_MASK,
  CONTROL,
  LAST_OFFSET_DELTA,
  LENGTH_OVERHEAD,
  LOG_APPEND_TIME,
  PRODUCER_EPOCH,
  PRODUCER_ID,
  RECORDS,
  readInt16,
  readInt32,
  readInt64,
  SMALLEST_RECORD,
  TRANSACTIONAL,
} from './layout.ts'

const NOTHING = Buffer.alloc(0)

export class BatchReader {
  // The batch. Valid after nextBatch() answered true.
  /** Where the batch begins in the given bytes. */
  batchStart = 0
  /** Where it ends there. After the last batch: less than the given end when a partial batch follows. */
  batchEnd = 0
  baseOffset = Number.NaN
  lastOffset = Number.NaN
  /** Records of the batch. */
  count = 0
  baseTimestamp = Number.NaN
  /** ms since 1970. */
  maxTimestamp = Number.NaN
  /** The broker stamped the records when it wrote them: all have `maxTimestamp`. */
  isLogAppendTime = false
  isTransactional = false
  /** Its record is a marker of a transaction's end, not for applications. */
  isControl = false
  compression: Compression = 'none'
  producerEpoch = -1
  baseSequence = -1

  /** Where keys, values and headers lie: the given bytes, or the decompressed ones of this batch. */
  bytes: Buffer = NOTHING

  /** The bytes given to reset(). */
  protected source: Buffer = NOTHING
  protected sourceEnd = 0
  /** Where the next record begins in `bytes`, and where the last one ends. */
  protected position = 0
  protected recordsEnd = 0
  /** Records not read yet. */
  protected left = 0
  protected previousDelta = -1
  protected lastDelta = -1

  readonly #verified: boolean

  /** `verified`: the batches were checked before, by `verifyBatch` or by a reader of the log. Default: false. */
  constructor(options: { verified?: boolean } = {}) {
    this.#verified = options.verified ?? false
  }

  /** Points the cursor before the first batch of `bytes[start, end)`. A partial batch at the end is ignored. */
  reset(bytes: Buffer, start: number, end: number): void {
    this.source = bytes
    this.sourceEnd = end
    this.batchStart = start
    this.batchEnd = start
    this.count = 0
    this.left = 0
  }

  /**
   * Enters the next batch, whether the records of this one were read or not. False: no whole batch follows.
   * @throws AldebaranError BATCH_CORRUPT (length, CRC, offsets or times beyond 2^53, compressed bytes) or
   *   BATCH_UNSUPPORTED (another magic, an unknown compression), with `position` in the given bytes and `offset`.
   */
  nextBatch(): boolean {
    this.left = 0
    const bytes = this.source
    const start = this.batchEnd
    const available = this.sourceEnd - start
    if (available < LENGTH_OVERHEAD) return false
    checkLength(bytes, start, available)
    const length = batchLength(bytes, start)
    if (length > available) return false
    if (!this.#verified) checkHeader(bytes, start)

    const attributes = readInt16(bytes, start + ATTRIBUTES)
    const codec = attributes & COMPRESSION_MASK
    const lastDelta = readInt32(bytes, start + LAST_OFFSET_DELTA)
    this.batchStart = start
    this.batchEnd = start + length
    this.baseOffset = baseOffsetOf(bytes, start)
    this.lastOffset = this.baseOffset + lastDelta
    this.count = recordCountOf(bytes, start)
    this.baseTimestamp = readInt64(bytes, start + BASE_TIMESTAMP)
    this.maxTimestamp = maxTimestampOf(bytes, start)
    this.isLogAppendTime = (attributes & LOG_APPEND_TIME) !== 0
    this.isTransactional = (attributes & TRANSACTIONAL) !== 0
    this.isControl = (attributes & CONTROL) !== 0
    this.compression = COMPRESSIONS[codec]!
    this.producerEpoch = readInt16(bytes, start + PRODUCER_EPOCH)
    this.baseSequence = readInt32(bytes, start + BASE_SEQUENCE)
    this.lastDelta = lastDelta
    this.previousDelta = -1
    this.#enterRecords(codec)
    return true
  }

  #enterRecords(codec: number): void {
    const start = this.batchStart + RECORDS
    if (codec === NONE) {
      this.bytes = this.source
      this.position = start
      this.recordsEnd = this.batchEnd
    } else if (this.count > 0) {
      try {
        this.bytes = decompress(codec, this.source.subarray(start, this.batchEnd))
      } catch (error) {
        if (!(error instanceof AldebaranError)) throw error
        throw refused(this.source, this.batchStart, error.code, `cannot be read: ${error.message}`)
      }
      this.position = 0
      this.recordsEnd = this.bytes.length
    } else {
      // Compaction may leave a batch without records; whatever its compressed block holds is not looked at.
      this.position = this.recordsEnd
    }
    const room = this.recordsEnd - this.position
    if (this.count * SMALLEST_RECORD > room || (this.count === 0 && room > 0)) {
      throw refused(this.source, this.batchStart, 'BATCH_CORRUPT', `has ${this.count} records in ${room} bytes`)
    }
    this.left = this.count
  }

  /** The producer's id, -1 when it has none; a bigint, for brokers give ids of all 64 bits. Allocates. */
  get producerId(): bigint {
    return this.source.readBigInt64BE(this.batchStart + PRODUCER_ID)
  }
}
