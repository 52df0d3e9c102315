/** Real hourly weather at three airports of New York in 2013, as it is in the sample data (see data/). */
import { readFileSync } from 'node:fs'
import { gunzipSync } from 'node:zlib'
import type { Reading } from './schemas.ts'

const HOUR = 3_600_000
/** The hours of gaps are filled with the reading before, up to so many: the longest gap is six. */
const LONGEST_GAP = 12

export class RecordedWeather {
  /** Airport codes. */
  readonly cities: readonly string[]
  /** By city and hour since 1970. */
  readonly #readings: ReadonlyMap<string, Reading>

  /** In the order of time. */
  readonly readings: readonly Reading[]

  constructor(readings: readonly Reading[]) {
    this.readings = readings
    this.cities = [...new Set(readings.map(({ city }) => city))].sort()
    this.#readings = new Map(
      readings.map(reading => [`${reading.city} ${Math.floor(reading.timestamp / HOUR)}`, reading]),
    )
  }

  static load(): RecordedWeather {
    const file = new URL('./data/weather.csv.gz', import.meta.url)
    return new RecordedWeather(parse(gunzipSync(readFileSync(file)).toString()))
  }

  /** What the city reported at this hour of the year 2013, told as if it were now; null: nothing was recorded. */
  at(city: string, timestamp: number): Reading | null {
    const now = new Date(timestamp)
    const then = Date.UTC(2013, now.getUTCMonth(), now.getUTCDate(), now.getUTCHours())
    for (let hour = 0; hour < LONGEST_GAP; hour++) {
      const reading = this.#readings.get(`${city} ${then / HOUR - hour}`)
      if (reading !== undefined) return { ...reading, timestamp }
    }
    return null
  }
}

function parse(csv: string): Reading[] {
  const [header, ...lines] = csv.trimEnd().split('\n')
  if (header !== 'city,ts,temperature_f,humidity_pct')
    throw new Error(`the sample weather has another header: ${header}`)
  return lines.map(line => {
    const [city = '', ts = '', temperature = '', humidity = ''] = line.split(',')
    return { city, timestamp: Date.parse(ts), temperature: numberOf(temperature), humidity: numberOf(humidity) }
  })
}

function numberOf(text: string): number | null {
  return text === '' ? null : Number(text)
}
