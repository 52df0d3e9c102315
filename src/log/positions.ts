/** How positions lie in the store. */
import { AldebaranError } from '../errors.ts'
import type { Position } from './contract.ts'
import type { KeyValueReader } from './key-value.ts'
import { bounds, positionBounds, positionKey } from './keys.ts'

const MAX_GROUP_BYTES = 512
const MAX_METADATA_BYTES = 1 << 20
const PAGE = 1000

export function checkPosition(position: Position): void {
  checkGroup(position.group)
  if (!Number.isSafeInteger(position.offset) || position.offset < 0) {
    throw new AldebaranError('OFFSET_OUT_OF_RANGE', `A position is an offset, not ${position.offset}`, {
      topic: position.topic,
      partition: position.partition,
      offset: position.offset,
    })
  }
  if (position.metadata.length > MAX_METADATA_BYTES) {
    throw new AldebaranError('OPTION_INVALID', `The metadata of a position has at most ${MAX_METADATA_BYTES} bytes`)
  }
}

export function checkGroup(group: string): void {
  if (group.length > 0 && Buffer.byteLength(group) <= MAX_GROUP_BYTES && !group.includes('\0')) return
  throw new AldebaranError('OPTION_INVALID', `A group has a name of 1 to ${MAX_GROUP_BYTES} bytes without NUL`)
}

export function encodePosition(position: Position): Buffer {
  const bytes = Buffer.allocUnsafe(8 + Buffer.byteLength(position.metadata))
  bytes.writeDoubleBE(position.offset, 0)
  bytes.write(position.metadata, 8)
  return bytes
}

export function readPosition(
  store: KeyValueReader,
  group: string,
  topic: string,
  partition: number,
): Position | undefined {
  const value = store.get(positionKey(group, topic, partition))
  if (value === undefined) return undefined
  return { group, topic, partition, offset: value.readDoubleBE(0), metadata: value.toString('utf8', 8, value.length) }
}

export function readPositions(store: KeyValueReader, group?: string): Position[] {
  const [from, to] = group === undefined ? bounds('P') : positionBounds(group)
  const found: Position[] = []
  for (let at = from; ; ) {
    const page = store.range(at, to, { limit: PAGE })
    for (const [key, value] of page) found.push(decode(key, value))
    if (page.length < PAGE) return found
    at = Buffer.concat([page[PAGE - 1]![0], Buffer.alloc(1)])
  }
}

function decode(key: Buffer, value: Buffer): Position {
  const split = key.indexOf(0)
  return {
    group: key.toString('utf8', 1, split),
    topic: key.toString('utf8', split + 1, key.length - 5),
    partition: key.readUInt32BE(key.length - 4),
    offset: value.readDoubleBE(0),
    metadata: value.toString('utf8', 8),
  }
}
