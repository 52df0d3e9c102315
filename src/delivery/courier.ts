/**
 * A delivery on one partition: takes events in, gives each its turn, and sees to what becomes of it. Everything it
 * remembers changes within the unit of its task: with the position behind the record, or with the outcome.
 *
 * Invariants
 * 1. An event that is taken in is in the intake, in a queue, under way, or a row; one that ended is in none of them.
 * 2. When a unit is collected, every event of it that has not ended has a row. So what is delivered sooner never has one.
 * 3. At-most-once: `send` is called only when the unit is committed in which the event's row says so (kind `i`). Such
 *    rows at the start of a task are of tries whose end nobody saw: they are in doubt.
 * 4. A record or a timer that is undone leaves nothing: the intake goes back with the tables.
 * 5. The events that wait in memory take `memory`, about: the others lie on the disk, and cost nothing until their turn.
 */
import type { TaskContext } from '../pipeline/task-context.ts'
import type { AnyTopic } from '../pipeline/topic.ts'
import type { TaskTable } from '../state/contract.ts'
import { Attempts } from './attempts.ts'
import { Backlog } from './backlog.ts'
import type { Destination } from './destination.ts'
import { Destinations } from './destinations.ts'
import type { DueEvent } from './due-event.ts'
import { DueEvents } from './due-events.ts'
import type { CourierEnvironment, Levels } from './environment.ts'
import { Intake } from './intake.ts'
import { Latest } from './latest.ts'
import { Operators } from './operators.ts'
import { Outcomes } from './outcomes.ts'
import type { CompiledDelivery } from './settings.ts'
import { TokenBucket } from './token-bucket.ts'

export interface CourierTables {
  readonly due: TaskTable
  readonly destinations: TaskTable
  readonly seen: TaskTable | null
  /** Of the topics that it reads. */
  readonly latest: ReadonlyMap<AnyTopic, TaskTable>
}

/** Begun in one turn, at most: others want theirs. */
const BEGIN_AT_ONCE = 1000
/** Tries that take longer than that, ms, are not waited for to spare their events a row. */
const SOON_MS = 15
/** A try that takes longer counts as that, ms: one that hangs says nothing of the others. */
const SLOW_MS = 100
/** What each try counts of how long they take of late. */
const USUAL_SHARE = 1 / 32
/** A task that goes elsewhere waits so long for what is under way, at most. */
const DRAIN_MS = 5000

export class Courier {
  readonly settings: CompiledDelivery
  readonly destinations: Destinations
  readonly #environment: CourierEnvironment
  readonly #due: DueEvents
  readonly #latest: Latest
  readonly #intake: Intake
  readonly #backlog: Backlog
  readonly #attempts: Attempts
  readonly #outcomes: Outcomes
  readonly #operators: Operators
  readonly #bucket: TokenBucket | null
  /** At-most-once: events whose intent is in the unit that is being filled, and in those under way. */
  #intents: DueEvent[] = []
  readonly #submitted: DueEvent[][] = []
  /** How long tries took of late, ms. */
  #usualMs = 0
  /** Monotonic ms; Infinity: it does not go. */
  #drainUntil = Number.POSITIVE_INFINITY

  constructor(settings: CompiledDelivery, partition: number, tables: CourierTables, environment: CourierEnvironment) {
    const { clock } = environment
    const { rate } = settings.total
    this.settings = settings
    this.#environment = environment
    this.#due = new DueEvents(tables.due)
    this.destinations = new Destinations(settings, tables.destinations, clock)
    this.#backlog = new Backlog(settings, this.destinations, this.#due, clock)
    this.#latest = new Latest(tables.latest)
    this.#intake = new Intake(settings, partition, tables.seen, this.#latest, clock)
    this.#attempts = new Attempts(settings, this.#latest, environment)
    this.#outcomes = new Outcomes(settings, this.#backlog, environment)
    this.#operators = new Operators(this.#backlog, this.#outcomes, clock)
    this.#bucket = rate === null ? null : new TokenBucket(rate, clock.monotonic())
    for (const event of this.#due.list('i', Number.MAX_SAFE_INTEGER)) {
      event.error = 'it was under way when its task ended'
      event.tries++
      this.#outcomes.doubt(event)
    }
  }

  // What the task calls while it processes records and timers; all of it can be undone.

  /** The record of the source that the context is at. */
  admit(value: unknown, context: TaskContext): void {
    this.#intake.admit(value, context)
  }

  /** The record of a topic that it reads. */
  learn(topic: AnyTopic, context: TaskContext): void {
    this.#latest.set(topic, context)
  }

  command(value: unknown): void {
    this.#intake.command(value)
  }

  /** The row of that key: its time has come. */
  due(key: string): void {
    const event = this.#due.get(key)
    if (event !== undefined) this.#intake.returned(event)
  }

  savepoint(): void {
    this.#intake.savepoint()
  }

  rollback(): void {
    this.#intake.rollback()
    this.#latest.rollback()
  }

  // What it does between them.

  /** True: something was done, which belongs to the unit that is being filled. */
  advance(): boolean {
    const outcomes = this.#attempts.take()
    for (const outcome of outcomes) {
      this.#usualMs += (Math.min(outcome.ms, SLOW_MS) - this.#usualMs) * USUAL_SHARE
      this.#outcomes.settle(outcome)
    }
    const tookIn = this.#takeIn()
    const purged = this.#operators.purge()
    const begun = this.#isDraining ? 0 : this.#beginAll()
    return outcomes.length > 0 || tookIn || purged || begun > 0
  }

  /** The unit is about to be collected: whatever has not ended gets a row. */
  collecting(): void {
    this.#takeIn()
    this.#backlog.store()
    this.#submitted.push(this.#intents)
    this.#intents = []
  }

  /** The oldest unit that was collected is committed. */
  committed(): void {
    for (const event of this.#submitted.shift() ?? []) this.#attempts.begin(event)
  }

  /** Somebody waits for the unit at hand: intents are sent when it is committed. */
  get isUrgent(): boolean {
    return this.#intents.length > 0
  }

  /** Reading on would only write down what goes soon. */
  get holdsReading(): boolean {
    return this.#backlog.reading.isHeld(this.#environment.clock.monotonic())
  }

  /** There is nothing more to read now. */
  caughtUp(): void {
    this.#backlog.reading.caughtUp()
  }

  /** Events are about to end that would have to be written down if the unit was collected now. */
  get endsSoon(): boolean {
    return this.#due.fresh > 0 && this.#attempts.size > 0 && this.#usualMs < SOON_MS
  }

  /** Tries under way, with those whose intent is not committed yet. */
  get underWay(): number {
    return this.#submitted.reduce((sum, events) => sum + events.length, this.#attempts.size + this.#intents.length)
  }

  /** How long it has nothing to do by itself, ms. */
  idleMs(): number {
    const now = this.#environment.clock.monotonic()
    const { scheduler } = this.#backlog
    let at = this.#attempts.deadline
    if (this.#isDraining) at = Math.min(at, this.#drainUntil)
    else if (this.underWay < this.settings.total.concurrency) {
      at = Math.min(at, scheduler.wakesAt)
      if (this.#bucket !== null && scheduler.hasReady) at = Math.min(at, this.#bucket.readyAt(now))
    }
    return Math.max(0, at - now)
  }

  /** Begins nothing any more: the task is to go elsewhere when what is under way has ended, or DRAIN_MS have passed. */
  drain(): void {
    this.#drainUntil = Math.min(this.#drainUntil, this.#environment.clock.monotonic() + DRAIN_MS)
  }

  get isDrained(): boolean {
    return (
      (this.underWay === 0 && this.#attempts.ended === 0) || this.#environment.clock.monotonic() >= this.#drainUntil
    )
  }

  /** How much there is of what, for the measures. It looks at every destination. */
  levels(): Levels {
    const levels = {
      waiting: 0,
      scheduled: 0,
      doubtful: 0,
      underWay: this.underWay,
      destinations: this.destinations.size,
      broken: 0,
      paused: 0,
    }
    for (const destination of this.destinations.all()) {
      levels.waiting += destination.backlog
      levels.scheduled += destination.scheduled
      levels.doubtful += destination.inDoubt
      if (destination.state === 'paused') levels.paused++
      else if (destination.state === 'open' || destination.state === 'half-open') levels.broken++
    }
    return levels
  }

  /** What is under way is given up. */
  close(): void {
    this.#attempts.close('the task goes elsewhere, or ends')
  }

  get #isDraining(): boolean {
    return this.#drainUntil !== Number.POSITIVE_INFINITY
  }

  #takeIn(): boolean {
    const arrived = this.#intake.take()
    if (arrived === null) return false
    this.#backlog.arrived(arrived.events)
    for (const command of arrived.commands) this.#operators.obey(command)
    this.#environment.count('taken', arrived.taken)
    this.#environment.count('duplicates', arrived.duplicates)
    return true
  }

  /** Returns how many were begun. */
  #beginAll(): number {
    const { clock } = this.#environment
    const now = clock.now()
    const monotonic = clock.monotonic()
    const most = Math.min(this.settings.total.concurrency - this.underWay, BEGIN_AT_ONCE)
    let begun = 0
    while (begun < most && this.#bucket?.has(monotonic) !== false) {
      const destination = this.#backlog.scheduler.next(now, monotonic)
      if (destination === null) break
      const event = this.#backlog.next(destination, now)
      if (event === undefined) continue
      this.#begin(destination, event, monotonic)
      begun++
    }
    return begun
  }

  #begin(destination: Destination, event: DueEvent, monotonic: number): void {
    this.#bucket?.take(monotonic)
    destination.bucket?.take(monotonic)
    destination.breaker?.begun()
    destination.begin(event)
    this.#backlog.scheduler.begun(destination, monotonic)
    this.destinations.touch(destination)
    this.#environment.count('tries', 1)
    if (this.settings.guarantee === 'at-least-once') this.#attempts.begin(event)
    else {
      this.#due.change(destination, event, 'i')
      this.#intents.push(event)
    }
  }
}
