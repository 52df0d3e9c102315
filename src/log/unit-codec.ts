/**
 * Units as bytes, on their way from a client to the log thread. Both ends run the same code, so there is no version.
 *
 *     unit      counts of appends, positions, table writes, trims: 4 × u32, then each of them in this order
 *     append    text topic, f64 partition, bytes batch
 *     position  text group, text topic, f64 partition, f64 offset, text metadata
 *     table     text table, bytes key, bytes value or length NONE
 *     trim      text topic, f64 partition, f64 before
 *     text, bytes: u32 length, then the bytes
 */
import type { CommitUnit } from './contract.ts'

const NONE = 0xffff_ffff

export function unitBytes(unit: CommitUnit): number {
  let size = 16
  for (const { topic, batch } of unit.appends ?? []) size += 16 + Buffer.byteLength(topic) + batch.length
  for (const { group, topic, metadata } of unit.positions ?? []) {
    size += 28 + Buffer.byteLength(group) + Buffer.byteLength(topic) + Buffer.byteLength(metadata)
  }
  for (const { table, key, value } of unit.tables ?? []) {
    size += 12 + Buffer.byteLength(table) + key.length + (value === null ? 0 : value.length)
  }
  for (const { topic } of unit.trims ?? []) size += 20 + Buffer.byteLength(topic)
  return size
}

/** Writes the unit to `bytes` from `start` on, where `unitBytes` bytes are free. */
export function encodeUnit(unit: CommitUnit, bytes: Buffer, start: number): void {
  const { appends = [], positions = [], tables = [], trims = [] } = unit
  let at = bytes.writeUInt32LE(appends.length, start)
  at = bytes.writeUInt32LE(positions.length, at)
  at = bytes.writeUInt32LE(tables.length, at)
  at = bytes.writeUInt32LE(trims.length, at)
  for (const { topic, partition, batch } of appends) {
    at = writeText(bytes, topic, at)
    at = bytes.writeDoubleLE(partition, at)
    at = writeBytes(bytes, batch, at)
  }
  for (const { group, topic, partition, offset, metadata } of positions) {
    at = writeText(bytes, group, at)
    at = writeText(bytes, topic, at)
    at = bytes.writeDoubleLE(partition, at)
    at = bytes.writeDoubleLE(offset, at)
    at = writeText(bytes, metadata, at)
  }
  for (const { table, key, value } of tables) {
    at = writeText(bytes, table, at)
    at = writeBytes(bytes, key, at)
    at = value === null ? bytes.writeUInt32LE(NONE, at) : writeBytes(bytes, value, at)
  }
  for (const { topic, partition, before } of trims) {
    at = writeText(bytes, topic, at)
    at = bytes.writeDoubleLE(partition, at)
    at = bytes.writeDoubleLE(before, at)
  }
}

function writeText(bytes: Buffer, text: string, at: number): number {
  const written = bytes.write(text, at + 4)
  bytes.writeUInt32LE(written, at)
  return at + 4 + written
}

function writeBytes(bytes: Buffer, value: Uint8Array, at: number): number {
  bytes.set(value, bytes.writeUInt32LE(value.length, at))
  return at + 4 + value.length
}

/** The unit at `start`. Its byte arrays are views of `bytes`. */
export function decodeUnit(bytes: Buffer, start: number): CommitUnit {
  return new Decoder(bytes, start).unit()
}

class Decoder {
  readonly #bytes: Buffer
  #at: number

  constructor(bytes: Buffer, start: number) {
    this.#bytes = bytes
    this.#at = start
  }

  unit(): CommitUnit {
    const appends = new Array(this.#length())
    const positions = new Array(this.#length())
    const tables = new Array(this.#length())
    const trims = new Array(this.#length())
    for (let i = 0; i < appends.length; i++) {
      appends[i] = { topic: this.#text(), partition: this.#number(), batch: this.#view(this.#length()) }
    }
    for (let i = 0; i < positions.length; i++) {
      positions[i] = {
        group: this.#text(),
        topic: this.#text(),
        partition: this.#number(),
        offset: this.#number(),
        metadata: this.#text(),
      }
    }
    for (let i = 0; i < tables.length; i++) {
      tables[i] = { table: this.#text(), key: this.#view(this.#length()), value: this.#optional() }
    }
    for (let i = 0; i < trims.length; i++) {
      trims[i] = { topic: this.#text(), partition: this.#number(), before: this.#number() }
    }
    return { appends, positions, tables, trims }
  }

  #length(): number {
    const value = this.#bytes.readUInt32LE(this.#at)
    this.#at += 4
    return value
  }

  #number(): number {
    const value = this.#bytes.readDoubleLE(this.#at)
    this.#at += 8
    return value
  }

  #text(): string {
    const length = this.#length()
    this.#at += length
    return this.#bytes.toString('utf8', this.#at - length, this.#at)
  }

  #view(length: number): Buffer {
    this.#at += length
    return this.#bytes.subarray(this.#at - length, this.#at)
  }

  #optional(): Buffer | null {
    const length = this.#length()
    return length === NONE ? null : this.#view(length)
  }
}
