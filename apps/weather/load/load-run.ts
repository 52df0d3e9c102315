/** A run of a load test: the sender, what is measured meanwhile, and the end, when everything that was sent is told of. */
import { setTimeout } from 'node:timers/promises'
import { CityDirectory } from '../cities.ts'
import { Account } from './account.ts'
import type { Quantiles } from './histogram.ts'
import { LagWatch } from './lag-watch.ts'
import { Meter, type Second } from './meter.ts'
import { findPlatform, type LoadApi } from './platform.ts'
import { Results } from './results.ts'
import { Sender } from './sender.ts'

export interface LoadSettings {
  /** The API of the platform, as long as the signal allows. */
  connect: (signal: AbortSignal) => LoadApi
  /** Ends the run early: what is known by then is reported. */
  signal: AbortSignal
  /** Default 15 000. */
  cities?: number
  /** Default 16. */
  connections?: number
  /** When nothing of the run was told for so long at its end, what is missing is lost, ms. Default 3 minutes. */
  settleMs?: number
  onSecond?: (second: Second) => void
}

/** What a run came to. */
export interface LoadReport {
  url: string
  /** Its cities are called `load-RUN-NUMBER`. */
  run: string
  cities: number
  /** While readings were sent. */
  seconds: number
  sent: number
  accepted: number
  refused: number
  /** Refused readings by the code of the error. */
  refusals: Readonly<Record<string, number>>
  /** Of the refused: it was not said whether they were taken. */
  inDoubt: number
  /** Were due, and found no connection free in time. */
  notSent: number
  acceptedPerSecond: number
  ingestMs: Quantiles | null
  forecasts: number
  /** From the end of a window to its forecast, ms, of those that came while readings were sent; null: none did. */
  forecastMs: Quantiles | null
  highestLag: number
  /** Readings in forecasts, in the topic of late readings, in dead letters. */
  told: number
  late: number
  deadLetters: number
  /** Acknowledged, and nothing tells of them; null: the run was interrupted before that could be known. */
  lost: number | null
  /** Acknowledged, and nothing told of them yet, of a run that was interrupted. */
  outstanding: number
  doubled: number
  /** From the last reading until everything was told, or nothing came any more. */
  settleSeconds: number
  /** Share of the time that the sender itself was computing. */
  busy: number
  interrupted: boolean
}

const SECOND_MS = 1000
const LOOK_MS = 250

export class LoadRun {
  readonly meter = new Meter()
  readonly lag: LagWatch
  readonly #settings: Required<Omit<LoadSettings, 'onSecond'>>
  readonly #api: LoadApi
  readonly #account: Account
  readonly #results: Results
  readonly #sender: Sender
  /** Aborted at the end of the run, and with the signal of the settings. */
  readonly #ended: AbortController
  readonly #loops: Promise<void>[]
  readonly #onSecond: (second: Second) => void
  /** Null before the first reading. */
  #clock: NodeJS.Timeout | null = null
  #begun = 0
  #sending = 0
  #busy = 0
  #settling = 0
  #isSending = true
  #isSettled = false
  #highestLag = 0

  private constructor(
    settings: Required<Omit<LoadSettings, 'onSecond'>>,
    api: LoadApi,
    ended: AbortController,
    account: Account,
    platform: Awaited<ReturnType<typeof findPlatform>>,
    onSecond: (second: Second) => void,
  ) {
    this.#settings = settings
    this.#api = api
    this.#ended = ended
    this.#account = account
    this.#results = new Results(api, account, platform, ms => this.meter.forecast(ms, this.#isSending))
    this.lag = new LagWatch(api, ended.signal)
    const { connections, cities } = settings
    const places = CityDirectory.load().cities.slice(0, cities)
    this.#sender = new Sender({ api, account, meter: this.meter, places, connections })
    this.#loops = [this.lag.run(), this.#results.follow(ended.signal)]
    this.#onSecond = onSecond
  }

  /** @throws AldebaranError APPLICATION_OTHER, and what the API throws */
  static async open(given: LoadSettings): Promise<LoadRun> {
    const { connect, signal, onSecond = () => {} } = given
    const { cities = 15_000, connections = 16, settleMs = 180_000 } = given
    const ended = new AbortController()
    const api = connect(AbortSignal.any([signal, ended.signal]))
    const platform = await findPlatform(api)
    const now = Date.now()
    const account = new Account(`load-${now.toString(36)}-`, cities, now)
    if (signal.aborted) ended.abort()
    else signal.addEventListener('abort', () => ended.abort(), { once: true })
    return new LoadRun({ connect, signal, cities, connections, settleMs }, api, ended, account, platform, onSecond)
  }

  get isOver(): boolean {
    return this.#ended.signal.aborted
  }

  /** Readings a second, from now on. */
  set rate(rate: number) {
    if (this.#clock === null) {
      this.#begun = performance.now()
      this.#clock = setInterval(() => this.#onSecond(this.#endSecond()), SECOND_MS)
    }
    this.#sender.rate = rate
  }

  /** Resolves after that time, or when the run is over. */
  async pause(ms: number): Promise<void> {
    await setTimeout(ms, undefined, { signal: this.#ended.signal }).catch(() => {})
  }

  /** Resolves when the requests that are under way are answered. */
  async answered(): Promise<void> {
    await this.#sender.answered()
  }

  /** Sends no more, and waits until all of it is told of, or nothing is told for `settleMs`. */
  async settle(): Promise<void> {
    this.#sending = performance.now() - this.#begun
    this.#busy = this.meter.busy
    await this.#sender.finish()
    this.#isSending = false
    const begun = performance.now()
    let lastNews = begun
    let news = -1
    let lowestLag = Number.POSITIVE_INFINITY
    while (!this.isOver) {
      await this.#results.catchUpElsewhere().catch(() => {})
      const lag = this.lag.askedAt > begun ? this.lag.lag : null
      if (lag === 0 && this.#account.isSettled && (await this.#isAllTold())) break
      if (this.#account.news !== news || (lag !== null && lag < lowestLag)) {
        news = this.#account.news
        lowestLag = Math.min(lowestLag, lag ?? lowestLag)
        lastNews = performance.now()
      }
      if (performance.now() - lastNews > this.#settings.settleMs) {
        await this.#results.catchUp().catch(() => {})
        break
      }
      await this.pause(LOOK_MS)
    }
    this.#isSettled = !this.isOver
    this.#settling = performance.now() - begun
  }

  report(): LoadReport {
    const { sent, accepted, refused, refusals, inDoubt, dropped, ingestMs, forecasts, forecastMs } = this.meter
    const { told, late, deadLetters, missing, doubled } = this.#account.outcome
    const interrupted = !this.#isSettled
    return {
      url: this.#api.url,
      run: this.#account.prefix.slice('load-'.length, -1),
      cities: this.#settings.cities,
      seconds: seconds(this.#sending),
      sent,
      accepted,
      refused,
      refusals,
      inDoubt,
      notSent: dropped,
      acceptedPerSecond: Math.round((accepted / this.#sending) * 1000),
      ingestMs,
      forecasts,
      forecastMs,
      highestLag: this.#highestLag,
      told,
      late,
      deadLetters,
      lost: interrupted ? null : missing,
      outstanding: interrupted ? missing : 0,
      doubled,
      settleSeconds: seconds(this.#settling),
      busy: this.#busy,
      interrupted,
    }
  }

  async close(): Promise<void> {
    if (this.#clock !== null) clearInterval(this.#clock)
    this.#ended.abort()
    await this.#sender.close()
    await Promise.all(this.#loops)
  }

  /** With what the stream of forecasts has not brought yet. */
  async #isAllTold(): Promise<boolean> {
    try {
      await this.#results.catchUp()
    } catch {
      return false
    }
    return this.#account.isSettled
  }

  #endSecond(): Second {
    const lag = this.lag.takeHighest()
    this.#highestLag = Math.max(this.#highestLag, lag)
    return this.meter.endSecond({
      rate: this.#sender.rate,
      behind: this.#sender.behind,
      underWay: this.#sender.requests,
      lag: this.lag.lag === null ? null : lag,
    })
  }
}

function seconds(ms: number): number {
  return Number((ms / 1000).toFixed(2))
}
