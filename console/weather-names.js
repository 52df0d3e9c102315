// @ts-check
// What is known of cities besides their values: asked for once, when someone looks at one.
import { get } from './api.js'

/**
 * @typedef {{ id: string, name: string, country: string, lat: number, lon: number, population: number, timezone: string }} City
 */

/** A question that failed is not asked again before. */
const RETRY_MS = 5000

export class CityNames {
  /** @type {Map<string, City>} */
  #known = new Map()
  /** By path. @type {Map<string, number>} */
  #askedAt = new Map()

  /** @param {string} id */
  get(id) {
    return this.#known.get(id) ?? null
  }

  /** @param {readonly City[]} cities of any answer */
  learn(cities) {
    for (const city of cities) this.#known.set(city.id, city)
  }

  /**
   * Resolves when it is known, or cannot be had now.
   * @param {string} id
   */
  async ask(id) {
    if (this.#known.has(id)) return
    const city = await this.#once(`/weather/cities/${encodeURIComponent(id)}`)
    if (city !== null) this.learn([/** @type {City} */ (city)])
  }

  /**
   * The hottest, all at once.
   * @param {number} limit
   */
  async askHottest(limit) {
    const answer = await this.#once(`/weather/hottest?limit=${limit}`)
    if (answer !== null) this.learn(/** @type {{ cities: City[] }} */ (answer).cities)
  }

  /** @param {string} path */
  async #once(path) {
    const now = Date.now()
    if (now - (this.#askedAt.get(path) ?? 0) < RETRY_MS) return null
    this.#askedAt.set(path, now)
    return await get(path).catch(() => null)
  }
}

/**
 * 'Lagos, NG'
 * @param {City} city
 */
export function nameOf({ name, country }) {
  return `${name}, ${country}`
}
