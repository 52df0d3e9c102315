import { AldebaranError } from '../errors.ts'
import { readBigint, readInt, readLong, type VarintCursor } from '../schema/varint.ts'

/** The bytes a value is read from; `position` is where the next field begins. */
export class ValueInput implements VarintCursor {
  bytes: Buffer = Buffer.alloc(0)
  position = 0
  start = 0
  end = 0

  reset(bytes: Buffer, start: number, end: number): void {
    this.bytes = bytes
    this.position = start
    this.start = start
    this.end = end
  }

  int(): number {
    return readInt(this.bytes, this.position, this)
  }

  long(): number {
    return readLong(this.bytes, this.position, this)
  }

  bigint(): bigint {
    return readBigint(this.bytes, this.position, this)
  }

  /** Steps over `length` bytes and returns where they began. */
  take(length: number): number {
    const at = this.position
    if (!(length >= 0 && length <= this.end - at)) {
      throw new AldebaranError('VALUE_UNDECODABLE', `a field of ${length} bytes does not fit`, {
        position: at - this.start,
      })
    }
    this.position = at + length
    return at
  }

  text(): string {
    const length = this.long()
    const at = this.take(length)
    return this.bytes.toString('utf8', at, at + length)
  }

  float(): number {
    return this.bytes.readFloatLE(this.take(4))
  }

  double(): number {
    return this.bytes.readDoubleLE(this.take(8))
  }
}
