/** The weather API over a topic of forecasts, which the tests write to. */
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { type ClientRequest, type IncomingMessage, request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { embedded, type LogLocation, Producer, type Running, run } from 'aldebaran'
import type { Forecast } from '../../schemas.ts'
import type { LatestForecasts } from '../latest-forecasts.ts'
import { WeatherApi, type WeatherApiSettings } from '../routes.ts'
import { app, forecasts } from './application.ts'

export const MINUTE = 60_000
/** The start of a minute. */
export const NOON = Date.UTC(2024, 6, 1, 12)

export interface Answer {
  status: number
  headers: Headers
  // biome-ignore lint/suspicious/noExplicitAny: answers of many shapes, which the tests look into
  body: any
}

export interface SiteSettings extends WeatherApiSettings {
  tokens?: readonly string[]
  log?: LogLocation
}

export class WeatherSite {
  readonly #folder: string
  readonly #settings: SiteSettings
  running: Running
  view: LatestForecasts
  #producer: Producer

  private constructor(folder: string, settings: SiteSettings, running: Running, view: LatestForecasts) {
    this.#folder = folder
    this.#settings = settings
    this.running = running
    this.view = view
    this.#producer = new Producer(running.log)
  }

  static async open(settings: SiteSettings = {}): Promise<WeatherSite> {
    const folder = await mkdtemp(join(tmpdir(), 'aldebaran-weather-api-'))
    return new WeatherSite(folder, settings, ...(await begin(folder, settings)))
  }

  async restart(): Promise<void> {
    await this.running.stop()
    ;[this.running, this.view] = await begin(this.#folder, this.#settings)
    this.#producer = new Producer(this.running.log)
  }

  async close(): Promise<void> {
    await this.running.stop()
    await rm(this.#folder, { recursive: true })
  }

  async get(path: string, headers: Record<string, string> = {}): Promise<Answer> {
    const response = await fetch(`${this.running.url}/weather/${path}`, { headers })
    const text = await response.text()
    return { status: response.status, headers: response.headers, body: text === '' ? undefined : JSON.parse(text) }
  }

  /** Writes forecasts, without waiting for anyone to see them. */
  async write(...values: Partial<Forecast>[]): Promise<void> {
    for (const value of values) {
      const whole = forecast(value)
      this.#producer.send(forecasts, whole.city, whole, { timestamp: whole.windowEnd })
    }
    await this.#producer.flush()
  }

  /** Writes forecasts, and waits until the stream of changes has shown all of them. */
  async show(...values: Partial<Forecast>[]): Promise<void> {
    const cities = new Set(values.map(({ city = LONDON }) => city))
    const events = await this.follow(`live?cities=${[...cities].join()}`)
    await events.next('begin')
    await this.write(...values)
    for (const _ of values) await events.next('forecast')
    events.close()
  }

  async follow(path: string, headers: Record<string, string> = {}): Promise<Events> {
    const client = request(`${this.running.url}/weather/${path}`, { headers, agent: false })
    client.end()
    const [response] = (await once(client, 'response')) as [IncomingMessage]
    return new Events(client, response)
  }
}

export interface Event {
  event: string
  id: string | undefined
  // biome-ignore lint/suspicious/noExplicitAny: data of many shapes
  data: any
}

/** A client of the stream. What it was sent and has not asked for yet waits in the socket. */
export class Events {
  readonly status: number
  readonly response: IncomingMessage
  readonly #client: ClientRequest
  readonly #pieces: AsyncIterator<Buffer>
  #text = ''

  constructor(client: ClientRequest, response: IncomingMessage) {
    this.#client = client
    this.response = response
    this.status = response.statusCode!
    this.#pieces = response[Symbol.asyncIterator]()
  }

  /** The next event of that name; without one the next of any. */
  async next(name?: string): Promise<Event> {
    for (;;) {
      const end = this.#text.indexOf('\n\n')
      if (end < 0) {
        const { value, done } = await this.#pieces.next()
        if (done) throw new Error(`the stream ended before ${name}: ${this.#text}`)
        this.#text += value.toString()
        continue
      }
      const fields = new Map(
        this.#text
          .slice(0, end)
          .split('\n')
          .map(line => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 2)] as const),
      )
      this.#text = this.#text.slice(end + 2)
      const event = fields.get('event')
      if (event === undefined || (name !== undefined && event !== name)) continue
      return { event, id: fields.get('id'), data: JSON.parse(fields.get('data')!) }
    }
  }

  close(): void {
    this.#client.destroy()
  }
}

export const LONDON = '2643743'
export const TOKYO = '1850147'
export const DELHI = '1273294'

export function forecast(value: Partial<Forecast>): Forecast {
  const windowStart = value.windowStart ?? NOON
  return {
    city: LONDON,
    windowStart,
    windowEnd: windowStart + MINUTE,
    heatIndex: 81.5,
    rollingHeatIndex: 80.25,
    temperature: 79.1,
    humidity: 60.5,
    readings: 4,
    timing: 'onTime',
    ...value,
  }
}

async function begin(
  folder: string,
  { tokens = [], log, ...settings }: SiteSettings,
): Promise<[Running, LatestForecasts]> {
  const api = new WeatherApi({ forecasts, windowMs: MINUTE }, settings)
  const running = await run(app, {
    log: log ?? embedded(join(folder, 'log'), { durability: 'process' }),
    http: { port: 0, tokens, console: false, routes: api.routes },
    entry: new URL('./application.ts', import.meta.url),
    signals: false,
    report: () => {},
  })
  const view = api.attach(running)
  await view.ready
  return [running, view]
}
