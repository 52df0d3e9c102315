/** One unit: what it may hold, how much room it needs, and how its batches are appended. */
import { AldebaranError } from '../errors.ts'
import { maxTimestampOf, setBaseOffset, verifyBatch } from '../record/batch-header.ts'
import { LAST_OFFSET_DELTA, readInt32 } from '../record/layout.ts'
import type { Append, CommitUnit, TableWrite } from './contract.ts'
import type { WriteList } from './key-value.ts'
import { batchKey } from './keys.ts'
import type { PartitionState } from './partition.ts'
import { checkPosition } from './positions.ts'
import { indexAppend } from './time-index.ts'
import { idIn, type Topic } from './topics.ts'

/** A batch has this many bytes, at most; so has a value of a disk table. */
export const MAX_STORED_BYTES = 4 * 1024 * 1024
/** Key, value and headers of one record: less than a batch holds, so that as a dead letter it can carry its story. */
export const MAX_RECORD_BYTES = MAX_STORED_BYTES - 64 * 1024
/** Table name and key together; LMDB takes 1978. */
const MAX_KEY_BYTES = 1900

const PAGE_BYTES = 4096
/** Header of a page, of a node and the key. */
const OVERHEAD = 64
/** A value above this has pages of its own; others share theirs, which are about two thirds full. */
const SHARED_PAGE_LIMIT = 2000

/** Throws the error of a unit that cannot be committed. `endOf` tells how far a partition may be trimmed. */
export function checkUnit(
  unit: CommitUnit,
  topics: ReadonlyMap<string, Topic>,
  endOf: (topic: string, partition: number) => number,
): void {
  for (const append of unit.appends ?? []) checkAppend(append, topics)
  for (const position of unit.positions ?? []) {
    idIn(topics, position.topic, position.partition)
    checkPosition(position)
  }
  for (const write of unit.tables ?? []) checkWrite(write)
  for (const trim of unit.trims ?? []) {
    idIn(topics, trim.topic, trim.partition)
    if (Number.isSafeInteger(trim.before) && trim.before >= 0 && trim.before <= endOf(trim.topic, trim.partition)) {
      continue
    }
    throw new AldebaranError(
      'OFFSET_OUT_OF_RANGE',
      `${trim.topic}/${trim.partition} cannot be trimmed to ${trim.before}`,
      { topic: trim.topic, partition: trim.partition, offset: trim.before },
    )
  }
}

function checkAppend(append: Append, topics: ReadonlyMap<string, Topic>): void {
  const { topic, partition, batch } = append
  idIn(topics, topic, partition)
  if (batch.length > MAX_STORED_BYTES) {
    throw new AldebaranError(
      'BATCH_TOO_LARGE',
      `A batch for ${topic}/${partition} has ${batch.length} bytes, and may have ${MAX_STORED_BYTES}`,
      { topic, partition, bytes: batch.length },
    )
  }
  const bytes = Buffer.from(batch.buffer, batch.byteOffset, batch.length)
  try {
    verifyBatch(bytes, 0, bytes.length)
  } catch (error) {
    if (!(error instanceof AldebaranError)) throw error
    throw new AldebaranError(error.code, `${error.message}, for ${topic}/${partition}`, {
      ...error.details,
      topic,
      partition,
    })
  }
}

function checkWrite(write: TableWrite): void {
  const { table, key, value } = write
  if (table.length === 0 || table.includes('\0') || Buffer.byteLength(table) + key.length > MAX_KEY_BYTES) {
    throw new AldebaranError(
      'OPTION_INVALID',
      `Name and key of a row of table "${table}" have 1 to ${MAX_KEY_BYTES} bytes, the name no NUL`,
      { table, bytes: key.length },
    )
  }
  if (value !== null && value.length > MAX_STORED_BYTES) {
    throw new AldebaranError('VALUE_INVALID', `A row of table ${table} has more than ${MAX_STORED_BYTES} bytes`, {
      table,
      bytes: value.length,
    })
  }
}

/** About the bytes a unit takes in the store; 0: it only deletes or moves positions. */
export function unitPages(unit: CommitUnit): number {
  let bytes = 0
  for (const append of unit.appends ?? []) bytes += stored(append.batch.length)
  for (const write of unit.tables ?? [])
    if (write.value !== null) bytes += stored(write.key.length + write.value.length)
  return bytes
}

function stored(length: number): number {
  const bytes = length + OVERHEAD
  return bytes > SHARED_PAGE_LIMIT ? Math.ceil(bytes / PAGE_BYTES) * PAGE_BYTES + OVERHEAD : Math.ceil(bytes * 1.5)
}

/** Numbers the batch in place and writes it; returns its base offset. */
export function appendBatch(state: PartitionState, batch: Uint8Array, writes: WriteList): number {
  const offset = state.end
  setBaseOffset(batch, 0, offset)
  writes.put(batchKey(state.id, offset), batch)
  state.end = offset + readInt32(batch, LAST_OFFSET_DELTA) + 1
  state.bytes += batch.length
  state.newest = Math.max(state.newest, maxTimestampOf(batch, 0))
  indexAppend(state, batch, writes)
  return offset
}

/** A copy of the unit with bytes of its own. */
export function copyUnit(unit: CommitUnit): CommitUnit {
  const copy: CommitUnit = {}
  if (unit.appends !== undefined)
    copy.appends = unit.appends.map(append => ({ ...append, batch: Buffer.from(append.batch) }))
  if (unit.positions !== undefined) copy.positions = unit.positions.map(position => ({ ...position }))
  if (unit.tables !== undefined) {
    copy.tables = unit.tables.map(({ table, key, value }) => ({
      table,
      key: Buffer.from(key),
      value: value === null ? null : Buffer.from(value),
    }))
  }
  if (unit.trims !== undefined) copy.trims = unit.trims.map(trim => ({ ...trim }))
  return copy
}
