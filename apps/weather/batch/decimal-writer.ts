/**
 * Doubles as the shortest decimal text that reads back equal, on bytes: what `String` writes, without a string for each.
 *
 * Invariants
 * 1. What is written is what `String` writes.
 * 2. The number, scaled to 17 digits before the point, is exact as the sum of two doubles (T. J. Dekker, "A floating-point
 *    technique for extending the available precision", 1971). Every whole number nearer to it than half the distance to the
 *    next double reads back equal; of those the one with most zeros at the end is written, and of several the nearest.
 * 3. Where the bits that the sum lost could decide, for numbers below 0.00001 or from 1e15, and at powers of two, `String`
 *    itself writes.
 */
import { highPart, POWERS, POWERS_HIGH, POWERS_LOW } from './decimal-text.ts'

const ZERO = 48
const DOT = 46
const MINUS = 45

const DOUBLE = new Float64Array(1)
const WORDS = new Uint32Array(DOUBLE.buffer)
const HIGH_WORD = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1 ? 1 : 0
/** Bytes of the longest that {@link writeDecimal} writes: -1.2345678901234567e-123. */
export const DECIMAL_BYTES = 25
const SMALLEST = 1e-5
const LARGEST = 1e15
const SEVENTEEN_DIGITS = 1e17
const SIXTEEN_DIGITS = 1e16
const HALF = 1e8
/** Nearer than that to a border or to a tie, the bits that `lower` lost could decide. */
const DOUBT = 1e-6

/**
 * Writes a finite number as `String` would.
 * @param bytes with {@link DECIMAL_BYTES} free from `at`
 * @returns where it ends
 */
export function writeDecimal(bytes: Uint8Array, at: number, number: number): number {
  const value = number < 0 ? -number : number
  if (!(value >= SMALLEST && value < LARGEST)) return writeAscii(bytes, at, String(number))
  if (number < 0) bytes[at++] = MINUS
  if (value < 2 ** 31 && value === (value | 0)) return writeWhole(bytes, at, value)

  DOUBLE[0] = value
  const word = WORDS[HIGH_WORD]!
  // At a power of two the next smaller double is nearer than the next larger.
  if ((word & 0xfffff) === 0 && WORDS[1 - HIGH_WORD] === 0) return writeAscii(bytes, at, String(value))
  const binary = (word >>> 20) - 1023

  // Scaled to 17 digits before the point, exactly: high + low. Half the distance to the next double is `reach` then.
  let exponent = 16 - Math.floor(binary * Math.LOG10E * Math.LN2)
  if (exponent > 22) return writeAscii(bytes, at, String(value))
  let high = value * POWERS[exponent]!
  if (high >= SEVENTEEN_DIGITS) high = value * POWERS[--exponent]!
  if (high < SIXTEEN_DIGITS || high > SEVENTEEN_DIGITS - 64) return writeAscii(bytes, at, String(value))
  const valueHigh = highPart(value)
  const valueLow = value - valueHigh
  const low =
    valueHigh * POWERS_HIGH[exponent]! -
    high +
    valueHigh * POWERS_LOW[exponent]! +
    valueLow * POWERS_HIGH[exponent]! +
    valueLow * POWERS_LOW[exponent]!
  const reach = halfUnit(binary) * POWERS[exponent]!

  // Halves of eight or nine digits; the lower one with the fraction.
  let upper = Math.floor(high / HALF)
  let lower = high - upper * HALF + low
  if (lower < 0) {
    upper--
    lower += HALF
  }
  const nearest = Math.round(lower)
  const tens = Math.round(lower / 10) * 10
  const hundreds = Math.round(lower / 100) * 100
  let chosen = nearest
  const distance = Math.abs(hundreds - lower)
  const tenDistance = Math.abs(tens - lower)
  if (Math.abs(distance - reach) < DOUBT || Math.abs(tenDistance - reach) < DOUBT) {
    return writeAscii(bytes, at, String(value))
  }
  if (distance < reach) chosen = hundreds
  else if (tenDistance < reach) {
    chosen = tens
    if (tenDistance > 5 - DOUBT) return writeAscii(bytes, at, String(value))
  } else if (Math.abs(nearest - lower) > 0.5 - DOUBT) {
    return writeAscii(bytes, at, String(value))
  }
  if (chosen >= HALF) {
    upper++
    chosen -= HALF
  }
  return writeDigits(bytes, at, upper, chosen, 17 - exponent)
}

/** 2^(binary − 53): half of what separates doubles of that exponent. */
function halfUnit(binary: number): number {
  return HALF_UNITS[binary + 64]!
}
const HALF_UNITS = Float64Array.from({ length: 128 }, (_, i) => 2 ** (i - 64 - 53))

/** 9 digits of `upper` and 8 of `lower`, with the point behind the first `whole` of them, without zeros at the end. */
function writeDigits(bytes: Uint8Array, from: number, upper: number, lower: number, whole: number): number {
  let at = from
  if (whole <= 0) {
    bytes[at++] = ZERO
    bytes[at++] = DOT
    for (let i = whole; i < 0; i++) bytes[at++] = ZERO
    digitsInto(bytes, at, upper, lower)
    at += 17
  } else {
    digitsInto(bytes, at + 1, upper, lower)
    for (let i = 0; i < whole; i++) bytes[at + i] = bytes[at + i + 1]!
    bytes[at + whole] = DOT
    at += 18
  }
  while (bytes[at - 1] === ZERO) at--
  return bytes[at - 1] === DOT ? at - 1 : at
}

/** Two digits of each number below 100. */
const PAIRS = Uint8Array.from({ length: 200 }, (_, i) => ZERO + (i % 2 === 0 ? Math.floor(i / 20) : (i >> 1) % 10))

function digitsInto(bytes: Uint8Array, at: number, upper: number, lower: number): void {
  const first = (upper / HALF) | 0
  bytes[at] = ZERO + first
  eightDigits(bytes, at + 1, (upper - first * HALF) | 0)
  eightDigits(bytes, at + 9, lower | 0)
}

function eightDigits(bytes: Uint8Array, at: number, value: number): void {
  const left = (value / 10_000) | 0
  const right = (value - left * 10_000) | 0
  const a = (left / 100) | 0
  const b = (left - a * 100) << 1
  const c = (right / 100) | 0
  const d = (right - c * 100) << 1
  bytes[at] = PAIRS[a << 1]!
  bytes[at + 1] = PAIRS[(a << 1) + 1]!
  bytes[at + 2] = PAIRS[b]!
  bytes[at + 3] = PAIRS[b + 1]!
  bytes[at + 4] = PAIRS[c << 1]!
  bytes[at + 5] = PAIRS[(c << 1) + 1]!
  bytes[at + 6] = PAIRS[d]!
  bytes[at + 7] = PAIRS[d + 1]!
}

function writeWhole(bytes: Uint8Array, at: number, value: number): number {
  let length = 1
  for (let bound = 10; value >= bound; bound *= 10) length++
  let rest = value | 0
  for (let i = at + length - 1; i >= at; i--) {
    const next = (rest / 10) | 0
    bytes[i] = ZERO + rest - next * 10
    rest = next
  }
  return at + length
}

function writeAscii(bytes: Uint8Array, at: number, text: string): number {
  for (let i = 0; i < text.length; i++) bytes[at + i] = text.charCodeAt(i)
  return at + text.length
}
