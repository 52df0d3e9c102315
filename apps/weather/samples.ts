import { setTimeout } from 'node:timers/promises'
import { AldebaranError, type Log, Producer } from 'aldebaran'
import type { Weather } from './app.ts'
import type { CityDirectory } from './cities.ts'
import { RecordedWeather } from './recorded-weather.ts'
import { simulatedReading } from './simulated-weather.ts'

export interface SampleSettings {
  /** Between two readings of a city, ms. Default 60 000. */
  intervalMs?: number
  signal: AbortSignal
}

/** Between two batches, ms. */
const TICK_MS = 100
/** Between two tries while the log takes nothing, ms. */
const RETRY_MS = 1000

/**
 * Writes a reading of each city once in a while, spread over the time: the airports what they recorded at this hour of the
 * year 2013, the others simulated weather.
 */
export async function runSamples(
  { readings }: Weather,
  log: Log,
  directory: CityDirectory,
  { intervalMs = 60_000, signal }: SampleSettings,
): Promise<void> {
  const recorded = RecordedWeather.load()
  const airports = new Set(recorded.cities)
  const { cities } = directory
  const producer = new Producer(log)
  const begun = Date.now()
  for (let sent = 0; !signal.aborted; ) {
    const now = Date.now()
    // Each city has its place in the interval; what a sleep of the machine left out is not made up for.
    const due = Math.floor(((now - begun) / intervalMs) * cities.length)
    for (sent = Math.max(sent, due - cities.length); sent < due; sent++) {
      const number = sent % cities.length
      const city = cities[number]!
      const reading = airports.has(city.id) ? recorded.at(city.id, now) : simulatedReading(city, number, now)
      if (reading !== null) producer.send(readings, city.id, reading, { timestamp: now })
    }
    if (producer.count > 0) await flushed(producer, signal)
    await setTimeout(TICK_MS, undefined, { signal }).catch(() => {})
  }
}

/** What a full disk refuses is given up: other readings come. */
async function flushed(producer: Producer, signal: AbortSignal): Promise<void> {
  try {
    await producer.flush()
  } catch (error) {
    if (!(error instanceof AldebaranError) || error.fate !== 'retry') throw error
    await setTimeout(RETRY_MS, undefined, { signal }).catch(() => {})
  }
}
