/**
 * Reads one partition for a sink, from the position that the database has.
 *
 *   position in the database ──► written ──► the batch that is being written ──► the batch that fills ──► reader
 *
 * 1. It keeps no position: when writing fails, it is given up, and a new one begins where the database says.
 * 2. A record that no row can be made of is a letter of its batch, at its place; the others go on.
 */

import { AldebaranError } from '../../errors.ts'
import type { PartitionReader } from '../../log/contract.ts'
import type { AnyTopic } from '../../pipeline/topic.ts'
import { BatchCursor } from '../../record/batch-cursor.ts'
import { SinkBatch } from './sink-batch.ts'
import type { PlannedColumn, SinkRecord } from './sink-columns.ts'

/** Bytes of a look at the log. */
const POLL_BYTES = 256 * 1024

type Mutable<T> = { -readonly [Name in keyof T]: T[Name] }

export class SinkFeed {
  readonly partition: number
  /** What the database has. */
  written: number
  readonly #topic: AnyTopic
  readonly #columns: readonly PlannedColumn[]
  readonly #reader: PartitionReader
  readonly #cursor = new BatchCursor()
  readonly #cells: string[]
  readonly #record: Mutable<SinkRecord<unknown, unknown>>
  #batch: SinkBatch | null = null
  /** The cursor is within a chunk. */
  #hasChunk = false
  #inBatch = false
  /** The next offset that is wanted. */
  #next: number
  /** What was taken last ends there. */
  #taken: number

  constructor(topic: AnyTopic, columns: readonly PlannedColumn[], reader: PartitionReader, position: number) {
    this.partition = reader.partition
    this.written = position
    this.#topic = topic
    this.#columns = columns
    this.#reader = reader
    this.#next = position
    this.#taken = position
    this.#cells = columns.map(() => '')
    this.#record = { key: null, value: null, partition: reader.partition, offset: 0, timestamp: 0 }
  }

  /** What fills, if there is something in it. */
  get batch(): SinkBatch | null {
    return this.#batch
  }

  /** Records that are not written yet, as far as is known; where offsets have gaps, at most that many. */
  get lag(): number {
    const isAllWritten = this.#batch === null && this.written >= this.#taken
    const reached = isAllWritten ? this.#next : this.written
    return Math.max(0, this.#reader.end() - reached)
  }

  /**
   * Adds what there is to the batch, up to so many records and bytes. True: it is full.
   * @throws AldebaranError OFFSET_OUT_OF_RANGE, BATCH_CORRUPT, and what says that no record is at fault
   */
  fill(rows: number, bytes: number, now: number): boolean {
    for (;;) {
      if (!this.#hasChunk) {
        if (!this.#reader.poll(POLL_BYTES)) {
          this.#next = Math.max(this.#next, this.#reader.position)
          return false
        }
        this.#cursor.reset(this.#reader.chunk, 0, this.#reader.size)
        this.#hasChunk = true
        this.#inBatch = false
      }
      if (this.#take(rows, bytes, now)) return true
    }
  }

  /** Gives the batch away; another one is begun. */
  take(): SinkBatch | null {
    const batch = this.#batch
    this.#batch = null
    if (batch !== null) this.#taken = batch.next
    return batch
  }

  close(): void {
    this.#reader.close()
  }

  /** False: the chunk is used up. */
  #take(rows: number, bytes: number, now: number): boolean {
    const cursor = this.#cursor
    for (;;) {
      if (!this.#inBatch) {
        if (!cursor.nextBatch()) {
          this.#hasChunk = false
          return false
        }
        if (cursor.isControl) continue
        this.#inBatch = true
      }
      while (cursor.next()) {
        if (cursor.offset < this.#next) continue
        this.#batch ??= new SinkBatch(this.partition, this.#next, now, this.#columns.length)
        this.#add(this.#batch)
        this.#next = cursor.offset + 1
        if (this.#batch.rows + this.#batch.letters.length >= rows || this.#batch.bytes >= bytes) return true
      }
      this.#inBatch = false
    }
  }

  #add(batch: SinkBatch): void {
    const cursor = this.#cursor
    const record = this.#record
    const cells = this.#cells
    try {
      const { bytes, keyStart, keyEnd, valueStart, valueEnd } = cursor
      if (valueStart < 0) throw new AldebaranError('VALUE_UNDECODABLE', 'the value is null')
      record.key = keyStart < 0 ? null : this.#topic.key.decode(bytes, keyStart, keyEnd)
      record.value = this.#topic.value.decode(bytes, valueStart, valueEnd)
      record.offset = cursor.offset
      record.timestamp = cursor.timestamp
      for (let i = 0; i < cells.length; i++) {
        const column = this.#columns[i]!
        cells[i] = column.encode(column.from(record), column.name)
      }
    } catch (error) {
      if (error instanceof AldebaranError && error.fate !== 'terminal') throw error
      batch.addLetter(cursor, error)
      return
    }
    batch.addRow(cursor, cells)
  }
}
