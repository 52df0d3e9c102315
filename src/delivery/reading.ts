/**
 * Whether a task reads on while its delivery has much at hand. What is read and does not end within the unit is written
 * down, and read again from there: for a destination that takes everything in a moment it is cheaper left in the log.
 *
 * Who comes behind it in the partition pays for that, so it is for HOLD_MS at most: then the task reads on to the end of
 * the log, whatever that costs.
 */
import type { Destination } from './destination.ts'

/** So many events of one destination in memory are many. */
const LONG = 64
/** A destination is fast if all of its events in memory are gone within that time, ms, as it goes now. */
const FAST_MS = 250
/** One of which no try has ended for so long, ms, is not. */
const STUCK_MS = 100
const HOLD_MS = 1000

export class Reading {
  /** Destinations with many events in memory, and perhaps some that had. */
  readonly #long = new Set<Destination>()
  /** When it was held first since it was at the end of the log, monotonic ms; null: not yet. */
  #heldSince: number | null = null

  /** An event was added to those that it has in memory. */
  added(destination: Destination): void {
    if (destination.queue.length === LONG) this.#long.add(destination)
  }

  isHeld(monotonic: number): boolean {
    if (!this.#isWorthIt(monotonic)) return false
    this.#heldSince ??= monotonic
    return monotonic - this.#heldSince < HOLD_MS
  }

  /** There is nothing more to read. */
  caughtUp(): void {
    this.#heldSince = null
  }

  #isWorthIt(monotonic: number): boolean {
    for (const destination of this.#long) {
      const { queue, pace, movedAt, state, hasMore } = destination
      if (queue.length < LONG) this.#long.delete(destination)
      // With some on the disk, what comes goes there too.
      else if (!hasMore && state === 'active' && queue.length * pace < FAST_MS && monotonic - movedAt < STUCK_MS)
        return true
    }
    return false
  }
}
