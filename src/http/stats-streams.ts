import type { EventStream } from './event-stream.ts'
import type { StatsTaker } from './stats.ts'
import type { Stats } from './stats-shape.ts'

const INTERVAL_MS = 1000

/** The stats of each second, worked out once and sent to all who look. */
export class StatsStreams {
  readonly #taker: StatsTaker
  readonly #streams = new Set<EventStream>()
  readonly #timer: NodeJS.Timeout
  #latest: Stats

  constructor(taker: StatsTaker) {
    this.#taker = taker
    this.#latest = taker.take()
    this.#timer = setInterval(() => this.#tick(), INTERVAL_MS)
    this.#timer.unref()
  }

  /** At most a second old. */
  get latest(): Stats {
    return this.#latest
  }

  /** A slow client misses seconds, and is sent none late. */
  add(stream: EventStream): void {
    this.#streams.add(stream)
    stream.onClose(() => this.#streams.delete(stream))
    stream.send('stats', this.#latest)
  }

  close(): void {
    clearInterval(this.#timer)
    this.#taker.stop()
    for (const stream of [...this.#streams]) stream.close('the server stops')
  }

  #tick(): void {
    try {
      this.#latest = this.#taker.take()
    } catch {
      // The log is being closed; what was seen last stays.
      return
    }
    if (this.#streams.size === 0) return
    const json = JSON.stringify(this.#latest)
    for (const stream of this.#streams) if (stream.ready) stream.sendText('stats', json)
  }
}
