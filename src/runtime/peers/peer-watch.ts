/**
 * When a peer is alive, when it is dead, and when to dial it: what happens on its connection in, what to do out. Times
 * are given, so it can be tried without waiting.
 *
 *     connecting ──── hello ────► alive ── closed, or silent for deadMs ──► suspect
 *                                 ▲ ▲ └─ goodbye ─► gone                     │   │ refused, or no hello for deadMs
 *                                 │ └──── hello ──────┘ ◄────── hello ───────┘   ▼
 *                                 └───────────────────────── hello ──────────── dead
 *
 * Invariants
 * 1. A suspect is dialled at once, and only what a dial shows makes it dead: a connection alone may break for many
 *    reasons.
 * 2. A peer is dead once for each time it was alive.
 * 3. Time in which this process did not run is nobody's silence: `excuse`.
 */
import type { PeerState } from './peer-info.ts'

export interface PeerTiming {
  /** A ping each so many ms. */
  readonly pingMs: number
  /** Silence that makes a suspect, and the time it has then to say hello, ms. */
  readonly deadMs: number
}

/** How a connection, or the attempt to make one, ended. `own`: for want of something here, which says nothing of the peer. */
export type EndKind = 'closed' | 'refused' | 'own'

/** `hang up`: close what is open or being dialled. */
export type Due = 'dial' | 'hang up' | 'dead' | null

/** Ticks in the time of a ping: how exactly times are kept. */
export const TICKS_A_PING = 4
/** A suspect that closed a dial is dialled again after this: it may be about to end, and refuse the next one. */
const SHORTEST_WAIT_MS = 2
/** The longest wait between two dials of a peer that is not there, in pings. */
const LONGEST_WAIT = 10

export class PeerWatch {
  state: PeerState = 'connecting'
  /** When something came last; −Infinity: never. */
  heardAt = Number.NEGATIVE_INFINITY
  readonly #timing: PeerTiming
  #suspectSince = 0
  /** Infinity: it is connected or being dialled. */
  #dialAt: number
  /** When the dial under way began; Infinity: none is. */
  #dialledAt = Number.POSITIVE_INFINITY
  #failures = 0

  constructor(timing: PeerTiming, now: number) {
    this.#timing = timing
    this.#dialAt = now
  }

  dialled(now: number): void {
    this.#dialAt = Number.POSITIVE_INFINITY
    this.#dialledAt = now
  }

  heard(now: number): void {
    this.heardAt = now
  }

  /** It said hello. */
  greeted(now: number): void {
    this.state = 'alive'
    this.heardAt = now
    this.#dialledAt = Number.POSITIVE_INFINITY
    this.#failures = 0
  }

  /** It said goodbye. */
  left(now: number): void {
    this.state = 'gone'
    this.#waitToDial(now)
  }

  /** There is a sign of life by another way: no reason to wait with the next dial. */
  sign(now: number): void {
    if (this.#dialAt !== Number.POSITIVE_INFINITY) this.#dialAt = now
  }

  /** Its connection, or a dial, has ended. Answers whether that makes it dead. */
  ended(now: number, kind: EndKind): boolean {
    if (this.state === 'alive') {
      this.#suspect(now)
      return false
    }
    if (this.state === 'suspect') {
      if (kind === 'refused') {
        this.#die(now)
        return true
      }
      if (kind === 'own') this.#suspectSince = now
      this.#dialledAt = Number.POSITIVE_INFINITY
      this.#dialAt = now + Math.min(this.#timing.pingMs / TICKS_A_PING, SHORTEST_WAIT_MS * 2 ** this.#failures)
      this.#failures++
      return false
    }
    this.#waitToDial(now)
    return false
  }

  /** Ms until a suspect is to be dialled again; null: no dial of a suspect is waiting. */
  redialIn(now: number): number | null {
    return this.state === 'suspect' && this.#dialAt !== Number.POSITIVE_INFINITY ? this.#dialAt - now : null
  }

  /** What time alone brings. To be asked again until it is null. */
  due(now: number): Due {
    const { deadMs } = this.#timing
    if (this.state === 'alive' && now - this.heardAt >= deadMs) {
      this.#suspect(now)
      return 'hang up'
    }
    if (this.state === 'suspect' && now - this.#suspectSince >= deadMs) {
      this.#die(now)
      return 'dead'
    }
    if (this.state !== 'suspect' && now - this.#dialledAt >= deadMs) {
      this.#waitToDial(now)
      return 'hang up'
    }
    return now >= this.#dialAt ? 'dial' : null
  }

  excuse(ms: number): void {
    this.heardAt += ms
    this.#suspectSince += ms
    this.#dialledAt += ms
  }

  #suspect(now: number): void {
    this.state = 'suspect'
    this.#failures = 0
    this.#suspectSince = now
    this.#dialledAt = Number.POSITIVE_INFINITY
    this.#dialAt = now
  }

  #die(now: number): void {
    this.state = 'dead'
    this.#failures = 0
    this.#waitToDial(now)
  }

  #waitToDial(now: number): void {
    const { pingMs } = this.#timing
    this.#dialledAt = Number.POSITIVE_INFINITY
    this.#dialAt = now + pingMs * Math.min(LONGEST_WAIT, 2 ** this.#failures)
    this.#failures++
  }
}

/** How long this process was kept from running, by a timer that should have come each so many ms. */
export class OwnLag {
  readonly #everyMs: number
  readonly #toleratedMs: number
  #last: number

  constructor(everyMs: number, toleratedMs: number, now: number) {
    this.#everyMs = everyMs
    this.#toleratedMs = toleratedMs
    this.#last = now
  }

  /** Called by the timer. Ms that it came late; 0 when that is within what is tolerated. */
  tick(now: number): number {
    const late = now - this.#last - this.#everyMs
    this.#last = now
    return late > this.#toleratedMs ? late : 0
  }
}
