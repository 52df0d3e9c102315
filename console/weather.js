// @ts-check
// The weather page: every city on a map as its heat index changes, the hottest, and one city closely.
//
// 1. The stream of changes is open before the map is asked for, so no change is missed between.
// 2. A page that nobody sees follows nothing. Seen again, it begins anew.
import { follow, get, Unauthorized } from './api.js'
import { byId, html, setText } from './element.js'
import { showFigures } from './figures.js'
import { clock, exact, rate, span } from './format.js'
import { WeatherCities } from './weather-cities.js'
import { CityCard } from './weather-city.js'
import { hottestTable, swatchOf } from './weather-hottest.js'
import { WeatherMap } from './weather-map.js'
import { CityNames, nameOf } from './weather-names.js'
import { bothDegrees, CATEGORIES, categoryName, degrees, rangeOf } from './weather-scale.js'
import { CitySearch } from './weather-search.js'

/**
 * @typedef {import('./weather-cities.js').Forecast} Forecast
 * @typedef {import('./weather-cities.js').WeatherMapAnswer} WeatherMapAnswer
 */

const TICK_MS = 1000
/** Updates a second are over so many ticks. */
const RATE_TICKS = 60
const HOTTEST = 10
/** The whole map is asked for again no sooner. */
const MAP_MS = 2000
/** A city whose name is not known yet is pointed at for so long before it is asked for. */
const REST_MS = 90

const element = (/** @type {string} */ id) => byId(id, HTMLElement)

/** Whether the process has the routes of the weather. */
export async function isWeatherServed() {
  const { paths } = /** @type {{ paths?: Record<string, unknown> }} */ (await get('/openapi.json'))
  return paths?.['/weather/map'] !== undefined
}

export class WeatherPage {
  #unauthorized
  #cities = new WeatherCities()
  #names = new CityNames()
  #card = new CityCard(this.#names)
  #map
  #hottest
  #tip = element('weather-tip')
  #legend = CATEGORIES.map(() => html('span', { class: 'count' }))
  #isVisible = false
  #isLoading = false
  #loadedAt = 0
  /** The reader chose the city; otherwise it is the hottest at the start. */
  #isChosen = false
  /** Number of the city that is pointed at; −1: none. */
  #hovered = -1
  /** Updates at each of the last ticks, the newest last. @type {{ at: number, updates: number }[]} */
  #ticks = []
  #stop = () => {}
  /** @type {ReturnType<typeof setInterval> | undefined} */
  #timer

  /** @param {{ unauthorized: () => void }} settings */
  constructor({ unauthorized }) {
    this.#unauthorized = unauthorized
    const map = new WeatherMap({
      frame: element('weather-map'),
      cities: this.#cities,
      hovered: (city, x, y) => this.#hover(city, x, y),
      chosen: city => this.#choose(this.#cities.ids[city] ?? ''),
      viewed: () => element('weather-map').classList.toggle('closer', map.view.zoom > 1),
    })
    this.#map = map
    this.#hottest = hottestTable(element('weather-hottest'), {
      heatOf: id => this.#cities.heat[this.#cities.numberOf(id)] ?? Number.NaN,
      names: this.#names,
      chosen: id => this.#choose(id),
    })
    this.#fillLegend()
    new CitySearch({
      input: byId('weather-search', HTMLInputElement),
      list: element('weather-found'),
      found: cities => this.#names.learn(cities),
      chosen: city => this.#choose(city.id),
    })
    element('weather-closer').addEventListener('click', () => map.zoom(1))
    element('weather-farther').addEventListener('click', () => map.zoom(-1))
    element('weather-whole').addEventListener('click', () => map.zoom(0))
    document.addEventListener('visibilitychange', () => this.refresh())
  }

  /** @param {string | null} city its id; null: none is asked for */
  show(city) {
    if (city !== null) this.#select(city)
    if (this.#isVisible) return
    this.#isVisible = true
    this.#map.show()
    this.refresh()
  }

  hide() {
    if (!this.#isVisible) return
    this.#isVisible = false
    this.#map.hide()
    this.refresh()
  }

  /** Begins anew, if it is looked at. */
  refresh() {
    this.#stop()
    this.#stop = () => {}
    clearInterval(this.#timer)
    if (!this.#isVisible || document.hidden) return
    this.#ticks = []
    this.#timer = setInterval(() => this.#tick(), TICK_MS)
    this.#stop = follow('/weather/live', {
      event: data => this.#event(/** @type {object} */ (data)),
      state: (state, error) => this.#tell(state === 'open' ? '' : reasonOf(error)),
      unauthorized: this.#unauthorized,
    })
  }

  /** @param {object} data of an event: of a city, or of the stream itself */
  #event(data) {
    if ('city' in data) {
      const forecast = /** @type {Forecast} */ (data)
      if (this.#cities.take(forecast)) this.#map.changed()
      if (forecast.city === this.#card.id) this.#card.take(forecast)
    } else if ('resumed' in data && data.resumed === false) {
      void this.#load()
      void this.#card.refresh()
      // The newest values come by themselves; of the windows between nothing does.
    } else if ('reason' in data) void this.#card.refresh()
  }

  async #load() {
    if (this.#isLoading) return
    this.#isLoading = true
    this.#loadedAt = performance.now()
    this.#cities.beginMap()
    try {
      this.#cities.endMap(/** @type {WeatherMapAnswer} */ (await get('/weather/map')))
      this.#map.replaced()
      this.#map.select(this.#cities.numberOf(this.#card.id), false)
      if (!this.#isChosen) this.#chooseHottest()
      this.#paint()
    } catch (error) {
      this.#cities.failMap()
      if (error instanceof Unauthorized) this.#unauthorized()
      else this.#tell(reasonOf(error))
      // The next tick asks again.
      this.#cities.isIncomplete = true
    } finally {
      this.#isLoading = false
    }
  }

  #tick() {
    this.#ticks.push({ at: performance.now(), updates: this.#cities.updates })
    if (this.#ticks.length > RATE_TICKS + 1) this.#ticks.shift()
    if (this.#cities.isIncomplete && performance.now() - this.#loadedAt >= MAP_MS) void this.#load()
    this.#paint()
  }

  #paint() {
    const hottest = this.#cities.hottest(HOTTEST)
    const ids = hottest.map(city => this.#cities.ids[city] ?? '')
    if (ids.some(id => this.#names.get(id) === null)) void this.#names.askHottest(2 * HOTTEST)
    this.#hottest.update(ids, 'No city has a value yet.')
    this.#paintFigures(hottest[0])
    for (const [i, count] of this.#legend.entries()) setText(count, exact(this.#cities.counts[i]))
    this.#paintTip()
    this.#card.paint()
  }

  /** @param {number | undefined} hottest */
  #paintFigures(hottest) {
    const cities = this.#cities
    const heat = cities.heat[hottest ?? -1]
    const city = hottest === undefined ? null : this.#names.get(cities.ids[hottest] ?? '')
    const [, , , danger = 0, extreme = 0] = cities.counts
    const late = Date.now() - cities.newest
    showFigures(element('weather-figures'), [
      ['Cities', exact(cities.length), 'have a value'],
      ['Updates', `${rate(this.#rate())}/s`, `${exact(cities.updates)} in all`],
      ['Newest window', clock(cities.newest).slice(0, 8), late >= 0 ? `began ${span(late)} ago` : ''],
      ['Hottest', degrees(heat), city === null ? categoryName(heat) : nameOf(city)],
      ['In danger', exact(danger + extreme), 'cities of 103 °F and more'],
    ])
  }

  /** Updates a second. */
  #rate() {
    const first = this.#ticks[0]
    const last = this.#ticks.at(-1)
    if (first === undefined || last === undefined || first === last) return Number.NaN
    return ((last.updates - first.updates) / (last.at - first.at)) * 1000
  }

  /** @param {string} id of a city that the reader chose */
  #choose(id) {
    if (id === '') return
    history.replaceState(null, '', `#/weather/${encodeURIComponent(id)}`)
    this.#select(id)
  }

  /** @param {string} id */
  #select(id) {
    this.#isChosen = true
    this.#map.select(this.#cities.numberOf(id), true)
    void this.#card.show(id).then(() => {
      if (this.#card.id === id) setText(element('weather-said'), this.#card.words)
    })
  }

  #chooseHottest() {
    const [city] = this.#cities.hottest(1)
    const id = this.#cities.ids[city ?? -1]
    if (city === undefined || id === undefined || this.#card.id !== '') return
    this.#map.select(city, false)
    void this.#card.show(id)
  }

  /**
   * @param {number} city −1: none
   * @param {number} x pixels
   * @param {number} y
   */
  #hover(city, x, y) {
    this.#hovered = city
    this.#tip.hidden = city < 0
    if (city < 0) return
    const isRight = x > element('weather-map').clientWidth / 2
    this.#tip.style.transform = `translate(${Math.round(x)}px, ${Math.round(y)}px) translate(${isRight ? 'calc(-100% - 14px)' : '14px'}, -50%)`
    this.#paintTip()
    const id = this.#cities.ids[city] ?? ''
    setTimeout(() => {
      if (this.#hovered === city) void this.#names.ask(id).then(() => this.#paintTip())
    }, REST_MS)
  }

  #paintTip() {
    if (this.#hovered < 0) return
    const city = this.#names.get(this.#cities.ids[this.#hovered] ?? '')
    const heat = this.#cities.heat[this.#hovered]
    const words = [city === null ? '' : nameOf(city), bothDegrees(heat), categoryName(heat)]
    setText(this.#tip, words.filter(word => word !== '').join(' · '))
  }

  /** @param {string} text */
  #tell(text) {
    setText(element('weather-note'), text)
  }

  #fillLegend() {
    element('weather-legend').append(
      ...CATEGORIES.map(({ name, colour }, i) =>
        html(
          'li',
          {},
          i === 0 ? html('span', { class: 'swatch mild' }) : swatchOf(colour),
          html('strong', {}, name),
          ` ${rangeOf(i)} `,
          this.#legend[i],
        ),
      ),
    )
  }
}

/** @param {unknown} error of the network, whose own words tell nobody anything, or of the API */
function reasonOf(error) {
  return error instanceof Error && !(error instanceof TypeError)
    ? error.message
    : 'The connection is lost. It is tried again by itself.'
}
