/** One file of a copy, and how it is read: forward, in pieces of whole batches that were verified. */
import { type FileHandle, open } from 'node:fs/promises'
import { batchLength } from '../../record/batch-header.ts'
import { LENGTH_OVERHEAD } from '../../record/layout.ts'
import { wholeBatches } from './copy-batches.ts'

export interface Segment {
  /** The offset after the last batch of the segment before; of the first segment, where the copy begins. */
  readonly base: number
  readonly path: string
  /** Bytes it has, and how many of them are in the file. */
  bytes: number
  written: number
}

const EXTENSION = '.log'
const NAME = /^\d{20}\.log$/
const PIECE_BYTES = 128 * 1024

export function segmentName(base: number): string {
  return String(base).padStart(20, '0') + EXTENSION
}

/** The base of the segment whose file has this name; null: it is none. */
export function segmentBase(name: string): number | null {
  const base = NAME.test(name) ? Number(name.slice(0, -EXTENSION.length)) : Number.NaN
  return Number.isSafeInteger(base) ? base : null
}

export class SegmentReader {
  readonly segment: Segment
  /** How much of the file was verified, and the offset after it. */
  at = 0
  next: number
  /** What follows `at` is damaged or torn. */
  isDamaged = false
  /** The piece that was read last: whole batches, valid until the next one is read. */
  piece: Buffer = Buffer.alloc(0)
  readonly #handle: FileHandle
  #buffer = Buffer.allocUnsafeSlow(PIECE_BYTES)
  /** Bytes in the buffer that are not of the piece: the beginning of a batch. */
  #from = 0
  #to = 0

  private constructor(segment: Segment, handle: FileHandle) {
    this.segment = segment
    this.next = segment.base
    this.#handle = handle
  }

  static async open(segment: Segment): Promise<SegmentReader> {
    return new SegmentReader(segment, await open(segment.path, 'r'))
  }

  /** Reads the next piece; false: nothing more can be read, now or because it is damaged. */
  async read(): Promise<boolean> {
    this.#buffer.copyWithin(0, this.#from, this.#to)
    this.#to -= this.#from
    this.#from = 0
    const size = this.segment.written
    while (!this.isDamaged) {
      const left = Math.min(this.#buffer.length - this.#to, size - this.at - this.#to)
      if (left > 0) {
        const { bytesRead } = await this.#handle.read(this.#buffer, this.#to, left, this.at + this.#to)
        this.#to += bytesRead
        // Shorter than it was.
        if (bytesRead === 0) this.isDamaged = true
      }
      const { end, next, isDamaged } = wholeBatches(this.#buffer, this.#to, this.next)
      if (isDamaged) this.isDamaged = true
      if (end > 0) {
        this.piece = this.#buffer.subarray(0, end)
        this.#from = end
        this.at += end
        this.next = next
        return true
      }
      if (this.#to === 0) return false
      const rest = size - this.at
      const wanted = this.#to < LENGTH_OVERHEAD ? LENGTH_OVERHEAD : batchLength(this.#buffer, 0)
      if (wanted > rest) this.isDamaged = true
      else if (wanted > this.#buffer.length) this.#grow(wanted)
    }
    return false
  }

  async close(): Promise<void> {
    await this.#handle.close().catch(() => {})
  }

  #grow(bytes: number): void {
    const grown = Buffer.allocUnsafeSlow(bytes)
    this.#buffer.copy(grown, 0, 0, this.#to)
    this.#buffer = grown
  }
}
