// @ts-check
// The page of deliveries: all of them, or one with its destinations, events and dead letters. Its figures come with
// the stats; the rest is asked for while the page is looked at.
import { get, Unauthorized } from './api.js'
import { DeliveryTables } from './delivery-tables.js'
import { addressOf } from './delivery-words.js'
import { byId, html, setText } from './element.js'
import { showFigures } from './figures.js'
import { exact, rate } from './format.js'
import { LiveTable } from './live-table.js'
import { shapeOf, UNKNOWN } from './record-cells.js'

/**
 * @typedef {import('../src/http/stats-shape.ts').Stats} Stats
 * @typedef {import('../src/http/stats-shape.ts').DeliveryStats} DeliveryStats
 * @typedef {import('../src/http/delivery-shape.ts').DestinationView} DestinationView
 * @typedef {import('../src/http/delivery-shape.ts').EventView} EventView
 * @typedef {import('./delivery-tables.js').Letter} Letter
 * @typedef {import('./record-cells.js').Shape} Shape
 */

const POLL_MS = 1500
const SHOWN = 100
const LETTERS = 20

const element = (/** @type {string} */ id) => byId(id, HTMLElement)

export class DeliveriesPage {
  #unauthorized
  #list
  #tables
  #from = byId('destinations-from', HTMLInputElement)
  #state = byId('events-state', HTMLSelectElement)
  #destination = byId('events-destination', HTMLInputElement)
  /** @type {readonly DeliveryStats[]} */
  #deliveries = []
  /** @type {{ application: string, delivery: string } | null} */
  #chosen = null
  /** Of the values of its topic; null: not known yet. @type {Shape | null} */
  #shape = null
  #visible = false
  /** Grows with each choice: answers to what was asked before it are late. */
  #turn = 0
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer

  /** @param {{ unauthorized: () => void }} settings */
  constructor({ unauthorized }) {
    this.#unauthorized = unauthorized
    this.#list = new LiveTable(element('delivery-list'), {
      label: 'Deliveries',
      keyOf: (/** @type {DeliveryStats} */ one) => `${one.application}/${one.delivery}`,
      columns: [
        {
          header: 'delivery',
          mark: one => one.delivery,
          make: one => html('a', { href: addressOf(one) }, one.delivery),
        },
        { header: 'of topic', text: one => one.topic },
        { header: 'guarantee', text: one => one.guarantee },
        { header: 'delivered', right: true, text: one => `${rate(one.rates.delivered)}/s` },
        { header: 'failed', right: true, text: one => `${rate(one.rates.retried + one.rates.dead)}/s` },
        { header: 'under way', right: true, text: one => exact(one.underWay) },
        { header: 'waiting', right: true, text: one => exact(one.waiting) },
        { header: 'scheduled', right: true, text: one => exact(one.scheduled) },
        { header: 'in doubt', right: true, text: one => exact(one.doubtful) },
        { header: 'dead', right: true, text: one => exact(one.dead) },
        { header: 'broken', right: true, text: one => exact(one.broken) },
        { header: 'paused', right: true, text: one => exact(one.paused) },
      ],
    })
    this.#tables = new DeliveryTables({
      address: () => this.#path,
      application: () => this.#application,
      told: (text, isBad) => this.#tell(text, isBad),
      place: () => this.#chosen ?? { application: '', delivery: '' },
    })
    byId('event-search', HTMLFormElement).addEventListener('submit', event => {
      event.preventDefault()
      const id = byId('event-id', HTMLInputElement).value.trim()
      if (id !== '' && this.#chosen !== null) location.hash = addressOf({ ...this.#chosen, event: id })
    })
    for (const input of [this.#from, this.#destination]) input.addEventListener('input', () => this.refresh())
    this.#state.addEventListener('change', () => this.refresh())
    document.addEventListener('visibilitychange', () => this.refresh())
  }

  /** @param {Stats} stats */
  update(stats) {
    this.#deliveries = stats.applications.flatMap(app => app.deliveries)
    if (this.#visible) this.#paint()
  }

  /**
   * @param {{ application: string, delivery: string } | null} chosen null: all of them
   */
  show(chosen) {
    this.#visible = true
    this.#chosen = chosen
    this.#shape = null
    this.#from.value = ''
    byId('event-id', HTMLInputElement).value = ''
    this.#destination.value = ''
    this.#state.value = 'in-doubt'
    element('delivery-list-card').hidden = chosen !== null
    element('delivery-detail').hidden = chosen === null
    element('delivery-back').hidden = chosen === null
    element('event-search').hidden = chosen === null
    setText(element('deliveries-title'), chosen?.delivery ?? 'Deliveries')
    this.#tell('', false)
    this.#tables.clear()
    this.#paint()
    this.refresh()
  }

  hide() {
    this.#visible = false
    this.#turn++
    clearTimeout(this.#timer)
  }

  /** Asks at once, and from then on again and again. */
  refresh() {
    clearTimeout(this.#timer)
    const turn = ++this.#turn
    if (!this.#visible || this.#chosen === null || document.hidden) return
    void this.#load(turn).finally(() => {
      if (turn === this.#turn) this.#timer = setTimeout(() => this.refresh(), POLL_MS)
    })
  }

  get #path() {
    return `/deliveries/${encodeURIComponent(this.#chosen?.delivery ?? '')}`
  }

  get #application() {
    return `application=${encodeURIComponent(this.#chosen?.application ?? '')}`
  }

  #find() {
    const chosen = this.#chosen
    return this.#deliveries.find(one => one.delivery === chosen?.delivery && one.application === chosen?.application)
  }

  #paint() {
    if (this.#chosen === null) {
      setText(element('delivery-about'), '')
      this.#list.update(this.#deliveries, 'No application here has deliveries.')
      return
    }
    const one = this.#find()
    setText(element('delivery-about'), one === undefined ? 'It is not known here.' : aboutOf(one))
    if (one !== undefined) showFigures(element('delivery-figures'), figuresOf(one))
  }

  /** @param {number} turn */
  async #load(turn) {
    const chosen = this.#chosen
    if (chosen === null) return
    const of = this.#application
    const from = encodeURIComponent(this.#from.value)
    const destination = this.#destination.value.trim()
    const only = destination === '' ? '' : `&destination=${encodeURIComponent(destination)}`
    const topic = this.#find()?.topic
    const ofTopic = topic === undefined ? '' : `&topic=${encodeURIComponent(topic)}`
    const [destinations, events, letters, shape] = await Promise.all([
      this.#ask(`${this.#path}/destinations?${of}&limit=${SHOWN}&from=${from}`),
      this.#ask(`${this.#path}/events?${of}&limit=${SHOWN}&state=${this.#state.value}${only}`),
      this.#ask(`/dead-letters?${of}&limit=${LETTERS}&state=open&code=DELIVERY_FAILED${ofTopic}`),
      this.#shape ?? this.#askShape(topic),
    ])
    if (turn !== this.#turn) return
    this.#shape = shape
    const page = /** @type {{ destinations: DestinationView[], next: string | null } | null} */ (destinations)
    if (page !== null) this.#tables.showDestinations(page.destinations)
    setText(element('destinations-more'), more(page?.next))
    const waits = /** @type {{ events: EventView[], next: string | null } | null} */ (events)
    if (waits !== null)
      this.#tables.showEvents(waits.events, this.#state.selectedOptions[0]?.text ?? '', shape ?? UNKNOWN)
    setText(element('events-more'), more(waits?.next))
    const dead = /** @type {{ letters: Letter[] } | null} */ (letters)
    const own = dead?.letters.filter(letter => letter.pipeline === chosen.delivery)
    if (own !== undefined) this.#tables.showLetters(own, shape ?? UNKNOWN)
  }

  /**
   * @param {string | undefined} topic
   * @returns {Promise<Shape | null>}
   */
  async #askShape(topic) {
    if (topic === undefined) return null
    const answer = await this.#ask(`/topics/${encodeURIComponent(topic)}?${this.#application}`)
    return answer === null ? null : shapeOf(answer)
  }

  /** @param {string} path */
  async #ask(path) {
    try {
      return await get(path)
    } catch (error) {
      if (error instanceof Unauthorized) this.#unauthorized()
      // That there is no connection is told above the page.
      else if (!(error instanceof TypeError)) this.#tell(error instanceof Error ? error.message : String(error), true)
      return null
    }
  }

  /**
   * @param {string} text
   * @param {boolean} isBad
   */
  #tell(text, isBad) {
    const note = element('delivery-note')
    note.dataset.tone = isBad ? 'bad' : 'calm'
    setText(note, text)
    if (text !== '' && !isBad) this.refresh()
  }
}

/** @param {string | null | undefined} next */
function more(next) {
  return next === null || next === undefined ? '' : `The first ${SHOWN} are shown.`
}

/** @param {DeliveryStats} delivery */
function aboutOf({ application, topic, guarantee, partitions }) {
  return `${application}: records of ${topic}, ${guarantee.replaceAll('-', ' ')}, ${partitions} ${partitions === 1 ? 'task' : 'tasks'}`
}

/**
 * @param {DeliveryStats} one
 * @returns {import('./figures.js').Figure[]}
 */
function figuresOf(one) {
  const { rates } = one
  return [
    ['Delivered', `${rate(rates.delivered)}/s`, `${exact(one.delivered)} since the start`, 'calm'],
    ['Failed', `${rate(rates.retried + rates.dead)}/s`, `${exact(one.retried)} tried again`, 'calm'],
    ['Under way', exact(one.underWay), 'tries', 'calm'],
    ['Waiting', exact(one.waiting), 'for their turn', 'calm'],
    ['Scheduled', exact(one.scheduled), 'for a later time', 'calm'],
    ['In doubt', exact(one.doubtful), 'for you to decide', one.doubtful > 0 ? 'warn' : 'calm'],
    ['Dead', exact(one.dead), 'since the start', one.dead > 0 ? 'warn' : 'calm'],
  ]
}
