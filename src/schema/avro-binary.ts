/** Bytes of Avro that are no varint, for the code the compilers make. */
import { MAX_EMPTY_ITEMS } from './failures.ts'
import { malformed, readLong, type VarintCursor } from './varint.ts'

const scratch = new DataView(new ArrayBuffer(8))

function word(bytes: Buffer, at: number): number {
  return bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)
}

export function readFloat(bytes: Buffer, position: number): number {
  scratch.setInt32(0, word(bytes, position))
  return scratch.getFloat32(0)
}

export function readDouble(bytes: Buffer, position: number): number {
  scratch.setInt32(4, word(bytes, position))
  scratch.setInt32(0, word(bytes, position + 4))
  return scratch.getFloat64(0)
}

function writeWord(bytes: Buffer, at: number, value: number): void {
  bytes[at] = value
  bytes[at + 1] = value >>> 8
  bytes[at + 2] = value >>> 16
  bytes[at + 3] = value >>> 24
}

/** Needs room for 4 bytes. */
export function writeFloat(bytes: Buffer, position: number, value: number): void {
  scratch.setFloat32(0, value)
  writeWord(bytes, position, scratch.getInt32(0))
}

/** Needs room for 8 bytes. */
export function writeDouble(bytes: Buffer, position: number, value: number): void {
  scratch.setFloat64(0, value)
  writeWord(bytes, position, scratch.getInt32(4))
  writeWord(bytes, position + 4, scratch.getInt32(0))
}

/** A copy that the receiver may keep. */
export function copyBytes(bytes: Buffer, start: number, end: number): Buffer {
  const copy = Buffer.allocUnsafe(end - start)
  bytes.copy(copy, 0, start, end)
  return copy
}

export function badLength(length: number, at: number, cursor: VarintCursor, path: string): never {
  const left = cursor.end - at
  malformed(
    length < 0 ? `a length is ${length}` : `a length is ${length}, but ${left} bytes are left`,
    at,
    cursor,
    path,
  )
}

/** Reads the head of a block of array items or map entries; `block` says where it ends when the writer told. */
export function readBlock(bytes: Buffer, position: number, cursor: VarintCursor, block: Block, path: string): number {
  const count = readLong(bytes, position, cursor)
  block.end = -1
  if (count >= 0) return count
  const at = cursor.position
  const size = readLong(bytes, at, cursor)
  if (size < 0 || size > cursor.end - cursor.position) badLength(size, at, cursor, path)
  block.end = cursor.position + size
  return -count
}

export interface Block {
  /** Position after the block, or −1 when the writer did not tell. */
  end: number
  /** Items without bytes read so far in this value. */
  emptyItems: number
}

/** Believes `count` only when that many items can follow. */
export function checkCount(
  count: number,
  takesNoBytes: boolean,
  at: number,
  cursor: VarintCursor,
  block: Block,
  path: string,
): void {
  if (takesNoBytes) {
    block.emptyItems += count
    if (block.emptyItems > MAX_EMPTY_ITEMS)
      malformed(`more than ${MAX_EMPTY_ITEMS} items without bytes`, at, cursor, path)
  } else if (count > cursor.end - at) {
    malformed(`${count} items are announced, but ${cursor.end - at} bytes are left`, at, cursor, path)
  }
}
