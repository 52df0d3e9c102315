/** A thread in which every city reports once a second, spread over it, at the time that it is. */
import { parentPort, workerData } from 'node:worker_threads'
import { Producer } from '../src/index.ts'
import { connectLog, type LogAddress } from '../src/log/client.ts'
import { benchWeather } from './weather-entry.ts'
import { cityName, humidityOf, temperatureOf } from './weather-workload.ts'

export interface WeatherPacerData {
  address: LogAddress
  cities: number
  /** Readings a second, of all. */
  rate: number
  seconds: number
}

export interface WeatherPacerResult {
  sent: number
  /** The longest that a tick's share was late, ms. */
  behindMs: number
}

const TICK_MS = 5

const { address, cities, rate, seconds } = workerData as WeatherPacerData
const { readings } = benchWeather()
const log = connectLog(address)
const producer = new Producer(log)
const names = Array.from({ length: cities }, (_, city) => cityName(city))
const sleeper = new Int32Array(new SharedArrayBuffer(4))
const begun = performance.now()
const total = rate * seconds
let sent = 0
let behindMs = 0
let failure: unknown = null
for (let ms = TICK_MS; sent < total; ms += TICK_MS) {
  const due = Math.min(total, Math.floor((rate * ms) / 1000))
  const wait = begun + ms - performance.now()
  if (wait > 0) Atomics.wait(sleeper, 0, 0, wait)
  behindMs = Math.max(behindMs, performance.now() - begun - ms)
  const timestamp = Date.now()
  for (; sent < due; sent++) {
    const city = sent % cities
    const step = Math.floor(sent / cities)
    const reading = {
      city: names[city]!,
      timestamp,
      temperature: temperatureOf(city, step),
      humidity: humidityOf(city, step),
    }
    producer.send(readings, reading.city, reading, { timestamp })
  }
  producer.flush().catch(error => {
    failure ??= error
  })
  log.pump()
  // Answers are promises: they need a turn of the event loop now and then.
  if (ms % 100 === 0) await new Promise(resolve => setImmediate(resolve))
  if (failure !== null) throw failure
}
await producer.flush()
await log.close()
parentPort!.postMessage({ sent, behindMs } satisfies WeatherPacerResult)
parentPort!.close()
