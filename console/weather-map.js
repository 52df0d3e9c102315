// @ts-check
// The map: ground that is drawn when the view changes, and above it the cities, drawn anew when their values did.
//
// 1. Nothing is drawn but in an animation frame, and then as a whole: nobody sees a map half drawn, or an empty one.
// 2. Values are drawn every REDRAW_MS at most, however many come; what the reader does is drawn in the next frame.
import { html } from './element.js'
import { WeatherPainter } from './weather-painter.js'
import { MapView, nearest, neighbour } from './weather-view.js'

/**
 * @typedef {import('./weather-cities.js').WeatherCities} WeatherCities
 * @typedef {{ frame: HTMLElement, cities: WeatherCities, hovered: (city: number, x: number, y: number) => void,
 *   chosen: (city: number) => void, viewed: () => void }} Settings
 */

const REDRAW_MS = 200
const ZOOM_STEP = 1.8
/** How far beside a city one may point, pixels: with a mouse, and with a finger. */
const REACH = { mouse: 12, touch: 26 }
/** A pointer that moved so far has dragged the map, pixels. */
const DRAG = 5
const SHARPEST = 2
const KEYS = /** @type {const} */ ({ ArrowLeft: 'left', ArrowRight: 'right', ArrowUp: 'up', ArrowDown: 'down' })

export class WeatherMap {
  view = new MapView()
  #settings
  #frame
  #ground = html('canvas', { 'aria-hidden': 'true' })
  #points = html('canvas', { 'aria-hidden': 'true' })
  #isVisible = false
  #groundChanged = true
  #valuesChanged = true
  #viewChanged = true
  #drawnAt = 0
  #hovered = -1
  #selected = -1
  /** @type {{ x: number, y: number, moved: boolean } | null} */
  #held = null
  #painter

  /** @param {Settings} settings */
  constructor(settings) {
    this.#settings = settings
    this.#frame = settings.frame
    this.#frame.tabIndex = 0
    this.#frame.prepend(this.#ground, this.#points)
    this.#painter = new WeatherPainter(this.#ground, this.#points, this.view, settings.cities)
    new ResizeObserver(() => this.#resized()).observe(this.#frame)
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => this.#moved())
    this.#frame.addEventListener('keydown', event => this.#keyed(event))
    this.#frame.addEventListener('pointerdown', event => {
      if (event.button === 0) this.#held = { x: event.offsetX, y: event.offsetY, moved: false }
    })
    this.#frame.addEventListener('pointermove', event => this.#pointed(event))
    this.#frame.addEventListener('pointerup', event => this.#released(event))
    this.#frame.addEventListener('pointercancel', () => {
      this.#held = null
    })
    this.#frame.addEventListener('pointerleave', () => this.#hover(-1))
    this.#frame.addEventListener('dblclick', event => this.zoom(1, event.offsetX, event.offsetY))
    // Without the key the wheel moves the page; two fingers on a touchpad come with it.
    this.#frame.addEventListener(
      'wheel',
      event => {
        if (!event.ctrlKey && !event.metaKey) return
        event.preventDefault()
        this.view.zoomBy(Math.exp(-event.deltaY / 150), event.offsetX, event.offsetY)
        this.#moved()
      },
      { passive: false },
    )
  }

  show() {
    if (this.#isVisible) return
    this.#isVisible = true
    this.#viewChanged = true
    requestAnimationFrame(now => this.#draw(now))
  }

  hide() {
    this.#isVisible = false
  }

  /** Values are others. */
  changed() {
    this.#valuesChanged = true
  }

  /** Cities are others. */
  replaced() {
    this.#moved()
  }

  /**
   * @param {number} city
   * @param {boolean} isFollowed the map moves to where it can be seen
   */
  select(city, isFollowed) {
    const { cities } = this.#settings
    this.#selected = city
    if (isFollowed && city >= 0 && this.view.bringIn(cities.lon[city] ?? 0, cities.lat[city] ?? 0)) this.#moved()
    this.#viewChanged = true
  }

  /**
   * @param {-1 | 0 | 1} steps 0: back to the whole world
   * @param {number} [x] pixels; default: where the selected city is, if it is in sight
   * @param {number} [y]
   */
  zoom(steps, x, y) {
    const { cities } = this.#settings
    if (steps === 0) this.view.reset()
    else if (x !== undefined || this.#selected < 0) this.view.zoomBy(ZOOM_STEP ** steps, x, y)
    else {
      const lon = cities.lon[this.#selected] ?? 0
      const lat = cities.lat[this.#selected] ?? 0
      this.view.zoomBy(ZOOM_STEP ** steps, this.view.x(lon), this.view.y(lat))
    }
    this.#moved()
  }

  #resized() {
    const { clientWidth: width, clientHeight: height } = this.#frame
    if (width === 0 || height === 0) return
    const sharpness = Math.min(SHARPEST, devicePixelRatio)
    this.view.resize(width, height)
    for (const canvas of [this.#ground, this.#points]) {
      canvas.width = Math.round(width * sharpness)
      canvas.height = Math.round(height * sharpness)
      canvas.getContext('2d')?.setTransform(canvas.width / width, 0, 0, canvas.height / height, 0, 0)
    }
    this.#moved()
    // A canvas that got another size is empty: it is filled before it is seen.
    if (this.#isVisible) this.#drawAll()
  }

  #moved() {
    this.#groundChanged = true
    this.#viewChanged = true
    // What is pointed at lies elsewhere now.
    this.#hover(-1)
    this.#settings.viewed()
  }

  /** @param {KeyboardEvent} event */
  #keyed(event) {
    if (event.ctrlKey || event.altKey || event.metaKey) return
    const { cities, chosen } = this.#settings
    const { key } = event
    if (key in KEYS) {
      const direction = KEYS[/** @type {keyof typeof KEYS} */ (key)]
      const next = this.#selected < 0 ? 0 : neighbour(this.view, cities, this.#selected, direction)
      if (next >= 0 && cities.length > 0) chosen(next)
    } else if (key === '+' || key === '=') this.zoom(1)
    else if (key === '-') this.zoom(-1)
    else if (key === '0') this.zoom(0)
    else return
    event.preventDefault()
  }

  /** @param {PointerEvent} event */
  #pointed({ offsetX: x, offsetY: y, pointerId, pointerType }) {
    const held = this.#held
    if (held !== null && (held.moved || Math.hypot(x - held.x, y - held.y) > DRAG)) {
      if (!held.moved) this.#frame.setPointerCapture(pointerId)
      this.view.pan(x - held.x, y - held.y)
      this.#held = { x, y, moved: true }
      this.#moved()
    } else if (pointerType === 'mouse') this.#hover(nearest(this.view, this.#settings.cities, x, y, REACH.mouse))
  }

  /** @param {PointerEvent} event */
  #released({ offsetX: x, offsetY: y, pointerType }) {
    const held = this.#held
    this.#held = null
    if (held === null || held.moved) return
    const city = nearest(this.view, this.#settings.cities, x, y, pointerType === 'mouse' ? REACH.mouse : REACH.touch)
    if (city >= 0) this.#settings.chosen(city)
  }

  /** @param {number} city */
  #hover(city) {
    if (city === this.#hovered) return
    this.#hovered = city
    this.#viewChanged = true
    const { cities, hovered } = this.#settings
    hovered(city, this.view.x(cities.lon[city] ?? 0), this.view.y(cities.lat[city] ?? 0))
  }

  /** @param {number} now */
  #draw(now) {
    if (!this.#isVisible) return
    requestAnimationFrame(later => this.#draw(later))
    if (!this.#viewChanged && !(this.#valuesChanged && now - this.#drawnAt >= REDRAW_MS)) return
    this.#drawnAt = now
    this.#drawAll()
  }

  #drawAll() {
    if (this.#groundChanged) this.#painter.drawGround()
    this.#painter.drawPoints(this.#hovered, this.#selected)
    this.#groundChanged = false
    this.#viewChanged = false
    this.#valuesChanged = false
  }
}
