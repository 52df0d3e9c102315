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
/** A platform that begins has readings of so long before, so that it has something to show at once, ms. */
const PAST_MS = 10 * 60_000
/** Of the past, in one batch. */
const PAST_BATCH = 5000

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
  const send = (number: number, timestamp: number): void => {
    const city = cities[number % cities.length]!
    const isRecorded = airports.has(city.id)
    const reading = isRecorded
      ? recorded.at(city.id, timestamp)
      : simulatedReading(city, number % cities.length, timestamp)
    if (reading !== null) producer.send(readings, city.id, reading, { timestamp })
  }
  const isNew = await isEmpty(log, readings.name)
  const begun = Date.now() - (isNew ? PAST_MS : 0)
  // Each city has its place in the interval.
  const dueBy = (time: number): number => Math.floor(((time - begun) / intervalMs) * cities.length)
  const timeOf = (number: number): number => Math.floor(begun + (number / cities.length) * intervalMs)
  let sent = 0
  for (const past = dueBy(Date.now()); sent < past && !signal.aborted; ) {
    for (const end = Math.min(past, sent + PAST_BATCH); sent < end; sent++) send(sent, timeOf(sent))
    await flushed(producer, signal)
  }
  while (!signal.aborted) {
    const now = Date.now()
    const due = dueBy(now)
    // What a sleep of the machine left out is not made up for.
    for (sent = Math.max(sent, due - cities.length); sent < due; sent++) send(sent, now)
    if (producer.count > 0) await flushed(producer, signal)
    await setTimeout(TICK_MS, undefined, { signal }).catch(() => {})
  }
}

/** Nothing was ever written to it. */
async function isEmpty(log: Log, topic: string): Promise<boolean> {
  const partitions = (await log.partitionsOf([topic])).get(topic) ?? []
  return partitions.every(({ end }) => end === 0)
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
