/** Gives a reader the batches of a copy, as its ring has room, up to the end of the files; the rest comes from Kafka. */
import { batchLength, lastOffsetOf } from '../../record/batch-header.ts'
import type { ChangelogCopy } from './changelog-copy.ts'
import { type Segment, SegmentReader } from './copy-segment.ts'
import type { FetchedPartition } from './fetched-partition.ts'

export class CopyFeed {
  readonly #copy: ChangelogCopy
  readonly #partition: FetchedPartition
  readonly #onData: () => void
  readonly #onEnd: () => void
  #reader: SegmentReader | null = null
  #isBusy = false
  #ended = false

  /** `onData`: the ring has something new. `onEnd`: `partition` goes on where it is, from Kafka. */
  constructor(copy: ChangelogCopy, partition: FetchedPartition, onData: () => void, onEnd: () => void) {
    this.#copy = copy
    this.#partition = partition
    this.#onData = onData
    this.#onEnd = onEnd
  }

  /** Goes on if there is room. */
  run(): void {
    if (this.#isBusy || this.#ended || !this.#hasRoom()) return
    this.#isBusy = true
    this.#feed()
      // What cannot be read here is read from Kafka.
      .catch(() => false)
      .then(hasMore => {
        this.#isBusy = false
        if (!hasMore) this.#end()
        // Room that was made meanwhile may have been told already.
        else this.run()
      })
  }

  /** The reader is gone. */
  stop(): void {
    this.#ended = true
    if (!this.#isBusy) this.#close()
  }

  #end(): void {
    const wasStopped = this.#ended
    this.#ended = true
    this.#close()
    if (!wasStopped) this.#onEnd()
  }

  #close(): void {
    void this.#reader?.close()
    this.#reader = null
  }

  /** What waits in front of the ring is moved on first. */
  #hasRoom(): boolean {
    if (this.#partition.flush()) this.#onData()
    return this.#partition.wanted > 0
  }

  /** Feeds while there is room; false: that was all. */
  async #feed(): Promise<boolean> {
    while (!this.#ended && this.#hasRoom()) {
      const reader = await this.#readerNow()
      if (reader === null) return false
      if (!(await reader.read())) {
        if (await this.#isOver(reader)) return false
        continue
      }
      if (this.#ended) return false
      this.#give(reader)
    }
    return !this.#ended
  }

  /** Without the batches before the position: the first ones of the first segment. */
  #give({ piece, next }: SegmentReader): void {
    let at = 0
    while (at < piece.length && lastOffsetOf(piece, at) < this.#partition.position) at += batchLength(piece, at)
    if (at === piece.length) return
    this.#partition.feed(piece.subarray(at), next)
    this.#onData()
  }

  async #readerNow(): Promise<SegmentReader | null> {
    if (this.#reader !== null) return this.#reader
    const segment = this.#copy.files.segmentOf(this.#partition.position)
    if (segment !== undefined) this.#reader = await SegmentReader.open(segment)
    return this.#reader
  }

  /** The segment gives nothing more: true when no other follows, or what follows is not what should. */
  async #isOver(reader: SegmentReader): Promise<boolean> {
    const { segment, at, next, isDamaged } = reader
    const following: Segment | undefined = this.#copy.files.segmentAfter(segment)
    if (isDamaged || (following !== undefined && following.base !== next)) {
      this.#copy.cut(segment, at, next)
      return true
    }
    if (following === undefined || !this.#copy.files.has(segment)) return true
    await reader.close()
    this.#reader = await SegmentReader.open(following)
    return false
  }
}
