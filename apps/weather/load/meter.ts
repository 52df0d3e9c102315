import { Histogram, type Quantiles } from './histogram.ts'

/** A second of a run. Counts are of this second. */
export interface Second {
  /** Since the start. */
  second: number
  /** Readings a second that were asked for. */
  rate: number
  sent: number
  accepted: number
  refused: number
  /** Due, and not sent at the end of the second. */
  behind: number
  /** Requests without an answer at the end of the second. */
  underWay: number
  /** From when a reading should have been sent until it was accepted, ms; null: none was. */
  ingestMs: Quantiles | null
  /** Of windows that have ended. */
  forecasts: number
  /** From the end of a window to its forecast, ms; null: there was none. */
  forecastMs: Quantiles | null
  /** Readings that the pipeline had not processed, the highest of the second; null: nobody told. */
  lag: number | null
  /** Share of the time that the sender itself was computing. */
  busy: number
}

/** Counts and times of a run, whole and by the second. */
export class Meter {
  sent = 0
  accepted = 0
  refused = 0
  /** Of the refused: it was not said whether they were taken. */
  inDoubt = 0
  /** Were due and never sent. */
  dropped = 0
  forecasts = 0
  readonly refusals: Record<string, number> = {}
  readonly seconds: Second[] = []
  readonly #ingest = { whole: new Histogram(), second: new Histogram() }
  readonly #forecast = { whole: new Histogram(), second: new Histogram() }
  #before = { sent: 0, accepted: 0, refused: 0, forecasts: 0 }
  #use = performance.eventLoopUtilization()
  readonly #useAtStart = this.#use

  accept(ms: number, count: number): void {
    this.accepted += count
    this.#ingest.whole.add(ms, count)
    this.#ingest.second.add(ms, count)
  }

  refuse(code: string, count: number): void {
    this.refused += count
    this.refusals[code] = (this.refusals[code] ?? 0) + count
  }

  /** `counts`: a window that ended while readings came. Without them it is the silence that ends it, and that takes time. */
  forecast(ms: number, counts: boolean): void {
    this.forecasts++
    if (!counts) return
    this.#forecast.whole.add(ms)
    this.#forecast.second.add(ms)
  }

  get ingestMs(): Quantiles | null {
    return this.#ingest.whole.quantiles()
  }

  get forecastMs(): Quantiles | null {
    return this.#forecast.whole.quantiles()
  }

  /** Since the start. */
  get busy(): number {
    return share(performance.eventLoopUtilization(performance.eventLoopUtilization(), this.#useAtStart).utilization)
  }

  endSecond(levels: Pick<Second, 'rate' | 'behind' | 'underWay' | 'lag'>): Second {
    const { sent, accepted, refused, forecasts } = this.#before
    const use = performance.eventLoopUtilization()
    const second: Second = {
      second: this.seconds.length + 1,
      ...levels,
      sent: this.sent - sent,
      accepted: this.accepted - accepted,
      refused: this.refused - refused,
      ingestMs: this.#ingest.second.quantiles(),
      forecasts: this.forecasts - forecasts,
      forecastMs: this.#forecast.second.quantiles(),
      busy: share(performance.eventLoopUtilization(use, this.#use).utilization),
    }
    this.#before = { sent: this.sent, accepted: this.accepted, refused: this.refused, forecasts: this.forecasts }
    this.#use = use
    this.#ingest.second.clear()
    this.#forecast.second.clear()
    this.seconds.push(second)
    return second
  }
}

function share(utilisation: number): number {
  return Number(utilisation.toFixed(3))
}
