/** The events that wait: in memory as far as they may, the others on the disk; and whose turn it is. */
import type { Clock } from '../time/clock.ts'
import type { Destination } from './destination.ts'
import type { Destinations } from './destinations.ts'
import { type DueEvent, sizeOf } from './due-event.ts'
import type { DueEvents } from './due-events.ts'
import { Reading } from './reading.ts'
import { Scheduler } from './scheduler.ts'
import type { CompiledDelivery } from './settings.ts'

/** Events of a destination that are read from the table at once; and where they may not go, or memory is full. */
const READ_AT_ONCE = 128
const READ_FEW = 4

export class Backlog {
  readonly scheduler: Scheduler
  readonly destinations: Destinations
  readonly due: DueEvents
  readonly reading = new Reading()
  readonly #settings: CompiledDelivery
  readonly #clock: Clock
  /** Of the events in queues. */
  #heldBytes = 0

  constructor(settings: CompiledDelivery, destinations: Destinations, due: DueEvents, clock: Clock) {
    this.#settings = settings
    this.#clock = clock
    this.destinations = destinations
    this.due = due
    this.scheduler = new Scheduler(settings.tenant, settings.total.concurrency)
    for (const destination of destinations.all()) this.touch(destination)
  }

  /** The destination of an event, which is looked at when the unit is collected. */
  of(event: DueEvent): Destination {
    const destination = this.destinations.of(event.destination, event.tenant)
    this.destinations.touch(destination)
    return destination
  }

  /** Something happened to it: it may have a turn now. */
  touch(destination: Destination): void {
    this.destinations.touch(destination)
    this.scheduler.touch(destination, this.#clock.now(), this.#clock.monotonic())
  }

  /** Events that have come for the first time. */
  arrived(events: readonly DueEvent[]): void {
    for (const event of events) {
      if (event.stored === null) this.due.fresh++
      this.place(event)
    }
  }

  /** The event waits from now on: for its time, in memory for its turn, or on the disk for that. */
  place(event: DueEvent): void {
    const destination = this.of(event)
    const isEarly = event.notBefore > this.#clock.now()
    if (isEarly && event.lane === '') this.due.change(destination, event, 'r')
    else if (this.isFull || !destination.takes(event)) {
      this.due.change(destination, event, 'q')
      if (!destination.hasMore || event.order < destination.unreadFrom) destination.unreadFrom = event.order
      destination.hasMore = true
      // It goes before what was read last: it is looked for from the beginning.
      if (event.order <= destination.readTo) destination.readTo = ''
    } else {
      // One that comes back has a row of another kind; a new one has none, and may never need it.
      if (event.stored !== null) this.due.change(destination, event, 'q')
      this.#hold(destination, event)
    }
    this.touch(destination)
  }

  /** It was tried, and waits again. Its place in a lane is its own: what comes behind it there waits too. */
  again(destination: Destination, event: DueEvent): void {
    if (event.lane === '') {
      this.place(event)
      return
    }
    this.due.change(destination, event, 'q')
    this.#hold(destination, event)
  }

  /** The next event of a destination that may go; undefined: there is none. */
  next(destination: Destination, now: number): DueEvent | undefined {
    if (destination.queue.length === 0 && destination.hasMore) {
      const { events, isAll } = this.due.waiting(
        destination,
        this.isFull || destination.state !== 'active' ? READ_FEW : READ_AT_ONCE,
      )
      for (const event of events) this.#hold(destination, event)
      destination.hasMore = !isAll
      if (events.length > 0) {
        destination.readTo = events.at(-1)!.order
        destination.unreadFrom = destination.readTo
      }
    }
    const event = destination.shift(now)
    if (event === undefined) return undefined
    this.#heldBytes -= sizeOf(event)
    return event
  }

  /** Some of the events that wait for their turn or for their time; they are in no queue any more. */
  take(destination: Destination, most: number): DueEvent[] {
    const queued = destination.queue.splice(0)
    for (const event of queued) this.#heldBytes -= sizeOf(event)
    const held = new Set(queued.map(({ order }) => order))
    destination.readTo = ''
    destination.unreadFrom = ''
    const { events, isAll } = this.due.waiting(destination, most + queued.length)
    destination.hasMore = !isAll
    const scheduled = this.due.list('r', most, destination.name)
    return [...queued, ...events.filter(({ order }) => !held.has(order)), ...scheduled]
  }

  /** Every event that is in memory gets a row; those that may not go leave memory to those that may. */
  store(): void {
    for (const destination of this.destinations.touched()) {
      for (const event of destination.queue) if (event.stored === null) this.due.change(destination, event, 'q')
      for (const event of destination.underWay.values()) {
        if (event.stored === null) this.due.change(destination, event, 'q')
      }
      if (destination.state !== 'active') this.#release(destination)
    }
    this.destinations.write()
  }

  get isFull(): boolean {
    return this.#heldBytes >= this.#settings.memory
  }

  /** All that it has in memory is on the disk, and is read again when its turn comes. */
  #release(destination: Destination): void {
    const { queue } = destination
    const [first] = queue
    if (first === undefined) return
    for (const event of queue) this.#heldBytes -= sizeOf(event)
    queue.length = 0
    if (!destination.hasMore || first.order < destination.unreadFrom) destination.unreadFrom = first.order
    destination.hasMore = true
    destination.readTo = ''
  }

  #hold(destination: Destination, event: DueEvent): void {
    destination.add(event, this.#clock.monotonic())
    this.reading.added(destination)
    this.#heldBytes += sizeOf(event)
  }
}
