/** The weather platform: readings a second of one worker, or with --rate NUMBER how soon a window's result is there. */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import { JOB } from '../apps/weather/app.ts'
import { regressionHeatIndex } from '../apps/weather/heat-index.ts'
import type { Forecast } from '../apps/weather/schemas.ts'
import { type AnyTopic, embedded, type Log, type Running } from '../src/index.ts'
import { BatchCursor } from '../src/record/batch-cursor.ts'
import { start } from '../src/runtime/start.ts'
import { cpuSeconds, parseOptions, peakRssMb, percentiles, result } from './measure.ts'
import { committed, processed, round, until } from './running.ts'
import { benchWeather } from './weather-entry.ts'
import type { WeatherPacerData, WeatherPacerResult } from './weather-pacer.ts'
import { humidityOf, temperatureOf, timeOf, WORKLOAD_START, type Workload } from './weather-workload.ts'
import { UsageSampler } from './webhooks-usage.ts'

const GROUP = `weather.${JOB}`
const WINDOW_MS = 60_000
const DISORDER_MS = 5000
const ROLLING_MS = 3_600_000
/** A rolling mean is computed anew for one city in so many. */
const CHECKED = 50
const TOLERANCE = 1e-9

const OPTIONS = {
  cities: { kind: 'number', default: 15_000, min: 1 },
  rate: { kind: 'text', default: 'max' },
  minutes: { kind: 'number', default: 5, min: 1 },
  /** Between two readings of a city, with --rate max. */
  step: { kind: 'number', default: 1000, min: 1 },
  seconds: { kind: 'number', default: 60, min: 10 },
  padding: { kind: 'number', default: 0, min: 0 },
  durability: { kind: 'text', default: 'disk', choices: ['process', 'disk'] },
  workers: { kind: 'number', default: 1, min: 1, max: 16 },
  partitions: { kind: 'number', default: 4, min: 1 },
  memory: { kind: 'text', default: '2GB' },
} as const

type WeatherOptions = ReturnType<typeof parseOptions<typeof OPTIONS>>

export async function bench(args: string[]): Promise<void> {
  const options = parseOptions(args, OPTIONS)
  const folder = mkdtempSync(join(tmpdir(), 'aldebaran-bench-'))
  process.env.WEATHER_PARTITIONS = String(options.partitions)
  try {
    if (options.rate === 'max') await throughput(folder, options)
    else await latency(folder, options, Number(options.rate))
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

function startWeather(folder: string, { durability, workers, memory }: WeatherOptions): Promise<Running> {
  return start(benchWeather().application, {
    log: embedded(folder, { durability: durability === 'disk' ? 'disk' : 'process', maxSize: '256GB' }),
    workers,
    memory,
    entry: new URL('./weather-entry.ts', import.meta.url),
    report: (level, message, details) => {
      if (level !== 'info') process.stderr.write(`${level}: ${message} ${JSON.stringify(details)}\n`)
    },
  })
}

async function throughput(folder: string, options: WeatherOptions): Promise<void> {
  const { cities, minutes, step, padding, durability, partitions } = options
  const workload: Workload = { cities, stepMs: step, steps: Math.floor((minutes * WINDOW_MS) / step) }
  const n = cities * workload.steps
  const generator = new URL('./weather-generate.ts', import.meta.url).pathname
  const args = [generator, folder, cities, workload.steps, step, padding, durability, partitions].map(String)
  const { bytes } = JSON.parse(
    execFileSync(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] }).toString(),
  )

  const running = await startWeather(folder, options)
  const cpu = cpuSeconds()
  const begun = await until(running, () => processed(running) > 0, 60_000, 1)
  using usage = new UsageSampler(process.pid, 250)
  const finished = await until(running, () => committed(running, GROUP) === n, 1_800_000, 5)
  const seconds = (finished - begun) / 1000
  const cpuUsed = cpuSeconds() - cpu
  const rss = peakRssMb()
  const check = new ForecastCheck(workload)
  new ForecastReader(running.log, benchWeather().forecasts).read(forecast => check.see(forecast))
  await running.stop()
  result({
    bench: 'weather',
    engine: 'embedded',
    guarantee: `exactly-once, ${durability}`,
    workers: options.workers,
    cities,
    n,
    mb: Math.round(bytes / 1e6),
    seconds: round(seconds, 3),
    rate: Math.round(n / seconds),
    mb_per_s: round(bytes / 1e6 / seconds, 1),
    event_minutes: minutes,
    cpu_s: round(cpuUsed, 2),
    rss_mb: Math.round(rss),
    ...memoryOf(usage),
    windows: check.seen,
    rolling_checked: check.rollingChecked,
    missing: check.missing,
    duplicates: check.duplicates,
    wrong: check.wrong,
  })
  if (check.missing + check.duplicates + check.wrong > 0) process.exitCode = 1
}

async function latency(folder: string, options: WeatherOptions, rate: number): Promise<void> {
  const { cities, seconds, durability } = options
  const running = await startWeather(folder, options)
  await running.ready()
  const address = running.address()
  const data: WeatherPacerData = { address, cities, rate, seconds }
  const cpu = cpuSeconds()
  using usage = new UsageSampler(process.pid, 1000)
  const pacer = new Worker(new URL('./weather-pacer.ts', import.meta.url), {
    workerData: data,
    transferList: [...address.transfer],
  })
  const ended = Promise.withResolvers<WeatherPacerResult>()
  pacer.on('message', ended.resolve)
  pacer.on('error', ended.reject)
  let isEnded = false
  void ended.promise.finally(() => {
    isEnded = true
  })
  const samples: number[] = []
  const seen = new Set<string>()
  let duplicates = 0
  let readings = 0
  const reader = new ForecastReader(running.log, benchWeather().forecasts)
  while (!isEnded) {
    reader.read(forecast => {
      samples.push(Date.now() - forecast.windowEnd - DISORDER_MS)
      readings += forecast.readings
      const name = `${forecast.city} ${forecast.windowStart}`
      if (seen.has(name)) duplicates++
      seen.add(name)
    })
    await running.log.changed(100)
  }
  const { sent, behindMs } = await ended.promise
  const cpuUsed = cpuSeconds() - cpu
  await until(running, () => committed(running, GROUP) === sent, 60_000, 20)
  const dead = running.workers.reduce((sum, worker) => sum + worker.measures.get('deadLetters'), 0)
  await running.stop()
  const { p50, p99, max, count } = percentiles(Float64Array.from(samples).sort())
  result({
    bench: 'weather-latency',
    engine: 'embedded',
    guarantee: `exactly-once, ${durability}`,
    workers: options.workers,
    cities,
    n: sent,
    seconds,
    asked_rate: rate,
    cpu_s: round(cpuUsed, 2),
    rss_mb: Math.round(peakRssMb()),
    ...memoryOf(usage),
    p50_ms: round(p50, 1),
    p99_ms: round(p99, 1),
    max_ms: round(max, 1),
    windows: count,
    readings_in_windows: readings,
    behind_ms: round(behindMs, 1),
    dead_letters: dead,
    duplicates,
  })
  if (duplicates + dead > 0) process.exitCode = 1
}

/** Follows the forecasts of all partitions. */
class ForecastReader {
  readonly #readers
  readonly #topic: AnyTopic
  readonly #cursor = new BatchCursor()

  constructor(log: Log, topic: AnyTopic) {
    this.#topic = topic
    this.#readers = Array.from({ length: topic.options.partitions }, (_, i) => log.reader(topic.name, i, 'earliest'))
  }

  read(told: (forecast: Forecast) => void): void {
    const cursor = this.#cursor
    for (const reader of this.#readers) {
      while (reader.poll(1 << 20)) {
        cursor.reset(reader.chunk, 0, reader.size)
        while (cursor.nextBatch()) {
          while (cursor.next()) told(this.#topic.value.decode(cursor.bytes, cursor.valueStart, cursor.valueEnd))
        }
      }
    }
  }
}

/** Computes every window anew from the workload, and the rolling mean of some cities. */
class ForecastCheck {
  seen = 0
  duplicates = 0
  wrong = 0
  rollingChecked = 0
  readonly #workload: Workload
  /** By city and minute. */
  readonly #told: Uint8Array
  readonly #minutes: number

  constructor(workload: Workload) {
    this.#workload = workload
    this.#minutes = Math.ceil((workload.steps * workload.stepMs) / WINDOW_MS)
    this.#told = new Uint8Array(workload.cities * this.#minutes)
  }

  see({ city: name, windowStart, heatIndex, rollingHeatIndex, readings }: Forecast): void {
    this.seen++
    const city = Number(name.slice('city'.length))
    const minute = (windowStart - WORKLOAD_START) / WINDOW_MS
    const at = city * this.#minutes + minute
    if (this.#told[at] === 1) this.duplicates++
    this.#told[at] = 1
    const expected = this.#windowOf(city, minute)
    if (readings !== expected.n || !isNear(heatIndex, expected.mean)) this.wrong++
    if (city % CHECKED !== 0) return
    this.rollingChecked++
    let sum = 0
    let n = 0
    for (let other = Math.max(0, minute - ROLLING_MS / WINDOW_MS); other <= minute; other++) {
      sum += this.#windowOf(city, other).mean
      n++
    }
    if (!isNear(rollingHeatIndex, sum / n)) this.wrong++
  }

  /** Windows that must be there: those that readings behind their end have closed, in every partition. */
  get missing(): number {
    const { cities, steps, stepMs } = this.#workload
    const closed = Math.floor(((steps - 1) * stepMs - DISORDER_MS) / WINDOW_MS)
    let missing = 0
    for (let city = 0; city < cities; city++) {
      for (let minute = 0; minute < closed; minute++) if (this.#told[city * this.#minutes + minute] !== 1) missing++
    }
    return missing
  }

  #windowOf(city: number, minute: number): { n: number; mean: number } {
    const workload = this.#workload
    const from = WORKLOAD_START + minute * WINDOW_MS
    let sum = 0
    let n = 0
    for (let step = Math.floor((minute * WINDOW_MS) / workload.stepMs) - 1; step < workload.steps; step++) {
      if (step < 0) continue
      const time = timeOf(workload, city, step)
      if (time < from) continue
      if (time >= from + WINDOW_MS) break
      sum += regressionHeatIndex(temperatureOf(city, step), humidityOf(city, step))
      n++
    }
    return { n, mean: sum / n }
  }
}

function isNear(value: number | null, expected: number): boolean {
  return value !== null && Math.abs(value - expected) <= TOLERANCE * Math.max(1, Math.abs(expected))
}

function memoryOf(usage: UsageSampler): Record<string, number> {
  const anon = usage.samples.map(sample => sample.anonMb)
  const third = Math.ceil(anon.length / 3)
  const mean = (part: readonly number[]): number =>
    Math.round(part.reduce((a, b) => a + b, 0) / Math.max(1, part.length))
  return { anon_first_mb: mean(anon.slice(0, third)), anon_last_mb: mean(anon.slice(-third)) }
}
