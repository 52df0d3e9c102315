/**
 * What the changelog of a memory table holds: one entry a record, oldest first, with the row it was written for.
 *
 * Words: records are numbered by their *sequence*, from 1. The *head* is the oldest entry. An entry is *live* while its
 * row's `latest` word is its sequence (its low 32 bits); tombstones (row 0) and older records of a row are not.
 *
 * Invariants
 * 1. Every row with a record in the changelog has exactly one live entry. So what lies before the head is dead.
 * 2. A tombstone follows every older record of its key, so it may go when it gets to the head.
 * 3. `trimBefore` is the offset of what was the head when the last committed unit was collected, or the last records
 *    were restored: copies of records before it are durable.
 */
import type { Meter } from './memory-budget.ts'

const LEAST_ENTRIES = 1024

export class ChangelogRing {
  #rows = new Int32Array(LEAST_ENTRIES)
  /** Sequence of the head, and of the next record. */
  #head = 1
  #next = 1
  /** Runs of records with dense offsets: a run begins at a sequence and its offset. A queue in a circle, not metered. */
  #runSequences = new Float64Array(16)
  #runOffsets = new Float64Array(16)
  #firstRun = 0
  #runs = 0
  /** Units collected and not committed: first sequence and head after the collect; a queue. */
  readonly #pending: { first: number; head: number; next: number }[] = []
  /** The sequence after the last one whose offset is known. */
  #known = 1
  #offsetAfter = 0
  #trimBefore = 0
  readonly #meter: Meter

  constructor(meter: Meter) {
    this.#meter = meter
    meter.add(this.#rows.byteLength)
  }

  get length(): number {
    return this.#next - this.#head
  }

  get trimBefore(): number {
    return this.#trimBefore
  }

  /** The offset after the last record whose offset is known; 0: there is none. */
  get end(): number {
    return this.#offsetAfter
  }

  /** Room for the entries of a collect: call it before anything is written. */
  reserve(count: number): void {
    const least = this.length + count
    if (least <= this.#rows.length) return
    let size = this.#rows.length
    while (size < least) size *= 2
    this.#resize(size)
  }

  /** Gives back what the entries that are left do not need. */
  shrink(): void {
    let size = LEAST_ENTRIES
    while (size < this.length * 2) size *= 2
    if (size < this.#rows.length) this.#resize(size)
  }

  #resize(size: number): void {
    // The changes were taken when they were made: to refuse them now would only undo and repeat them without end.
    this.#meter.add((size - this.#rows.length) * 4, true)
    const grown = new Int32Array(size)
    for (let sequence = this.#head; sequence < this.#next; sequence++) {
      grown[sequence % size] = this.#rows[sequence % this.#rows.length]!
    }
    this.#rows = grown
  }

  /** Adds the entry of a new record (row 0: a tombstone). Returns the low 32 bits of its sequence. */
  push(row: number): number {
    const sequence = this.#next++
    this.#rows[sequence & (this.#rows.length - 1)] = row
    return sequence | 0
  }

  /** The row of the head, and the low 32 bits of its sequence. */
  headRow(): number {
    return this.#rows[this.#head & (this.#rows.length - 1)]!
  }

  headSequence(): number {
    return this.#head | 0
  }

  pop(): void {
    this.#head++
  }

  /** Ends a unit of `count` > 0 records. */
  endUnit(count: number): void {
    this.#pending.push({ first: this.#next - count, head: this.#head, next: this.#next })
  }

  /** The oldest unit not committed yet is, and its first record has `offset`. */
  committed(offset: number): void {
    const unit = this.#pending.shift()
    if (unit === undefined) return
    this.#locate(unit.first, offset, unit.next)
    this.#trim(unit.head)
  }

  /** Adds a record read from the changelog: one that follows all others, and no unit is under way. */
  restored(row: number, offset: number): number {
    this.reserve(1)
    const sequence = this.#next
    const low = this.push(row)
    this.#locate(sequence, offset, sequence + 1)
    return low
  }

  /** What was restored is durable: what lies before the head now may be trimmed. */
  endRestore(): void {
    this.#trim(this.#head)
  }

  /** Records from `sequence` on have offsets from `offset` on. */
  #locate(sequence: number, offset: number, next: number): void {
    if (this.#runs === 0 || offset !== this.#offsetAfter) this.#addRun(sequence, offset)
    this.#offsetAfter = offset + next - sequence
    this.#known = next
  }

  #addRun(sequence: number, offset: number): void {
    const size = this.#runSequences.length
    if (this.#runs === size) {
      const sequences = new Float64Array(size * 2)
      const offsets = new Float64Array(size * 2)
      for (let index = 0; index < size; index++) {
        sequences[index] = this.#runSequences[(this.#firstRun + index) % size]!
        offsets[index] = this.#runOffsets[(this.#firstRun + index) % size]!
      }
      this.#runSequences = sequences
      this.#runOffsets = offsets
      this.#firstRun = 0
    }
    const at = (this.#firstRun + this.#runs++) % this.#runSequences.length
    this.#runSequences[at] = sequence
    this.#runOffsets[at] = offset
  }

  /** Everything before the record `head` is dead. */
  #trim(head: number): void {
    if (head >= this.#known) {
      this.#trimBefore = this.#offsetAfter
      this.#runs = 0
      return
    }
    const size = this.#runSequences.length
    while (this.#runs > 1 && this.#runSequences[(this.#firstRun + 1) % size]! <= head) {
      this.#firstRun = (this.#firstRun + 1) % size
      this.#runs--
    }
    this.#trimBefore = this.#runOffsets[this.#firstRun]! + head - this.#runSequences[this.#firstRun]!
  }
}
