/**
 * Rolling and sliding windows that count late records. What has left the window stays in the chain for as long as a late
 * record may need it.
 *
 * 1. A late record gets its place in the chain, and all results that it changes are told again, `late`: its own, those of the
 *    records that have it in their window, and those of exits until its own.
 * 2. The chain goes from `oldest` to `last`; what is in the window, from `first` to `last`. `first` is NONE while it is empty.
 * 3. Going through old windows uses the row of the key; afterwards it tells the present one again.
 */
import type { Operator } from '../node.ts'
import { NONE, nextOf, TrailingWindows } from './trailing-windows.ts'
import type { WindowRow } from './window-operator.ts'

export class LateTrailingWindows extends TrailingWindows implements Operator {
  /** Of the old window that is gone through; NONE: it is empty, and the late record has left it. */
  #front = NONE
  #back = NONE

  protected override late(value: unknown): void {
    const { time } = this
    if (time + this.lateness < this.watermark) {
      this.tooLate(value)
      return
    }
    const key = this.locateKey(this.keys)
    const number = this.place(key, time)
    const row = this.records.row as WindowRow
    const isNew = !row.exists
    this.put(row, value)
    if (isNew) this.#insert(key, number, time)
    this.#tellAgain(key, number, time)
    if (key.first === NONE) this.aggregates.clear(key)
    else this.addUp(key, key.first, key.last)
  }

  protected override end(number: number, row: WindowRow): void {
    const { hasLeft, time } = row
    if (hasLeft) this.#forget(time)
    else if (this.letsOthersGoFirst(row)) return
    else this.leave(time)
    // One that had left when lateness was taken back, to be allowed again later, is in no chain.
    const left = this.record(number)
    if (left.exists && left.hasLeft === hasLeft) left.delete()
  }

  protected override tailOf(key: WindowRow): number {
    return key.last
  }

  protected override release(row: WindowRow): void {
    const key = this.keys.row as WindowRow
    if (key.oldest === NONE) key.oldest = key.first
    row.hasLeft = true
    row.due = this.leavesAt(row.time) + this.lateness
  }

  protected override emptied(): void {
    // The chain is still there.
  }

  /** No late record can need what is not newer than `time`. */
  #forget(time: number): void {
    const key = this.locateKey(this.keys)
    const last = key.last as number
    let oldest = this.#oldestOf(key)
    while (oldest !== NONE) {
      const row = this.record(oldest)
      if (row.time > time) break
      const next = oldest === last ? NONE : nextOf(row, oldest)
      row.delete()
      oldest = next
    }
    key.oldest = oldest
    if (oldest !== NONE) return
    key.last = NONE
    if (key.waiting === 0) key.delete()
  }

  /** Behind all that are not newer. */
  #insert(key: WindowRow, number: number, time: number): void {
    const last = key.last as number
    let before = NONE
    let after = this.#oldestOf(key)
    while (after !== NONE) {
      const row = this.record(after)
      if (row.time > time) break
      before = after
      after = after === last ? NONE : nextOf(row, after)
    }
    const hasLeft = this.#hasLeft(time, after === NONE ? time : (this.record(last).time as number))
    const row = this.record(number)
    row.hasEntered = true
    row.next = after
    row.due = this.leavesAt(time)
    if (hasLeft) this.release(row)
    else if (key.first === after) key.first = number
    if (after === NONE) key.last = number
    if (before === NONE) key.oldest = number
    else this.record(before).next = number
  }

  /** `newest`: time of the last of the chain. */
  #hasLeft(time: number, newest: number): boolean {
    return time <= newest - this.reach || this.leavesAt(time) <= this.watermark
  }

  #tellAgain(key: WindowRow, number: number, time: number): void {
    const last = key.last as number
    this.#front = this.#firstNewer(key, time - this.reach)
    this.#back = number
    this.addUp(key, this.#front, number)
    this.tellRecord(key, this.record(number), 'late')
    for (let row = this.record(number), next = number; next !== last; ) {
      next = nextOf(row, next)
      row = this.record(next)
      const until = row.time as number
      if (this.tellsExits) this.#exitsBefore(key, time, until)
      if (time <= until - this.reach) return
      this.#dropOld(key, until - this.reach)
      row = this.record(next)
      this.aggregates.addItems(key, row, until)
      this.#back = next
      this.tellRecord(key, row, 'late')
    }
    if (this.tellsExits) this.#exitsBefore(key, time, Number.POSITIVE_INFINITY)
  }

  /** Tells the exits before `until`, as far as they have been, and up to that of the records of `time`. */
  #exitsBefore(key: WindowRow, time: number, until: number): void {
    while (this.#front !== NONE) {
      const row = this.record(this.#front)
      const leaving = row.time as number
      if (leaving > time || leaving + this.size + 1 >= until || !row.hasLeft) return
      this.#dropOld(key, leaving)
      if (this.#front !== NONE) this.tellExit(key, leaving, 'late')
    }
  }

  /** Takes what is not newer than `time` out of the old window. */
  #dropOld(key: WindowRow, time: number): void {
    let isKnown = true
    while (this.#front !== NONE) {
      const row = this.record(this.#front)
      if (row.time > time) break
      isKnown = isKnown && this.aggregates.subtractItems(key, row, row.time)
      this.#front = this.#front === this.#back ? NONE : nextOf(row, this.#front)
    }
    if (this.#front === NONE) this.aggregates.clear(key)
    else if (!isKnown) this.addUp(key, this.#front, this.#back)
  }

  /** There is one. */
  #firstNewer(key: WindowRow, time: number): number {
    let number = this.#oldestOf(key)
    for (let row = this.record(number); row.time <= time; row = this.record(number)) number = nextOf(row, number)
    return number
  }

  /** Until something has left, it is the first of the window; also when lateness was taken back, and what had left went. */
  #oldestOf(key: WindowRow): number {
    const oldest = key.oldest as number
    return oldest === NONE || !this.record(oldest).exists ? key.first : oldest
  }
}
