/**
 * Batches as copies hold them. The CRC of a batch does not cover its base offset, and gaps between offsets are normal: so
 * where Kafka has the epoch of the leader, which nobody reads here, they carry a checksum of their place.
 */
import { batchLength, checkHeader, checkLength, lastOffsetOf } from '../../record/batch-header.ts'
import { crc32c } from '../../record/crc32c.ts'
import { CRC, LENGTH_OVERHEAD, PARTITION_LEADER_EPOCH, readInt32, writeInt32 } from '../../record/layout.ts'

/** Seals the batch at `at` with the checksum of its place. */
export function sealBatch(bytes: Buffer, at: number): void {
  writeInt32(bytes, at + PARTITION_LEADER_EPOCH, placeSum(bytes, at))
}

function placeSum(bytes: Buffer, at: number): number {
  return crc32c(bytes, at, at + LENGTH_OVERHEAD) ^ readInt32(bytes, at + CRC)
}

export interface WholeBatches {
  /** The byte after the last whole batch. */
  readonly end: number
  /** The offset after it; as given when there is none. */
  readonly next: number
  /** What follows is damaged, and not just cut off. */
  readonly isDamaged: boolean
}

/** Verifies the batches of `bytes[0, length)`, each of which ends beyond the offset `next`. */
export function wholeBatches(bytes: Buffer, length: number, next: number): WholeBatches {
  let at = 0
  let after = next
  try {
    while (length - at >= LENGTH_OVERHEAD) {
      checkLength(bytes, at, length - at)
      const end = at + batchLength(bytes, at)
      if (end > length) break
      checkHeader(bytes, at)
      if (readInt32(bytes, at + PARTITION_LEADER_EPOCH) !== placeSum(bytes, at)) throw OUT_OF_PLACE
      const last = lastOffsetOf(bytes, at)
      if (last < after) throw OUT_OF_PLACE
      after = last + 1
      at = end
    }
  } catch {
    return { end: at, next: after, isDamaged: true }
  }
  return { end: at, next: after, isDamaged: false }
}

/** Never seen outside. */
const OUT_OF_PLACE = new Error('a batch is not where it was')
