/**
 * Times as ISO 8601 text and as whole microseconds since 1970 (UTC), which a double holds exactly until the year 2255.
 * Without a zone a time is UTC.
 */

const SECOND = 1_000_000
const DAY = 86_400 * SECOND
/** Bytes of the longest that {@link timeText} makes. */
export const TIME_BYTES = 27
/** Bytes of `2013-01-01T06:00:00Z`. */
export const PLAIN_TIME_BYTES = 20

const ZERO = 48
const DASH = 45
const COLON = 58

/** The day that was read last: rows in order have the same one again and again. */
let lastDate = -1
let lastDay = 0

/**
 * Reads `2013-01-01T06:00:00Z`, exactly that form.
 * @returns microseconds; NaN: it is of another form, or no time
 */
export function readPlainTime(bytes: Uint8Array, at: number): number {
  if (bytes[at + 4] !== DASH || bytes[at + 7] !== DASH || bytes[at + 10] !== 84) return Number.NaN
  if (bytes[at + 13] !== COLON || bytes[at + 16] !== COLON || bytes[at + 19] !== 90) return Number.NaN
  const century = pair(bytes, at)
  const year = pair(bytes, at + 2)
  const month = pair(bytes, at + 5)
  const day = pair(bytes, at + 8)
  const hours = pair(bytes, at + 11)
  const minutes = pair(bytes, at + 14)
  const seconds = pair(bytes, at + 17)
  if ((century | year | month | day | hours | minutes | seconds) < 0) return Number.NaN
  if (hours > 23 || minutes > 59 || seconds > 59) return Number.NaN
  const date = ((century * 100 + year) * 100 + month) * 100 + day
  if (date !== lastDate) {
    const start = startOfDay(century * 100 + year, month, day)
    if (Number.isNaN(start)) return start
    lastDay = start
    lastDate = date
  }
  return lastDay + (hours * 3600 + minutes * 60 + seconds) * SECOND
}

/** Two digits; negative when they are none. */
function pair(bytes: Uint8Array, at: number): number {
  const tens = bytes[at]! - ZERO
  const ones = bytes[at + 1]! - ZERO
  if (tens < 0 || tens > 9 || ones < 0 || ones > 9) return -1
  return tens * 10 + ones
}

function startOfDay(year: number, month: number, day: number): number {
  const start = new Date(0)
  start.setUTCFullYear(year, month - 1, day)
  const fits = month >= 1 && start.getUTCMonth() === month - 1 && start.getUTCDate() === day
  return fits ? start.getTime() * 1000 : Number.NaN
}

const TIME =
  /^(?<year>\d{4})-(?<month>\d\d)-(?<day>\d\d)(?:[T ](?<hours>\d\d):(?<minutes>\d\d)(?::(?<seconds>\d\d)(?:\.(?<fraction>\d{1,9}))?)?(?<zone>Z|[+-]\d\d(?::?\d\d)?)?)?$/

/**
 * Reads a date, or a date and a time with seconds, a fraction and a zone or without.
 * @returns microseconds; NaN: it is no time, or finer than a microsecond
 */
export function timeOf(text: string): number {
  const parts = TIME.exec(text.trim())?.groups
  if (parts === undefined) return Number.NaN
  const { year, month, day, hours = '0', minutes = '0', seconds = '0', fraction = '', zone = 'Z' } = parts
  if (Number(hours) > 23 || Number(minutes) > 59 || Number(seconds) > 59) return Number.NaN
  if (/[1-9]/.test(fraction.slice(6))) return Number.NaN
  const offset = zone === 'Z' ? 0 : (Number(zone.slice(1, 3)) * 60 + Number(zone.slice(3).replace(':', ''))) * 60
  const micros = Number(fraction.slice(0, 6).padEnd(6, '0'))
  const inDay =
    Number(hours) * 3600 + Number(minutes) * 60 + Number(seconds) - (zone.startsWith('-') ? -offset : offset)
  return startOfDay(Number(year), Number(month), Number(day)) + inDay * SECOND + micros
}

/** `2013-01-01T06:00:00Z`, with as many digits of a fraction as are needed. */
export function timeText(micros: number): string {
  const milliseconds = Math.floor(micros / 1000)
  const text = new Date(milliseconds).toISOString()
  const fraction = micros - Math.floor(micros / SECOND) * SECOND
  if (fraction === 0) return `${text.slice(0, -5)}Z`
  return `${text.slice(0, -5)}.${String(fraction).padStart(6, '0').replace(/0+$/, '')}Z`
}

let writtenDay = Number.NaN
const writtenDate = new Uint8Array(11)

/**
 * Writes what {@link timeText} tells.
 * @param bytes with {@link TIME_BYTES} free from `at`
 * @returns where it ends
 */
export function writeTime(bytes: Uint8Array, at: number, micros: number): number {
  const day = Math.floor(micros / DAY)
  const inDay = micros - day * DAY
  const seconds = Math.floor(inDay / SECOND)
  if (day !== writtenDay || inDay !== seconds * SECOND) {
    const text = timeText(micros)
    for (let i = 0; i < text.length; i++) bytes[at + i] = text.charCodeAt(i)
    // Years beyond four digits have a longer text, which is not kept.
    if (text.length !== PLAIN_TIME_BYTES) return at + text.length
    writtenDate.set(bytes.subarray(at, at + 11))
    writtenDay = day
    return at + text.length
  }
  for (let i = 0; i < 11; i++) bytes[at + i] = writtenDate[i]!
  const minutes = (seconds / 60) | 0
  const hours = (minutes / 60) | 0
  writePair(bytes, at + 11, hours)
  bytes[at + 13] = COLON
  writePair(bytes, at + 14, minutes - hours * 60)
  bytes[at + 16] = COLON
  writePair(bytes, at + 17, (seconds | 0) - minutes * 60)
  bytes[at + 19] = 90
  return at + PLAIN_TIME_BYTES
}

function writePair(bytes: Uint8Array, at: number, value: number): void {
  const tens = (value / 10) | 0
  bytes[at] = ZERO + tens
  bytes[at + 1] = ZERO + value - tens * 10
}
