/**
 * Doubles from decimal text, on bytes: half the cost of `Number` of a string made for it.
 *
 * Invariants
 * 1. What is read is correctly rounded: bit for bit what `Number` reads.
 * 2. Where the sum of two doubles cannot prove the rounding, `Number` itself decides.
 *
 * Products and quotients are exact as a sum of two doubles (T. J. Dekker, "A floating-point technique for extending the
 * available precision", 1971).
 */

/** Powers of ten that are doubles without rounding. */
export const POWERS = Float64Array.from({ length: 23 }, (_, exponent) => Number(`1e${exponent}`))
const SPLITTER = 2 ** 27 + 1
/** The powers as the sum of two doubles of 26 bits, so that their products with others of that kind are exact. */
export const POWERS_HIGH = POWERS.map(highPart)
export const POWERS_LOW = POWERS.map((power, exponent) => power - POWERS_HIGH[exponent]!)

/** More than the error of the second quotient, and far less than half a unit in the last place. */
const DOUBT = 1 + 2 ** -30

/** Below it every whole number is a double. */
const LARGEST = 1e15
const ZERO = 48
const DOT = 46
const MINUS = 45

/** The upper 26 bits of a double: products of two such are exact. */
export function highPart(value: number): number {
  const scaled = SPLITTER * value
  return scaled - (scaled - value)
}

/** Where {@link readDecimal} stopped: the first byte that is not part of the number. -1: it is none of the plain form, or too long. */
export let decimalEnd = 0

/**
 * Reads a number of the plain form: an optional sign, up to 9 digits, and a point with up to 18 digits behind it or none.
 * @param bytes with some byte behind the number that cannot belong to one
 * @returns the number; {@link decimalEnd} tells where it ends, or is -1: {@link decimalOf} must read it
 */
export function readDecimal(bytes: Uint8Array, from: number): number {
  let at = from
  let digit = bytes[at]! - ZERO
  const negative = digit === MINUS - ZERO
  if (negative) digit = bytes[++at]! - ZERO
  const first = at
  // Digits are gathered in whole numbers of 32 bits, which is where most of the time goes.
  let whole = 0
  while (digit >= 0 && digit <= 9) {
    whole = (whole * 10 + digit) | 0
    digit = bytes[++at]! - ZERO
  }
  let count = at - first
  let value = whole
  if (digit === DOT - ZERO) {
    const start = at + 1
    const middle = start + 9
    let leading = 0
    digit = bytes[++at]! - ZERO
    while (digit >= 0 && digit <= 9 && at < middle) {
      leading = (leading * 10 + digit) | 0
      digit = bytes[++at]! - ZERO
    }
    const decimals = at - start
    const head = whole * POWERS[decimals]! + leading
    if (at === middle && digit >= 0 && digit <= 9) {
      let trailing = 0
      while (digit >= 0 && digit <= 9) {
        trailing = (trailing * 10 + digit) | 0
        digit = bytes[++at]! - ZERO
      }
      const more = at - middle
      value = more > 9 || head > LARGEST ? Number.NaN : quotient(head, trailing, more, decimals + more)
    } else {
      // A single correctly rounded division, of two numbers that are exact.
      value = head > LARGEST ? Number.NaN : head / POWERS[decimals]!
    }
    if (count === 0 && at === start) count = 10
  } else if (count === 0) {
    count = 10
  }
  const exponent = digit === 101 - ZERO || digit === 69 - ZERO
  decimalEnd = count > 9 || exponent || Number.isNaN(value) ? -1 : at
  return negative ? -value : value
}

/** (leading × 10^more + trailing) ÷ 10^decimals, correctly rounded; NaN when that is in doubt. */
function quotient(leading: number, trailing: number, more: number, decimals: number): number {
  const scale = POWERS[more]!
  const product = leading * scale
  const leadingHigh = highPart(leading)
  const leadingLow = leading - leadingHigh
  const scaleHigh = POWERS_HIGH[more]!
  const scaleLow = POWERS_LOW[more]!
  const productLow =
    leadingHigh * scaleHigh -
    product +
    leadingHigh * scaleLow +
    leadingLow * scaleHigh +
    leadingLow * scaleLow +
    trailing
  const high = product + productLow
  const low = productLow - (high - product)

  const divisor = POWERS[decimals]!
  const first = high / divisor
  const firstHigh = highPart(first)
  const firstLow = first - firstHigh
  const divisorHigh = POWERS_HIGH[decimals]!
  const divisorLow = POWERS_LOW[decimals]!
  const back = first * divisor
  const backLow =
    firstHigh * divisorHigh - back + firstHigh * divisorLow + firstLow * divisorHigh + firstLow * divisorLow
  const second = (high - back - backLow + low) / divisor
  const value = first + second
  const rest = second - (value - first)
  return value + rest * DOUBT === value ? value : Number.NaN
}

const TEXT = new TextDecoder('latin1')
const NUMBER = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/

/** A number of any form, exponents too. NaN: it is none. */
export function decimalOf(bytes: Uint8Array, from: number, to: number): number {
  const text = TEXT.decode(bytes.subarray(from, to)).trim()
  return NUMBER.test(text) ? Number(text) : Number.NaN
}
