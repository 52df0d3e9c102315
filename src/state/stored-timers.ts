/**
 * The timers of one name that a disk table has in the log's table, earliest first, read a few at a time.
 *
 * An entry's key is the timer's name, a zero byte, the deadline (8 bytes) and the set-sequence (4 bytes), big-endian,
 * and the key of the row; so byte order is the order of firing. Its value is one byte without a meaning.
 *
 * Entries of rows that are in the cache are no news: the wheel has their timers. The table says which those are, and
 * calls `returned` when a row leaves the cache.
 */
import type { TableStore } from './table-options.ts'

const BATCH = 64
const AT_DEADLINE = 1
const TWO_32 = 0x1_0000_0000

export interface StoredTimer {
  deadline: number
  sequence: number
  key: Buffer
  entry: Buffer
  /** It was looked for in the store. */
  isVerified: boolean
}

export class StoredTimers {
  readonly #store: TableStore
  readonly #keyspace: string
  readonly #prefix: Buffer
  readonly #isCached: (key: Buffer) => boolean
  /** What was read and not dropped; the first is at `#first`. */
  #entries: StoredTimer[] = []
  #first = 0
  /** Where the next batch begins; undefined: at the first entry. */
  #from: Buffer | undefined
  #isComplete = false

  constructor(store: TableStore, keyspace: string, name: string, isCached: (key: Buffer) => boolean) {
    this.#store = store
    this.#keyspace = keyspace
    this.#prefix = Buffer.from(`${name}\0`)
    this.#isCached = isCached
  }

  entryKey(deadline: number, sequence: number, key: Uint8Array): Buffer {
    const head = this.#prefix.length
    const entry = Buffer.allocUnsafe(head + 12 + key.length)
    this.#prefix.copy(entry)
    entry.writeUInt32BE(Math.floor(deadline / TWO_32), head)
    entry.writeUInt32BE(deadline % TWO_32, head + 4)
    entry.writeUInt32BE(sequence >>> 0, head + 8)
    entry.set(key, head + 12)
    return entry
  }

  /** The first stored timer of a row that is not in the cache. */
  first(): StoredTimer | undefined {
    for (;;) {
      if (this.#first === this.#entries.length && !this.#read()) return undefined
      const timer = this.#entries[this.#first]!
      if (!this.#isCached(timer.key)) return timer
      this.#first++
    }
  }

  /** As `first`, surely still in the store. */
  firstVerified(): StoredTimer | undefined {
    for (;;) {
      const timer = this.first()
      if (timer === undefined || timer.isVerified) return timer
      timer.isVerified = this.#store.tableGet(this.#keyspace, timer.entry) !== undefined
      if (!timer.isVerified) this.#first++
    }
  }

  /** Drops what `first` returned: the row has no such timer. */
  drop(): void {
    this.#first++
  }

  /** A row with this deadline has left the cache: its timer may be among those passed over. */
  returned(deadline: number): void {
    const wasRead = this.#from !== undefined || this.#isComplete
    if (!wasRead) return
    const last = this.#entries.at(-1)
    if (!this.#isComplete && (last === undefined || deadline > last.deadline)) return
    this.reset()
  }

  /** What was read is no longer what the store has: it is read again from the first one on. */
  reset(): void {
    this.#entries = []
    this.#first = 0
    this.#from = undefined
    this.#isComplete = false
  }

  #read(): boolean {
    if (this.#isComplete) return false
    const end = Buffer.from(this.#prefix)
    end[end.length - 1] = AT_DEADLINE
    this.#entries = []
    this.#first = 0
    const head = this.#prefix.length
    for (const [entry] of this.#store.tableRange(this.#keyspace, this.#from ?? this.#prefix, end, BATCH)) {
      this.#entries.push({
        deadline: entry.readUInt32BE(head) * TWO_32 + entry.readUInt32BE(head + 4),
        sequence: entry.readInt32BE(head + 8),
        key: Buffer.from(entry.subarray(head + 12)),
        entry: Buffer.from(entry),
        isVerified: false,
      })
    }
    const last = this.#entries.at(-1)
    this.#isComplete = this.#entries.length < BATCH
    if (last !== undefined) this.#from = Buffer.concat([last.entry, Buffer.alloc(1)])
    return last !== undefined
  }
}
