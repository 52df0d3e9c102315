// @ts-check
// Which part of the world the map shows, and what lies where on it: degrees against pixels, equirectangular. Pure: the
// tests run it in Node.

/** What is shown of the world at first: nobody lives beyond. Degrees. */
export const WHOLE = { west: -180, east: 180, south: -57, north: 79 }
const MOST_ZOOM = 64

export class MapView {
  /** Pixels */
  width = 0
  height = 0
  /** 1: the whole world. */
  zoom = 1
  /** In the middle. */
  lon = 0
  lat = 0

  constructor() {
    this.reset()
  }

  reset() {
    this.zoom = 1
    this.lon = (WHOLE.west + WHOLE.east) / 2
    this.lat = (WHOLE.south + WHOLE.north) / 2
  }

  /**
   * @param {number} width pixels
   * @param {number} height
   */
  resize(width, height) {
    this.width = width
    this.height = height
    this.#clamp()
  }

  /** Pixels of a degree. */
  get scale() {
    const across = this.width / (WHOLE.east - WHOLE.west)
    const down = this.height / (WHOLE.north - WHOLE.south)
    return Math.min(across, down) * this.zoom
  }

  /** @param {number} lon */
  x(lon) {
    return this.width / 2 + (lon - this.lon) * this.scale
  }

  /** @param {number} lat */
  y(lat) {
    return this.height / 2 - (lat - this.lat) * this.scale
  }

  /**
   * Closer or farther; what is at the point stays there.
   * @param {number} factor
   * @param {number} [x] pixels; default: the middle
   * @param {number} [y]
   */
  zoomBy(factor, x = this.width / 2, y = this.height / 2) {
    const before = this.scale
    if (before === 0) return
    const lon = this.lon + (x - this.width / 2) / before
    const lat = this.lat - (y - this.height / 2) / before
    this.zoom = Math.min(MOST_ZOOM, Math.max(1, this.zoom * factor))
    this.lon = lon - (x - this.width / 2) / this.scale
    this.lat = lat + (y - this.height / 2) / this.scale
    this.#clamp()
  }

  /**
   * @param {number} right pixels
   * @param {number} down
   */
  pan(right, down) {
    if (this.scale === 0) return
    this.lon -= right / this.scale
    this.lat += down / this.scale
    this.#clamp()
  }

  /**
   * Moves only as far as it takes.
   * @param {number} lon
   * @param {number} lat
   * @returns {boolean} it moved
   */
  bringIn(lon, lat) {
    const margin = Math.min(this.width, this.height) / 8
    const x = this.x(lon)
    const y = this.y(lat)
    const right = x < margin ? margin - x : x > this.width - margin ? this.width - margin - x : 0
    const down = y < margin ? margin - y : y > this.height - margin ? this.height - margin - y : 0
    if (right === 0 && down === 0) return false
    const before = [this.lon, this.lat]
    this.pan(right, down)
    return before[0] !== this.lon || before[1] !== this.lat
  }

  /** No more of what is beyond the world than there must be. */
  #clamp() {
    if (this.scale === 0) return
    const middle = (
      /** @type {number} */ low,
      /** @type {number} */ high,
      /** @type {number} */ shown,
      /** @type {number} */ at,
    ) => (shown >= high - low ? (low + high) / 2 : Math.min(high - shown / 2, Math.max(low + shown / 2, at)))
    this.lon = middle(WHOLE.west, WHOLE.east, this.width / this.scale, this.lon)
    this.lat = middle(WHOLE.south, WHOLE.north, this.height / this.scale, this.lat)
  }
}

/**
 * @typedef {{ length: number, lat: ArrayLike<number>, lon: ArrayLike<number> }} Places
 */

/**
 * The place nearest to a point.
 * @param {MapView} view
 * @param {Places} places
 * @param {number} x pixels
 * @param {number} y
 * @param {number} most pixels away
 * @returns {number} −1: there is none
 */
export function nearest(view, places, x, y, most) {
  let found = -1
  let least = most * most
  for (let number = 0; number < places.length; number++) {
    const right = view.x(places.lon[number] ?? 0) - x
    const down = view.y(places.lat[number] ?? 0) - y
    const distance = right * right + down * down
    if (distance < least || (distance === least && found < 0)) {
      found = number
      least = distance
    }
  }
  return found
}

/** A step is at least so far, so that one sees it. Pixels. */
const LEAST_STEP = 9

/**
 * The next place in a direction: near, and not far off the line.
 * @param {MapView} view
 * @param {Places} places
 * @param {number} from number of the place
 * @param {'left' | 'right' | 'up' | 'down'} direction
 * @returns {number} −1: there is none
 */
export function neighbour(view, places, from, direction) {
  const isAcross = direction === 'left' || direction === 'right'
  const sign = direction === 'left' || direction === 'up' ? -1 : 1
  const x = view.x(places.lon[from] ?? 0)
  const y = view.y(places.lat[from] ?? 0)
  let found = -1
  let least = Number.POSITIVE_INFINITY
  for (let number = 0; number < places.length; number++) {
    const right = view.x(places.lon[number] ?? 0) - x
    const down = view.y(places.lat[number] ?? 0) - y
    const along = sign * (isAcross ? right : down)
    const aside = Math.abs(isAcross ? down : right)
    const cost = along + 2 * aside
    if (along < LEAST_STEP || aside > along || cost >= least) continue
    found = number
    least = cost
  }
  return found
}
