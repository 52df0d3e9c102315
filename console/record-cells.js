// @ts-check
// The cells of a table of records: times as UTC, whether the schema says that they are times or only their name does,
// numbers without the noise of binary fractions, bytes as their text. Where a cell says something else than was written, its
// title is what was written.
import { html } from './element.js'
import { oneLine, shorten } from './format.js'

/**
 * What is known of the values of a topic. `units`: for each field that is a time, how many of its units are a millisecond.
 * @typedef {{ isBytes: boolean, units: ReadonlyMap<string, number> }} Shape
 */

/** @type {Shape} */
export const UNKNOWN = { isBytes: false, units: new Map() }

const MOST_CHARACTERS = 60
/** As many decimal figures as every double keeps. */
const FIGURES = 15
/** What a time is called where no schema says that it is one. */
const NAMES = /^(?:at|ts|time|timestamp)$|(?:At|Ts|Time|Timestamp)$|_(?:at|ts|time|timestamp)$/
/** Times that such a number can be: of 2001 to 2103. */
const FIRST_MS = 1e12
const LAST_MS = 4.2e12
/** Furthest from 1970 that there are dates, ms. */
const MOST_MS = 8.64e15

const LOGICAL_UNITS = new Map([
  ['timestamp-millis', 1],
  ['timestamp-micros', 1000],
])

/**
 * @param {unknown} topic as `/topics/{topic}` tells of it
 * @returns {Shape}
 */
export function shapeOf(topic) {
  const { value } = /** @type {{ value?: { format?: string, definition?: string | null } | null }} */ (topic)
  return {
    isBytes: value?.format === 'bytes',
    units: value?.format === 'avro' && value.definition ? unitsOf(value.definition) : new Map(),
  }
}

/** @param {string} definition Avro's, as JSON */
function unitsOf(definition) {
  const units = new Map()
  const { fields } = /** @type {{ fields?: unknown }} */ (JSON.parse(definition))
  if (!Array.isArray(fields)) return units
  for (const { name, type } of /** @type {{ name: string, type: unknown }[]} */ (fields)) {
    for (const branch of /** @type {({ logicalType?: string } | string | null)[]} */ ([type].flat())) {
      const unit = typeof branch === 'object' && branch !== null && LOGICAL_UNITS.get(branch.logicalType ?? '')
      if (unit) units.set(name, unit)
    }
  }
  return units
}

/**
 * The text of a value that is bytes, if it is one.
 * @param {unknown} value as the API tells it, bytes in base64
 * @param {Shape} shape
 */
export function contentOf(value, { isBytes }) {
  return isBytes && typeof value === 'string' ? (decoded(value) ?? value) : value
}

/**
 * The text that bytes are; null: they are none.
 * @param {string} base64
 * @param {TextDecoderOptions} [options]
 */
export function decoded(base64, options = {}) {
  try {
    const bytes = Uint8Array.from(atob(base64), character => character.charCodeAt(0))
    return new TextDecoder('utf-8', { fatal: true, ...options }).decode(bytes)
  } catch {
    return null
  }
}

/**
 * The cell of one field.
 * @param {string} name
 * @param {unknown} value
 * @param {Shape} shape
 * @param {number} now ms since 1970
 */
export function fieldCell(name, value, { units }, now) {
  const unit = units.get(name) ?? unitByName(name, value)
  return unit === undefined ? cell(value) : timeCell(value, unit, now)
}

/**
 * The cell of a time.
 * @param {unknown} value what is no time is shown as it is
 * @param {number} unit how many are a millisecond
 * @param {number} now ms since 1970
 */
export function timeCell(value, unit, now) {
  const isTime = typeof value === 'number' && Math.abs(value) <= MOST_MS * unit
  return isTime ? titled(utc(value / unit, now), value) : cell(value)
}

/**
 * The cell of anything else.
 * @param {unknown} value
 */
export function cell(value) {
  const isBroken = typeof value === 'number' && Number.isFinite(value) && !Number.isInteger(value)
  return titled(isBroken ? String(Number(value.toPrecision(FIGURES))) : oneLine(value), value)
}

/**
 * @param {string} text
 * @param {unknown} value that it stands for
 */
function titled(text, value) {
  const written = oneLine(value)
  const short = shorten(text, MOST_CHARACTERS)
  return text === written ? short : html('span', { title: written }, short)
}

/**
 * @param {string} name
 * @param {unknown} value
 */
function unitByName(name, value) {
  if (!NAMES.test(name) || !Number.isInteger(value)) return
  return [1, 1000].find(unit => Number(value) >= FIRST_MS * unit && Number(value) < LAST_MS * unit)
}

/**
 * A time as UTC, with the date if that is not today's: 14:03:27.120Z, 2026-11-22 14:03:27Z.
 * @param {number} ms since 1970
 * @param {number} now ms since 1970
 */
function utc(ms, now) {
  const [day, time = ''] = new Date(Math.floor(ms)).toISOString().split('T')
  const short = time.replace('.000Z', 'Z')
  return day === new Date(now).toISOString().split('T')[0] ? short : `${day} ${short}`
}
