/**
 * Records of one partition that are to become rows in one transaction.
 *
 * 1. It stands for the offsets from `from` up to, but not including, `next`: each record there is one of its rows or one
 *    of its letters.
 * 2. It has the bytes of its records, for a row that PostgreSQL refuses becomes a dead letter.
 */

import type { BatchCursor } from '../../record/batch-cursor.ts'
import type { Header } from '../../record/headers.ts'
import type { RecordBytes } from '../../runtime/dead-letters.ts'

/** What PostgreSQL is not even asked about. */
export interface SinkLetter {
  readonly offset: number
  readonly timestamp: number
  readonly record: RecordBytes
  readonly error: unknown
}

const NO_HEADERS: readonly Header[] = []
const FIRST_BYTES = 64 * 1024

export class SinkBatch {
  readonly partition: number
  readonly from: number
  next: number
  /** When its first record came here, ms. */
  readonly since: number
  readonly letters: SinkLetter[] = []
  readonly offsets: number[] = []
  readonly timestamps: number[] = []
  /** By column: the element of each row. */
  readonly #cells: readonly string[][]
  readonly #headers: (readonly Header[])[] = []
  /** Of each row four places in `#bytes`: key and value, begin and end; −1: it is null. */
  readonly #places: number[] = []
  #bytes = Buffer.allocUnsafe(FIRST_BYTES)
  #used = 0
  #letterBytes = 0

  constructor(partition: number, from: number, since: number, columns: number) {
    this.partition = partition
    this.from = from
    this.next = from
    this.since = since
    this.#cells = Array.from({ length: columns }, () => [])
  }

  get rows(): number {
    return this.offsets.length
  }

  get bytes(): number {
    return this.#used + this.#letterBytes
  }

  /** Of its first record, ms since 1970. */
  get oldest(): number {
    const row = this.timestamps[0] ?? Number.POSITIVE_INFINITY
    return Math.min(row, this.letters[0]?.timestamp ?? row)
  }

  /** The record of the cursor, with an element for each column. */
  addRow(cursor: BatchCursor, cells: readonly string[]): void {
    this.offsets.push(cursor.offset)
    this.timestamps.push(cursor.timestamp)
    for (let i = 0; i < cells.length; i++) this.#cells[i]!.push(cells[i]!)
    this.#headers.push(cursor.headerCount === 0 ? NO_HEADERS : cursor.headers())
    this.#keep(cursor.bytes, cursor.keyStart, cursor.keyEnd)
    this.#keep(cursor.bytes, cursor.valueStart, cursor.valueEnd)
    this.next = cursor.offset + 1
  }

  addLetter(cursor: BatchCursor, error: unknown): void {
    const { offset, timestamp, bytes, keyStart, keyEnd, valueStart, valueEnd } = cursor
    const key = keyStart < 0 ? null : Buffer.from(bytes.subarray(keyStart, keyEnd))
    const value = valueStart < 0 ? Buffer.alloc(0) : Buffer.from(bytes.subarray(valueStart, valueEnd))
    this.letters.push({
      offset,
      timestamp,
      error,
      record: {
        key,
        keyStart: 0,
        keyEnd: key?.length ?? 0,
        value,
        valueStart: valueStart < 0 ? -1 : 0,
        valueEnd: valueStart < 0 ? -1 : value.length,
        headers: cursor.headers(),
      },
    })
    this.#letterBytes += (key?.length ?? 0) + value.length
    this.next = offset + 1
  }

  /** The rows from `begin` up to `end`: for each column an array as PostgreSQL reads it. */
  arrays(begin: number, end: number): string[] {
    const isWhole = begin === 0 && end === this.rows
    return this.#cells.map(cells => `{${(isWhole ? cells : cells.slice(begin, end)).join(',')}}`)
  }

  /** The position that a transaction moves from or to which is cut before that row. */
  positionAt(row: number): number {
    if (row === 0) return this.from
    return row === this.rows ? this.next : this.offsets[row]!
  }

  letterOf(row: number, error: unknown): SinkLetter {
    const [keyStart, keyEnd, valueStart, valueEnd] = this.#places.slice(4 * row, 4 * row + 4) as [
      number,
      number,
      number,
      number,
    ]
    const bytes = this.#bytes
    return {
      offset: this.offsets[row]!,
      timestamp: this.timestamps[row]!,
      error,
      record: {
        key: keyStart < 0 ? null : bytes,
        keyStart,
        keyEnd,
        value: bytes,
        valueStart,
        valueEnd,
        headers: this.#headers[row]!,
      },
    }
  }

  #keep(bytes: Buffer, start: number, end: number): void {
    if (start < 0) {
      this.#places.push(-1, -1)
      return
    }
    const size = end - start
    if (this.#used + size > this.#bytes.length) {
      const larger = Buffer.allocUnsafe(Math.max(2 * this.#bytes.length, this.#used + size))
      this.#bytes.copy(larger, 0, 0, this.#used)
      this.#bytes = larger
    }
    bytes.copy(this.#bytes, this.#used, start, end)
    this.#places.push(this.#used, this.#used + size)
    this.#used += size
  }
}
