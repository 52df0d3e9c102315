/** A growing byte buffer that encoders write to and that is reused from record to record. */
export class ByteWriter {
  bytes: Buffer
  /** Where the next byte goes; the written bytes are `bytes[0, position)`. */
  position = 0

  constructor(initialBytes = 1024) {
    this.bytes = Buffer.allocUnsafeSlow(initialBytes)
  }

  /** Makes room for `count` more bytes. Call it before writing to `bytes` directly. */
  ensure(count: number): void {
    if (this.position + count > this.bytes.length) this.#grow(count)
  }

  #grow(count: number): void {
    const grown = Buffer.allocUnsafeSlow(Math.max(this.bytes.length * 2, this.position + count))
    this.bytes.copy(grown, 0, 0, this.position)
    this.bytes = grown
  }
}
