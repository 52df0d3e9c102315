// @ts-check
// The tables of one delivery, and what an operator can do in them.
import { ask } from './ask.js'
import { button, DeliveryActs } from './delivery-acts.js'
import { actionsOf, addressOf, lastErrorOf, limitsOf, purgeQuestionOf, stateOf, toneOf } from './delivery-words.js'
import { byId, html } from './element.js'
import { clock, exact, oneLine, shorten } from './format.js'
import { LiveTable } from './live-table.js'
import { contentOf } from './record-cells.js'

/**
 * @typedef {import('../src/http/delivery-shape.ts').DestinationView} DestinationView
 * @typedef {import('../src/http/delivery-shape.ts').EventView} EventView
 * @typedef {import('./delivery-words.js').Action} Action
 * @typedef {import('./record-cells.js').Shape} Shape
 * @typedef {{ offset: number, time: number, message: string, event: string | null, pipeline: string, value: unknown, headers: Record<string, unknown> }} Letter
 * @typedef {import('./delivery-acts.js').Settings & { place: () => { application: string, delivery: string } }} Settings
 */

const MOST_CHARACTERS = 80
const LABELS = /** @type {const} */ ({ resume: 'Resume', pause: 'Pause', limit: 'Limit', purge: 'Purge' })

export class DeliveryTables {
  #acts
  #destinations
  #events
  #letters
  /** As they were shown last, for what is asked before something is done. @type {Map<string, DestinationView>} */
  #known = new Map()

  /** @param {Settings} settings */
  constructor(settings) {
    this.#acts = new DeliveryActs(settings)
    const link = (/** @type {string} */ event) =>
      html('a', { href: addressOf({ ...settings.place(), event }) }, shorten(event, MOST_CHARACTERS))
    const time = (/** @type {number} */ ms) => (ms > 0 ? clock(ms).slice(0, 8) : '')
    this.#destinations = new LiveTable(byId('destinations', HTMLElement), {
      label: 'Destinations',
      keyOf: (/** @type {DestinationView} */ one) => one.destination,
      columns: [
        {
          header: 'destination',
          style: 'wrap',
          mark: one => `${one.destination}\n${one.tenant}`,
          make: one =>
            html(
              'div',
              {},
              one.destination,
              one.tenant === '' ? null : html('span', { class: 'below' }, `of ${one.tenant}`),
            ),
        },
        {
          header: 'state',
          style: 'state',
          mark: one => `${one.state} ${stateOf(one, Date.now())}`,
          make: one => html('span', { class: 'dot-state', 'data-state': toneOf(one.state) }, stateOf(one, Date.now())),
        },
        { header: 'under way', right: true, text: one => exact(one.underWay) },
        { header: 'waiting', right: true, text: one => exact(one.waiting) },
        { header: 'scheduled', right: true, text: one => exact(one.scheduled) },
        { header: 'in doubt', right: true, text: one => exact(one.inDoubt) },
        { header: 'delivered', right: true, text: one => exact(one.delivered) },
        { header: 'failed', right: true, text: one => exact(one.failed) },
        { header: 'limits', text: limitsOf },
        { header: 'last error', style: 'wrap', text: one => shorten(lastErrorOf(one, Date.now()), MOST_CHARACTERS) },
        {
          header: '',
          mark: one => actionsOf(one).join(),
          make: one =>
            html(
              'div',
              { class: 'actions' },
              ...actionsOf(one).map(action =>
                button(LABELS[action], one.destination, () => this.#act(action, one.destination)),
              ),
            ),
        },
      ],
    })
    this.#events = new LiveTable(byId('events', HTMLElement), {
      label: 'Events',
      keyOf: (/** @type {EventView} */ one) => one.event,
      columns: [
        { header: 'event', style: 'wrap', mark: one => one.id, make: one => link(one.id) },
        { header: 'destination', text: one => one.destination },
        { header: 'since', text: one => time(one.since) },
        { header: 'due', text: one => time(one.due) },
        { header: 'tries', right: true, text: one => exact(one.tries) },
        { header: 'last error', style: 'wrap', text: one => shorten(one.error, MOST_CHARACTERS) },
        { header: 'value', style: 'wrap', text: one => shorten(oneLine(one.value), MOST_CHARACTERS) },
        {
          header: '',
          mark: one => one.state,
          make: one =>
            one.state === 'waiting'
              ? null
              : html(
                  'div',
                  { class: 'actions' },
                  button('Send', one.id, () => this.#acts.decide('send', one)),
                  button('Drop', one.id, () => this.#acts.decide('drop', one)),
                ),
        },
      ],
    })
    this.#letters = new LiveTable(byId('delivery-letters', HTMLElement), {
      label: 'Dead letters',
      keyOf: (/** @type {Letter} */ one) => String(one.offset),
      columns: [
        { header: 'when', text: one => time(one.time) },
        { header: 'letter', right: true, text: one => String(one.offset) },
        {
          header: 'event',
          style: 'wrap',
          mark: one => one.event ?? '',
          make: one => (one.event === null ? '–' : link(one.event)),
        },
        { header: 'destination', text: destinationOf },
        { header: 'why', style: 'wrap', text: one => one.message },
        { header: 'value', style: 'wrap', text: one => shorten(oneLine(one.value), MOST_CHARACTERS) },
        {
          header: '',
          mark: () => '',
          make: one =>
            html(
              'div',
              { class: 'actions' },
              button('Replay', `letter ${one.offset}`, () => this.#acts.replay(one.offset, destinationOf(one))),
              button('Edit', `letter ${one.offset}`, () => this.#acts.edit(one.offset, destinationOf(one))),
              button('Drop', `letter ${one.offset}`, () => this.#acts.purge(one.offset, destinationOf(one))),
            ),
        },
      ],
    })
  }

  clear() {
    const nothing = 'Waiting for the first answer …'
    this.#destinations.update([], nothing)
    this.#events.update([], nothing)
    this.#letters.update([], nothing)
  }

  /** @param {readonly DestinationView[]} destinations */
  showDestinations(destinations) {
    this.#known = new Map(destinations.map(one => [one.destination, one]))
    this.#destinations.update(destinations, 'None. A destination appears with its first event.')
  }

  /**
   * @param {readonly EventView[]} events
   * @param {string} state
   * @param {Shape} shape of their values
   */
  showEvents(events, state, shape) {
    const shown = events.map(event => ({ ...event, value: contentOf(event.value, shape) }))
    this.#events.update(shown, `None is ${state}.`)
  }

  /**
   * @param {readonly Letter[]} letters
   * @param {Shape} shape of their values
   */
  showLetters(letters, shape) {
    const shown = letters.map(letter => ({ ...letter, value: contentOf(letter.value, shape) }))
    this.#letters.update(shown, 'None is open. Everything was delivered, or waits.')
  }

  /**
   * @param {Action} action
   * @param {string} destination
   */
  async #act(action, destination) {
    const one = this.#known.get(destination)
    if (one === undefined) return
    const command = { command: action, destination }
    if (action === 'resume') return await this.#acts.command(command, `Resumed ${destination}.`)
    if (action === 'pause') {
      const answer = await ask({
        title: `Pause ${destination}?`,
        text: 'It gets nothing until it is resumed. What comes for it waits on the disk.',
        confirm: 'Pause',
        fields: [{ name: 'reason', label: 'Reason, for those who see it', placeholder: 'by an operator' }],
      })
      if (answer !== null) await this.#acts.command({ ...command, ...filled(answer) }, `Paused ${destination}.`)
    } else if (action === 'limit') {
      const answer = await ask({
        title: `Limit ${destination}`,
        text: 'Of each task that sends to it. What is left empty is as the settings say.',
        confirm: 'Set limits',
        fields: [
          { name: 'rate', label: 'Rate', value: one.rate, placeholder: '100/s' },
          { name: 'concurrency', label: 'At once', type: 'number', placeholder: String(one.concurrency) },
        ],
      })
      if (answer === null) return
      const { concurrency = '', rate = '' } = answer
      const limits = { ...filled({ rate }), ...(concurrency === '' ? {} : { concurrency: Number(concurrency) }) }
      await this.#acts.command({ ...command, ...limits }, `The limits of ${destination} are set.`)
    } else {
      const answer = await ask({ title: `Purge ${destination}?`, text: purgeQuestionOf(one), confirm: 'Purge' })
      if (answer !== null) await this.#acts.command(command, `Purged ${destination}.`)
    }
  }
}

/** @param {Record<string, string>} fields without those that are empty */
function filled(fields) {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== ''))
}

/** @param {Letter} letter */
function destinationOf({ headers }) {
  return String(headers['aldebaran-destination'] ?? '')
}
