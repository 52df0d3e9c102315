// @ts-check
// Numbers, sizes and times as people read them. Pure functions: the tests run them in Node.

const NONE = '–'
const DECIMAL = ['', ' k', ' M', ' G', ' T']
const BINARY = ['B', 'KB', 'MB', 'GB', 'TB', 'PB']

/**
 * A count in three figures: 950, 12.3 k, 4.56 M.
 * @param {number | null | undefined} value
 */
export function count(value) {
  if (value === null || value === undefined || !Number.isFinite(value)) return NONE
  return scaled(value, 1000, DECIMAL, Number.isInteger(value) ? 0 : 1)
}

/**
 * A count with every figure, in groups of three.
 * @param {number | null | undefined} value
 */
export function exact(value) {
  if (value === null || value === undefined || !Number.isFinite(value)) return NONE
  return String(Math.round(value)).replace(/\B(?=(\d{3})+$)/g, ' ')
}

/**
 * How often in a second: 0, 0.4, 12.3 k.
 * @param {number | null | undefined} value
 */
export function rate(value) {
  if (value === null || value === undefined || !Number.isFinite(value)) return NONE
  if (value < 0.05) return '0'
  return scaled(value, 1000, DECIMAL, value < 10 ? 1 : 0)
}

/**
 * Bytes, in powers of 1024: 512 B, 12.3 MB.
 * @param {number | null | undefined} value
 */
export function bytes(value) {
  if (value === null || value === undefined || !Number.isFinite(value)) return NONE
  let unit = 0
  let rest = Math.abs(value)
  // Also what would be rounded to 1024 goes on to the next unit.
  while (rest >= 1023.5 && unit < BINARY.length - 1) {
    rest /= 1024
    unit++
  }
  return `${value < 0 ? '-' : ''}${unit === 0 ? Math.round(rest) : figures(rest)} ${BINARY[unit]}`
}

/**
 * A duration in milliseconds: 0.42 ms, 12 ms, 3.4 s, 5 min.
 * @param {number | null | undefined} value
 */
export function duration(value) {
  if (value === null || value === undefined || !Number.isFinite(value)) return NONE
  if (value < 1) return `${Number(value.toFixed(2))} ms`
  if (value < 999.5) return `${figures(value)} ms`
  if (value < 59_950) return `${figures(value / 1000)} s`
  return span(value)
}

/**
 * A long time in milliseconds, in its two largest units: 3 d 4 h, 5 min 20 s.
 * @param {number | null | undefined} value
 */
export function span(value) {
  if (value === null || value === undefined || !Number.isFinite(value)) return NONE
  const seconds = Math.max(0, Math.floor(value / 1000))
  const parts = /** @type {const} */ ([
    [Math.floor(seconds / 86_400), 'd'],
    [Math.floor(seconds / 3600) % 24, 'h'],
    [Math.floor(seconds / 60) % 60, 'min'],
    [seconds % 60, 's'],
  ])
  const first = parts.findIndex(([amount]) => amount > 0)
  if (first < 0) return '0 s'
  return parts
    .slice(first, first + 2)
    .filter(([amount]) => amount > 0)
    .map(([amount, unit]) => `${amount} ${unit}`)
    .join(' ')
}

/**
 * A part of one as per cent.
 * @param {number | null | undefined} value
 */
export function percent(value) {
  if (value === null || value === undefined || !Number.isFinite(value)) return NONE
  if (value > 0 && value < 0.0005) return '< 0.1 %'
  return `${value * 100 < 10 && value > 0 ? (value * 100).toFixed(1) : Math.round(value * 100)} %`
}

/**
 * The time of day of milliseconds since 1970, in the reader's own time zone: 14:03:27.120.
 * @param {number | null | undefined} value
 */
export function clock(value) {
  if (value === null || value === undefined || !Number.isFinite(value)) return NONE
  const time = new Date(value)
  if (Number.isNaN(time.getTime())) return NONE
  const two = (/** @type {number} */ part) => String(part).padStart(2, '0')
  const ms = String(time.getMilliseconds()).padStart(3, '0')
  return `${two(time.getHours())}:${two(time.getMinutes())}:${two(time.getSeconds())}.${ms}`
}

/**
 * A text that is cut in the middle of too much.
 * @param {string} text
 * @param {number} most characters
 */
export function shorten(text, most) {
  const characters = [...text]
  return characters.length <= most ? text : `${characters.slice(0, most - 1).join('')}…`
}

/**
 * Tasks, runs of partitions together: audit/0-3 intake/0. They come in order.
 * @param {readonly string[]} tasks
 */
export function taskRuns(tasks) {
  /** @type {{ part: string, first: number, last: number }[]} */
  const runs = []
  for (const task of tasks) {
    const [part = '', text = ''] = task.split('/')
    const partition = Number(text)
    const run = runs.at(-1)
    if (run?.part === part && run.last === partition - 1) run.last = partition
    else runs.push({ part, first: partition, last: partition })
  }
  const texts = runs.map(({ part, first, last }) => `${part}/${first}${first === last ? '' : `-${last}`}`)
  return texts.length === 0 ? NONE : texts.join(' ')
}

/**
 * Any value of a record as one line of text.
 * @param {unknown} value
 */
export function oneLine(value) {
  if (value === null || value === undefined) return NONE
  return typeof value === 'object' ? JSON.stringify(value) : String(value)
}

/**
 * @param {number} value
 * @param {number} step
 * @param {readonly string[]} units
 * @param {number} decimals of a value below the step
 */
function scaled(value, step, units, decimals) {
  let unit = 0
  let rest = Math.abs(value)
  while (rest >= step - 0.5 && unit < units.length - 1) {
    rest /= step
    unit++
  }
  const sign = value < 0 ? '-' : ''
  return `${sign}${unit === 0 ? Number(rest.toFixed(decimals)) : figures(rest)}${units[unit]}`
}

/**
 * Three figures.
 * @param {number} value
 */
function figures(value) {
  return Number(value.toPrecision(3)).toString()
}
