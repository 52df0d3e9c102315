/**
 * The bodies of the answers, ready to be sent until something changes that they show.
 *
 * 1. An answer is watched for what it shows before anything else can happen, so no change is missed between.
 * 2. The version of an answer is made of the versions of what it shows, which are offsets in the log: every node that shows
 *    the same gives the same ETag, and no two different answers of a URL have one.
 */
import { ReadyAnswer } from 'aldebaran'
import type { City, CityDirectory } from '../cities.ts'
import type { Forecast } from '../schemas.ts'
import type { LatestForecasts } from './latest-forecasts.ts'
import { VersionMix } from './version-mix.ts'

export interface CityPage {
  search: string | undefined
  country: string | undefined
  limit: number
  after: number | undefined
}

export interface WindowRange {
  /** Of the starts of windows, ms: from included, to excluded. */
  from: number
  to: number
  limit: number
}

type Value = Omit<Forecast, 'city'>

export interface AnswerSettings {
  /** Of the answers, ms. */
  maxAge: number
  /** A city whose newest window began longer before the newest of all, ms, is none of the hottest. */
  hottestWithin: number
}

export class Answers {
  readonly #view: LatestForecasts
  readonly #directory: CityDirectory
  readonly #settings: AnswerSettings
  /** The cities of the map as text, as long as the same have a value. */
  #mapCities: { count: number; numbers: number[]; text: string } | null = null

  constructor(view: LatestForecasts, directory: CityDirectory, settings: AnswerSettings) {
    this.#view = view
    this.#directory = directory
    this.#settings = settings
  }

  city(number: number): ReadyAnswer {
    const version = this.#view.values(number)?.latestMark ?? 'none'
    const answer = this.#ready(JSON.stringify(this.#cityOf(number)), version)
    this.#view.watchers.watchLatest([number], answer)
    return answer
  }

  cities({ search, country, limit, after }: CityPage): ReadyAnswer {
    const found = this.#directory.find({ search, country, after, limit: limit + 1 })
    const numbers = found.slice(0, limit)
    const next = found.length > limit ? this.#directory.cities[numbers.at(-1)!]!.id : null
    const answer = this.#ready(
      JSON.stringify({ cities: numbers.map(number => this.#cityOf(number)), next }),
      this.#versionOf(numbers),
    )
    this.#view.watchers.watchLatest(numbers, answer)
    return answer
  }

  hottest(limit: number, country: string | undefined): ReadyAnswer {
    const wanted = country?.toUpperCase()
    const isWanted = (number: number) => wanted === undefined || this.#directory.cities[number]!.country === wanted
    const numbers = this.#hottest(limit, isWanted)
    const answer = this.#ready(
      JSON.stringify({ cities: numbers.map(number => this.#cityOf(number)) }),
      this.#versionOf(numbers),
    )
    const shown = new Set(numbers)
    const least = numbers.length < limit ? -Infinity : this.#heatOf(numbers.at(-1)!)
    const oldest = numbers.reduce((start, number) => Math.min(start, this.#startOf(number)), Infinity)
    this.#view.watchers.watchAny(
      // A city that falls silent leaves when the windows of others have gone on far enough.
      number => shown.has(number) || (this.#heatOf(number) >= least && isWanted(number)) || !this.#isRecent(oldest),
      answer,
    )
    return answer
  }

  map(): ReadyAnswer {
    const { numbers, text } = this.#citiesOfMap()
    const heat = numbers.map(number => {
      const value = this.#heatOf(number)
      return Number.isNaN(value) ? 'null' : Math.round(value * 100) / 100
    })
    const newest = this.#view.newestStart
    const behind = numbers.map(number => newest - this.#startOf(number))
    const times = `"behind":[${behind.join()}],"newest":${numbers.length === 0 ? null : newest}`
    const body = `{${text},"heatIndex":[${heat.join()}],${times},"hottestWithin":${this.#settings.hottestWithin}}`
    const answer = this.#ready(body, this.#versionOf(numbers))
    this.#view.watchers.watchAny(() => true, answer)
    return answer
  }

  /** What is held here of a city; `complete`: nothing that was asked for lies before it. */
  heatIndex(number: number, { from, to, limit }: WindowRange): { values: Forecast[]; complete: boolean } {
    const held = this.#view.values(number)
    const values = held?.list(this.#directory.cities[number]!.id, from, to, limit) ?? []
    const completeFrom = held?.completeFrom ?? Number.POSITIVE_INFINITY
    const last = values.at(-1)?.windowStart ?? Number.POSITIVE_INFINITY
    const complete = from >= completeFrom || (values.length === limit && last >= completeFrom)
    return { values, complete }
  }

  /** Of what is held here. */
  heatIndexReady(number: number, range: WindowRange, values: readonly Forecast[]): ReadyAnswer {
    const held = this.#view.values(number)
    const { from, to, limit } = range
    const mix = new VersionMix()
    if (held !== null && values.length > 0) mix.add(held.version)
    for (const { windowStart } of values) mix.add(windowStart)
    const answer = this.#ready(this.heatIndexText(number, limit, values), mix.text)
    // Of a full answer the oldest value is the end: what is before it shows nowhere.
    this.#view.watchers.watchWindows(number, values.length < limit ? from : values.at(-1)!.windowStart, to, answer)
    return answer
  }

  heatIndexText(number: number, limit: number, values: readonly Forecast[]): string {
    return JSON.stringify({
      city: this.#directory.cities[number]!.id,
      values: values.map(withoutCity),
      next: values.length < limit ? null : values.at(-1)!.windowStart,
    })
  }

  #cityOf(number: number): City & { latest: Value | null } {
    const latest = this.#view.latest(number)
    return { ...this.#directory.cities[number]!, latest: latest === null ? null : withoutCity(latest) }
  }

  #heatOf(number: number): number {
    return this.#view.values(number)?.latestHeatIndex ?? Number.NaN
  }

  /** Of its newest window, ms; NaN: it has none. */
  #startOf(number: number): number {
    return this.#view.values(number)?.latestStart ?? Number.NaN
  }

  /** A city whose newest window starts then may be among the hottest. */
  #isRecent(start: number): boolean {
    return this.#view.newestStart - start <= this.#settings.hottestWithin
  }

  /** By heat index, descending; among equals the city with the smaller number. */
  #hottest(limit: number, isWanted: (number: number) => boolean): number[] {
    const found: number[] = []
    const values: number[] = []
    for (let number = 0; number < this.#directory.cities.length; number++) {
      const value = this.#heatOf(number)
      if (Number.isNaN(value) || (found.length === limit && value <= values.at(-1)!)) continue
      if (!this.#isRecent(this.#startOf(number)) || !isWanted(number)) continue
      let place = found.length
      while (place > 0 && values[place - 1]! < value) place--
      found.splice(place, 0, number)
      values.splice(place, 0, value)
      if (found.length <= limit) continue
      found.pop()
      values.pop()
    }
    return found
  }

  #citiesOfMap(): { numbers: number[]; text: string } {
    const count = this.#view.withValue
    if (this.#mapCities?.count !== count) {
      const { cities } = this.#directory
      const numbers = cities.flatMap((_, number) => (this.#view.values(number) === null ? [] : [number]))
      const list = (field: 'id' | 'lat' | 'lon') => JSON.stringify(numbers.map(number => cities[number]![field]))
      const text = `"ids":${list('id')},"lat":${list('lat')},"lon":${list('lon')}`
      this.#mapCities = { count, numbers, text }
    }
    return this.#mapCities
  }

  #versionOf(numbers: readonly number[]): string {
    const mix = new VersionMix()
    for (const number of numbers) {
      const values = this.#view.values(number)
      mix.add(number)
      if (values !== null) mix.addText(values.latestMark)
    }
    return mix.text
  }

  #ready(body: string, version: string): ReadyAnswer {
    return new ReadyAnswer({ body, version, maxAge: this.#settings.maxAge })
  }
}

function withoutCity({ city: _, ...value }: Forecast): Value {
  return value
}
