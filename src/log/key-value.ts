/**
 * The ordered key-value store under the embedded log: bytes to bytes, keys in the order of their bytes, one writer.
 *
 * Invariants
 * 1. `transact` is atomic: after a crash either all of its writes are there, or none.
 * 2. When `transact` returns, its writes survive what the store's durability says.
 * 3. When `transact` throws, none of its writes is there and the next one may succeed.
 * 4. Reads see one committed state, taken at the first read after `refresh` (or after the last own `transact`).
 */

/** The writes of one transaction. Reused: `clear` before the next one. */
export class WriteList {
  readonly keys: Uint8Array[] = []
  /** null deletes; deleting what is not there is no error. */
  readonly values: (Uint8Array | null)[] = []

  put(key: Uint8Array, value: Uint8Array): void {
    this.keys.push(key)
    this.values.push(value)
  }

  delete(key: Uint8Array): void {
    this.keys.push(key)
    this.values.push(null)
  }

  get length(): number {
    return this.keys.length
  }

  clear(): void {
    this.keys.length = 0
    this.values.length = 0
  }
}

export interface RangeOptions {
  /** Entries at most. */
  limit: number
  /** From the last key downwards. Default: false. */
  reverse?: boolean
  /** Leave the values out (they are empty then). Default: false. */
  keysOnly?: boolean
}

export type Entry = [key: Buffer, value: Buffer]

export interface KeyValueReader {
  /** The value, valid until the next call of any method; undefined when there is none. */
  get(key: Uint8Array): Buffer | undefined
  /** Entries with from ≤ key < to, as copies. */
  range(from: Uint8Array, to: Uint8Array, options: RangeOptions): Entry[]
  /** Lets go of the state that is being read: the next read sees the last commit. */
  refresh(): void
  close(): Promise<void>
}

export interface KeyValueStore extends KeyValueReader {
  /** Applies the writes in their order. Throws DISK_FULL when there is no room on the disk. */
  transact(writes: WriteList): void
  /** Bytes in use, pages rounded up; what was freed and can be used again does not count. */
  usedBytes(): number
}
