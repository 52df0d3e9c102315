/**
 * The newest windows of a city, with what was worked out for each.
 *
 * 1. There is one value for a window: the one that came last. They are in the order of the windows.
 * 2. A value takes 56 bytes. Room grows with the values, up to the number that is kept; then the oldest goes.
 * 3. From `completeFrom` on nothing is missing. Before it, there may be late results of windows that were not read.
 */
import { type Forecast, TIMINGS } from '../schemas.ts'

/** start, end, heat index, rolling heat index, temperature, humidity, readings and timing. */
const COLUMNS = 7
const FIRST_ROOM = 4

export interface Taken {
  /** It is of the newest window. */
  readonly isLatest: boolean
  /** The start of a window that had to go; NaN: none had to. */
  readonly evicted: number
}

export class CityValues {
  /** Offset of the record that was taken last. */
  version = 0
  /** As `version`, of the newest window. */
  latestVersion = 0
  completeFrom = Number.POSITIVE_INFINITY
  readonly #most: number
  #rows = new Float64Array(FIRST_ROOM * COLUMNS)
  #room = FIRST_ROOM
  #first = 0
  #count = 0

  /** @param most values that are kept, at least 1 */
  constructor(most: number) {
    this.#most = most
  }

  get count(): number {
    return this.#count
  }

  /** Start of the newest window; NaN: there is none. */
  get latestStart(): number {
    return this.#count === 0 ? Number.NaN : this.#rows[this.#at(this.#count - 1)]!
  }

  get oldestStart(): number {
    return this.#count === 0 ? Number.NaN : this.#rows[this.#at(0)]!
  }

  /** What tells the value of the newest window from any other of this city, on every node. */
  get latestMark(): string {
    return `${this.latestVersion.toString(36)}.${this.latestStart.toString(36)}`
  }

  /** Of the newest window, °F; NaN: it has none. */
  get latestHeatIndex(): number {
    return this.#count === 0 ? Number.NaN : this.#rows[this.#at(this.#count - 1) + 2]!
  }

  /** Null: it is older than all that are kept, and there is no room. */
  take(forecast: Forecast, offset: number): Taken | null {
    const start = forecast.windowStart
    let index = this.#count
    while (index > 0 && this.#rows[this.#at(index - 1)]! >= start) index--
    const isKnown = index < this.#count && this.#rows[this.#at(index)] === start
    let evicted = Number.NaN
    if (!isKnown) {
      if (this.#count === this.#most) {
        if (index === 0) return null
        evicted = this.oldestStart
        this.#first = (this.#first + 1) % this.#room
        this.#count--
        index--
        this.completeFrom = Math.max(this.completeFrom, this.#count === 0 ? start : this.oldestStart)
      }
      this.#insert(index)
    }
    this.#write(this.#at(index), forecast)
    if (forecast.timing !== 'late') this.completeFrom = Math.min(this.completeFrom, start)
    this.version = offset
    const isLatest = index === this.#count - 1
    if (isLatest) this.latestVersion = offset
    return { isLatest, evicted }
  }

  /** Values of windows that start in [from, to), the newest first. */
  list(city: string, from: number, to: number, limit: number): Forecast[] {
    const found: Forecast[] = []
    for (let index = this.#count - 1; index >= 0 && found.length < limit; index--) {
      const start = this.#rows[this.#at(index)]!
      if (start < from) break
      if (start < to) found.push(this.#read(city, index))
    }
    return found
  }

  /** Null: there is none. */
  latest(city: string): Forecast | null {
    return this.#count === 0 ? null : this.#read(city, this.#count - 1)
  }

  #at(index: number): number {
    return ((this.#first + index) % this.#room) * COLUMNS
  }

  /** Makes room for a value before that one. */
  #insert(index: number): void {
    if (this.#count === this.#room) this.#grow()
    this.#count++
    for (let i = this.#count - 1; i > index; i--) {
      const from = this.#at(i - 1)
      this.#rows.copyWithin(this.#at(i), from, from + COLUMNS)
    }
  }

  #grow(): void {
    const room = Math.min(this.#most, 2 * this.#room)
    const rows = new Float64Array(room * COLUMNS)
    for (let i = 0; i < this.#count; i++) {
      const from = this.#at(i)
      rows.set(this.#rows.subarray(from, from + COLUMNS), i * COLUMNS)
    }
    this.#rows = rows
    this.#room = room
    this.#first = 0
  }

  #write(at: number, forecast: Forecast): void {
    const rows = this.#rows
    rows[at] = forecast.windowStart
    rows[at + 1] = forecast.windowEnd
    rows[at + 2] = forecast.heatIndex ?? Number.NaN
    rows[at + 3] = forecast.rollingHeatIndex ?? Number.NaN
    rows[at + 4] = forecast.temperature ?? Number.NaN
    rows[at + 5] = forecast.humidity ?? Number.NaN
    rows[at + 6] = forecast.readings * TIMINGS.length + TIMINGS.indexOf(forecast.timing)
  }

  #read(city: string, index: number): Forecast {
    const rows = this.#rows
    const at = this.#at(index)
    const packed = rows[at + 6]!
    const timing = packed % TIMINGS.length
    return {
      city,
      windowStart: rows[at]!,
      windowEnd: rows[at + 1]!,
      heatIndex: present(rows[at + 2]!),
      rollingHeatIndex: present(rows[at + 3]!),
      temperature: present(rows[at + 4]!),
      humidity: present(rows[at + 5]!),
      readings: (packed - timing) / TIMINGS.length,
      timing: TIMINGS[timing]!,
    }
  }
}

function present(value: number): number | null {
  return Number.isNaN(value) ? null : value
}
