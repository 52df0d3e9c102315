/**
 * The key-value store on LMDB, through `lmdb`.
 *
 * Notes on `lmdb` 3.5, from its source
 * - `overlappingSync` (its default) tells a commit before it is synced, and makes a third meta page. It is off here:
 *   `transactionSync` then returns after data and meta page are on the disk, or after the write calls with `noSync`.
 * - Its shared read transaction is renewed by a timer, which never fires in a thread that does not return to its event
 *   loop, and each renewal leaves another timer behind. So one explicit transaction is kept per handle; `resetTxn`
 *   lets go of its snapshot, and the next read renews it.
 * - It enlarges the memory map by itself: there is no "map full". The budget is the engine's to keep.
 * - Handles of one process share one environment, opened as the first of them asked: the writer opens first.
 */
import { statfsSync, statSync } from 'node:fs'
import { dirname } from 'node:path'
import * as lmdb from 'lmdb'
import { AldebaranError, messageOf } from '../errors.ts'
import { asBuffer } from '../record/as-buffer.ts'
import type { Entry, KeyValueStore, RangeOptions, WriteList } from './key-value.ts'

interface Transaction {
  address: number
  done(): void
}

interface DatabaseStats {
  treeBranchPageCount: number
  treeLeafPageCount: number
  overflowPages: number
  pageSize: number
}

/** What is used of a database: the published types leave some of it out. */
interface Database {
  put(key: Uint8Array, value: Uint8Array): unknown
  remove(key: Uint8Array): unknown
  getBinaryFast(key: Uint8Array, options?: { transaction: Transaction }): Buffer | undefined
  getRange(options: object): Iterable<{ key: Buffer; value: Buffer }> & Iterable<Buffer>
  transactionSync<T>(work: () => T): T
  useReadTransaction(): Transaction
  readerCheck(): number
  getStats(): DatabaseStats
  close(): Promise<void>
}

const native = (lmdb as unknown as { nativeAddon: { resetTxn(address: number): void } }).nativeAddon

const EMPTY = Buffer.alloc(0)

export interface LmdbOptions {
  /** The data file; its folder exists. */
  file: string
  durability: 'process' | 'disk'
  /** Address space to map, in bytes: at least what the file will grow to, for remapping is slow. */
  mapBytes: number
  readOnly?: boolean
}

export class LmdbStore implements KeyValueStore {
  readonly #database: Database
  readonly #file: string
  readonly #identity: string | null
  readonly #transaction: Transaction
  readonly #read: { transaction: Transaction }
  #reading = true
  #closed = false
  #used = 0

  constructor(options: LmdbOptions) {
    this.#file = options.file
    this.#database = lmdb.open({
      path: options.file,
      name: null,
      noSubdir: true,
      keyEncoding: 'binary',
      encoding: 'binary',
      compression: false,
      overlappingSync: false,
      noSync: options.durability === 'process',
      readOnly: options.readOnly === true,
      mapSize: options.mapBytes,
      maxReaders: 1024,
      maxDbs: 2,
      eventTurnBatching: false,
    } as unknown as lmdb.RootDatabaseOptionsWithPath) as unknown as Database
    this.#identity = fileIdentity(options.file)
    this.#transaction = this.#database.useReadTransaction()
    this.#read = { transaction: this.#transaction }
    this.refresh()
    if (options.readOnly !== true) this.exclusive(() => this.#measure())
  }

  get(key: Uint8Array): Buffer | undefined {
    this.#begin()
    try {
      return this.#database.getBinaryFast(key, this.#read)
    } catch (error) {
      throw translate(error, this.#file)
    }
  }

  range(from: Uint8Array, to: Uint8Array, options: RangeOptions): Entry[] {
    this.#begin()
    const reverse = options.reverse === true
    const found: Entry[] = []
    if (Buffer.compare(from, to) >= 0) return found
    const query = {
      start: reverse ? to : from,
      end: from,
      reverse,
      exclusiveStart: reverse,
      inclusiveEnd: reverse,
      limit: options.limit,
      transaction: this.#transaction,
      ...(reverse ? {} : { end: to }),
    }
    try {
      if (options.keysOnly === true) {
        for (const key of this.#database.getRange({ ...query, values: false })) found.push([asBuffer(key), EMPTY])
      } else {
        for (const entry of this.#database.getRange(query)) found.push([asBuffer(entry.key), asBuffer(entry.value)])
      }
      return found
    } catch (error) {
      throw translate(error, this.#file)
    }
  }

  refresh(): void {
    if (!this.#reading || this.#closed) return
    this.#reading = false
    native.resetTxn(this.#transaction.address)
  }

  transact(writes: WriteList): void {
    this.exclusive(() => {
      const { keys, values } = writes
      for (let i = 0; i < keys.length; i++) {
        const value = values[i]!
        if (value === null) this.#database.remove(keys[i]!)
        else this.#database.put(keys[i]!, value)
      }
      this.#measure()
    })
  }

  /** Inside `exclusive` only: elsewhere `getStats` would begin a read transaction that nobody ends. */
  #measure(): void {
    const stats = this.#database.getStats()
    this.#used = (stats.treeBranchPageCount + stats.treeLeafPageCount + stats.overflowPages + 2) * stats.pageSize
  }

  /** Runs `work` inside a write transaction of its own: no other process writes meanwhile. A throw undoes it. */
  exclusive<T>(work: () => T): T {
    if (this.#closed) throw new AldebaranError('LOG_CLOSED', 'The store is closed')
    this.refresh()
    try {
      return this.#database.transactionSync(work)
    } catch (error) {
      throw translate(error, this.#file)
    }
  }

  /** Inside `exclusive`: the value as this transaction sees it. */
  current(key: Uint8Array): Buffer | undefined {
    return this.#database.getBinaryFast(key)
  }

  /** Inside `exclusive`. */
  write(key: Uint8Array, value: Uint8Array | null): void {
    if (value === null) this.#database.remove(key)
    else this.#database.put(key, value)
  }

  usedBytes(): number {
    return this.#used
  }

  /** Throws STORE_DAMAGED when the file is no longer where it was: what is written would be gone with this process. */
  checkFile(): void {
    if (fileIdentity(this.#file) === this.#identity) return
    const message = `${this.#file} was removed or replaced while it was in use`
    throw new AldebaranError('STORE_DAMAGED', message, { file: this.#file })
  }

  /** Frees the reader slots of processes that died: their snapshots would keep pages from being used again. */
  forgetDeadReaders(): number {
    return this.#database.readerCheck()
  }

  async close(): Promise<void> {
    if (this.#closed) return
    this.refresh()
    this.#closed = true
    this.#transaction.done()
    await this.#database.close()
  }

  #begin(): void {
    if (this.#closed) throw new AldebaranError('LOG_CLOSED', 'The log was closed')
    this.#reading = true
  }
}

const EIO = 5
const ENOSPC = 28
const EDQUOT = 122

/** Below this much free space an error of the device is taken for a full disk. */
const NO_ROOM_BYTES = 8 * 1024 * 1024

/** LMDB gives EIO when a write was cut short, as it is by a disk that becomes full: then the free space tells. */
function translate(error: unknown, file: string): unknown {
  if (error instanceof AldebaranError) return error
  const text = messageOf(error)
  const code = (error as { code?: unknown }).code
  if (code === ENOSPC || code === EDQUOT || (code === EIO && freeBytes(file) < NO_ROOM_BYTES)) {
    return new AldebaranError('DISK_FULL', `The disk has no room for the commit: ${text}`, { file }, error)
  }
  if (/MDB_CORRUPTED|MDB_PAGE_NOTFOUND|MDB_PANIC/.test(text)) {
    return new AldebaranError('STORE_DAMAGED', `The store is damaged: ${text}`, { file }, error)
  }
  if (/permission denied|read-only/i.test(text)) {
    return new AldebaranError('STORE_UNWRITABLE', `The store cannot be written: ${text}`, { file }, error)
  }
  return error
}

/** Tells a file from any other that may come to have its name; null: there is none. */
function fileIdentity(file: string): string | null {
  const stats = statSync(file, { throwIfNoEntry: false })
  return stats === undefined ? null : `${stats.dev}/${stats.ino}`
}

/** Free bytes of the disk that the file is on. */
function freeBytes(file: string): number {
  const { bavail, bsize } = statfsSync(dirname(file))
  return bavail * bsize
}
