// @ts-check
// The card of one city: what it reports, and the line of its last windows.
import { get } from './api.js'
import { byId, html, setText } from './element.js'
import { clock, exact } from './format.js'
import { WeatherChart } from './weather-chart.js'
import { nameOf } from './weather-names.js'
import { bothDegrees, categoryName, PALETTE, shadeOf } from './weather-scale.js'

/**
 * @typedef {import('./weather-cities.js').Forecast} Forecast
 * @typedef {Omit<Forecast, 'city'>} Value
 * @typedef {import('./weather-names.js').City} City
 */

/** Windows of the chart: two hours of minutes. */
const WINDOWS = 120
/** Below it, the regression alone means nothing. °F */
const REGRESSION_FROM = 80
const FAR_OFF = 15

const element = (/** @type {string} */ id) => byId(id, HTMLElement)

export class CityCard {
  #names
  #chart = new WeatherChart(element('weather-chart'))
  /** @type {Map<string, HTMLElement>} */
  #facts = new Map()
  #swatch = html('span', { class: 'swatch' })
  #id = ''
  /** By time. @type {Value[]} */
  #values = []
  /** What came since the values were asked for last. @type {Value[]} */
  #taken = []
  #turn = 0

  /** @param {import('./weather-names.js').CityNames} names */
  constructor(names) {
    this.#names = names
  }

  get id() {
    return this.#id
  }

  /** @param {string} id */
  async show(id) {
    if (id !== this.#id) this.#values = []
    this.#id = id
    const turn = ++this.#turn
    this.#paint()
    await Promise.all([this.#names.ask(id), this.#load(turn)])
    if (turn === this.#turn) this.#paint()
  }

  /** What happened meanwhile is asked for. */
  refresh() {
    return this.#id === '' ? Promise.resolve() : this.show(this.#id)
  }

  /** @param {Forecast} forecast of this city */
  take({ city: _, ...value }) {
    // An old list would only grow while nothing is asked for.
    if (this.#taken.length === WINDOWS) this.#taken.shift()
    this.#taken.push(value)
    this.#values = withValue(this.#values, value, WINDOWS)
  }

  /** The name and the newest value in words; '' while there is none. */
  get words() {
    const city = this.#names.get(this.#id)
    if (city === null) return ''
    const heat = this.#values.at(-1)?.heatIndex ?? null
    return heat === null ? `${nameOf(city)}: no value` : `${nameOf(city)}: ${bothDegrees(heat)}, ${categoryName(heat)}`
  }

  paint() {
    if (this.#id !== '') this.#paint()
  }

  /** @param {number} turn */
  async #load(turn) {
    this.#taken = []
    const answer = await get(`/weather/cities/${encodeURIComponent(this.#id)}/heat-index?limit=${WINDOWS}`).catch(
      () => null,
    )
    if (answer === null || turn !== this.#turn) return
    const { values } = /** @type {{ values: Value[] }} */ (answer)
    this.#values = this.#taken.reduce((all, value) => withValue(all, value, WINDOWS), values.reverse())
  }

  #paint() {
    const city = this.#names.get(this.#id)
    const value = this.#values.at(-1)
    const heat = value?.heatIndex ?? null
    setText(element('weather-city-title'), city === null ? 'City' : nameOf(city))
    this.#swatch.style.background = PALETTE[shadeOf(heat ?? Number.NaN)] ?? ''
    const head = element('weather-city-category')
    if (this.#swatch.parentNode === null) head.append(this.#swatch, html('span'))
    head.hidden = heat === null
    setText(/** @type {Node} */ (head.lastChild), categoryName(heat))
    this.#fact('heat index', bothDegrees(heat))
    this.#fact(
      'rolling mean',
      bothDegrees(this.#values.findLast(one => one.rollingHeatIndex !== null)?.rollingHeatIndex),
    )
    this.#fact('temperature', bothDegrees(value?.temperature))
    this.#fact('humidity', percentOf(value?.humidity))
    this.#fact('window', value === undefined ? '–' : windowWords(value))
    this.#fact('readings in it', exact(value?.readings))
    if (city !== null) {
      this.#fact('local time', localTime(city.timezone, Date.now()))
      this.#fact('inhabitants', city.population > 0 ? exact(city.population) : '–')
    }
    setText(element('weather-city-note'), doubtOf(value))
    this.#chart.update(this.#values, city === null ? this.#id : nameOf(city))
  }

  /**
   * @param {string} label
   * @param {string} text
   */
  #fact(label, text) {
    let known = this.#facts.get(label)
    if (known === undefined) {
      known = html('dd')
      this.#facts.set(label, known)
      element('weather-city-facts').append(html('div', {}, html('dt', {}, label), known))
    }
    setText(known, text)
  }
}

/**
 * With the value of a window put in its place.
 * @param {readonly Value[]} values by time
 * @param {Value} value
 * @param {number} most values that are kept, the newest
 * @returns {Value[]}
 */
export function withValue(values, value, most) {
  const others = values.filter(({ windowStart }) => windowStart !== value.windowStart)
  const place = others.findLastIndex(({ windowStart }) => windowStart < value.windowStart) + 1
  return others.toSpliced(place, 0, value).slice(-most)
}

/**
 * Said where the formula is used below where it holds; '' otherwise.
 * @param {Pick<Value, 'heatIndex' | 'temperature'> | undefined} value
 */
export function doubtOf(value) {
  const { heatIndex = null, temperature = null } = value ?? {}
  if (heatIndex === null || temperature === null || temperature >= REGRESSION_FROM) return ''
  if (Math.abs(heatIndex - temperature) < FAR_OFF) return ''
  return `The regression holds from ${REGRESSION_FROM} °F on: below, its values mean nothing. The formula nws has no such limit.`
}

/** @param {number | null | undefined} humidity */
function percentOf(humidity) {
  return humidity === null || humidity === undefined ? '–' : `${humidity.toFixed(0)} %`
}

/** @param {Value} value */
function windowWords({ windowStart, windowEnd, timing }) {
  const words = { early: ', not ended yet', onTime: '', late: ', corrected' }
  return `${clock(windowStart).slice(0, 8)} to ${clock(windowEnd).slice(0, 8)}${words[timing]}`
}

/**
 * @param {string} timezone
 * @param {number} now ms since 1970
 */
export function localTime(timezone, now) {
  try {
    return new Intl.DateTimeFormat('en-GB', {
      timeZone: timezone,
      hour: '2-digit',
      minute: '2-digit',
      weekday: 'short',
    }).format(now)
  } catch {
    // A browser may not know the newest zones.
    return '–'
  }
}
