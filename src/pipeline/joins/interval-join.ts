/**
 * The join of two streams within a time of each other. A record waits until nobody it could meet may come any more.
 *
 * Words: a *side* is 0 (left) or 1 (right). A record is *open* until the watermark passes its time + the reach of its side +
 * grace: the reach of a left record is how far behind it a right one may lie (`after`), that of a right one `before`.
 *
 * Invariants
 * 1. A pair is told once, when the later of the two is read, if the other one is open then. A record that is not open when it
 *    is read is too late.
 * 2. Where a side is told alone, it is told when its record closes and has met nobody; never before or after a pair of it.
 * 3. The open records of a key and side are a chain in order of time, equal times in the order they were read. As their
 *    reach is the same, they close in that order.
 * 4. Records have numbers, 2 · count + side. Behind the record n comes n + 2 unless `next` says otherwise, so one that is
 *    the newest, as most are, changes no other row than that of its key.
 * 5. A record whose timer failed stays behind (the timer is a dead letter), is met by nobody, and goes with the next one that
 *    closes.
 */

import type { Schema } from '../../schema/schema.ts'
import type { TaskTable } from '../../state/contract.ts'
import { CompositeKeyBytes, NUMBER_BYTES, numberOf } from '../composite-key.ts'
import type { Operator, OperatorParts } from '../node.ts'
import type { StoredValue } from './stored-value.ts'
import type { Joiner } from './table-joins.ts'

/** All of it by side. */
export interface IntervalRules {
  readonly key: Schema<unknown>
  /** Records of the other side lie at most so far before, and after, ms. */
  readonly before: readonly [left: number, right: number]
  readonly after: readonly [left: number, right: number]
  readonly grace: number
  /** The side is told alone. */
  readonly isOuter: readonly [left: boolean, right: boolean]
  readonly joiner: Joiner
}

/** The row of a key: the ends of both chains, 0 where there is nothing, and records counted. */
interface ChainsRow {
  leftHead: number
  leftTail: number
  leftCount: number
  rightHead: number
  rightTail: number
  rightCount: number
  delete(): void
}

interface RecordRow {
  readonly exists: boolean
  time: number
  left: unknown
  right: unknown
  /** 0: its own number + 2. */
  next: number
  previous: number
  hasMet: boolean
  /** Timer: it closes. */
  close: number
  delete(): void
}

type Side = 0 | 1

export class IntervalJoin implements Operator {
  readonly #parts: OperatorParts
  readonly #rules: IntervalRules
  readonly #stored: readonly [left: StoredValue, right: StoredValue]
  readonly #chains: TaskTable
  readonly #records: TaskTable
  readonly #rowKey = new CompositeKeyBytes()

  constructor(parts: OperatorParts, rules: IntervalRules, stored: readonly [StoredValue, StoredValue]) {
    this.#parts = parts
    this.#rules = rules
    this.#stored = stored
    this.#chains = parts.tables[0]!
    this.#records = parts.tables[1]!
  }

  push(value: unknown, input: number): void {
    const side = input as Side
    const { context, tooLate } = this.#parts
    const { timestamp } = context
    if (this.#isClosed(timestamp, side)) {
      tooLate({ side: side === 0 ? 'left' : 'right', value })
      return
    }
    const { keyBytes, keyStart, keyEnd } = context
    this.#rowKey.set(keyBytes, keyStart, keyEnd, 0)
    const chains = this.#chains.locate(keyBytes, keyStart, keyEnd) as unknown as ChainsRow
    const hasMet = this.#tellPairs(value, side, chains)
    context.timestamp = timestamp
    this.#insert(value, side, chains, hasMet)
  }

  /** A record closes. Those before it that are still here have the same time, or failed. */
  timer(): void {
    const { context, emit } = this.#parts
    const { joiner, isOuter, key } = this.#rules
    const own = numberOf(context.keyBytes, context.keyEnd)
    const side = (own % 2) as Side
    context.keyEnd -= NUMBER_BYTES
    context.keySchema = key
    this.#rowKey.set(context.keyBytes, context.keyStart, context.keyEnd, own)
    const chains = this.#chains.locate(context.keyBytes, context.keyStart, context.keyEnd) as unknown as ChainsRow
    for (let number = headOf(chains, side); number !== 0; ) {
      const row = this.#record(number)
      const isTold = isOuter[side] && !row.hasMet && (number === own || row.close !== 0)
      const value = isTold ? this.#valueOf(row, side) : null
      context.timestamp = row.time
      const next = this.#remove(row, number, side, chains)
      if (isTold) {
        const result = side === 0 ? joiner(value, null, context) : joiner(null, value, context)
        if (result !== undefined) emit(result)
      }
      if (number === own) break
      number = next
    }
  }

  #isClosed(time: number, side: Side): boolean {
    const { after, grace } = this.#rules
    return time + after[side] + grace < this.#parts.context.watermark
  }

  #record(number: number): RecordRow {
    const key = this.#rowKey
    key.renumber(number)
    return this.#records.locate(key.bytes, 0, key.end) as unknown as RecordRow
  }

  #valueOf(row: RecordRow, side: Side): unknown {
    return this.#stored[side].get(side === 0 ? row.left : row.right)
  }

  /** In order of time. Returns whether there was any. */
  #tellPairs(value: unknown, side: Side, chains: ChainsRow): boolean {
    const { context, emit } = this.#parts
    const { before, after, isOuter, joiner } = this.#rules
    const { timestamp } = context
    const other = (1 - side) as Side
    const tail = tailOf(chains, other)
    const to = timestamp + after[side]
    let number = this.#first(timestamp - before[side], to, other, chains)
    if (number === 0) return false
    for (;;) {
      const row = this.#record(number)
      const { time } = row
      if (time > to) return true
      const next = number === tail ? 0 : nextOf(row, number)
      if (isOuter[other] && !row.hasMet) row.hasMet = true
      const met = this.#valueOf(row, other)
      context.timestamp = Math.max(timestamp, time)
      const result = side === 0 ? joiner(value, met, context) : joiner(met, value, context)
      if (result !== undefined) emit(result)
      if (next === 0) return true
      number = next
    }
  }

  /** The oldest open record of a chain from `from` to `to`, or 0; looked for from the newest on. */
  #first(from: number, to: number, side: Side, chains: ChainsRow): number {
    const head = headOf(chains, side)
    let first = 0
    for (let number = tailOf(chains, side); number !== 0; ) {
      const { time, previous } = this.#record(number)
      if (time < from || this.#isClosed(time, side)) return first
      if (time <= to) first = number
      number = number === head ? 0 : previous
    }
    return first
  }

  #insert(value: unknown, side: Side, chains: ChainsRow, hasMet: boolean): void {
    const { timestamp } = this.#parts.context
    const { after, grace } = this.#rules
    const number = count(chains, side) * 2 + side
    const head = headOf(chains, side)
    let before = tailOf(chains, side)
    let behind = 0
    while (before !== 0) {
      const { time, previous } = this.#record(before)
      if (time <= timestamp) break
      behind = before
      before = before === head ? 0 : previous
    }
    const row = this.#record(number)
    row.time = timestamp
    if (side === 0) row.left = this.#stored[0].put(value)
    else row.right = this.#stored[1].put(value)
    row.hasMet = hasMet
    row.previous = before
    row.next = behind
    // Time 0 is none to a timer, and what is older than 1970 is due at once.
    row.close = Math.max(1, timestamp + after[side] + grace + 1)
    if (before === 0) setHead(chains, side, number)
    else if (before + 2 !== number || behind !== 0) this.#record(before).next = number
    if (behind === 0) setTail(chains, side, number)
    else this.#record(behind).previous = number
  }

  /** The head of a chain. Returns the one behind it, or 0. */
  #remove(row: RecordRow, number: number, side: Side, chains: ChainsRow): number {
    const next = number === tailOf(chains, side) ? 0 : nextOf(row, number)
    row.delete()
    setHead(chains, side, next)
    if (next !== 0) return next
    setTail(chains, side, 0)
    if (chains.leftHead === 0 && chains.rightHead === 0) chains.delete()
    return 0
  }
}

function nextOf(row: RecordRow, number: number): number {
  return row.next === 0 ? number + 2 : row.next
}

function headOf(chains: ChainsRow, side: Side): number {
  return side === 0 ? chains.leftHead : chains.rightHead
}

function tailOf(chains: ChainsRow, side: Side): number {
  return side === 0 ? chains.leftTail : chains.rightTail
}

function setHead(chains: ChainsRow, side: Side, number: number): void {
  if (side === 0) chains.leftHead = number
  else chains.rightHead = number
}

function setTail(chains: ChainsRow, side: Side, number: number): void {
  if (side === 0) chains.leftTail = number
  else chains.rightTail = number
}

/** One more. Counts begin at 1, so that no record has the number 0. */
function count(chains: ChainsRow, side: Side): number {
  if (side === 0) return ++chains.leftCount
  return ++chains.rightCount
}
