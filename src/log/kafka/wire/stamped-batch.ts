import { compress } from '../../../record/compression.ts'
import { crc32c } from '../../../record/crc32c.ts'
import {
  ATTRIBUTES,
  BASE_OFFSET,
  BASE_SEQUENCE,
  COMPRESSION_MASK,
  CRC,
  LENGTH,
  LENGTH_OVERHEAD,
  PRODUCER_EPOCH,
  PRODUCER_ID,
  RECORDS,
  TRANSACTIONAL,
} from '../../../record/layout.ts'
import type { WireType } from './types.ts'

/** A finished batch, and what the producer that sends it writes into its header. */
export interface StampedBatch {
  readonly batch: Uint8Array
  readonly producerId: number
  readonly producerEpoch: number
  readonly sequence: number
  readonly transactional: boolean
  /** The code of a compression, for a batch that has none; 0: leave it as it is. */
  readonly compression: number
}

/** A batch below this is not worth compressing. */
const LEAST_COMPRESSED = 256

/** The records of a produce request. The batch is copied, so that its owner keeps what it had. */
export const stampedBatch: WireType<StampedBatch> = {
  write(to, value) {
    const { batch, producerId, producerEpoch, sequence, transactional } = value
    const codec = batch.length < LEAST_COMPRESSED || isCompressed(batch) ? 0 : value.compression
    const records = codec === 0 ? batch.subarray(RECORDS) : compress(codec, Buffer.from(batch.subarray(RECORDS)))
    const length = RECORDS + records.length
    to.uvarint(length + 1)
    to.room(length)
    const start = to.at
    to.raw(batch.subarray(0, RECORDS))
    to.raw(records)
    const { bytes } = to
    const attributes = bytes.readInt16BE(start + ATTRIBUTES) | codec
    // Brokers refuse one that was numbered elsewhere.
    bytes.writeBigInt64BE(0n, start + BASE_OFFSET)
    bytes.writeInt32BE(length - LENGTH_OVERHEAD, start + LENGTH)
    bytes.writeInt16BE(transactional ? attributes | TRANSACTIONAL : attributes & ~TRANSACTIONAL, start + ATTRIBUTES)
    bytes.writeBigInt64BE(BigInt(producerId), start + PRODUCER_ID)
    bytes.writeInt16BE(producerEpoch, start + PRODUCER_EPOCH)
    bytes.writeInt32BE(sequence, start + BASE_SEQUENCE)
    bytes.writeUInt32BE(crc32c(bytes, start + ATTRIBUTES, start + length), start + CRC)
  },
  read() {
    throw new Error('only brokers read this')
  },
}

function isCompressed(batch: Uint8Array): boolean {
  return (batch[ATTRIBUTES + 1]! & COMPRESSION_MASK) !== 0
}
