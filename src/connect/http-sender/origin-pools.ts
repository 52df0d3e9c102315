/**
 * Connections, in a pool for each origin and identity.
 *
 * 1. A pool with requests under way is never closed. So there are `most` pools, or as many as requests under way.
 * 2. One that was not used for `idleMs` is closed; when there are too many, the one that was not used the longest.
 */
import { Pool } from 'undici'
import type { Addresses } from './addresses.ts'
import { connector, type TlsIdentity } from './connector.ts'
import type { HostResolver } from './host-resolver.ts'

export interface PoolSettings {
  readonly addresses: Addresses
  readonly resolver: HostResolver
  /** Of one origin. */
  readonly connections: number
  readonly connectMs: number
  readonly keepAliveMs: number
  readonly idleMs: number
  readonly most: number
}

export class OriginPool {
  readonly key: string
  readonly pool: Pool
  isClosed = false
  /** `performance.now()` at its last end of a request. */
  usedAt = 0
  underWay = 0

  constructor(key: string, pool: Pool) {
    this.key = key
    this.pool = pool
  }

  end(now: number): void {
    this.underWay--
    this.usedAt = now
  }
}

export class OriginPools {
  readonly #settings: PoolSettings
  readonly #pools = new Map<string, OriginPool>()
  #sweeps: NodeJS.Timeout | null = null

  constructor(settings: PoolSettings) {
    this.#settings = settings
  }

  get size(): number {
    return this.#pools.size
  }

  /** `identity`: null for `http:`. */
  take(origin: string, identity: TlsIdentity | null): OriginPool {
    const key = identity === null ? origin : `${identity.number} ${origin}`
    const known = this.#pools.get(key)
    if (known !== undefined) return known
    const { addresses, resolver, connections, connectMs, keepAliveMs, idleMs, most } = this.#settings
    if (this.#pools.size >= most) this.#closeOldest()
    const pool = new Pool(origin, {
      connect: connector(addresses, resolver, identity, connectMs),
      connections,
      pipelining: 1,
      keepAliveTimeout: keepAliveMs,
      // The exchange has its own time, from the call to the end.
      headersTimeout: 0,
      bodyTimeout: 0,
    })
    const one = new OriginPool(key, pool)
    one.usedAt = performance.now()
    this.#pools.set(key, one)
    this.#sweeps ??= setInterval(() => this.#sweep(), idleMs / 2).unref()
    return one
  }

  /** What is under way fails. */
  async close(): Promise<void> {
    if (this.#sweeps !== null) clearInterval(this.#sweeps)
    this.#sweeps = null
    await Promise.all([...this.#pools.values()].map(one => this.#remove(one)))
  }

  #sweep(): void {
    const before = performance.now() - this.#settings.idleMs
    for (const one of this.#pools.values()) {
      if (one.underWay === 0 && one.usedAt <= before) void this.#remove(one)
    }
    if (this.#pools.size > 0 || this.#sweeps === null) return
    clearInterval(this.#sweeps)
    this.#sweeps = null
  }

  #closeOldest(): void {
    let oldest: OriginPool | null = null
    for (const one of this.#pools.values()) {
      if (one.underWay === 0 && (oldest === null || one.usedAt < oldest.usedAt)) oldest = one
    }
    if (oldest !== null) void this.#remove(oldest)
  }

  #remove(one: OriginPool): Promise<void> {
    one.isClosed = true
    this.#pools.delete(one.key)
    return one.pool.destroy()
  }
}
