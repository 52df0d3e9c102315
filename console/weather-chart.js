// @ts-check
// The line chart of a city: its heat index window by window, and the rolling mean.
import { html, svg } from './element.js'
import { clock } from './format.js'
import { CATEGORIES, degrees } from './weather-scale.js'

/**
 * @typedef {{ windowStart: number, windowEnd: number, heatIndex: number | null, rollingHeatIndex: number | null }} Point
 */

const WIDTH = 640
const HEIGHT = 210
const INSET = { left: 44, right: 12, top: 12, bottom: 24 }
/** The chart shows at least so many degrees: noise looks like noise. */
const LEAST_SPAN = 4

/** Redrawn as a whole, off the page, and put in place at once. */
export class WeatherChart {
  #target
  #drawn = ''
  #svg = svg('svg', { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: 'img', class: 'weather-chart' })

  /** @param {HTMLElement} target */
  constructor(target) {
    this.#target = target
    const legend = html(
      'p',
      { class: 'chart-legend', 'aria-hidden': 'true' },
      html('span', { class: 'of-heat' }, 'heat index'),
      html('span', { class: 'of-rolling' }, 'rolling mean'),
    )
    target.append(this.#svg, legend)
  }

  /**
   * @param {readonly Point[]} points by time
   * @param {string} name of the city
   */
  update(points, name) {
    const shown = points.filter(({ heatIndex, rollingHeatIndex }) => heatIndex !== null || rollingHeatIndex !== null)
    const mark = JSON.stringify([name, shown])
    if (mark === this.#drawn) return
    this.#drawn = mark
    this.#target.classList.toggle('bare', shown.length === 0)
    this.#svg.setAttribute('aria-label', chartWords(shown, name))
    const frame = frameOf(shown)
    this.#svg.replaceChildren(...(frame === null ? [] : drawingOf(shown, frame)))
  }
}

/** @typedef {{ x: (time: number) => number, y: (value: number) => number, low: number, high: number, from: number, to: number }} Frame */

/**
 * @param {readonly Point[]} points by time
 * @returns {Frame | null} null: nothing to draw
 */
export function frameOf(points) {
  const values = points
    .flatMap(({ heatIndex, rollingHeatIndex }) => [heatIndex, rollingHeatIndex])
    .filter(value => value !== null)
  const first = points[0]
  const last = points.at(-1)
  if (first === undefined || last === undefined || values.length === 0) return null
  let low = Math.min(...values)
  let high = Math.max(...values)
  const more = Math.max(0, LEAST_SPAN - (high - low)) / 2 + (high - low) * 0.08
  low -= more
  high += more
  const from = first.windowStart
  const to = Math.max(last.windowStart, from + (first.windowEnd - first.windowStart))
  return {
    x: time => INSET.left + ((time - from) / (to - from)) * (WIDTH - INSET.left - INSET.right),
    y: value => INSET.top + ((high - value) / (high - low)) * (HEIGHT - INSET.top - INSET.bottom),
    low,
    high,
    from,
    to,
  }
}

/**
 * A path that is broken where there is no value, or where windows are missing.
 * @param {readonly Point[]} points by time
 * @param {(point: Point) => number | null} pick
 * @param {Frame} frame
 */
export function pathOf(points, pick, { x, y }) {
  let path = ''
  let end = Number.NaN
  for (const point of points) {
    const value = pick(point)
    if (value === null) {
      end = Number.NaN
      continue
    }
    const at = `${x(point.windowStart).toFixed(1)} ${y(value).toFixed(1)}`
    // A single window is a dot: a line of no length with round ends.
    path += end === point.windowStart ? `L${at}` : `M${at}h0`
    end = point.windowEnd
  }
  return path
}

/**
 * About so many round values within.
 * @param {number} low
 * @param {number} high
 * @param {number} most
 */
export function ticksOf(low, high, most) {
  const rough = (high - low) / most
  const power = 10 ** Math.floor(Math.log10(rough))
  const step = power * ([1, 2, 5].find(times => power * times >= rough) ?? 10)
  const first = Math.ceil(low / step)
  const last = Math.floor(high / step)
  return Array.from({ length: Math.max(0, last - first + 1) }, (_, i) => Number(((first + i) * step).toPrecision(10)))
}

/**
 * @param {readonly Point[]} points by time
 * @param {string} name
 */
export function chartWords(points, name) {
  const values = points.map(({ heatIndex }) => heatIndex).filter(value => value !== null)
  const first = points[0]
  const last = points.at(-1)
  if (first === undefined || last === undefined || values.length === 0) return `${name}: no values yet`
  const ends = `from ${degrees(values[0])} at ${time(first.windowStart)} to ${degrees(values.at(-1))} at ${time(last.windowStart)}`
  return `Heat index of ${name}, ${values.length} windows, ${ends}; lowest ${degrees(Math.min(...values))}, highest ${degrees(Math.max(...values))}`
}

/**
 * @param {readonly Point[]} points
 * @param {Frame} frame
 */
function drawingOf(points, frame) {
  const { x, y, low, high, from, to } = frame
  const right = WIDTH - INSET.right
  const lines = ticksOf(low, high, 4).flatMap(value => [
    svg('line', { class: 'grid', x1: INSET.left, x2: right, y1: y(value), y2: y(value) }),
    svg('text', { class: 'tick', x: INSET.left - 6, y: y(value) + 4, 'text-anchor': 'end' }, `${value}°`),
  ])
  const limits = CATEGORIES.filter(({ from: limit }) => limit > low && limit < high).map(({ from: limit, colour }) =>
    svg('line', { class: 'limit', stroke: colour, x1: INSET.left, x2: right, y1: y(limit), y2: y(limit) }),
  )
  const times = [from, (from + to) / 2, to].map((at, i) =>
    svg(
      'text',
      { class: 'tick', x: x(at), y: HEIGHT - 6, 'text-anchor': ['start', 'middle', 'end'][i] ?? '' },
      time(at),
    ),
  )
  return [
    ...lines,
    ...limits,
    ...times,
    svg('path', { class: 'heat', d: pathOf(points, point => point.heatIndex, frame) }),
    svg('path', { class: 'rolling', d: pathOf(points, point => point.rollingHeatIndex, frame) }),
  ]
}

/** @param {number} ms */
function time(ms) {
  return clock(ms).slice(0, 8)
}
