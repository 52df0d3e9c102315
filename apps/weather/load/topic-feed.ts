/**
 * The records of a topic from a place on, as they come.
 *
 * 1. Each record is taken once, whether the stream or a page brings it: both are in the order of offsets, and what lies
 *    before the place of its partition was taken.
 */
import { setTimeout } from 'node:timers/promises'
import type { LoadApi, Positions } from './platform.ts'

export interface FeedRecord {
  partition: number
  offset: number
  key: unknown
  value: unknown
}

const PAGE = 1000
/** Until a stream that ended is opened again, ms. */
const AGAIN_MS = 250

export class TopicFeed {
  readonly #api: LoadApi
  readonly #path: string
  /** The next offset of each partition. */
  readonly #places: Positions
  readonly #take: (record: FeedRecord) => void

  constructor(api: LoadApi, topic: string, places: Positions, take: (record: FeedRecord) => void) {
    this.#api = api
    this.#path = `/topics/${topic}`
    this.#places = new Map(places)
    this.#take = take
  }

  /** Takes what comes until the signal, which is that of the API too, and goes on when the server was away. */
  async follow(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        for await (const { event, data } of this.#api.events(`${this.#path}/tail`, { from: this.#from })) {
          if (event === 'record') this.#see(JSON.parse(data) as FeedRecord)
        }
      } catch {
        // It is away, or stops: what it has by then is read when it is back, or `catchUp` tells.
      }
      await setTimeout(AGAIN_MS, undefined, { signal }).catch(() => {})
    }
  }

  /** Takes all there is now. */
  async catchUp(): Promise<void> {
    for (let from = this.#from, complete = false; !complete; ) {
      const page = await this.#api.get<{ records: FeedRecord[]; next: string; complete: boolean }>(
        `${this.#path}/records`,
        { from, limit: PAGE },
      )
      for (const record of page.records) this.#see(record)
      from = page.next
      complete = page.complete
    }
  }

  get #from(): string {
    return [...this.#places].map(([partition, offset]) => `${partition}:${offset}`).join(',')
  }

  #see(record: FeedRecord): void {
    if (record.offset < (this.#places.get(record.partition) ?? 0)) return
    this.#places.set(record.partition, record.offset + 1)
    this.#take(record)
  }
}
