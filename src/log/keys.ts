/**
 * How the log's data is laid out over keys. The first byte says the kind; numbers are big-endian, so that the order of
 * the keys is the order of the numbers. Topics own a run of partition ids; an id is given again only when nothing of
 * its former owner is left.
 *
 *     F                          format of the store, JSON
 *     O                          the process that writes, JSON
 *     T name                     topic, JSON
 *     G id:u32                   ids of a deleted topic whose data is not all deleted yet: count
 *     M id:u32                   state of a partition
 *     B id:u32 base:u64          batch
 *     I id:u32 time:u64          time index: base offset of a batch; it and all before it hold no later timestamp
 *     P group NUL topic NUL n:u32  position: offset:u64, metadata
 *     K table NUL key            row of a disk table
 */
export const FORMAT_KEY = Buffer.from('F')
export const OWNER_KEY = Buffer.from('O')

const GRAVE = 0x47
const PARTITION = 0x4d
const BATCH = 0x42
const TIME = 0x49

export const BATCH_KEY_BYTES = 13

export function topicKey(name: string): Buffer {
  return Buffer.from(`T${name}`)
}

/** First and last bound of every key of that kind. */
export function bounds(kind: 'T' | 'G' | 'M' | 'P'): [from: Buffer, to: Buffer] {
  return [Buffer.from(kind), Buffer.from([kind.charCodeAt(0) + 1])]
}

function idKey(kind: number, id: number): Buffer {
  const key = Buffer.allocUnsafe(5)
  key[0] = kind
  key.writeUInt32BE(id, 1)
  return key
}

export function graveKey(firstId: number): Buffer {
  return idKey(GRAVE, firstId)
}

export function partitionKey(id: number): Buffer {
  return idKey(PARTITION, id)
}

export function idOf(key: Buffer): number {
  return key.readUInt32BE(1)
}

/** Writes the key of a batch to `key`, which has BATCH_KEY_BYTES bytes. */
export function writeBatchKey(key: Buffer, id: number, offset: number): void {
  key[0] = BATCH
  key.writeUInt32BE(id, 1)
  key.writeUInt32BE(Math.floor(offset / 0x1_0000_0000), 5)
  key.writeUInt32BE(offset >>> 0, 9)
}

export function batchKey(id: number, offset: number): Buffer {
  const key = Buffer.allocUnsafe(BATCH_KEY_BYTES)
  writeBatchKey(key, id, offset)
  return key
}

/** Key of the time index; a time before 1970 counts as 0. */
export function timeKey(id: number, time: number): Buffer {
  const key = batchKey(id, Math.max(0, time))
  key[0] = TIME
  return key
}

/** The last number of a batch or time key: the base offset, or the time. */
export function numberOf(key: Buffer): number {
  return key.readUInt32BE(5) * 0x1_0000_0000 + key.readUInt32BE(9)
}

export function positionKey(group: string, topic: string, partition: number): Buffer {
  const key = Buffer.from(`P${group}\0${topic}\0....`)
  key.writeUInt32BE(partition, key.length - 4)
  return key
}

export function positionBounds(group: string): [from: Buffer, to: Buffer] {
  return [Buffer.from(`P${group}\0`), Buffer.from(`P${group}\x01`)]
}

export function tableKey(table: string, key: Uint8Array): Buffer {
  return Buffer.concat([Buffer.from(`K${table}\0`), key])
}

export function tableEnd(table: string): Buffer {
  return Buffer.from(`K${table}\x01`)
}
