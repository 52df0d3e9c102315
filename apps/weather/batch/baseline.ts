/**
 * The rolling heat index row by row, as it is understood: the oracle of the computation, and the measure that
 * `aldebaran weather compare` holds it to.
 */
import { type Formula, heatIndexOf } from '../heat-index.ts'
import { compareNames, type HeatIndexes, type Readings } from './columns.ts'

/**
 * For each reading the whole list is searched for those of its window.
 * @param width of the window, in the unit of the times
 */
export function baselineHeatIndexes(readings: Readings, width: number, formula: Formula = 'regression'): HeatIndexes {
  const heatIndex = heatIndexOf(formula)
  const rows = readings.city
    .map((city, i) => {
      const [time, temperature, humidity] = [readings.time[i]!, readings.temperature[i]!, readings.humidity[i]!]
      const missing = Number.isNaN(temperature) || Number.isNaN(humidity)
      return { city, time, heatIndex: missing ? Number.NaN : heatIndex(temperature, humidity) }
    })
    .sort((a, b) => compareNames(a.city, b.city) || a.time - b.time)
  const means = rows.map((row, i) => {
    const inWindow = rows.filter(
      (other, j) =>
        other.city === row.city &&
        other.time >= row.time - width &&
        other.time <= row.time &&
        // Of rows of one time, each sees itself and those before it.
        j <= i,
    )
    const values = inWindow.map(other => other.heatIndex).filter(value => !Number.isNaN(value))
    return values.reduce((total, value) => total + value, 0) / values.length
  })
  return {
    city: rows.map(row => row.city),
    time: Float64Array.from(rows, row => row.time),
    heatIndex: Float64Array.from(rows, row => row.heatIndex),
    rollingHeatIndex: Float64Array.from(means),
  }
}
