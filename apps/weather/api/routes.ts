/** The routes of the weather platform: everything below /weather that programs and pages ask for. */
import {
  AldebaranError,
  EventsAnswer,
  type HttpRoute,
  parseDuration,
  type Report,
  RouteAnswer,
  type RouteRequest,
  type Running,
} from 'aldebaran'
import type { Weather } from '../app.ts'
import { CityDirectory } from '../cities.ts'
import type { Forecast } from '../schemas.ts'
import { Answers, type WindowRange } from './answers.ts'
import { type Exporter, Exports, exportQuery } from './exports.ts'
import { LatestForecasts } from './latest-forecasts.ts'
import { country, limitOf, requireCity, time } from './parameters.ts'

/** Values of a city's windows that start in [from, to), at most so many, the newest of them first. Infinite: no end. */
export type History = (city: string, from: number, to: number, limit: number) => Promise<readonly Forecast[]>

export interface WeatherApiSettings {
  /** What is older than the node holds. Default: there is nothing older. */
  history?: History
  /** Files of what is stored. Default: nothing is. */
  exporter?: Exporter
  /** Files that may be sent at once. Default 2. */
  exports?: number
  /** Values held for each city, 56 bytes each. Default 120: two hours of minutes, 100 MB for 15,000 cities. */
  windows?: number
  /** Changes held for those who come back to the stream, about 0.5 kB each. Default 32,768. */
  changes?: number
  /** Clients that may follow the changes at once. Default 4,096. */
  followers?: number
  /** Clients and caches may show an answer for so long. Default: a twelfth of a window, from 1 to 60 seconds. */
  maxAge?: string | number
  /** A city whose newest window is older than the newest of all by more is none of the hottest. Default: ten windows. */
  hottestWithin?: string | number
  directory?: CityDirectory
  /** Told of what is left out. Default: nobody. */
  report?: Report
}

const DEFAULTS = { windows: 120, changes: 32_768, followers: 4096 }
const EXPORTS = { most: 2, idleMs: 60_000 }
const SECOND_MS = 1000
const LONGEST_AGE_MS = 60_000
const LIMITS = {
  cities: { most: 500, usual: 50 },
  values: { most: 1440, usual: 60 },
  hottest: { most: 500, usual: 20 },
}
const MOST_FOLLOWED = 1000
const HOTTEST_WINDOWS = 10

interface Parts {
  readonly running: Running
  readonly view: LatestForecasts
  readonly answers: Answers
}

export class WeatherApi {
  readonly routes: readonly HttpRoute[]
  readonly directory: CityDirectory
  readonly #weather: Pick<Weather, 'forecasts' | 'windowMs'>
  readonly #settings: WeatherApiSettings
  readonly #maxAge: number
  readonly #hottestWithin: number
  readonly #exports: Exports
  #parts: Parts | null = null

  /** @throws AldebaranError OPTION_INVALID */
  constructor(weather: Pick<Weather, 'forecasts' | 'windowMs'>, settings: WeatherApiSettings = {}) {
    this.#weather = weather
    this.#settings = settings
    this.#maxAge = parseDuration(
      settings.maxAge ?? Math.min(LONGEST_AGE_MS, Math.max(SECOND_MS, Math.floor(weather.windowMs / 12))),
      'maxAge',
    )
    this.#hottestWithin = parseDuration(settings.hottestWithin ?? HOTTEST_WINDOWS * weather.windowMs, 'hottestWithin')
    for (const name of ['windows', 'changes', 'followers', 'exports'] as const) {
      const value = settings[name] ?? 1
      if (Number.isInteger(value) && value >= 1) continue
      throw new AldebaranError('OPTION_INVALID', `${name}: ${value} is not a whole number from 1`, { option: name })
    }
    const { exporter = null, exports: most = EXPORTS.most } = settings
    this.#exports = new Exports({ ...EXPORTS, exporter, most })
    this.directory = settings.directory ?? CityDirectory.load()
    this.routes = this.#makeRoutes()
  }

  /** Begins to read the forecasts, unless it has; the first request does so too. It ends when the application stops. */
  attach(running: Running): LatestForecasts {
    return this.#partsOf(running).view
  }

  #partsOf(running: Running): Parts {
    if (this.#parts?.running === running) return this.#parts
    const { report = () => {}, ...settings } = this.#settings
    const view = new LatestForecasts(running, {
      ...DEFAULTS,
      ...settings,
      ...this.#weather,
      directory: this.directory,
      report,
    })
    running.onStop(async () => {
      this.#exports.close()
      await view.close()
    })
    const answers = new Answers(view, this.directory, { maxAge: this.#maxAge, hottestWithin: this.#hottestWithin })
    this.#parts = { running, view, answers }
    return this.#parts
  }

  #makeRoutes(): HttpRoute[] {
    const { cities: pages, values, hottest } = LIMITS
    const route = (
      path: string,
      more: Omit<HttpRoute, 'method' | 'path' | 'tag' | 'handle'>,
      answer: (parts: Parts, request: RouteRequest) => unknown,
    ): HttpRoute => ({
      method: 'GET',
      path: `/weather/${path}`,
      tag: 'weather',
      ...more,
      handle: (request, running) => answer(this.#readyParts(running), request),
    })
    return [
      route(
        'cities',
        {
          summary: 'Cities with their newest values, by population',
          query: {
            search: {
              type: 'string',
              maxLength: 100,
              description: 'How the name begins; case and accents do not matter.',
            },
            country,
            limit: limitOf(pages.most, pages.usual),
            after: { type: 'string', description: 'The id of the last city of the page before: `next` of its answer.' },
          },
          answers:
            '`cities`, each with `latest` (null: nothing yet), and `next`, the `after` of the next page, or null.',
        },
        ({ answers }, { query }) => {
          const { search, country: wanted, limit, after } = query as Record<string, string | undefined>
          return answers.cities({
            search,
            country: wanted,
            limit: Number(limit),
            after: after === undefined ? undefined : this.#requireAfter(after),
          })
        },
      ),
      route(
        'cities/:id',
        {
          summary: 'A city with its newest value',
          answers: 'id, name, country, lat, lon, population, timezone, and `latest`: null when there is nothing yet.',
        },
        ({ answers }, { params }) => answers.city(requireCity(this.directory, params.id!)),
      ),
      route(
        'cities/:id/heat-index',
        {
          summary: 'The heat index of a city, window by window, the newest first',
          query: {
            from: {
              type: 'string',
              description: 'Windows that start at this time or later: ms since 1970, or ISO 8601.',
            },
            to: { type: 'string', description: 'Windows that start before this time.' },
            limit: limitOf(values.most, values.usual),
          },
          answers: '`values`, and `next`: the `to` of the next page, or null.',
        },
        ({ answers }, { params, query }) =>
          this.#heatIndex(answers, requireCity(this.directory, params.id!), {
            from: time('from', query.from) ?? Number.NEGATIVE_INFINITY,
            to: time('to', query.to) ?? Number.POSITIVE_INFINITY,
            limit: Number(query.limit),
          }),
      ),
      route(
        'hottest',
        {
          summary: 'The cities with the highest heat index now',
          description:
            'Without cities whose newest window is much older than the newest of all: ten windows by default.',
          query: { country, limit: limitOf(hottest.most, hottest.usual) },
          answers: '`cities` as in /weather/cities, the hottest first.',
        },
        ({ answers }, { query }) => answers.hottest(Number(query.limit), query.country as string | undefined),
      ),
      route(
        'map',
        {
          summary: 'Every city that has a value, compact',
          answers:
            '`ids`, `lat`, `lon`, `heatIndex` (°F, two decimals, or null) and `behind` (ms from the start of its window to ' +
            'the newest), one entry each; start of the `newest` window, ms; `hottestWithin`, ms.',
        },
        ({ answers }) => answers.map(),
      ),
      route(
        'live',
        {
          summary: 'Values as they change, as server-sent events',
          description:
            'Events: `begin`; `forecast`; `reset` when the Last-Event-ID cannot be resumed or the client was too slow, ' +
            'followed by the newest values and `current`.',
          query: {
            cities: {
              type: 'string',
              maxLength: 16_384,
              description: `Ids with commas between, up to ${MOST_FOLLOWED}. Default: all.`,
            },
            current: { type: 'boolean', default: false, description: 'Begin with the newest values, then `current`.' },
          },
          answers: 'A stream of server-sent events.',
          events: true,
        },
        ({ view }, { query, headers }) => {
          const cities = this.#followed(query.cities as string | undefined)
          const lastEventId = headers['last-event-id'] as string | undefined
          view.live.requireRoom()
          return new EventsAnswer(stream =>
            view.live.add(stream, { cities, current: query.current === true, lastEventId }),
          )
        },
      ),
      {
        method: 'GET',
        path: '/weather/export',
        tag: 'weather',
        summary: 'Stored forecasts as a file',
        description: 'By time and city. A file that ends before its end is an answer that was broken off.',
        query: exportQuery,
        answers: 'CSV, or Parquet.',
        streams: true,
        handle: ({ query }, running) => {
          // So that it ends when the application stops.
          this.attach(running)
          return this.#exports.answer(query)
        },
      },
    ]
  }

  /** @throws AldebaranError BUSY: what was there at the start is still being read */
  #readyParts(running: Running): Parts {
    const parts = this.#partsOf(running)
    if (parts.view.isReady) return parts
    throw new AldebaranError('BUSY', 'the forecasts of late are still being read')
  }

  async #heatIndex(answers: Answers, city: number, range: WindowRange): Promise<unknown> {
    const { history } = this.#settings
    const { values, complete } = answers.heatIndex(city, range)
    if (history === undefined || complete) return answers.heatIndexReady(city, range, values)
    const { id } = this.directory.cities[city]!
    const older = await history(id, range.from, range.to, range.limit)
    // What is held came later than what was stored.
    const byStart = new Map([...older, ...values].map(value => [value.windowStart, value]))
    const all = [...byStart.values()].sort((a, b) => b.windowStart - a.windowStart).slice(0, range.limit)
    return new RouteAnswer(200, answers.heatIndexText(city, range.limit, all), {
      'content-type': 'application/json; charset=utf-8',
      'cache-control': `private, max-age=${Math.floor(this.#maxAge / SECOND_MS)}`,
    })
  }

  #requireAfter(id: string): number {
    const number = this.directory.numberOf(id)
    if (number !== undefined) return number
    throw new AldebaranError('OPTION_INVALID', `after: there is no city ${id}`, { option: 'after' })
  }

  #followed(ids: string | undefined): ReadonlySet<number> | null {
    if (ids === undefined) return null
    const all = ids.split(',')
    if (all.length > MOST_FOLLOWED) {
      throw new AldebaranError('OPTION_INVALID', `cities: ${all.length} are more than ${MOST_FOLLOWED}`, {
        option: 'cities',
      })
    }
    return new Set(all.map(id => requireCity(this.directory, id)))
  }
}
