// @ts-check
// What the page of deliveries says and offers. Pure functions: the tests run them in Node.
import { clock, exact } from './format.js'

/**
 * @typedef {import('../src/http/delivery-shape.ts').DestinationView} DestinationView
 * @typedef {'pause' | 'resume' | 'limit' | 'purge'} Action
 * @typedef {{ page: 'overview' } | { page: 'weather', city: string | null } | { page: 'deliveries', application: string | null, delivery: string | null, event: string | null }} Place
 */

/**
 * The page that the address names; null: none, and what is shown stays.
 * @param {string} hash
 * @returns {Place | null}
 */
export function placeOf(hash) {
  if (hash === '' || hash === '#' || hash === '#/') return { page: 'overview' }
  if (/^#\/weather(?:\/|$)/.test(hash)) return weatherPlaceOf(hash)
  const [start, page, application, delivery, events, event, ...others] = hash.split('/')
  if (start !== '#' || page !== 'deliveries' || others.length > 0) return null
  try {
    if (application === undefined) return { page, application: null, delivery: null, event: null }
    if (delivery === undefined) return null
    const of = { application: decodeURIComponent(application), delivery: decodeURIComponent(delivery) }
    if (events === undefined) return { page, ...of, event: null }
    return events === 'events' && event ? { page, ...of, event: decodeURIComponent(event) } : null
  } catch {
    return null
  }
}

/**
 * @param {string} hash
 * @returns {Place | null}
 */
function weatherPlaceOf(hash) {
  const [, page, city, ...others] = hash.split('/')
  if (page !== 'weather' || city === '' || others.length > 0) return null
  try {
    return { page, city: city === undefined ? null : decodeURIComponent(city) }
  } catch {
    return null
  }
}

/**
 * @param {{ application: string, delivery: string, event?: string | null }} of
 */
export function addressOf({ application, delivery, event = null }) {
  const address = `#/deliveries/${encodeURIComponent(application)}/${encodeURIComponent(delivery)}`
  return event === null ? address : `${address}/events/${encodeURIComponent(event)}`
}

const WORDS = /** @type {const} */ ({
  paused: 'paused',
  open: 'breaker open',
  'half-open': 'breaker half-open',
  throttled: 'throttled',
  active: 'active',
})

/**
 * The state in words, of how many tasks, why, and until when.
 * @param {DestinationView} destination
 * @param {number} now ms since 1970
 */
export function stateOf({ state, states, partitions, reason, notBefore }, now) {
  const own = states[state] ?? 0
  const some = own < partitions.length ? ` in ${own} of ${partitions.length} tasks` : ''
  const why = state === 'paused' && reason !== '' ? `: ${reason}` : ''
  const until = state !== 'paused' && notBefore > now ? ` until ${clock(notBefore).slice(0, 8)}` : ''
  return `${WORDS[state]}${some}${until}${why}`
}

/**
 * Which colour a state has, by the names of the style sheet.
 * @param {DestinationView['state']} state
 */
export function toneOf(state) {
  return state === 'active' ? 'ok' : state === 'open' ? 'failing' : 'waiting'
}

/**
 * @param {DestinationView} destination
 * @returns {Action[]}
 */
export function actionsOf({ state, states, partitions }) {
  /** @type {Action[]} */
  const actions = []
  if (state !== 'active') actions.push('resume')
  if ((states.paused ?? 0) < partitions.length) actions.push('pause')
  return [...actions, 'limit', 'purge']
}

/**
 * What an operator set; '': the settings hold.
 * @param {DestinationView} destination
 */
export function limitsOf({ rate, concurrency }) {
  return rate === '' ? `${concurrency} at once` : `${rate}, ${concurrency} at once`
}

/**
 * @param {DestinationView} destination
 * @param {number} now ms since 1970
 */
export function lastErrorOf({ error, failedAt }, now) {
  if (error === '') return ''
  return failedAt > 0 && now - failedAt < 86_400_000 ? `${clock(failedAt).slice(0, 8)} ${error}` : error
}

/**
 * What is asked before an event is sent or dropped.
 * @param {'send' | 'drop'} verb
 * @param {{ id: string, destination: string, state: string, error: string }} event
 */
export function questionOf(verb, { id, destination, state, error }) {
  if (verb === 'drop') return `${id} for ${destination} becomes a dead letter, and is not sent any more.`
  if (state === 'in-doubt') {
    return `Whether ${id} was delivered to ${destination} is not known (${error}). Sent again, it may arrive twice.`
  }
  return `${id} is sent to ${destination} now, before its time.`
}

/**
 * @param {DestinationView} destination
 */
export function purgeQuestionOf({ destination, waiting, scheduled }) {
  const all = waiting + scheduled
  const what = all === 1 ? 'The event that waits' : `The ${exact(all)} events that wait`
  return `${what} for ${destination} and all that come before this is carried out become dead letters. They can be replayed.`
}
