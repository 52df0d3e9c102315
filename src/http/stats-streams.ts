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
  #taking = false

  constructor(taker: StatsTaker, first: Stats) {
    this.#taker = taker
    this.#latest = first
    this.#timer = setInterval(() => void this.#tick(), INTERVAL_MS)
    this.#timer.unref()
  }

  /** A second old, or as old as the last time that the log could be asked. */
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

  async #tick(): Promise<void> {
    if (this.#taking) return
    this.#taking = true
    try {
      this.#latest = await this.#taker.take()
    } catch {
      // The log is being closed, or cannot be asked now; what was seen last stays.
      return
    } finally {
      this.#taking = false
    }
    if (this.#streams.size === 0) return
    const json = JSON.stringify(this.#latest)
    for (const stream of this.#streams) if (stream.ready) stream.sendText('stats', json)
  }
}
