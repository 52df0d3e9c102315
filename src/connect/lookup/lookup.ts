/**
 * Look-ups in batches, remembered for a while: for a `send` that needs what a database or another service knows.
 *
 * Invariants
 * 1. Of one key one load is under way, however many ask for it. Who asks after `forget` gets what was loaded after it.
 * 2. Nothing is given that is older than `expireAfter` and `staleWhile` together, counted from the begin of its load.
 * 3. A failure is told to those who wait for it, and to nobody after: the next call loads again.
 * 4. Who gives up waiting ends nothing but that.
 * 5. Memory is bounded by the cache and by those who wait.
 */
import { AldebaranError, messageOf } from '../../errors.ts'
import type { Clock } from '../../time/clock.ts'
import { LookupCache } from './lookup-cache.ts'
import {
  type CompiledLookup,
  compileLookup,
  type LookupCounters,
  type LookupKey,
  type LookupSettings,
} from './settings.ts'

/** A key that is to be loaded, or is being. */
interface Pending<K, V> {
  readonly key: K
  readonly loaded: Promise<V | undefined>
  readonly resolve: (value: V | undefined) => void
  readonly reject: (error: unknown) => void
}

/** What is stale and could not be loaded anew is tried again after, ms. */
const REFRESH_PAUSE_MS = 1000

export class Lookup<K extends LookupKey, V> {
  readonly #settings: CompiledLookup<K, V>
  readonly #clock: Clock
  readonly #cache: LookupCache<K, V>
  readonly #pending = new Map<K, Pending<K, V>>()
  /** Those of `#pending`, and some that were forgotten, whose load has not begun. */
  #queue: Pending<K, V>[] = []
  #timer: NodeJS.Timeout | null = null
  readonly #closing = new AbortController()
  #hits = 0
  #stale = 0
  #misses = 0
  #loads = 0
  #failures = 0

  /** @throws AldebaranError OPTION_INVALID */
  constructor(settings: LookupSettings<K, V>) {
    this.#settings = compileLookup(settings)
    const { clock, maxEntries, maxBytes } = this.#settings
    this.#clock = clock
    this.#cache = new LookupCache(maxEntries, maxBytes)
  }

  get counters(): LookupCounters {
    return {
      hits: this.#hits,
      stale: this.#stale,
      misses: this.#misses,
      loads: this.#loads,
      failures: this.#failures,
      entries: this.#cache.size,
      bytes: this.#cache.bytes,
    }
  }

  /**
   * What is under a key; undefined: nothing. `signal` ends the waiting, with its reason, and not the load.
   * @throws AldebaranError LOOKUP_FAILED the load failed, or took too long; its error is the cause
   */
  get(key: K, signal?: AbortSignal): Promise<V | undefined> {
    if (signal?.aborted === true) return Promise.reject(signal.reason)
    if (this.#closing.signal.aborted) return Promise.reject(closed())
    const now = this.#clock.monotonic()
    const entry = this.#cache.get(key, now)
    if (entry === undefined) {
      this.#misses++
      const { loaded } = this.#pendingOf(key)
      return signal === undefined ? loaded : untilAborted(loaded, signal)
    }
    this.#hits++
    if (now >= entry.freshUntil) {
      this.#stale++
      if (now >= entry.refreshAt) this.#pendingOf(key)
    }
    return Promise.resolve(entry.value)
  }

  /** What is under the key has changed: the next call loads it, whatever is under way. */
  forget(key: K): void {
    this.#cache.delete(key)
    this.#pending.delete(key)
  }

  /** Whoever waits is refused, loads under way are aborted, and nothing is loaded any more. */
  close(): void {
    if (this.#closing.signal.aborted) return
    this.#closing.abort(closed())
    if (this.#timer !== null) clearTimeout(this.#timer)
    const waiting = this.#queue
    this.#queue = []
    this.#cache.clear()
    this.#fail(waiting, closed())
  }

  #pendingOf(key: K): Pending<K, V> {
    const known = this.#pending.get(key)
    if (known !== undefined) return known
    const { promise, resolve, reject } = Promise.withResolvers<V | undefined>()
    // Nobody may wait any more when it fails, or may never have.
    promise.catch(() => {})
    const pending = { key, loaded: promise, resolve, reject }
    this.#pending.set(key, pending)
    this.#queue.push(pending)
    if (this.#queue.length >= this.#settings.batch) this.#flush()
    else this.#timer ??= setTimeout(() => this.#flush(), this.#settings.wait)
    return pending
  }

  #flush(): void {
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#timer = null
    const batch = this.#queue
    this.#queue = []
    void this.#loadAll(batch)
  }

  async #loadAll(batch: readonly Pending<K, V>[]): Promise<void> {
    const now = this.#clock.monotonic()
    // A key that was forgotten while it waited, and asked for again, is there twice.
    const keys = [...new Set(batch.map(({ key }) => key))]
    this.#loads++
    try {
      const found = await this.#within(keys)
      for (const pending of batch) {
        const value = found.get(pending.key)
        if (value instanceof Error) this.#fail([pending], failed(messageOf(value), value))
        else this.#settle(pending, value, now)
      }
    } catch (error) {
      this.#fail(batch, isOurs(error) ? error : failed(messageOf(error), error))
    }
  }

  /** What `load` answers, within its time. */
  async #within(keys: readonly K[]): Promise<ReadonlyMap<K, V | Error>> {
    const { load, timeout } = this.#settings
    const { promise: over, reject } = Promise.withResolvers<never>()
    const controller = new AbortController()
    const end = (error: AldebaranError) => {
      controller.abort(error)
      reject(error)
    }
    const timer = setTimeout(() => end(failed(`it took longer than ${timeout} ms`)), timeout)
    const onClose = () => end(closed())
    const { signal: closing } = this.#closing
    closing.addEventListener('abort', onClose)
    try {
      const loading = (async () => load(keys, controller.signal))()
      const found = await Promise.race([loading, over])
      if (typeof (found as { get?: unknown } | null | undefined)?.get === 'function') return found
      throw failed('the answer is no Map')
    } finally {
      clearTimeout(timer)
      closing.removeEventListener('abort', onClose)
    }
  }

  #settle(pending: Pending<K, V>, value: V | undefined, begun: number): void {
    const { key } = pending
    const { sizeOf, expireAfter, staleWhile, missingExpireAfter } = this.#settings
    let bytes = 0
    try {
      bytes = value === undefined ? 0 : sizeOf(value, key)
    } catch (error) {
      this.#fail([pending], failed(`sizeOf: ${messageOf(error)}`, error))
      return
    }
    // Forgotten meanwhile: those who asked before get it, and nobody after.
    if (this.#isCurrent(pending)) {
      this.#pending.delete(key)
      const freshUntil = begun + (value === undefined ? Math.min(missingExpireAfter, expireAfter) : expireAfter)
      const staleUntil = freshUntil + (value === undefined ? 0 : staleWhile)
      if (this.#clock.monotonic() >= staleUntil) this.#cache.delete(key)
      else this.#cache.set(key, { value, bytes, freshUntil, staleUntil, refreshAt: freshUntil })
    }
    pending.resolve(value)
  }

  #fail(batch: readonly Pending<K, V>[], error: AldebaranError): void {
    const now = this.#clock.monotonic()
    for (const pending of batch) {
      this.#failures++
      if (this.#isCurrent(pending)) {
        // Whoever asks again because of the failure loads anew.
        this.#pending.delete(pending.key)
        const stale = this.#cache.get(pending.key, now)
        if (stale !== undefined) stale.refreshAt = now + REFRESH_PAUSE_MS
      }
      pending.reject(error)
    }
  }

  #isCurrent(pending: Pending<K, V>): boolean {
    return this.#pending.get(pending.key) === pending
  }
}

function untilAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  const { promise: result, resolve, reject } = Promise.withResolvers<T>()
  const abort = () => reject(signal.reason)
  const end = () => signal.removeEventListener('abort', abort)
  signal.addEventListener('abort', abort)
  promise.then(
    value => {
      end()
      resolve(value)
    },
    (error: unknown) => {
      end()
      reject(error)
    },
  )
  return result
}

function failed(message: string, cause?: unknown): AldebaranError {
  return new AldebaranError('LOOKUP_FAILED', `the look-up failed: ${message}`, {}, cause)
}

function isOurs(error: unknown): error is AldebaranError {
  return error instanceof AldebaranError && error.code === 'LOOKUP_FAILED'
}

function closed(): AldebaranError {
  return failed('it is closed')
}
