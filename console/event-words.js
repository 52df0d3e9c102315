// @ts-check
// What the page of one event says. Pure functions: the tests run them in Node.
import { clock, duration, span } from './format.js'

/**
 * @typedef {import('../src/http/delivery-shape.ts').EventStory} EventStory
 * @typedef {import('../src/http/delivery-shape.ts').StoryPlace} StoryPlace
 * @typedef {import('../src/http/delivery-shape.ts').AttemptView} AttemptView
 * @typedef {'ok' | 'failing' | 'waiting' | 'calm'} Tone by the names of the style sheet
 * @typedef {{ key: string, tone: Tone, title: string, at: number | null, note: string, text: string, facts: [string, string][], body: string | null }} Step
 *   Of the timeline: `note` stands beside the time, `body` is what was answered.
 */

const STATES = /** @type {const} */ ({
  'under-way': ['under way', 'waiting'],
  waiting: ['waiting', 'waiting'],
  scheduled: ['scheduled', 'waiting'],
  'in-doubt': ['in doubt', 'failing'],
  delivered: ['delivered', 'ok'],
  dead: ['dead', 'failing'],
  'not-known': ['not known', 'calm'],
})

const OUTCOMES = /** @type {const} */ ({
  delivered: ['delivered', 'ok'],
  retry: ['not delivered', 'waiting'],
  throttle: ['throttled', 'waiting'],
  reject: ['rejected', 'failing'],
  disable: ['rejected, and its destination paused', 'failing'],
  unknown: ['not known whether it arrived', 'waiting'],
})

/** @param {StoryPlace} place */
export function stateWord({ state }) {
  return STATES[state][0]
}

/**
 * @param {StoryPlace} place
 * @returns {Tone}
 */
export function stateTone({ state }) {
  return STATES[state][1]
}

/** It may change by itself. @param {EventStory} story */
export function isSettled({ destinations, complete }) {
  return complete && destinations.every(({ state }) => state === 'delivered' || state === 'dead')
}

/**
 * How far away: in 4 min 20 s, 12 s ago, now.
 * @param {number} at ms since 1970
 * @param {number} now ms since 1970
 */
export function relative(at, now) {
  if (Math.abs(at - now) < 1000) return 'now'
  return at > now ? `in ${span(at - now)}` : `${span(now - at)} ago`
}

/**
 * The time of day, in the reader's own time zone; with the date if that is another day.
 * @param {number} at ms since 1970
 * @param {number} now ms since 1970
 */
export function moment(at, now) {
  const [day, today] = [new Date(at), new Date(now)]
  if (day.toDateString() === today.toDateString()) return clock(at).slice(0, 8)
  const two = (/** @type {number} */ part) => String(part).padStart(2, '0')
  return `${day.getFullYear()}-${two(day.getMonth() + 1)}-${two(day.getDate())} ${clock(at).slice(0, 8)}`
}

/**
 * What happened at one destination, the newest first.
 * @param {StoryPlace} place
 * @returns {Step[]}
 */
export function stepsOf(place) {
  const { next, since, letter, attempts, state } = place
  /** @type {Step[]} Of two at the same time the later one comes first. */
  const steps = []
  if (letter !== null) {
    steps.push(plainStep('letter', 'failing', `Given up: dead letter ${letter.offset}`, letter.time, letter.message))
    if (letter.stateTime !== null) {
      const what = letter.state === 'replayed' ? 'Its dead letter was replayed' : 'Its dead letter was dropped'
      steps.push(plainStep('letter-state', 'calm', what, letter.stateTime, ''))
    }
  }
  steps.push(...attempts.map(stepOf))
  if (since !== null) steps.push(plainStep('since', 'calm', 'Taken in', since, ''))
  steps.sort((a, b) => (b.at ?? 0) - (a.at ?? 0))
  if (state === 'under-way') steps.unshift(plainStep('now', 'waiting', `Try ${place.tries + 1} is under way`, null, ''))
  if (next !== null) steps.unshift(plainStep('next', stateTone(place), titleOfNext(place), next.at, next.why))
  return steps
}

/** @param {StoryPlace} place */
function titleOfNext({ state, tries }) {
  if (state === 'in-doubt') return 'In doubt'
  if (state === 'not-known') return 'Not known'
  return tries === 0 ? 'First try' : 'Next try'
}

/**
 * @param {AttemptView} attempt
 * @returns {Step}
 */
function stepOf({ number, at, ms, outcome, error, detail }) {
  const { status, body, rest } = partsOf(detail)
  const [word, tone] = OUTCOMES[outcome]
  const answered = status === null ? word : `${status === '0' ? 'no answer' : status}, ${word}`
  return {
    key: `${number} ${at}`,
    tone,
    title: `Try ${number}: ${answered}`,
    at,
    note: `took ${duration(ms)}`,
    text: error,
    facts: rest,
    body,
  }
}

/**
 * @param {string} key
 * @param {Tone} tone
 * @param {string} title
 * @param {number | null} at
 * @param {string} text
 * @returns {Step}
 */
function plainStep(key, tone, title, at, text) {
  return { key, tone, title, at, note: '', text, facts: [], body: null }
}

/**
 * What `send` told: a status and a body where they are called so, and the rest by name.
 * @param {unknown} detail
 * @returns {{ status: string | null, body: string | null, rest: [string, string][] }}
 */
function partsOf(detail) {
  if (detail === null || detail === undefined) return { status: null, body: null, rest: [] }
  if (typeof detail !== 'object' || Array.isArray(detail)) return { status: null, body: pretty(detail), rest: [] }
  const { status, body, ...others } = /** @type {Record<string, unknown>} */ (detail)
  const isStatus = typeof status === 'number' || typeof status === 'string'
  const rest = Object.entries(isStatus || status === undefined ? others : { status, ...others })
  return {
    status: isStatus ? String(status) : null,
    body: body === undefined || body === '' || body === null ? null : pretty(body),
    rest: rest.map(([name, value]) => [name, typeof value === 'string' ? value : JSON.stringify(value)]),
  }
}

/**
 * Any value as text that can be read; a text that is JSON, with its lines apart.
 * @param {unknown} value
 */
export function pretty(value) {
  if (typeof value !== 'string') return JSON.stringify(value, null, 2) ?? ''
  if (!/^\s*[{[]/.test(value)) return value
  try {
    return JSON.stringify(JSON.parse(value), null, 2)
  } catch {
    return value
  }
}

/**
 * What was not looked through; '': all was.
 * @param {EventStory} story
 * @param {number} now ms since 1970
 */
export function limitsNote({ complete, notSearched, searchedBackTo }, now) {
  if (complete) return ''
  const names = { attempts: 'tries', 'dead-letters': 'dead letters', backlog: 'events that wait' }
  const back = searchedBackTo === null ? '' : ` Tries were looked for back to ${moment(searchedBackTo, now)}.`
  return `There may be more: there are too many ${notSearched.map(one => names[one]).join(' and ')} to look through them all.${back}`
}

/**
 * One sentence for all its destinations: 2 delivered, 1 scheduled.
 * @param {EventStory} story
 */
export function summaryOf({ destinations }) {
  const counts = Map.groupBy(destinations, stateWord)
  const texts = [...counts].map(([word, places]) => `${places.length} ${word}`)
  if (texts.length === 0) return 'It has gone nowhere, as far as is known.'
  return destinations.length === 1 ? '' : `${destinations.length} destinations: ${texts.join(', ')}`
}
