/** Kafka's primitive types on the wire, written to a buffer that grows and read from one that does not. */
import { AldebaranError } from '../../../errors.ts'

const HIGH = 0x1_0000_0000

export class WireWriter {
  bytes: Buffer
  at = 0

  constructor(size = 1024) {
    this.bytes = Buffer.allocUnsafeSlow(size)
  }

  /** Makes room for so many bytes. */
  room(bytes: number): void {
    if (this.at + bytes <= this.bytes.length) return
    const grown = Buffer.allocUnsafeSlow(Math.max(this.at + bytes, this.bytes.length * 2))
    this.bytes.copy(grown, 0, 0, this.at)
    this.bytes = grown
  }

  int8(value: number): void {
    this.room(1)
    this.at = this.bytes.writeInt8(value, this.at)
  }

  int16(value: number): void {
    this.room(2)
    this.at = this.bytes.writeInt16BE(value, this.at)
  }

  int32(value: number): void {
    this.room(4)
    this.at = this.bytes.writeInt32BE(value, this.at)
  }

  /** A whole number; those beyond 2^53 do not occur in what is written. */
  int64(value: number): void {
    this.room(8)
    this.at = this.bytes.writeInt32BE(Math.floor(value / HIGH), this.at)
    this.at = this.bytes.writeUInt32BE(value < 0 ? ((value % HIGH) + HIGH) % HIGH : value % HIGH, this.at)
  }

  uvarint(value: number): void {
    this.room(5)
    let left = value
    while (left > 127) {
      this.bytes[this.at++] = (left & 127) | 128
      left >>>= 7
    }
    this.bytes[this.at++] = left
  }

  raw(bytes: Uint8Array): void {
    this.room(bytes.length)
    this.bytes.set(bytes, this.at)
    this.at += bytes.length
  }

  text(value: string, length: number): void {
    this.room(length)
    this.at += this.bytes.write(value, this.at, 'utf8')
  }
}

export class WireReader {
  bytes: Buffer
  at: number
  readonly end: number

  constructor(bytes: Buffer, start: number, end: number) {
    this.bytes = bytes
    this.at = start
    this.end = end
  }

  int8(): number {
    return this.bytes.readInt8(this.#take(1))
  }

  int16(): number {
    return this.bytes.readInt16BE(this.#take(2))
  }

  int32(): number {
    return this.bytes.readInt32BE(this.#take(4))
  }

  int64(): number {
    const at = this.#take(8)
    return this.bytes.readInt32BE(at) * HIGH + this.bytes.readUInt32BE(at + 4)
  }

  uvarint(): number {
    let value = 0
    for (let shift = 0; shift < 35; shift += 7) {
      const byte = this.bytes[this.#take(1)]!
      value += (byte & 127) * 2 ** shift
      if (byte < 128) return value
    }
    throw malformed('a length has more than five bytes')
  }

  /** A view of the next bytes. */
  raw(length: number): Buffer {
    const at = this.#take(length)
    return this.bytes.subarray(at, at + length)
  }

  text(length: number): string {
    const at = this.#take(length)
    return this.bytes.toString('utf8', at, at + length)
  }

  #take(length: number): number {
    const at = this.at
    if (length < 0 || at + length > this.end) throw malformed('it ends too early')
    this.at = at + length
    return at
  }
}

export function malformed(reason: string): AldebaranError {
  return new AldebaranError('KAFKA_PROTOCOL', `The answer of a broker cannot be read: ${reason}`)
}
