/**
 * Tells the tasks that read topics of keyBy how far the event time of their writer has come: a record without key and value
 * in each partition, behind everything that it sent before.
 */
import type { AnyTopic } from '../pipeline/topic.ts'
import { formatMark, MARK_HEADER } from '../time/input-time.ts'
import type { Outputs } from './outputs.ts'

/** Between two marks at least: readers wait so much longer for the end of a window. ms */
const INTERVAL_MS = 100
/** The same while there is nothing to read, and as a share of how long that has been so. */
const IDLE_INTERVAL_MS = 1000
const IDLE_SHARE = 1 / 20

export class WatermarkRelay {
  readonly #topics: readonly AnyTopic[]
  readonly #partition: number
  readonly #outputs: Outputs
  #told = { watermark: Number.NEGATIVE_INFINITY, isIdle: false }
  /** Wall clock, ms. */
  #toldAt = Number.NEGATIVE_INFINITY
  #idleSince = Number.NaN

  constructor(topics: readonly AnyTopic[], partition: number, outputs: Outputs) {
    this.#topics = topics
    this.#partition = partition
    this.#outputs = outputs
  }

  /** When the next mark may be sent, wall clock, ms; Infinity: there is nobody to tell. */
  dueAt(isIdle: boolean, now: number): number {
    if (this.#topics.length === 0) return Number.POSITIVE_INFINITY
    if (isIdle !== this.#told.isIdle || this.#toldAt > now) return now
    if (!isIdle) return this.#toldAt + INTERVAL_MS
    return this.#toldAt + Math.max(IDLE_INTERVAL_MS, (now - this.#idleSince) * IDLE_SHARE)
  }

  /** Sends marks if something has changed and it is time. Between savepoints: they are not undone. */
  tell(watermark: number, isIdle: boolean, now: number): boolean {
    if (!this.hasNews(watermark, isIdle) || this.dueAt(isIdle, now) > now) return false
    if (isIdle && !this.#told.isIdle) this.#idleSince = now
    this.#told = { watermark, isIdle }
    this.#toldAt = now
    const headers = [{ key: MARK_HEADER, value: Buffer.from(formatMark(this.#partition, this.#told), 'latin1') }]
    for (const topic of this.#topics) {
      for (let partition = 0; partition < topic.options.partitions; partition++) {
        this.#outputs.append(topic, partition, now, null, -1, -1, null, -1, -1, headers)
      }
    }
    this.#outputs.mark()
    return true
  }

  /** A change has not been told yet. */
  hasNews(watermark: number, isIdle: boolean): boolean {
    return watermark !== this.#told.watermark || isIdle !== this.#told.isIdle
  }
}
