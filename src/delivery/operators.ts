/** Does what operators say. */
import type { Clock } from '../time/clock.ts'
import type { Backlog } from './backlog.ts'
import type { Command } from './commands.ts'
import { DeliveryError } from './delivery-error.ts'
import type { Destination } from './destination.ts'
import type { Outcomes } from './outcomes.ts'

/** Removed in one turn for one `purge`. */
const PURGE_AT_ONCE = 500

export class Operators {
  readonly #backlog: Backlog
  readonly #outcomes: Outcomes
  readonly #clock: Clock
  readonly #purging: Set<Destination>

  constructor(backlog: Backlog, outcomes: Outcomes, clock: Clock) {
    this.#backlog = backlog
    this.#outcomes = outcomes
    this.#clock = clock
    this.#purging = new Set([...backlog.destinations.all()].filter(({ purging }) => purging))
  }

  obey(command: Command): void {
    if ('event' in command) this.#decide(command.event, command.command)
    else this.#change(this.#backlog.destinations.of(command.destination), command)
  }

  /** False: there is nothing to be removed. */
  purge(): boolean {
    if (this.#purging.size === 0) return false
    for (const destination of this.#purging) {
      const events = this.#backlog.take(destination, PURGE_AT_ONCE)
      for (const event of events) this.#outcomes.bury(event, new DeliveryError('reject', 'purged by an operator'))
      if (events.length > 0) continue
      this.#purging.delete(destination)
      destination.purging = false
      destination.changed = true
      this.#backlog.touch(destination)
    }
    return true
  }

  #change(destination: Destination, command: Exclude<Command, { event: string }>): void {
    switch (command.command) {
      case 'pause':
        if (command.at !== undefined && command.at <= destination.resumedAt) return
        destination.paused = command.reason ?? 'by an operator'
        break
      case 'limit':
        destination.setLimits(command.rate ?? '', command.concurrency ?? 0, this.#clock.monotonic())
        break
      case 'purge':
        destination.purging = true
        this.#purging.add(destination)
        break
      default:
        destination.paused = ''
        destination.resumedAt = this.#clock.now()
        destination.throttledUntil = 0
        destination.failingSince = 0
        destination.breaker?.reset()
    }
    destination.changed = true
    this.#backlog.touch(destination)
  }

  /** What becomes of an event in doubt, or of one that waits for its time. */
  #decide(key: string, decision: 'send' | 'drop'): void {
    const event = this.#backlog.due.get(key)
    if (event === undefined || (event.stored !== 'd' && event.stored !== 'r')) return
    event.notBefore = 0
    if (decision === 'send') this.#backlog.place(event)
    else this.#outcomes.bury(event, new DeliveryError('reject', 'dropped by an operator'))
  }
}
