/**
 * What became of each reading that was sent.
 *
 * 1. It is kept by city, so that what one city lost is not made up for by what another got twice.
 * 2. A reading is told of by the forecast of its window, by the topic of late readings or by a dead letter. Of a window that
 *    was told again the newest counts; results before its end do not count.
 * 3. A reading is in doubt when the answer did not say whether it was taken. It may be told of, and need not.
 */
import type { Forecast } from '../schemas.ts'

export interface Outcome {
  /** Readings in forecasts. */
  told: number
  late: number
  deadLetters: number
  /** Acknowledged, and nothing tells of them. */
  missing: number
  /** Told of more than once. */
  doubled: number
}

/** A window is kept as a number: the city, and the milliseconds since `#base`, which have room for 24 days. */
const ROOM_MS = 2 ** 31
const BEFORE_MS = 2 * 86_400_000

export class Account {
  readonly prefix: string
  readonly cities: number
  readonly #base: number
  readonly #acknowledged: Float64Array
  readonly #inDoubt: Float64Array
  readonly #told: Float64Array
  /** Late readings and dead letters. */
  readonly #elsewhere: Float64Array
  /** Newest timestamp that was acknowledged, and the end of the newest window that was told. */
  readonly #newest: Float64Array
  readonly #ends: Float64Array
  /** Twice the readings of a window, and one more if it was told at its end. */
  readonly #windows = new Map<number, number>()
  #late = 0
  #deadLetters = 0
  #repeated = 0
  /** Grows with everything that is told of this run. */
  news = 0

  /** @param prefix of the ids of its cities; the number of the city comes behind it */
  constructor(prefix: string, cities: number, now: number) {
    this.prefix = prefix
    this.cities = cities
    this.#base = now - BEFORE_MS
    this.#acknowledged = new Float64Array(cities)
    this.#inDoubt = new Float64Array(cities)
    this.#told = new Float64Array(cities)
    this.#elsewhere = new Float64Array(cities)
    this.#newest = new Float64Array(cities)
    this.#ends = new Float64Array(cities)
  }

  /** Readings in a row; the one of number n is of city n % cities. */
  acknowledge(first: number, timestamps: Float64Array): void {
    for (let i = 0; i < timestamps.length; i++) {
      const city = (first + i) % this.cities
      this.#acknowledged[city]! += 1
      this.#newest[city] = Math.max(this.#newest[city]!, timestamps[i]!)
    }
  }

  doubt(first: number, count: number): void {
    for (let i = first; i < first + count; i++) this.#inDoubt[i % this.cities]! += 1
  }

  /** False: it is of somebody else, or not the result of a window that has ended. */
  forecast({ city: id, windowStart, windowEnd, readings, timing }: Forecast): boolean {
    const city = this.#numberOf(id)
    if (city === null || timing === 'early') return false
    this.news++
    const window = city * ROOM_MS + (windowStart - this.#base)
    const known = this.#windows.get(window) ?? 0
    const atEnd = known % 2 === 1
    if (atEnd && timing === 'onTime') {
      this.#repeated += readings
      return true
    }
    this.#told[city]! += readings - Math.floor(known / 2)
    this.#windows.set(window, readings * 2 + (atEnd || timing === 'onTime' ? 1 : 0))
    this.#ends[city] = Math.max(this.#ends[city]!, windowEnd)
    return true
  }

  late(id: unknown): void {
    if (this.#takeElsewhere(id)) this.#late++
  }

  deadLetter(id: unknown): void {
    if (this.#takeElsewhere(id)) this.#deadLetters++
  }

  /**
   * Whether all that was acknowledged is told of, and no window can be open: a reading that was doubled may lie in one that
   * has not ended.
   */
  get isSettled(): boolean {
    for (let city = 0; city < this.cities; city++) {
      const told = this.#told[city]! + this.#elsewhere[city]!
      if (told < this.#acknowledged[city]!) return false
      if (this.#elsewhere[city] === 0 && this.#ends[city]! <= this.#newest[city]! && this.#newest[city]! > 0)
        return false
    }
    return true
  }

  get outcome(): Outcome {
    let [told, missing, doubled] = [0, 0, this.#repeated]
    for (let city = 0; city < this.cities; city++) {
      const seen = this.#told[city]! + this.#elsewhere[city]!
      const acknowledged = this.#acknowledged[city]!
      told += this.#told[city]!
      missing += Math.max(0, acknowledged - seen)
      doubled += Math.max(0, seen - acknowledged - this.#inDoubt[city]!)
    }
    return { told, late: this.#late, deadLetters: this.#deadLetters, missing, doubled }
  }

  #takeElsewhere(id: unknown): boolean {
    const city = this.#numberOf(id)
    if (city === null) return false
    this.news++
    this.#elsewhere[city]! += 1
    return true
  }

  #numberOf(id: unknown): number | null {
    if (typeof id !== 'string' || !id.startsWith(this.prefix)) return null
    const number = Number(id.slice(this.prefix.length))
    return Number.isInteger(number) && number >= 0 && number < this.cities ? number : null
  }
}
