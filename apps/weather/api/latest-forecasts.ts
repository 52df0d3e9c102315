/**
 * What every city was told last, and the windows before, as the topic of forecasts has it. Each node that serves the API
 * has its own, from the log alone: nodes need not know of each other.
 *
 * 1. A record that was seen makes no difference a second time; a later one of the same window takes the place of the earlier.
 * 2. When a change is told to anyone, every answer that showed what was before is dropped already.
 * 3. Nothing is read but what each partition got in the time that is kept, up to its newest record. Until that was read,
 *    `ready` is pending.
 */
import { setTimeout } from 'node:timers/promises'
import { AldebaranError, type Report, type Running, subscribe, type Topic } from 'aldebaran'
import type { CityDirectory } from '../cities.ts'
import type { Forecast } from '../schemas.ts'
import { Changes } from './changes.ts'
import { CityValues } from './city-values.ts'
import { Live } from './live.ts'
import { Watchers } from './watchers.ts'

export interface LatestSettings {
  forecasts: Topic<string, Forecast>
  directory: CityDirectory
  /** Length of a window, ms. */
  windowMs: number
  /** Values kept for each city, 56 bytes each. */
  windows: number
  /** Changes kept for those who come back to the stream, about 0.5 kB each. */
  changes: number
  /** Clients that may follow the changes. */
  followers: number
  report: Report
}

/** After the subscription failed, ms. */
const RETRY_MS = 1000

export class LatestForecasts {
  readonly watchers = new Watchers()
  readonly live: Live
  /** Resolves when what was there at the start was read; rejects when it was closed before. */
  readonly ready: Promise<void>
  /** By number of the city. */
  readonly #values: (CityValues | null)[]
  readonly #settings: LatestSettings
  /** Offset seen last, by partition. */
  readonly #seen: number[]
  readonly #changes: Changes
  readonly #stop = new AbortController()
  readonly #following: Promise<void>
  #ready: PromiseWithResolvers<void> | null = Promise.withResolvers<void>()
  #withValue = 0
  #newestStart = Number.NEGATIVE_INFINITY
  #unknown = 0
  #undecodable = 0

  constructor(running: Running, settings: LatestSettings) {
    this.#settings = settings
    const { directory, changes, followers: most } = settings
    this.#values = new Array<CityValues | null>(directory.cities.length).fill(null)
    this.#seen = new Array<number>(settings.forecasts.options.partitions).fill(-1)
    this.#changes = new Changes(changes, this.#seen.length)
    this.live = new Live({
      changes: this.#changes,
      latest: city => this.latest(city),
      cities: directory.cities.length,
      most,
    })
    this.ready = this.#ready!.promise
    this.ready.catch(() => {})
    this.#following = this.#follow(running)
  }

  get isReady(): boolean {
    return this.#ready === null
  }

  /** Cities that have a value. */
  get withValue(): number {
    return this.#withValue
  }

  /** Start of the newest window of any city, ms; −Infinity: there is none. */
  get newestStart(): number {
    return this.#newestStart
  }

  /** Forecasts of cities that the directory does not know, which are left out. */
  get unknown(): number {
    return this.#unknown
  }

  /** Records that do not fit the topic, which are left out. */
  get undecodable(): number {
    return this.#undecodable
  }

  /** Null: there is none. */
  values(city: number): CityValues | null {
    return this.#values[city]!
  }

  latest(city: number): Forecast | null {
    return this.#values[city]?.latest(this.#settings.directory.cities[city]!.id) ?? null
  }

  async close(): Promise<void> {
    this.#stop.abort()
    this.live.close('the server stops')
    await this.#following
  }

  async #follow(running: Running): Promise<void> {
    const { forecasts, windowMs, windows, report } = this.#settings
    const { signal } = this.#stop
    while (!signal.aborted) {
      try {
        const records = subscribe(running.log, forecasts, {
          from: { back: windows * windowMs },
          signal,
          onCaughtUp: () => this.#caughtUp(),
          onUndecodable: (error, partition, offset) => {
            this.#undecodable++
            report('warn', 'a forecast cannot be read', { partition, offset, error: error.message })
          },
        })
        for await (const { partition, offset, value } of records)
          if (value !== null) this.#take(partition, offset, value)
      } catch (error) {
        if (error instanceof AldebaranError && error.code === 'LOG_CLOSED') break
        // Retention passed it by, or brokers cannot be reached: it begins again, and keeps what it has.
        report('warn', 'the forecasts are read anew', { error: String(error) })
        await setTimeout(RETRY_MS, undefined, { signal }).catch(() => {})
      }
    }
    this.#ready?.reject(new AldebaranError('LOG_CLOSED', 'the forecasts were not read: the application stops'))
  }

  #caughtUp(): void {
    this.#ready?.resolve()
    this.#ready = null
  }

  #take(partition: number, offset: number, forecast: Forecast): void {
    if (offset <= this.#seen[partition]!) return
    this.#seen[partition] = offset
    const city = this.#settings.directory.numberOf(forecast.city)
    if (city === undefined) {
      this.#unknown++
      return
    }
    let values = this.#values[city]!
    if (values === null) {
      values = new CityValues(this.#settings.windows)
      this.#values[city] = values
      this.#withValue++
    }
    const taken = values.take(forecast, offset)
    if (taken === null) return
    if (forecast.windowStart > this.#newestStart) this.#newestStart = forecast.windowStart
    if (this.#ready !== null) {
      // What is read at the start is no change: nobody has been told anything yet.
      this.#changes.passOver(partition, offset)
      return
    }
    if (taken.isLatest) this.watchers.latestChanged(city)
    this.watchers.windowChanged(city, forecast.windowStart)
    if (!Number.isNaN(taken.evicted)) this.watchers.windowChanged(city, taken.evicted)
    this.#changes.add(city, partition, offset, forecast)
    this.live.changed()
  }
}
