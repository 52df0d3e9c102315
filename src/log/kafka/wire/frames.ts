/** Cuts what comes from a broker into frames: a length of four bytes, then as many bytes. */
import { malformed } from './bytes.ts'

/** An answer larger than this is no answer. */
const LARGEST_FRAME = 512 * 1024 * 1024
/** So for answers of somebody who has not said yet that he speaks Kafka, and to whom we have not proven who we are. */
const LARGEST_GREETING = 1024 * 1024
/** A larger buffer is not kept for the next frame. */
const LARGEST_KEPT = 4 * 1024 * 1024
const SMALLEST_BUFFER = 4096
const NOTHING = Buffer.alloc(0)

export class Frames {
  /** Set when the broker is known. */
  greeted = false
  readonly #each: (frame: Buffer, length: number) => void
  readonly #length = Buffer.alloc(4)
  #lengthRead = 0
  #frame = NOTHING
  #frameLength = -1
  #frameRead = 0

  /** @param each is called with each frame; its bytes are valid during that call, or until `keep` */
  constructor(each: (frame: Buffer, length: number) => void) {
    this.#each = each
  }

  /** Call it while a frame is given, to have its bytes for good. */
  keep(): void {
    this.#frame = NOTHING
  }

  /** @throws AldebaranError KAFKA_PROTOCOL, and what `each` throws */
  take(bytes: Buffer, count: number): void {
    let at = 0
    while (at < count) {
      if (this.#frameLength < 0) at = this.#takeLength(bytes, at, count)
      else {
        const part = Math.min(count - at, this.#frameLength - this.#frameRead)
        bytes.copy(this.#frame, this.#frameRead, at, at + part)
        this.#frameRead += part
        at += part
      }
      if (this.#frameLength >= 0 && this.#frameRead === this.#frameLength) {
        const length = this.#frameLength
        this.#frameLength = -1
        this.#each(this.#frame, length)
      }
    }
  }

  #takeLength(bytes: Buffer, start: number, end: number): number {
    let at = start
    while (at < end && this.#lengthRead < 4) this.#length[this.#lengthRead++] = bytes[at++]!
    if (this.#lengthRead < 4) return at
    const length = this.#length.readInt32BE(0)
    if (length < 4 || length > (this.greeted ? LARGEST_FRAME : LARGEST_GREETING)) throw malformed(this.#strange(length))
    this.#lengthRead = 0
    this.#frameLength = length
    this.#frameRead = 0
    if (length > this.#frame.length || this.#frame.length > LARGEST_KEPT) {
      this.#frame = Buffer.allocUnsafeSlow(Math.max(SMALLEST_BUFFER, length))
    }
    return at
  }

  #strange(length: number): string {
    const text = this.#length.toString('latin1')
    // An alert of TLS, and how HTTP begins.
    if (text.startsWith('\x15\x03')) return 'it speaks TLS'
    return text === 'HTTP' ? 'it speaks HTTP' : `a frame of ${length} bytes`
  }
}
