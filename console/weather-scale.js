// @ts-check
// Heat indexes as colours and words. Pure functions: the tests run them in Node.

/**
 * The categories of the National Weather Service, °F: what the heat can do to people. The colours hold on light and dark
 * ground, and grow darker with the danger, so that they differ without hue too.
 */
export const CATEGORIES = /** @type {const} */ ([
  { name: 'no caution', from: Number.NEGATIVE_INFINITY, colour: '#4fa38f' },
  { name: 'caution', from: 80, colour: '#deab00' },
  { name: 'extreme caution', from: 90, colour: '#e56f10' },
  { name: 'danger', from: 103, colour: '#cc2527' },
  { name: 'extreme danger', from: 125, colour: '#8d1a66' },
])

/** Below the first category, from cold to mild. */
const MILD = /** @type {const} */ ([
  { at: -20, rgb: [109, 93, 190] },
  { at: 20, rgb: [66, 120, 200] },
  { at: 50, rgb: [62, 158, 190] },
  { at: 79, rgb: [112, 178, 128] },
])

const LEAST = -40
const MOST = 126
const NONE = '#8b8f98'

/** Colours by whole degree, from LEAST to MOST; the last is of what has no value. */
export const PALETTE = [...Array.from({ length: MOST - LEAST + 1 }, (_, degree) => colourAt(LEAST + degree)), NONE]

/**
 * Place in CATEGORIES; −1: there is no value.
 * @param {number} value °F
 */
export function categoryOf(value) {
  if (Number.isNaN(value)) return -1
  let at = CATEGORIES.length - 1
  while (/** @type {{ from: number }} */ (CATEGORIES[at]).from > value) at--
  return at
}

/**
 * Place in PALETTE. A category begins at its very degree: what is rounded never crosses it.
 * @param {number} value °F
 */
export function shadeOf(value) {
  if (Number.isNaN(value)) return PALETTE.length - 1
  return Math.floor(Math.min(MOST, Math.max(LEAST, value))) - LEAST
}

/**
 * From which degree to which, in words: 'below 80', '80 to 90', 'from 125 °F'.
 * @param {number} category place in CATEGORIES
 */
export function rangeOf(category) {
  const from = CATEGORIES[category]?.from ?? Number.NaN
  const to = CATEGORIES[category + 1]?.from
  if (to === undefined) return `from ${from} °F`
  return Number.isFinite(from) ? `${from} to ${to} °F` : `below ${to} °F`
}

/**
 * 91.3 °F
 * @param {number | null | undefined} value °F
 */
export function degrees(value) {
  return value === null || value === undefined || !Number.isFinite(value) ? '–' : `${value.toFixed(1)} °F`
}

/**
 * 91.3 °F, 32.9 °C
 * @param {number | null | undefined} value °F
 */
export function bothDegrees(value) {
  if (value === null || value === undefined || !Number.isFinite(value)) return '–'
  return `${degrees(value)}, ${((value - 32) / 1.8).toFixed(1)} °C`
}

/**
 * What the value is called; '': there is none.
 * @param {number | null | undefined} value °F
 */
export function categoryName(value) {
  return CATEGORIES[categoryOf(value ?? Number.NaN)]?.name ?? ''
}

/** @param {number} degree */
function colourAt(degree) {
  const category = categoryOf(degree)
  if (category > 0) return /** @type {{ colour: string }} */ (CATEGORIES[category]).colour
  const above = MILD.findIndex(({ at }) => at >= degree)
  const high = MILD[above < 0 ? MILD.length - 1 : above] ?? MILD[0]
  const low = MILD[above < 1 ? (above < 0 ? MILD.length - 1 : 0) : above - 1] ?? MILD[0]
  const part = high.at === low.at ? 0 : (degree - low.at) / (high.at - low.at)
  return `rgb(${high.rgb.map((to, i) => Math.round((low.rgb[i] ?? to) * (1 - part) + to * part)).join()})`
}
