/**
 * Sends readings at a rate, whatever the answers.
 *
 * 1. The schedule does not wait for answers (open loop). What is due and finds every connection busy waits here, is told as
 *    `behind`, and its latency begins when it should have been sent (no coordinated omission).
 * 2. Reading number n is of city n % cities; its timestamp is when it was due.
 * 3. A request is taken as a whole or refused as a whole, and is not sent again.
 */
import { Pool } from 'undici'
import { TOPICS } from '../app.ts'
import type { City } from '../cities.ts'
import { simulatedReading } from '../simulated-weather.ts'
import type { Account } from './account.ts'
import type { Meter } from './meter.ts'
import type { LoadApi } from './platform.ts'

export interface SenderSettings {
  api: LoadApi
  account: Account
  meter: Meter
  /** The cities of the run are these again and again, under ids of their own. */
  places: readonly City[]
  connections: number
}

const TICK_MS = 20
const MOST_A_REQUEST = 5000
/** Errors of a request that went nowhere. */
const NO_CONNECTION: readonly string[] = ['ECONNREFUSED', 'ENOTFOUND', 'EHOSTUNREACH', 'UND_ERR_CONNECT_TIMEOUT']
/** Whoever does not answer for so long is given up, ms. */
const ANSWER_MS = 30_000

export class Sender {
  readonly #settings: SenderSettings
  readonly #pool: Pool
  readonly #path: string
  readonly #headers: Record<string, string>
  readonly #underWay = new Set<Promise<void>>()
  #timer: NodeJS.Timeout | null = null
  /** Number of the next reading. */
  #next = 0
  #rate = 0
  /** When the rate was set, by `performance.now()` and since 1970, and what was sent since. */
  #since = 0
  #sinceWall = 0
  #sent = 0

  constructor(settings: SenderSettings) {
    this.#settings = settings
    const url = new URL(`${settings.api.url}/topics/${TOPICS.readings}/records?atomic=true`)
    this.#path = url.pathname + url.search
    this.#headers = { ...settings.api.headers, 'content-type': 'application/x-ndjson' }
    const limits = { headersTimeout: ANSWER_MS, bodyTimeout: ANSWER_MS, connect: { timeout: ANSWER_MS } }
    this.#pool = new Pool(url.origin, { connections: settings.connections, pipelining: 1, ...limits })
  }

  /** From now on so many a second. What is behind by now is given up. */
  set rate(rate: number) {
    this.#pump()
    this.#settings.meter.dropped += this.behind
    this.#rate = rate
    this.#since = performance.now()
    this.#sinceWall = Date.now()
    this.#sent = 0
    this.#sleep()
  }

  get rate(): number {
    return this.#rate
  }

  /** Due, and not sent. */
  get behind(): number {
    return Math.max(0, this.#due() - this.#sent)
  }

  get requests(): number {
    return this.#underWay.size
  }

  /** Sends no more, and resolves when everything was answered. */
  async finish(): Promise<void> {
    this.rate = 0
    while (this.#underWay.size > 0) await this.answered()
  }

  /** Resolves when the requests that are under way are answered. */
  async answered(): Promise<void> {
    await Promise.all(this.#underWay)
  }

  async close(): Promise<void> {
    await this.finish()
    if (this.#timer !== null) clearTimeout(this.#timer)
    await this.#pool.close()
  }

  /** Of the ticks that have passed. */
  #due(): number {
    const ticks = Math.floor((performance.now() - this.#since) / TICK_MS)
    return Math.floor((ticks * TICK_MS * this.#rate) / 1000)
  }

  /** Until the next tick of the schedule. */
  #sleep(): void {
    if (this.#timer !== null) clearTimeout(this.#timer)
    const wait = TICK_MS - ((performance.now() - this.#since) % TICK_MS)
    this.#timer = setTimeout(() => {
      this.#pump()
      this.#sleep()
    }, Math.ceil(wait))
  }

  #pump(): void {
    for (let behind = this.behind; behind > 0 && this.#underWay.size < this.#settings.connections; ) {
      const count = Math.min(behind, MOST_A_REQUEST)
      behind -= count
      const request = this.#send(count).then(() => {
        this.#underWay.delete(request)
        // Those that found no connection free wait for this one.
        if (this.behind > 0) this.#pump()
      })
      this.#underWay.add(request)
    }
  }

  async #send(count: number): Promise<void> {
    const { account, meter } = this.#settings
    const first = this.#next
    const step = 1000 / this.#rate
    const dueAt = this.#since + Math.ceil(((this.#sent + 1) * step) / TICK_MS) * TICK_MS
    const timestamps = Float64Array.from({ length: count }, (_, i) =>
      Math.floor(this.#sinceWall + (this.#sent + i + 1) * step),
    )
    const body = this.#body(timestamps)
    this.#next += count
    this.#sent += count
    meter.sent += count
    const { status, code } = await this.#ask(body)
    if (code === null) {
      meter.accept(performance.now() - dueAt, count)
      account.acknowledge(first, timestamps)
      return
    }
    meter.refuse(code, count)
    if ((status >= 400 && status < 500) || NO_CONNECTION.includes(code)) return
    meter.inDoubt += count
    account.doubt(first, count)
  }

  #body(timestamps: Float64Array): string {
    const { account, places } = this.#settings
    let body = ''
    for (const [i, timestamp] of timestamps.entries()) {
      const city = (this.#next + i) % account.cities
      const number = city % places.length
      const { temperature, humidity } = simulatedReading(places[number]!, number, timestamp)
      body += `{"city":"${account.prefix}${city}","timestamp":${timestamp},"temperature":${temperature},"humidity":${humidity}}\n`
    }
    return body
  }

  /** `code` null: it was taken. `status` 0: nobody answered. */
  async #ask(body: string): Promise<{ status: number; code: string | null }> {
    try {
      const answer = await this.#pool.request({ method: 'POST', path: this.#path, headers: this.#headers, body })
      const json = (await answer.body.json()) as { error?: { code?: string } }
      if (answer.statusCode === 200) return { status: 200, code: null }
      return { status: answer.statusCode, code: json.error?.code ?? `HTTP_${answer.statusCode}` }
    } catch (error) {
      const code = typeof error === 'object' && error !== null && 'code' in error ? String(error.code) : 'NO_ANSWER'
      return { status: 0, code }
    }
  }
}
