// @ts-check
// The page of one event: what it is, and at each destination what happened to it and what comes next. It looks again
// by itself as long as something may change, and the rarer the longer an answer takes.
import { get, Unauthorized } from './api.js'
import { button, DeliveryActs } from './delivery-acts.js'
import { addressOf } from './delivery-words.js'
import { byId, html, setText } from './element.js'
import { answerOf, recordOf } from './event-parts.js'
import { isSettled, limitsNote, moment, relative, stateTone, stateWord, stepsOf, summaryOf } from './event-words.js'

/**
 * @typedef {import('../src/http/delivery-shape.ts').EventStory} EventStory
 * @typedef {import('../src/http/delivery-shape.ts').StoryPlace} StoryPlace
 * @typedef {import('./event-words.js').Step} Step
 * @typedef {{ application: string, delivery: string, event: string }} Chosen
 */

const POLL_MS = 2000
/** An answer that took long is not asked for soon again. */
const REST = 20
const TICK_MS = 1000

const LABELS = /** @type {const} */ ({ send: 'Send now', drop: 'Drop', replay: 'Replay', purge: 'Drop' })

const element = (/** @type {string} */ id) => byId(id, HTMLElement)

export class EventPage {
  #unauthorized
  #acts
  /** @type {Chosen | null} */
  #chosen = null
  /** Grows with each choice: answers to what was asked before it are late. */
  #turn = 0
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer
  /** @type {ReturnType<typeof setInterval> | undefined} */
  #tick
  /** What is shown, as text: the same is not painted again. */
  #shown = ''
  /** Answers that the reader has opened. @type {Set<string>} */
  #open = new Set()
  /** The newest answer of each destination. @type {Map<string, string>} */
  #newest = new Map()
  /** Texts that change with the time. @type {{ node: Node, text: (now: number) => string }[]} */
  #clocks = []

  /** @param {{ unauthorized: () => void }} settings */
  constructor({ unauthorized }) {
    this.#unauthorized = unauthorized
    this.#acts = new DeliveryActs({
      address: () => `/deliveries/${encodeURIComponent(this.#chosen?.delivery ?? '')}`,
      application: () => `application=${encodeURIComponent(this.#chosen?.application ?? '')}`,
      told: (text, isBad) => this.#tell(text, isBad),
    })
    document.addEventListener('visibilitychange', () => this.refresh())
  }

  /** @param {Chosen} chosen */
  show(chosen) {
    this.#chosen = chosen
    this.#shown = ''
    this.#open.clear()
    this.#newest.clear()
    const { application, delivery, event } = chosen
    setText(element('event-title'), event)
    element('event-back').replaceChildren(
      html('a', { href: addressOf({ application, delivery }) }, `Delivery ${delivery}`),
    )
    this.#say('Looking for it …')
    this.#tell('', false)
    clearInterval(this.#tick)
    this.#tick = setInterval(() => this.#showTimes(), TICK_MS)
    this.refresh()
  }

  hide() {
    this.#chosen = null
    this.#turn++
    clearTimeout(this.#timer)
    clearInterval(this.#tick)
  }

  /** Asks at once, and from then on again and again. */
  refresh() {
    clearTimeout(this.#timer)
    const turn = ++this.#turn
    const chosen = this.#chosen
    if (chosen === null || document.hidden) return
    const began = performance.now()
    void this.#load(chosen, turn).then(isSettled => {
      if (turn !== this.#turn || isSettled) return
      this.#timer = setTimeout(() => this.refresh(), Math.max(POLL_MS, REST * (performance.now() - began)))
    })
  }

  /**
   * True: nothing changes any more by itself.
   * @param {Chosen} chosen
   * @param {number} turn
   */
  async #load({ application, delivery, event }, turn) {
    const path = `/deliveries/${encodeURIComponent(delivery)}/events/${encodeURIComponent(event)}`
    try {
      const story = /** @type {EventStory} */ (await get(`${path}?application=${encodeURIComponent(application)}`))
      if (turn === this.#turn) this.#paint(story)
      return isSettled(story)
    } catch (error) {
      if (turn !== this.#turn) return true
      if (error instanceof Unauthorized) this.#unauthorized()
      // That there is no connection is told above the page.
      else if (!(error instanceof TypeError)) this.#say(error instanceof Error ? error.message : String(error))
      return error instanceof Unauthorized
    }
  }

  /** @param {EventStory} story */
  #paint(story) {
    const text = JSON.stringify(story)
    if (text === this.#shown) return
    this.#shown = text
    this.#clocks = []
    const focus = document.activeElement?.getAttribute('aria-label') ?? ''
    setText(
      element('event-about'),
      [`${story.application} / ${story.delivery}`, summaryOf(story)].filter(Boolean).join(' · '),
    )
    const note = limitsNote(story, Date.now())
    const untold = story.recordsAttempts ? '' : 'This delivery records no tries: it has no topic for them.'
    element('event-story').replaceChildren(
      ...[note, untold].filter(Boolean).map(one => html('p', { class: 'hint' }, one)),
      html(
        'div',
        { class: 'places' },
        ...story.destinations.map(place => this.#place(story, place)),
        ...recordOf(story),
      ),
    )
    this.#showTimes()
    if (focus === '') return
    const again = [...element('event-story').querySelectorAll('button')].find(one => one.ariaLabel === focus)
    again?.focus()
  }

  /**
   * @param {EventStory} story
   * @param {StoryPlace} place
   */
  #place({ id }, place) {
    const { destination, tenant, event, letter, actions, state, error } = place
    const steps = stepsOf(place)
    this.#openNewest(destination, steps)
    const act = (/** @type {StoryPlace['actions'][number]} */ action) => {
      if (action === 'send' || action === 'drop')
        void this.#acts.decide(action, { id, event, destination, state, error })
      else if (letter !== null && action === 'replay') void this.#acts.replay(letter.offset, destination)
      else if (letter !== null) void this.#acts.purge(letter.offset, destination)
    }
    return html(
      'section',
      { class: 'card', 'aria-label': `At ${destination}` },
      html(
        'div',
        { class: 'card-head' },
        html('h2', {}, destination),
        html('span', { class: 'pill small', 'data-state': stateTone(place) }, stateWord(place)),
        tenant === '' ? null : html('p', { class: 'muted' }, `of ${tenant}`),
        html(
          'div',
          { class: 'actions end' },
          ...actions.flatMap(action => {
            const one = button(LABELS[action], `${id} at ${destination}`, () => act(action))
            if (action !== 'replay' || letter === null) return [one]
            const edit = () => this.#acts.edit(letter.offset, destination)
            return [one, button('Edit', `the dead letter of ${id} at ${destination}`, edit)]
          }),
        ),
      ),
      html('ol', { class: 'timeline' }, ...steps.map(step => this.#step(destination, step))),
      letter?.state === 'open' && letter.notReplayable !== null
        ? html('p', { class: 'muted' }, `It cannot be replayed: ${letter.notReplayable}.`)
        : null,
    )
  }

  /**
   * The newest answer is open until the reader closes it.
   * @param {string} destination
   * @param {readonly Step[]} steps
   */
  #openNewest(destination, steps) {
    const newest = steps.find(({ body }) => body !== null)
    if (newest === undefined || this.#newest.get(destination) === newest.key) return
    this.#newest.set(destination, newest.key)
    this.#open.add(`${destination} ${newest.key}`)
  }

  /**
   * @param {string} destination
   * @param {Step} step
   */
  #step(destination, { key, tone, title, at, note, text, facts, body }) {
    const time = html('span', { class: 'when' })
    if (at !== null) {
      time.title = new Date(at).toISOString()
      this.#clocks.push({
        node: time,
        text: now => `${moment(at, now)}, ${key === 'next' && at <= now ? 'due' : relative(at, now)}`,
      })
    }
    return html(
      'li',
      { 'data-state': tone, class: key === 'next' ? 'to-come' : null },
      html(
        'p',
        { class: 'step' },
        html('strong', {}, title),
        at === null ? null : time,
        html('span', { class: 'when' }, note),
      ),
      text === '' ? null : html('p', { class: 'reason' }, text),
      facts.length === 0 && body === null ? null : this.#answer(`${destination} ${key}`, facts, body),
    )
  }

  /**
   * @param {string} key
   * @param {readonly [string, string][]} facts
   * @param {string | null} body
   */
  #answer(key, facts, body) {
    const details = answerOf(facts, body)
    details.open = this.#open.has(key)
    details.addEventListener('toggle', () => {
      if (details.open) this.#open.add(key)
      else this.#open.delete(key)
    })
    return details
  }

  #showTimes() {
    const now = Date.now()
    for (const { node, text } of this.#clocks) setText(node, text(now))
  }

  /** Instead of a story. @param {string} text */
  #say(text) {
    this.#shown = ''
    this.#clocks = []
    setText(element('event-about'), '')
    element('event-story').replaceChildren(html('section', { class: 'card' }, html('p', { class: 'empty' }, text)))
  }

  /**
   * @param {string} text
   * @param {boolean} isBad
   */
  #tell(text, isBad) {
    const note = element('event-note')
    note.dataset.tone = isBad ? 'bad' : 'calm'
    setText(note, text)
    if (text !== '' && !isBad) this.refresh()
  }
}
