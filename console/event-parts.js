// @ts-check
// What foreign systems sent, as elements of the page of an event.
import { html } from './element.js'
import { pretty } from './event-words.js'

/** @typedef {import('../src/http/delivery-shape.ts').EventStory} EventStory */

/** @param {EventStory} story */
export function recordOf({ record }) {
  if (record === null) return []
  const { topic, partition, offset, timestamp, key, value, text, valueBase64, headers } = record
  const facts = [
    ['record', `${topic} ${partition}:${offset}`],
    ['time', new Date(timestamp).toISOString()],
    ['key', key === null ? '–' : pretty(key)],
    ...Object.entries(headers).map(([name, header]) => [`header ${name}`, pretty(header)]),
  ]
  return [
    html(
      'section',
      { class: 'card', 'aria-label': 'Its record' },
      html('h2', {}, 'Record'),
      html(
        'dl',
        { class: 'facts' },
        ...facts.flatMap(([name = '', text = '']) => [html('dt', {}, name), html('dd', {}, text)]),
      ),
      html('pre', {}, valueBase64 === undefined ? pretty(text ?? value) : `base64: ${valueBase64}`),
    ),
  ]
}

/**
 * What a receiver answered: anything, and so only ever a text.
 * @param {readonly [string, string][]} facts
 * @param {string | null} body
 */
export function answerOf(facts, body) {
  const terms = facts.flatMap(([name, value]) => [html('dt', {}, name), html('dd', {}, value)])
  return html(
    'details',
    {},
    html('summary', {}, body === null ? 'Details' : 'Response'),
    terms.length === 0 ? null : html('dl', { class: 'facts' }, ...terms),
    body === null ? null : html('pre', {}, body),
  )
}
