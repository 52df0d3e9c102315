/**
 * Whose turn it is: tenants take turns, and of each tenant its destinations. Who may not be tried now has no turn, and
 * costs nothing, until its time comes or something happens to it.
 *
 * 1. A destination is `isReady` when it is in the ring of its tenant, and a tenant is in the ring while it has such.
 * 2. While more than half of what may be under way is, nobody begins more than an equal share of all of it: a tenant
 *    among the tenants, a destination among the destinations. So those that hang leave room for the others.
 * 3. A destination that waits for a time is in `#sleepers` with `wakesAt`; older entries of it count no more.
 */
import type { Destination } from './destination.ts'
import type { LimitNumbers } from './settings.ts'
import { TokenBucket } from './token-bucket.ts'

class Tenant {
  readonly name: string
  readonly ready = new Set<Destination>()
  underWay = 0
  readonly bucket: TokenBucket | null

  constructor(name: string, limits: LimitNumbers, monotonic: number) {
    this.name = name
    this.bucket = limits.rate === null ? null : new TokenBucket(limits.rate, monotonic)
  }
}

interface Sleeper {
  readonly at: number
  readonly destination: Destination | null
  readonly tenant: Tenant | null
}

/** Who has its share looks again so much later, ms. */
const SHARE_MS = 25

export class Scheduler {
  readonly #limits: LimitNumbers
  /** Under way at once, at most. */
  readonly #most: number
  #underWay = 0
  /** With something under way. */
  readonly #busy = new Set<Destination>()
  #busyTenants = 0
  readonly #tenants = new Map<string, Tenant>()
  readonly #ring = new Set<Tenant>()
  /** A binary heap by `at`. */
  readonly #sleepers: Sleeper[] = []

  /** `limits`: of each tenant. */
  constructor(limits: LimitNumbers, most: number) {
    this.#limits = limits
    this.#most = most
  }

  /** Something happened to the destination: it is looked at anew. */
  touch(destination: Destination, now: number, monotonic: number): void {
    if (destination.isReady) return
    const wait = destination.waits(now, monotonic)
    if (wait <= 0) this.#makeReady(destination, monotonic)
    else if (wait !== Number.POSITIVE_INFINITY) this.#sleep(destination, monotonic + wait)
  }

  /** The destination that may be tried now; null: none. It stays in the ring behind the others. */
  next(now: number, monotonic: number): Destination | null {
    this.#wake(now, monotonic)
    for (;;) {
      const tenant = first(this.#ring)
      if (tenant === undefined) return null
      this.#ring.delete(tenant)
      if (!this.#mayBegin(tenant, monotonic)) continue
      const destination = first(tenant.ready)
      if (destination === undefined) continue
      tenant.ready.delete(destination)
      const isBusy = this.#busy.has(destination)
      const hasShare = isBusy && destination.underWay.size >= this.#share(this.#busy.size)
      const wait = hasShare ? SHARE_MS : destination.waits(now, monotonic)
      if (wait <= 0) tenant.ready.add(destination)
      else {
        destination.isReady = false
        if (wait !== Number.POSITIVE_INFINITY) this.#sleep(destination, monotonic + wait)
      }
      if (tenant.ready.size > 0) this.#ring.add(tenant)
      if (wait <= 0) return destination
    }
  }

  begun(destination: Destination, monotonic: number): void {
    const tenant = this.#tenant(destination.tenant, monotonic)
    this.#underWay++
    this.#busy.add(destination)
    if (tenant.underWay === 0) this.#busyTenants++
    tenant.underWay++
    tenant.bucket?.take(monotonic)
  }

  ended(destination: Destination, monotonic: number): void {
    const { tenant: name } = destination
    const tenant = this.#tenant(name, monotonic)
    this.#underWay--
    if (destination.underWay.size === 0) this.#busy.delete(destination)
    tenant.underWay--
    if (tenant.underWay === 0) this.#busyTenants--
    if (tenant.ready.size > 0) this.#ring.add(tenant)
    else if (tenant.underWay === 0 && tenant.bucket === null) this.#tenants.delete(name)
  }

  /** When somebody's time comes, monotonic ms; Infinity: nobody waits for a time. */
  get wakesAt(): number {
    return this.#sleepers[0]?.at ?? Number.POSITIVE_INFINITY
  }

  /** Somebody may be tried now. */
  get hasReady(): boolean {
    return this.#ring.size > 0
  }

  /** So many may each of the busy ones have. */
  #share(busy: number): number {
    if (busy === 1 || this.#underWay * 2 <= this.#most) return Number.POSITIVE_INFINITY
    return Math.max(1, Math.floor(this.#most / busy))
  }

  #tenant(name: string, monotonic: number): Tenant {
    let tenant = this.#tenants.get(name)
    if (tenant === undefined) {
      tenant = new Tenant(name, this.#limits, monotonic)
      this.#tenants.set(name, tenant)
    }
    return tenant
  }

  #makeReady(destination: Destination, monotonic: number): void {
    const tenant = this.#tenant(destination.tenant, monotonic)
    destination.isReady = true
    destination.wakesAt = Number.POSITIVE_INFINITY
    tenant.ready.add(destination)
    this.#ring.add(tenant)
  }

  /** False: it has its share, or its rate is used up; it comes back by itself. */
  #mayBegin(tenant: Tenant, monotonic: number): boolean {
    if (tenant.underWay >= this.#limits.concurrency) return false
    if (tenant.underWay > 0 && tenant.underWay >= this.#share(this.#busyTenants)) {
      this.#push({ at: monotonic + SHARE_MS, destination: null, tenant })
      return false
    }
    if (tenant.bucket === null || tenant.bucket.has(monotonic)) return true
    this.#push({ at: tenant.bucket.readyAt(monotonic), destination: null, tenant })
    return false
  }

  #sleep(destination: Destination, at: number): void {
    if (destination.wakesAt <= at) return
    destination.wakesAt = at
    this.#push({ at, destination, tenant: null })
  }

  #wake(now: number, monotonic: number): void {
    while (this.wakesAt <= monotonic) {
      const { destination, tenant, at } = this.#pop()
      if (tenant !== null && tenant.ready.size > 0) this.#ring.add(tenant)
      if (destination === null || destination.wakesAt !== at) continue
      destination.wakesAt = Number.POSITIVE_INFINITY
      this.touch(destination, now, monotonic)
    }
  }

  #push(sleeper: Sleeper): void {
    const heap = this.#sleepers
    let at = heap.push(sleeper) - 1
    while (at > 0) {
      const parent = (at - 1) >> 1
      if (heap[parent]!.at <= sleeper.at) break
      heap[at] = heap[parent]!
      at = parent
    }
    heap[at] = sleeper
  }

  #pop(): Sleeper {
    const heap = this.#sleepers
    const top = heap[0]!
    const last = heap.pop()!
    if (heap.length === 0) return top
    let at = 0
    for (;;) {
      let child = at * 2 + 1
      if (child >= heap.length) break
      if (child + 1 < heap.length && heap[child + 1]!.at < heap[child]!.at) child++
      if (heap[child]!.at >= last.at) break
      heap[at] = heap[child]!
      at = child
    }
    heap[at] = last
    return top
  }
}

function first<T>(set: ReadonlySet<T>): T | undefined {
  for (const one of set) return one
  return undefined
}
