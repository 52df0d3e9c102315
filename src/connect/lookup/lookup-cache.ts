/**
 * What look-ups have brought, least recently used first.
 *
 * 1. There are never more entries than `maxEntries`, nor more bytes than `maxBytes`.
 * 2. An entry whose time is over is given to nobody; it goes when it is asked for, or when others need its place.
 */

/** `value` undefined: there is nothing under the key. Times are monotonic ms. */
export interface LookupEntry<V> {
  readonly value: V | undefined
  readonly bytes: number
  /** Up to then it is given as it is. */
  readonly freshUntil: number
  /** Up to then it is given while it is loaded anew. */
  readonly staleUntil: number
  /** It is not loaded anew before: the last time that failed. */
  refreshAt: number
}

export class LookupCache<K, V> {
  readonly #entries = new Map<K, LookupEntry<V>>()
  readonly #maxEntries: number
  readonly #maxBytes: number
  #bytes = 0

  constructor(maxEntries: number, maxBytes: number) {
    this.#maxEntries = maxEntries
    this.#maxBytes = maxBytes
  }

  get size(): number {
    return this.#entries.size
  }

  get bytes(): number {
    return this.#bytes
  }

  get(key: K, now: number): LookupEntry<V> | undefined {
    const entry = this.#entries.get(key)
    if (entry === undefined) return undefined
    this.#entries.delete(key)
    if (now < entry.staleUntil) {
      this.#entries.set(key, entry)
      return entry
    }
    this.#bytes -= entry.bytes
    return undefined
  }

  set(key: K, entry: LookupEntry<V>): void {
    this.delete(key)
    if (entry.bytes > this.#maxBytes) return
    this.#entries.set(key, entry)
    this.#bytes += entry.bytes
    for (const oldest of this.#entries.keys()) {
      if (this.#entries.size <= this.#maxEntries && this.#bytes <= this.#maxBytes) return
      this.delete(oldest)
    }
  }

  delete(key: K): void {
    const entry = this.#entries.get(key)
    if (entry === undefined) return
    this.#entries.delete(key)
    this.#bytes -= entry.bytes
  }

  clear(): void {
    this.#entries.clear()
    this.#bytes = 0
  }
}
