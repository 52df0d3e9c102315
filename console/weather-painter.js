// @ts-check
// Draws the map: the ground, and above it the cities in the colours of their heat indexes.
import { LAND } from './land.js'
import { PALETTE, shadeOf } from './weather-scale.js'

/**
 * @typedef {import('./weather-cities.js').WeatherCities} WeatherCities
 * @typedef {import('./weather-view.js').MapView} MapView
 */

/** Where someone lives is land, whatever the outlines say: so far around each city, degrees, and less the closer one looks. */
const INHABITED = 0.8
const CLOSER = -0.35
const CIRCLES = { tropics: 23.436, polar: 66.564 }
const NO_VALUE = PALETTE.length - 1
/** From below to above: the hotter above the cooler, for these one looks for. */
const LAYERS = [NO_VALUE, ...Array.from({ length: NO_VALUE }, (_, shade) => shade)]

export class WeatherPainter {
  #ground
  #points
  #view
  #cities
  #inks = { land: '', grid: '', text: '', card: '' }
  /** Cities by layer: filled anew for each drawing. */
  #order = new Uint32Array(0)

  /**
   * @param {HTMLCanvasElement} ground
   * @param {HTMLCanvasElement} points
   * @param {MapView} view
   * @param {WeatherCities} cities
   */
  constructor(ground, points, view, cities) {
    this.#ground = ground
    this.#points = points
    this.#view = view
    this.#cities = cities
  }

  drawGround() {
    const context = this.#ground.getContext('2d')
    if (context === null) return
    const styles = getComputedStyle(this.#ground)
    const ink = (/** @type {string} */ name) => styles.getPropertyValue(name).trim()
    this.#inks = { land: ink('--land'), grid: ink('--grid'), text: ink('--text'), card: ink('--card') }
    const view = this.#view
    const cities = this.#cities
    context.clearRect(0, 0, view.width, view.height)
    const reach = INHABITED * view.zoom ** CLOSER * view.scale
    context.fillStyle = this.#inks.land
    context.beginPath()
    for (const line of LAND) {
      context.moveTo(view.x(line[0] ?? 0), view.y(line[1] ?? 0))
      for (let i = 2; i < line.length; i += 2) context.lineTo(view.x(line[i] ?? 0), view.y(line[i + 1] ?? 0))
      context.closePath()
    }
    context.fill('evenodd')
    context.beginPath()
    for (let city = 0; city < cities.length; city++) {
      const x = view.x(cities.lon[city] ?? 0)
      const y = view.y(cities.lat[city] ?? 0)
      if (x < -reach || y < -reach || x > view.width + reach || y > view.height + reach) continue
      context.moveTo(x + reach, y)
      context.arc(x, y, reach, 0, 2 * Math.PI)
    }
    context.fill()
    context.strokeStyle = this.#inks.grid
    context.lineWidth = 1
    for (const [lats, dashes] of /** @type {[number[], number[]][]} */ ([
      [[0], []],
      [
        [CIRCLES.tropics, -CIRCLES.tropics, CIRCLES.polar],
        [4, 5],
      ],
    ])) {
      context.setLineDash(dashes)
      context.beginPath()
      for (const lat of lats) {
        const y = Math.round(view.y(lat)) + 0.5
        context.moveTo(0, y)
        context.lineTo(view.width, y)
      }
      context.stroke()
    }
    context.setLineDash([])
  }

  /**
   * @param {number} hovered number of a city, or −1
   * @param {number} selected
   */
  drawPoints(hovered, selected) {
    const context = this.#points.getContext('2d')
    if (context === null) return
    const view = this.#view
    const cities = this.#cities
    context.clearRect(0, 0, view.width, view.height)
    const size = Math.min(9, Math.max(2, 0.9 * view.scale ** 0.75))
    const ends = this.#sort()
    let at = 0
    for (const shade of LAYERS) {
      const end = ends[shade] ?? 0
      if (at === end) continue
      context.fillStyle = PALETTE[shade] ?? ''
      context.beginPath()
      for (; at < end; at++) {
        const city = this.#order[at] ?? 0
        const x = view.x(cities.lon[city] ?? 0)
        const y = view.y(cities.lat[city] ?? 0)
        if (x < -size || y < -size || x > view.width + size || y > view.height + size) continue
        if (size < 3.5) context.rect(x - size / 2, y - size / 2, size, size)
        else {
          context.moveTo(x + size / 2, y)
          context.arc(x, y, size / 2, 0, 2 * Math.PI)
        }
      }
      context.fill()
    }
    if (hovered >= 0) this.#ring(context, hovered, size, 4)
    if (selected >= 0) this.#ring(context, selected, size, 6)
  }

  /**
   * Puts the cities in the order of the layers.
   * @returns {number[]} where each shade ends in it
   */
  #sort() {
    const { heat, length } = this.#cities
    if (this.#order.length !== length) this.#order = new Uint32Array(length)
    /** @type {number[]} */
    const places = new Array(PALETTE.length).fill(0)
    for (let city = 0; city < length; city++) {
      const shade = shadeOf(heat[city] ?? Number.NaN)
      places[shade] = (places[shade] ?? 0) + 1
    }
    let before = 0
    for (const shade of LAYERS) {
      const count = places[shade] ?? 0
      places[shade] = before
      before += count
    }
    for (let city = 0; city < length; city++) {
      const shade = shadeOf(heat[city] ?? Number.NaN)
      const place = places[shade] ?? 0
      this.#order[place] = city
      places[shade] = place + 1
    }
    return places
  }

  /**
   * @param {CanvasRenderingContext2D} context
   * @param {number} city
   * @param {number} size of the city
   * @param {number} away from it, pixels
   */
  #ring(context, city, size, away) {
    const cities = this.#cities
    const x = this.#view.x(cities.lon[city] ?? 0)
    const y = this.#view.y(cities.lat[city] ?? 0)
    for (const [ink, width] of /** @type {[string, number][]} */ ([
      [this.#inks.card, 5],
      [this.#inks.text, 2],
    ])) {
      context.strokeStyle = ink
      context.lineWidth = width
      context.beginPath()
      context.arc(x, y, size / 2 + away, 0, 2 * Math.PI)
      context.stroke()
    }
  }
}
