/** What becomes of an event when a try of it has ended. */
import type { Outcome } from './attempts.ts'
import type { Backlog } from './backlog.ts'
import type { AttemptRecord, DeliveryNotice } from './contract.ts'
import { DeliveryError } from './delivery-error.ts'
import type { Destination } from './destination.ts'
import type { DueEvent } from './due-event.ts'
import type { CourierEnvironment } from './environment.ts'
import { nextWait } from './retry.ts'
import type { CompiledDelivery } from './settings.ts'

/** Of a destination that throttles, and does not say for how long. */
const THROTTLE_MS = 1000
const LONGEST_THROTTLE_MS = 300_000

export class Outcomes {
  readonly #settings: CompiledDelivery
  readonly #backlog: Backlog
  readonly #environment: CourierEnvironment

  constructor(settings: CompiledDelivery, backlog: Backlog, environment: CourierEnvironment) {
    this.#settings = settings
    this.#backlog = backlog
    this.#environment = environment
  }

  settle(outcome: Outcome): void {
    const { event, error, ms } = outcome
    const { clock, count } = this.#environment
    const destination = this.#backlog.of(event)
    const monotonic = clock.monotonic()
    destination.end(event, monotonic)
    this.#backlog.scheduler.ended(destination, monotonic)
    event.tries++
    count('tryMs', ms)
    this.#record(outcome)
    if (error !== null) this.#fail(destination, event, error, clock.now())
    else {
      destination.delivered++
      this.#recovered(destination, clock.now())
      count('delivered', 1)
      if (destination.breaker?.succeeded(clock.now())) destination.changed = true
      this.#backlog.due.remove(destination, event)
    }
    this.#backlog.touch(destination)
  }

  /** It is given up. */
  bury(event: DueEvent, error: Error): void {
    const destination = this.#backlog.of(event)
    destination.dead++
    this.#environment.count('dead', 1)
    this.#environment.deadLetter(event, error)
    this.#backlog.due.remove(destination, event)
  }

  /** Nobody knows whether it was delivered: somebody is to decide. */
  doubt(event: DueEvent): void {
    this.#environment.count('inDoubt', 1)
    event.notBefore = 0
    this.#backlog.due.change(this.#backlog.of(event), event, 'd')
  }

  #fail(destination: Destination, event: DueEvent, error: DeliveryError, now: number): void {
    destination.failed++
    this.#environment.count('failed', 1)
    destination.error = error.message
    destination.failedAt = now
    destination.changed = true
    event.error = error.message
    this.#judge(destination, error, now)
    if (error.fate === 'throttle') this.#throttle(destination, error, now)
    if (error.fate === 'disable') this.#pause(destination, error.message, now)
    if (error.fate === 'disable' || error.fate === 'reject') this.bury(event, error)
    else if (error.fate === 'unknown' && this.#settings.guarantee === 'at-most-once') this.doubt(event)
    else if (error.fate === 'throttle') this.#waitForTurn(destination, event, now)
    else this.#tryAgain(destination, event, error, now)
  }

  /** What a failure says of the destination. */
  #judge(destination: Destination, error: DeliveryError, now: number): void {
    const { breaker } = destination
    // Who throttles is busy, not broken; who rejects an event answers.
    if (error.isBlameless || error.fate === 'throttle') breaker?.abandoned()
    else if (error.fate === 'reject') breaker?.succeeded(now)
    else breaker?.failed(now)
    if (error.isBlameless) return
    destination.failingSince = error.fate === 'reject' ? 0 : destination.failingSince || now
    const { disableAfter } = this.#settings
    if (destination.failingSince === 0 || now - destination.failingSince < disableAfter) return
    if (destination.paused !== '' || error.fate === 'disable') return
    const since = new Date(destination.failingSince).toISOString()
    this.#pause(destination, `failing since ${since}: ${error.message}`, now)
  }

  /** Nothing goes there for the time that it named, or for one that grows while it names none; then one event. */
  #throttle(destination: Destination, { retryAfter }: DeliveryError, now: number): void {
    const own = Math.min(LONGEST_THROTTLE_MS, THROTTLE_MS * 2 ** Math.min(20, destination.throttled))
    // Those that were under way together are told the same: they make it wait no longer.
    if (destination.throttledUntil <= now) destination.throttled++
    destination.throttledUntil = Math.max(destination.throttledUntil, now + (retryAfter || own))
  }

  /** It could not be looked at, so it used up no try. */
  #waitForTurn(destination: Destination, event: DueEvent, now: number): void {
    event.tries--
    event.notBefore = 0
    if (now - event.since > this.#settings.retry.deadline) this.bury(event, new DeliveryError('retry', event.error))
    else this.#backlog.again(destination, event)
  }

  #recovered(destination: Destination, now: number): void {
    if (destination.failingSince > 0) destination.changed = true
    destination.failingSince = 0
    if (destination.throttledUntil === 0 || destination.throttledUntil > now) return
    destination.throttledUntil = 0
    destination.throttled = 0
    destination.changed = true
  }

  #pause(destination: Destination, reason: string, at: number): void {
    destination.paused = reason
    this.#environment.tellOthers({ command: 'pause', destination: destination.name, reason, at })
    const { notices } = this.#settings
    const { name, tenant } = destination
    const notice: DeliveryNotice = { destination: name, tenant, what: 'paused', reason, at }
    if (notices !== null) this.#environment.tell(notices, name, notice)
  }

  #record({ event, error, detail, ms }: Outcome): void {
    const { attempts } = this.#settings
    if (attempts === null) return
    const record: AttemptRecord = {
      id: event.id,
      destination: event.destination,
      tenant: event.tenant,
      number: event.tries,
      at: this.#environment.clock.now(),
      ms: Math.round(ms * 10) / 10,
      outcome: error?.fate ?? 'delivered',
      error: error?.message ?? '',
      detail,
    }
    this.#environment.tell(attempts, event.destination, record)
  }

  #tryAgain(destination: Destination, event: DueEvent, error: DeliveryError, now: number): void {
    const wait = nextWait(this.#settings.retry, event.tries, now - event.since, this.#environment.random())
    if (wait === null) {
      this.bury(event, error)
      return
    }
    this.#environment.count('retried', 1)
    event.notBefore = now + Math.max(wait, error.retryAfter)
    this.#backlog.again(destination, event)
  }
}
