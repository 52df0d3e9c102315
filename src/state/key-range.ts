import { LIVE } from './row-memory.ts'
import type { RowStore } from './row-store.ts'

interface Entry {
  row: number
  start: number
  end: number
}

/** Of the rows in memory the `limit` first by the bytes of their keys with from ≤ key < to. Looks at every row. */
export function rowsInRange(
  memory: RowStore,
  from: Buffer | undefined,
  to: Buffer | undefined,
  limit: number,
): number[] {
  const range = new KeyRange(from, to, limit)
  const keys = memory.keyBuffer()
  for (let row = 1; row < memory.high; row++) {
    if ((memory.flagsOf(row) & LIVE) === 0) continue
    const start = memory.keyStartOf(row)
    range.offer(row, keys, start, start + memory.keyLengthOf(row))
  }
  return range.rows()
}

/** Keeps, of the rows offered, the `limit` first by the bytes of their keys with from ≤ key < to. */
class KeyRange {
  readonly #from: Buffer | undefined
  readonly #to: Buffer | undefined
  readonly #limit: number
  /** In order once there are `limit`; before that as they came. */
  readonly #entries: Entry[] = []
  #isSorted = false
  #keys: Buffer = Buffer.alloc(0)

  constructor(from: Buffer | undefined, to: Buffer | undefined, limit: number) {
    this.#from = from
    this.#to = to
    this.#limit = limit
  }

  /** All keys offered lie in one buffer. */
  offer(row: number, keys: Buffer, start: number, end: number): void {
    const { length } = this.#entries
    this.#keys = keys
    if (this.#limit <= 0) return
    if (this.#from !== undefined && compare(keys, start, end, this.#from) < 0) return
    if (this.#to !== undefined && compare(keys, start, end, this.#to) >= 0) return
    if (length < this.#limit) {
      this.#entries.push({ row, start, end })
      return
    }
    if (!this.#isSorted) this.#sort()
    const last = this.#entries[length - 1]!
    if (this.#keys.compare(keys, start, end, last.start, last.end) <= 0) return
    this.#entries.pop()
    let low = 0
    let high = length - 1
    while (low < high) {
      const middle = (low + high) >>> 1
      const entry = this.#entries[middle]!
      if (keys.compare(keys, start, end, entry.start, entry.end) > 0) high = middle
      else low = middle + 1
    }
    this.#entries.splice(low, 0, { row, start, end })
  }

  #sort(): void {
    const keys = this.#keys
    this.#entries.sort((left, right) => keys.compare(keys, right.start, right.end, left.start, left.end))
    this.#isSorted = true
  }

  rows(): number[] {
    this.#sort()
    return this.#entries.map(entry => entry.row)
  }
}

function compare(keys: Buffer, start: number, end: number, bound: Buffer): number {
  return keys.compare(bound, 0, bound.length, start, end)
}
