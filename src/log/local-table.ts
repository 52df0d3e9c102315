/**
 * The rows of one partition of a disk table in a store of their own on this machine, as its changelog has them.
 *
 * Invariants
 * 1. Rows and the offset up to which the changelog is in them change in one transaction; only what is committed there is
 *    written here. So the store is never ahead of the log, and what it lacks is read from there.
 * 2. Several threads may have the store open, as a task moves from one to the other: what a transaction writes depends on
 *    the end that it finds.
 * 3. Nothing is synced. The end of the process loses nothing; after the end of the machine the store is not used.
 * 4. A value carries a checksum of itself and its key. A store in which one does not fit is deleted, and the table read
 *    anew: it never gives a row that was not written.
 */
import { rmSync } from 'node:fs'
import { AldebaranError, messageOf } from '../errors.ts'
import { crc32c } from '../record/crc32c.ts'
import type { LocalTable } from './contract.ts'
import type { LmdbStore } from './lmdb-store.ts'

const STATE = Buffer.from([0])
const SUM_BYTES = 4
const FIRST_PAGE = 100
const LARGEST_PAGE = 10_000
/** A first byte of the key for each of the names of tables that there may be. */
const ROWS = 1
const PREFIXES: Readonly<Record<string, number>> = { '': ROWS, '#timers': 2, '#meta': 3 }
const NOTHING = Buffer.alloc(0)

export class LmdbLocalTable implements LocalTable {
  reason: string | null = null
  readonly #store: LmdbStore
  readonly #folder: string
  #isUpdating = false
  #isLost = false

  /** `folder`: what is deleted when the store is damaged. */
  constructor(store: LmdbStore, folder: string) {
    this.#store = store
    this.#folder = folder
  }

  get end(): number {
    return this.#state()?.readDoubleLE(0) ?? 0
  }

  /** What lies behind `end` in the changelog was written then or later, ms. */
  get asOf(): number {
    return this.#state()?.readDoubleLE(8) ?? 0
  }

  /** It cannot be used: it was damaged, or another thread deleted it. */
  get isLost(): boolean {
    if (!this.#isLost) {
      try {
        this.#store.checkFile()
      } catch {
        this.#isLost = true
      }
    }
    return this.#isLost
  }

  tableGet(table: string, key: Uint8Array): Buffer | undefined {
    const stored = keyOf(table, key)
    const value = this.#guard(() => this.#get(stored))
    return value === undefined ? undefined : this.#verified(stored, value)
  }

  /** Goes through the store page by page, as the tables of a log do. */
  *tableRange(
    table: string,
    from: Uint8Array = NOTHING,
    to?: Uint8Array,
    limit: number = Number.POSITIVE_INFINITY,
  ): Generator<[key: Buffer, value: Buffer]> {
    const end = to === undefined ? Buffer.from([prefixOf(table) + 1]) : keyOf(table, to)
    let at = keyOf(table, from)
    let left = limit
    for (let size = FIRST_PAGE; left > 0; size = Math.min(size * 4, LARGEST_PAGE)) {
      const page = this.#guard(() => this.#store.range(at, end, { limit: Math.min(left, size) }))
      if (!this.#isUpdating) this.#store.refresh()
      for (const [key, value] of page) yield [key.subarray(1), this.#verified(key, value)]
      if (page.length < size) return
      left -= page.length
      at = Buffer.concat([page[page.length - 1]![0], Buffer.alloc(1)])
    }
  }

  update(work: () => void): void {
    if (this.isLost) throw lost(this.#folder, 'it was deleted')
    this.#guard(() =>
      this.#store.exclusive(() => {
        this.#isUpdating = true
        try {
          work()
        } finally {
          this.#isUpdating = false
        }
      }),
    )
  }

  write(table: string, key: Uint8Array, value: Uint8Array | null): void {
    const stored = keyOf(table, key)
    if (value === null) {
      this.#store.write(stored, null)
      return
    }
    const sealed = Buffer.allocUnsafe(value.length + SUM_BYTES)
    sealed.set(value)
    sealed.writeInt32LE(sumOf(stored, sealed, value.length), value.length)
    this.#store.write(stored, sealed)
  }

  reach(end: number, asOf: number): void {
    const state = Buffer.alloc(16)
    state.writeDoubleLE(end, 0)
    state.writeDoubleLE(Math.max(asOf, this.asOf), 8)
    this.#store.write(STATE, state)
  }

  /** No snapshot of it is kept: that would keep pages from being used again by others. */
  release(): void {
    this.#store.refresh()
  }

  async close(): Promise<void> {
    await this.#store.close()
  }

  #state(): Buffer | undefined {
    return this.#guard(() => this.#get(STATE))
  }

  #get(key: Buffer): Buffer | undefined {
    if (this.#isUpdating) return this.#store.current(key)
    this.#store.refresh()
    return this.#store.get(key)
  }

  #verified(key: Buffer, value: Buffer): Buffer {
    const length = value.length - SUM_BYTES
    if (length >= 0 && value.readInt32LE(length) === sumOf(key, value, length)) return value.subarray(0, length)
    throw this.#lose('a value has another checksum than when it was written')
  }

  #guard<T>(work: () => T): T {
    try {
      return work()
    } catch (error) {
      if (error instanceof AldebaranError && error.code === 'STORE_DAMAGED') throw this.#lose(messageOf(error))
      throw error
    }
  }

  #lose(reason: string): AldebaranError {
    this.#isLost = true
    rmSync(this.#folder, { recursive: true, force: true })
    return lost(this.#folder, reason)
  }
}

function lost(folder: string, reason: string): AldebaranError {
  return new AldebaranError('TABLE_STORE_LOST', `the store of a disk table in ${folder} is given up: ${reason}`, {
    path: folder,
  })
}

function prefixOf(table: string): number {
  const prefix = PREFIXES[table]
  if (prefix === undefined) throw new AldebaranError('INTERNAL', `a store of a disk table has no '${table}'`)
  return prefix
}

function keyOf(table: string, key: Uint8Array): Buffer {
  const stored = Buffer.allocUnsafe(key.length + 1)
  stored[0] = table === '' ? ROWS : prefixOf(table)
  stored.set(key, 1)
  return stored
}

function sumOf(key: Buffer, value: Uint8Array, length: number): number {
  return (Math.imul(crc32c(key, 0, key.length), 31) + crc32c(value, 0, length)) | 0
}
