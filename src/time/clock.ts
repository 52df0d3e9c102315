/** The only source of time. Real in production, virtual in tests and simulations. */
export interface Clock {
  /** Wall clock, milliseconds since 1970. */
  now(): number
  /** For durations: milliseconds since some start, never going back. */
  monotonic(): number
}

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
}

/** A clock that moves only when told to. Both readings are the same number. */
export class VirtualClock implements Clock {
  #now: number
  #monotonic = 0

  constructor(startMs = 0) {
    this.#now = startMs
  }

  now(): number {
    return this.#now
  }

  monotonic(): number {
    return this.#monotonic
  }

  advance(ms: number): void {
    this.#now += ms
    this.#monotonic += ms
  }

  /** Moves the wall clock alone, also back, as an operator or NTP would. */
  jump(ms: number): void {
    this.#now += ms
  }
}
