/** Readings and results in memory, in columns. */
import { type Formula, heatIndexOf } from '../heat-index.ts'
import { rollingMeans } from './rolling-mean.ts'

/** Columns of one length. */
export interface Readings {
  readonly city: readonly string[]
  /** Since 1970, in any unit, which is also that of the window. */
  readonly time: Float64Array
  /** °F; NaN: missing. */
  readonly temperature: Float64Array
  /** Relative, %; NaN: missing. */
  readonly humidity: Float64Array
}

/** Sorted by city and time. */
export interface HeatIndexes {
  readonly city: readonly string[]
  readonly time: Float64Array
  /** °F; NaN: the reading has no temperature or no humidity. */
  readonly heatIndex: Float64Array
  /** Mean of the heat indexes of the city in [time − width, time], °F; NaN: there is none. */
  readonly rollingHeatIndex: Float64Array
}

/**
 * The rolling heat index in one pass over the sorted readings, with a running sum. Rows of one city and time keep their
 * order, and each sees itself and those before it.
 * @param readings in any order
 * @param width of the window, in the unit of the times
 */
export function rollingHeatIndexes(readings: Readings, width: number, formula: Formula = 'regression'): HeatIndexes {
  const { city, time, temperature, humidity } = isSorted(readings) ? readings : sorted(readings)
  const count = city.length
  const heatIndex = heatIndexOf(formula)
  const values = new Float64Array(count)
  for (let row = 0; row < count; row++) values[row] = heatIndex(temperature[row]!, humidity[row]!)
  const means = new Float64Array(count)
  for (let from = 0; from < count; ) {
    const name = city[from]
    let to = from + 1
    while (to < count && city[to] === name) to++
    rollingMeans(time, values, from, to, width, means)
    from = to
  }
  return { city, time, heatIndex: values, rollingHeatIndex: means }
}

/** The order of code points, in which the UTF-8 of names is ordered too. */
export function compareNames(a: string, b: string): number {
  const length = Math.min(a.length, b.length)
  let at = 0
  while (at < length && a.charCodeAt(at) === b.charCodeAt(at)) at++
  if (at === length) return a.length - b.length
  // Surrogates, of the code points from 0x10000, come behind the rest of the code units.
  return rank(a.charCodeAt(at)) - rank(b.charCodeAt(at))
}

function rank(unit: number): number {
  return unit >= 0xd800 && unit <= 0xdfff ? unit + 0x10000 : unit
}

function isSorted({ city, time }: Readings): boolean {
  for (let row = 1; row < city.length; row++) {
    if (city[row] !== city[row - 1]) {
      if (compareNames(city[row]!, city[row - 1]!) < 0) return false
    } else if (time[row]! < time[row - 1]!) return false
  }
  return true
}

function sorted({ city, time, temperature, humidity }: Readings): Readings {
  const order = Uint32Array.from(city, (_, row) => row)
  order.sort((a, b) => compareNames(city[a]!, city[b]!) || time[a]! - time[b]! || a - b)
  return {
    city: Array.from(order, row => city[row]!),
    time: Float64Array.from(order, row => time[row]!),
    temperature: Float64Array.from(order, row => temperature[row]!),
    humidity: Float64Array.from(order, row => humidity[row]!),
  }
}
