/**
 * One destination as its task has it in memory: the next of its events, and whether it may be tried now.
 *
 * Invariants
 * 1. `queue` is in the order of `order`, and has what goes first of all that wait: what is on the disk (`hasMore`) and
 *    not here goes after it, but for retries that came back; those are found when the queue is empty and is filled anew.
 * 2. Of one lane at most one event is under way, and none overtakes another.
 */
import { Breaker, type BreakerState } from './breaker.ts'
import type { DueEvent, RowKind } from './due-event.ts'
import type { CompiledDelivery, LimitNumbers } from './settings.ts'
import type { DestinationRow } from './tables.ts'
import { compileRate, TokenBucket } from './token-bucket.ts'

/** Events of one destination in memory, at most; those that wait for a lane count too. */
const WINDOW = 4096
/** The pace is that of so many ends of tries, about; longer gaps count as SLOW_PACE_MS. */
const PACE_ENDS = 256
const SLOW_PACE_MS = 100

export class Destination {
  readonly name: string
  tenant: string
  readonly queue: DueEvent[] = []
  /** Under way, by `order`. */
  readonly underWay = new Map<string, DueEvent>()
  /** There may be more in the table than in `queue` and under way. */
  hasMore = false
  /** Of the rows that wait for their turn all up to this order were read; '': none. */
  readTo = ''
  /** While hasMore: rows that are not read have this order or a later one. */
  unreadFrom = ''
  /** Rows that it has in the table. */
  waiting = 0
  scheduled = 0
  inDoubt = 0
  /** Why it is paused; '': it is not. */
  paused = ''
  /** When an operator resumed it last, ms since 1970. */
  resumedAt = 0
  /** Nothing before, ms since 1970. */
  throttledUntil = 0
  /** How often in a row it throttled. */
  throttled = 0
  /** Set by an operator; '' and 0: as the settings say. */
  rate = ''
  ownConcurrency = 0
  error = ''
  failedAt = 0
  /** Since the first failure after the last success, ms since 1970; 0: it does not fail. */
  failingSince = 0
  /** What waits for it goes to the dead letters, some in each turn. */
  purging = false
  /** Since the task began. */
  delivered = 0
  failed = 0
  dead = 0
  readonly breaker: Breaker | null
  bucket: TokenBucket | null
  /** From one end of a try to the next, of late, ms. */
  pace = 0
  /** When a try ended last, or it got something to do again; monotonic ms. */
  movedAt = 0
  #ends = 0
  /** It is to be written, or deleted. */
  changed = false
  hasRow = false
  /** Of the scheduler: it has a turn to come; and when it is looked at again, monotonic ms. */
  isReady = false
  wakesAt = Number.POSITIVE_INFINITY
  readonly #settings: CompiledDelivery
  readonly #limits: LimitNumbers
  readonly #lanes = new Set<string>()

  constructor(name: string, tenant: string, settings: CompiledDelivery, monotonic: number, row: DestinationRow | null) {
    this.name = name
    this.tenant = tenant
    this.#settings = settings
    this.#limits = settings.destinationLimits(name)
    const { rate } = this.#limits
    this.bucket = rate === null ? null : new TokenBucket(rate, monotonic)
    const memory = row === null ? null : { state: row.breaker as BreakerState, opened: row.opened, until: row.until }
    this.breaker = settings.breaker === null ? null : new Breaker(settings.breaker, memory)
    if (row === null) return
    this.hasRow = true
    this.waiting = row.waiting
    this.scheduled = row.scheduled
    this.inDoubt = row.inDoubt
    this.hasMore = row.waiting > 0
    this.paused = row.paused
    this.throttledUntil = row.throttledUntil
    this.error = row.error
    this.failedAt = row.failedAt
    this.failingSince = row.failingSince
    this.purging = row.purging
    this.setLimits(row.rate, row.concurrency, monotonic)
  }

  /** '' and 0: as the settings say. */
  setLimits(rate: string, concurrency: number, monotonic: number): void {
    this.rate = rate
    this.ownConcurrency = concurrency
    const limit = rate === '' ? this.#limits.rate : compileRate(rate, 'rate')
    if (limit === null) this.bucket = null
    else if (this.bucket === null) this.bucket = new TokenBucket(limit, monotonic)
    else this.bucket.change(limit, monotonic)
  }

  get concurrency(): number {
    // One event is to show that it throttles no more.
    return this.throttledUntil > 0 ? 1 : this.#usualConcurrency
  }

  get #usualConcurrency(): number {
    return this.ownConcurrency || this.#limits.concurrency
  }

  /** Whether an event that comes may be held in memory: else it would overtake what is on the disk. */
  takes(event: DueEvent): boolean {
    if (this.queue.length >= WINDOW) return false
    return !this.hasMore || event.order < this.unreadFrom
  }

  add(event: DueEvent, monotonic: number): void {
    const { queue } = this
    if (queue.length === 0 && this.underWay.size === 0) this.movedAt = monotonic
    let at = queue.length
    while (at > 0 && queue[at - 1]!.order > event.order) at--
    if (at === queue.length) queue.push(event)
    else queue.splice(at, 0, event)
  }

  /** The next event that may go, taken out of the queue; undefined: none may. `now`: ms since 1970. */
  shift(now: number): DueEvent | undefined {
    const { queue } = this
    const first = queue[0]
    if (first !== undefined && first.lane === '' && first.notBefore <= now) return queue.shift()
    const at = this.#firstFree(now)
    return at === -1 ? undefined : queue.splice(at, 1)[0]
  }

  begin(event: DueEvent): void {
    this.underWay.set(event.order, event)
    if (event.lane !== '') this.#lanes.add(event.lane)
  }

  end(event: DueEvent, monotonic: number): void {
    const gap = Math.min(monotonic - this.movedAt, SLOW_PACE_MS)
    this.#ends = Math.min(this.#ends + 1, PACE_ENDS)
    this.pace += (gap - this.pace) / this.#ends
    this.movedAt = monotonic
    this.underWay.delete(event.order)
    if (event.lane !== '') this.#lanes.delete(event.lane)
  }

  /**
   * When it may be tried, ms from now: 0: now; Infinity: not before something happens to it. What it waits for is told
   * first by what is longest: a pause, the breaker, throttling, its share, its rate, its events.
   */
  waits(now: number, monotonic: number): number {
    if (this.paused !== '' || this.underWay.size >= this.concurrency) return Number.POSITIVE_INFINITY
    const { breaker, bucket } = this
    if (breaker !== null && breaker.room(now) <= 0) {
      return breaker.state === 'open' ? Math.max(1, breaker.until - now) : Number.POSITIVE_INFINITY
    }
    if (this.throttledUntil > now) return this.throttledUntil - now
    const events = this.#eventsWait(now)
    if (events > 0) return events
    return bucket === null ? 0 : bucket.readyAt(monotonic) - monotonic
  }

  /** Events that wait for their turn: in memory, or only in the table. */
  get backlog(): number {
    if (!this.hasMore) return this.queue.length
    let underWay = 0
    for (const event of this.underWay.values()) if (event.stored === 'q') underWay++
    let fresh = 0
    for (const event of this.queue) if (event.stored === null) fresh++
    return this.waiting - underWay + fresh
  }

  /** Its rows of a kind are more, or fewer. */
  count(kind: RowKind, change: number): void {
    if (kind === 'q') this.waiting += change
    else if (kind === 'r') this.scheduled += change
    else this.inDoubt += kind === 'd' ? change : 0
    this.changed = true
  }

  /** As it is shown. */
  get state(): 'paused' | 'open' | 'half-open' | 'throttled' | 'active' {
    if (this.paused !== '') return 'paused'
    if (this.breaker !== null && this.breaker.state !== 'closed') return this.breaker.state
    return this.throttledUntil > 0 ? 'throttled' : 'active'
  }

  describe(): Record<string, unknown> {
    return {
      tenant: this.tenant,
      state: this.state,
      reason: this.paused,
      waiting: this.backlog,
      scheduled: this.scheduled,
      inDoubt: this.inDoubt,
      underWay: this.underWay.size,
      delivered: this.delivered,
      failed: this.failed,
      dead: this.dead,
      /** ms since 1970; 0: now. */
      notBefore: Math.max(this.state === 'open' ? this.breaker!.until : 0, this.throttledUntil),
      rate: this.bucket === null ? '' : `${Number((this.bucket.limit.perMs * 1000).toPrecision(6))}/s`,
      concurrency: this.#usualConcurrency,
      error: this.error,
      failedAt: this.failedAt,
      failingSince: this.failingSince,
    }
  }

  /** Nothing is to be remembered of it over a restart. */
  get isPlain(): boolean {
    return (
      this.waiting + this.scheduled + this.inDoubt === 0 &&
      this.paused === '' &&
      !this.purging &&
      this.rate === '' &&
      this.ownConcurrency === 0 &&
      this.throttledUntil === 0 &&
      (this.failingSince === 0 || this.#settings.disableAfter === Number.POSITIVE_INFINITY) &&
      (this.breaker === null || this.breaker.state === 'closed')
    )
  }

  /** Nothing of it is in memory or under way. */
  get isIdle(): boolean {
    return this.queue.length === 0 && this.underWay.size === 0 && !this.hasMore
  }

  write(row: DestinationRow): void {
    row.tenant = this.tenant
    row.waiting = this.waiting
    row.scheduled = this.scheduled
    row.inDoubt = this.inDoubt
    row.paused = this.paused
    row.breaker = this.breaker?.state ?? 'closed'
    row.opened = this.breaker?.opened ?? 0
    row.until = this.breaker?.until ?? 0
    row.throttledUntil = this.throttledUntil
    row.rate = this.rate
    row.concurrency = this.ownConcurrency
    row.error = this.error
    row.failedAt = this.failedAt
    row.failingSince = this.failingSince
    row.purging = this.purging
  }

  #eventsWait(now: number): number {
    const { queue } = this
    const first = queue[0]
    if (first === undefined) return this.hasMore ? 0 : Number.POSITIVE_INFINITY
    if (first.lane === '') return Math.max(0, first.notBefore - now)
    if (this.#firstFree(now) !== -1) return 0
    let wait = Number.POSITIVE_INFINITY
    for (const event of queue) {
      if (event.notBefore > now && !this.#lanes.has(event.lane)) wait = Math.min(wait, event.notBefore - now)
    }
    return wait
  }

  #firstFree(now: number): number {
    const blocked = new Set<string>()
    for (const [at, event] of this.queue.entries()) {
      const { lane } = event
      if (lane !== '' && (blocked.has(lane) || this.#lanes.has(lane))) continue
      if (event.notBefore <= now) return at
      if (lane !== '') blocked.add(lane)
    }
    return -1
  }
}
