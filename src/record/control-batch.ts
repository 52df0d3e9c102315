import { AldebaranError } from '../errors.ts'
import { setBaseOffset } from './batch-header.ts'
import { BatchWriter } from './batch-writer.ts'
import { readInt16, writeInt16, writeInt32 } from './layout.ts'

/** How a transaction ended: the type field of a control record's key. */
export const ABORT_MARKER = 0
export const COMMIT_MARKER = 1

export interface ControlBatchOptions {
  type: 'abort' | 'commit'
  producerId: bigint
  producerEpoch: number
  /** Base offset of the batch. Default: 0. */
  offset?: number
  /** ms since 1970. */
  timestamp: number
  coordinatorEpoch?: number
}

/**
 * The batch a Kafka broker writes at the end of a transaction: one record, whose key says how it ended. Brokers write
 * these, producers never do; for simulated logs and tests.
 */
export function controlBatch(options: ControlBatchOptions): Buffer {
  const key = Buffer.alloc(4)
  writeInt16(key, 2, options.type === 'commit' ? COMMIT_MARKER : ABORT_MARKER)
  const value = Buffer.alloc(6)
  writeInt32(value, 2, options.coordinatorEpoch ?? 0)
  const writer = new BatchWriter({ initialBytes: 128 })
  writer.setProducer(options.producerId, options.producerEpoch, -1, true)
  writer.setControl(true)
  writer.append(options.timestamp, key, 0, key.length, value, 0, value.length)
  const batch = writer.finish()
  setBaseOffset(batch, 0, options.offset ?? 0)
  return batch
}

/**
 * The type of the control record whose key is `bytes[keyStart, keyEnd)`: ABORT_MARKER, COMMIT_MARKER, or a number
 * that newer brokers gave a meaning and readers skip.
 * @throws AldebaranError BATCH_CORRUPT when the key is shorter than four bytes.
 */
export function controlTypeOf(bytes: Uint8Array, keyStart: number, keyEnd: number): number {
  if (keyStart < 0 || keyEnd - keyStart < 4) {
    throw new AldebaranError('BATCH_CORRUPT', `The key of a control record has ${Math.max(keyEnd - keyStart, 0)} bytes`)
  }
  return readInt16(bytes, keyStart + 2)
}
