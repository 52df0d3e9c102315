/**
 * The key-value store of tests and simulations: in memory, with faults as data.
 *
 * Two states are told apart: what is committed (survives the process) and what is durable (survives the power). With
 * durability 'disk' a transaction is durable when `transact` returns; with 'process' only after `sync`.
 *
 *     open ── armed crash, crash() ──► crashed ── restart() ──► open
 *
 * Invariant: a crash in the middle of `transact` leaves nothing of it.
 */
import { AldebaranError } from '../errors.ts'
import type { Entry, KeyValueStore, RangeOptions, WriteList } from '../log/key-value.ts'

/** What a simulated store throws when it crashes, and from then on until `restart`. */
export class SimulatedCrash extends Error {
  constructor() {
    super('The simulated process crashed')
    this.name = 'SimulatedCrash'
  }
}

/** Where in a transaction to crash: before anything, half way through its writes, or after it was committed. */
export type CrashPoint = 'before' | 'during' | 'after'

/** What ended: the process, or the power of the machine. */
export type CrashCause = 'process' | 'power'

export interface SimulatedStoreOptions {
  durability?: 'process' | 'disk'
  /** Size of the simulated disk in bytes. Default: no limit. */
  diskBytes?: number
}

const ENTRY_OVERHEAD = 32

interface Undo {
  key: string
  value: Buffer | undefined
}

export class SimulatedStore implements KeyValueStore {
  readonly durability: 'process' | 'disk'
  /** May be changed at any time: a smaller disk makes the next transaction fail with DISK_FULL. */
  diskBytes: number
  /** Transactions committed since the beginning. */
  transactions = 0

  readonly #values = new Map<string, Buffer>()
  /** Every key, as latin1 text, in the order of the bytes. */
  #keys: string[] = []
  #bytes = 0
  /** How to undo what is committed and not durable, the oldest first. */
  #undo: Undo[] = []
  #crashed = false
  #armed: { point: CrashPoint; transactions: number } | null = null

  constructor(options: SimulatedStoreOptions = {}) {
    this.durability = options.durability ?? 'disk'
    this.diskBytes = options.diskBytes ?? Number.POSITIVE_INFINITY
  }

  /** Crashes in the transaction after `transactions` more of them have succeeded. */
  armCrash(point: CrashPoint, transactions = 0): void {
    this.#armed = { point, transactions }
  }

  /** Takes an armed crash back. */
  disarm(): void {
    this.#armed = null
  }

  crash(): never {
    this.#crashed = true
    this.#armed = null
    throw new SimulatedCrash()
  }

  /** Opens the store again after a crash: without what was not durable, if the power went. */
  restart(cause: CrashCause = 'process'): void {
    if (cause === 'power') {
      for (const { key, value } of this.#undo.reverse()) this.#set(key, value)
      this.#undo = []
    }
    this.#crashed = false
    this.#armed = null
  }

  /** Makes everything that is committed durable. */
  sync(): void {
    this.#undo = []
  }

  get(key: Uint8Array): Buffer | undefined {
    this.#check()
    return this.#values.get(textOf(key))
  }

  range(from: Uint8Array, to: Uint8Array, options: RangeOptions): Entry[] {
    this.#check()
    const first = this.#find(textOf(from))
    const last = this.#find(textOf(to))
    const found: Entry[] = []
    const count = Math.min(options.limit, last - first)
    for (let i = 0; i < count; i++) {
      const key = this.#keys[options.reverse === true ? last - 1 - i : first + i]!
      const value = options.keysOnly === true ? Buffer.alloc(0) : Buffer.from(this.#values.get(key)!)
      found.push([Buffer.from(key, 'latin1'), value])
    }
    return found
  }

  refresh(): void {
    this.#check()
  }

  transact(writes: WriteList): void {
    this.#check()
    const armed = this.#armed !== null && this.#armed.transactions-- === 0 ? this.#armed.point : null
    if (armed === 'before') this.crash()
    const undo: Undo[] = []
    const half = writes.length >>> 1
    for (let i = 0; i < writes.length; i++) {
      if (armed === 'during' && i === half) {
        this.#takeBack(undo)
        this.crash()
      }
      const key = textOf(writes.keys[i]!)
      undo.push({ key, value: this.#values.get(key) })
      const value = writes.values[i]!
      this.#set(key, value === null ? undefined : Buffer.from(value))
    }
    if (this.#bytes > this.diskBytes && writes.values.some(value => value !== null)) {
      const before = undo.length
      const grown = this.#grownBy(undo)
      if (grown > 0) {
        this.#takeBack(undo)
        throw new AldebaranError('DISK_FULL', `The simulated disk has no room for ${before} writes`)
      }
    }
    this.transactions++
    if (this.durability === 'process') this.#undo.push(...undo)
    if (armed === 'after') this.crash()
  }

  usedBytes(): number {
    this.#check()
    return this.#bytes
  }

  async close(): Promise<void> {}

  #grownBy(undo: readonly Undo[]): number {
    const before = new Map<string, Buffer | undefined>()
    for (const { key, value } of undo) if (!before.has(key)) before.set(key, value)
    let grown = 0
    for (const [key, value] of before) grown += sizeOf(key, this.#values.get(key)) - sizeOf(key, value)
    return grown
  }

  #takeBack(undo: Undo[]): void {
    for (const { key, value } of undo.reverse()) this.#set(key, value)
  }

  #set(key: string, value: Buffer | undefined): void {
    const old = this.#values.get(key)
    this.#bytes += sizeOf(key, value) - sizeOf(key, old)
    if (value !== undefined) this.#values.set(key, value)
    else this.#values.delete(key)
    if ((old === undefined) === (value === undefined)) return
    const at = this.#find(key)
    if (value === undefined) this.#keys.splice(at, 1)
    else this.#keys.splice(at, 0, key)
  }

  /** Index of the first key that is not before `key`. */
  #find(key: string): number {
    let low = 0
    let high = this.#keys.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.#keys[middle]! < key) low = middle + 1
      else high = middle
    }
    return low
  }

  #check(): void {
    if (this.#crashed) throw new SimulatedCrash()
  }
}

function textOf(key: Uint8Array): string {
  return Buffer.from(key.buffer, key.byteOffset, key.byteLength).toString('latin1')
}

function sizeOf(key: string, value: Buffer | undefined): number {
  return value === undefined ? 0 : key.length + value.length + ENTRY_OVERHEAD
}
