import type { Log, PartitionInfo } from '../log/contract.ts'
import { batchLength, lastOffsetOf, recordCountOf } from '../record/batch-header.ts'
import { pollSoon } from './poll-soon.ts'

const POLL_BYTES = 1024 * 1024

/** How many records a partition has, also where its offsets have gaps: then the headers of its batches are read once. */
export class RecordCount {
  readonly #topic: string
  /** Batches by their last offset, the oldest first. */
  #batches: { last: number; records: number }[] = []
  #position = 0
  #turn: Promise<number> = Promise.resolve(0)

  constructor(topic: string) {
    this.#topic = topic
  }

  of(log: Log, { start, end }: PartitionInfo): Promise<number> {
    if (log.capabilities.denseOffsets) return Promise.resolve(end - start)
    const count = (): Promise<number> => this.#count(log, start, end)
    this.#turn = this.#turn.then(count, count)
    return this.#turn
  }

  async #count(log: Log, start: number, end: number): Promise<number> {
    if (this.#position < start) this.#batches = this.#batches.filter(({ last }) => last >= start)
    this.#position = Math.max(this.#position, start)
    if (this.#position < end) {
      const reader = await log.openReader(this.#topic, 0, this.#position)
      try {
        while (await pollSoon(reader, end, POLL_BYTES)) this.#take(reader.chunk, reader.size)
        this.#position = reader.position
      } finally {
        reader.close()
      }
    }
    return this.#batches.reduce((sum, { last, records }) => (last >= start ? sum + records : sum), 0)
  }

  #take(chunk: Buffer, size: number): void {
    for (let at = 0; at < size; at += batchLength(chunk, at)) {
      this.#batches.push({ last: lastOffsetOf(chunk, at), records: recordCountOf(chunk, at) })
      this.#position = lastOffsetOf(chunk, at) + 1
    }
  }
}
