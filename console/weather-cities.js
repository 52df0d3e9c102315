// @ts-check
// The newest heat index of every city, as the map of the API and its live events tell it.
//
// 1. What is shown of a city is the value of its newest window. An event of an older window changes nothing, and a late
//    correction counts only where it is of the window that is shown.
// 2. Events that came while the map was being asked for are taken again after it: its answer may be older than they are.
import { CATEGORIES, categoryOf } from './weather-scale.js'

/**
 * @typedef {{ ids: string[], lat: number[], lon: number[], heatIndex: (number | null)[], behind: number[],
 *   newest: number | null, hottestWithin: number }} WeatherMapAnswer
 * @typedef {{ city: string, windowStart: number, windowEnd: number, heatIndex: number | null, temperature: number | null,
 *   humidity: number | null, readings: number, rollingHeatIndex: number | null, timing: 'early' | 'onTime' | 'late' }} Forecast
 */

export class WeatherCities {
  /** Cities in the order of the API: the most populous first. @type {string[]} */
  ids = []
  lat = new Float32Array(0)
  lon = new Float32Array(0)
  /** °F; NaN: its newest window has none. */
  heat = new Float64Array(0)
  /** Start of the newest window of any city, ms; NaN: there is none. */
  newest = Number.NaN
  /** Cities by category, those without a value last. @type {number[]} */
  counts = new Array(CATEGORIES.length + 1).fill(0)
  /** Events taken since the page was opened. */
  updates = 0
  /** A city reported that the map did not have: it has to be asked for again. */
  isIncomplete = false
  /** A city whose window began longer before the newest is none of the hottest, ms: as the API has it. */
  #hottestWithin = Number.POSITIVE_INFINITY
  /** Start of the window that is shown, by number. */
  #starts = new Float64Array(0)
  /** @type {Map<string, number>} */
  #numbers = new Map()
  /** What came while the map was asked for; null: it is not. @type {Forecast[] | null} */
  #meanwhile = null

  get length() {
    return this.ids.length
  }

  /**
   * @param {string} id
   * @returns {number} −1: it is not on the map
   */
  numberOf(id) {
    return this.#numbers.get(id) ?? -1
  }

  /** Before the map is asked for. */
  beginMap() {
    this.#meanwhile = []
  }

  /** @param {WeatherMapAnswer} answer */
  endMap({ ids, lat, lon, heatIndex, behind, newest, hottestWithin }) {
    if (ids.length !== this.ids.length || ids.some((id, i) => id !== this.ids[i])) {
      this.ids = ids
      this.lat = Float32Array.from(lat)
      this.lon = Float32Array.from(lon)
      this.#numbers = new Map(ids.map((id, number) => [id, number]))
    }
    this.heat = Float64Array.from(heatIndex, value => value ?? Number.NaN)
    this.newest = newest ?? Number.NaN
    this.#starts = Float64Array.from(behind, before => this.newest - before)
    this.#hottestWithin = hottestWithin
    this.counts.fill(0)
    for (const value of this.heat) this.#count(value, 1)
    this.isIncomplete = false
    const meanwhile = this.#meanwhile ?? []
    this.#meanwhile = null
    for (const forecast of meanwhile) this.#apply(forecast)
  }

  /** The map could not be had. */
  failMap() {
    this.#meanwhile = null
  }

  /**
   * @param {Forecast} forecast
   * @returns {boolean} it changed what the map shows
   */
  take(forecast) {
    this.updates++
    this.#meanwhile?.push(forecast)
    return this.#apply(forecast)
  }

  /**
   * The numbers of those with the highest values, the highest first; among equals the more populous. Those that fell
   * silent are left out, as of the API.
   * @param {number} limit
   */
  hottest(limit) {
    /** @type {number[]} */
    const found = []
    for (let number = 0; number < this.heat.length; number++) {
      const value = this.#heatOf(number)
      if (Number.isNaN(value) || this.newest - (this.#starts[number] ?? 0) > this.#hottestWithin) continue
      if (found.length === limit && value <= this.#heatOf(found[limit - 1] ?? 0)) continue
      let place = found.length
      while (place > 0 && this.#heatOf(found[place - 1] ?? 0) < value) place--
      found.splice(place, 0, number)
      if (found.length > limit) found.pop()
    }
    return found
  }

  /** @param {Forecast} forecast */
  #apply({ city, windowStart, heatIndex }) {
    const number = this.numberOf(city)
    if (number < 0) {
      this.isIncomplete = true
      return false
    }
    if (windowStart < (this.#starts[number] ?? 0)) return false
    this.#starts[number] = windowStart
    if (!(windowStart <= this.newest)) this.newest = windowStart
    const before = this.#heatOf(number)
    this.heat[number] = heatIndex ?? Number.NaN
    const after = this.#heatOf(number)
    this.#count(before, -1)
    this.#count(after, 1)
    return !Object.is(before, after)
  }

  /** @param {number} number */
  #heatOf(number) {
    return this.heat[number] ?? Number.NaN
  }

  /**
   * @param {number} value
   * @param {1 | -1} by
   */
  #count(value, by) {
    const category = categoryOf(value)
    const at = category < 0 ? CATEGORIES.length : category
    this.counts[at] = (this.counts[at] ?? 0) + by
  }
}
