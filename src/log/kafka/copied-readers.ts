/** The readers of a client that read changelogs of which this node keeps copies. */
import type { GroupUnit } from '../group.ts'
import type { ChangelogCopy, CopyFollower, KnownRange } from './changelog-copy.ts'
import { CopyFeed } from './copy-feed.ts'
import type { CopyStore } from './copy-store.ts'
import type { FetchedPartition } from './fetched-partition.ts'
import type { Fetcher } from './fetcher.ts'

interface CopiedReader {
  readonly copy: ChangelogCopy
  readonly follower: CopyFollower
  feed: CopyFeed | null
}

export class CopiedReaders {
  readonly #store: CopyStore
  readonly #fetcher: Fetcher
  readonly #isTransactional: boolean
  readonly #onData: () => void
  readonly #readers = new Map<FetchedPartition, CopiedReader>()

  /** `onData` is called when a ring has something new. */
  constructor(store: CopyStore, fetcher: Fetcher, isTransactional: boolean, onData: () => void) {
    this.#store = store
    this.#fetcher = fetcher
    this.#isTransactional = isTransactional
    this.#onData = onData
  }

  /** Begins to read; false: there is no copy of this partition, and none shall be. */
  async begin(partition: FetchedPartition, range: KnownRange): Promise<boolean> {
    const copy = await this.#store.open(partition.topic, partition.partition)
    if (copy === null) return false
    const reader: CopiedReader = { copy, follower: copy.follow(this, partition.position, range), feed: null }
    this.#readers.set(partition, reader)
    partition.tap = (bytes, runs, from, next, start) => {
      copy.trim(start)
      copy.fetched(bytes, runs, from, next)
    }
    const { topic, partition: number, position: from } = partition
    if (!copy.covers(from)) {
      this.#fetcher.add(partition)
      return true
    }
    const feed = new CopyFeed(copy, partition, this.#onData, () => {
      reader.feed = null
      const { position } = partition
      partition.atEnd = position >= range.end
      const details = { topic, partition: number, from, to: position, end: range.written }
      this.#store.report('info', 'a changelog was read from its copy; the rest comes from Kafka', details)
      this.#fetcher.add(partition)
    })
    reader.feed = feed
    feed.run()
    return true
  }

  leave(partition: FetchedPartition): void {
    const reader = this.#readers.get(partition)
    if (reader === undefined) return
    this.#readers.delete(partition)
    reader.feed?.stop()
    reader.copy.leave(reader.follower, partition.position)
  }

  /** Readers may have made room. */
  run(): void {
    for (const { feed } of this.#readers.values()) feed?.run()
  }

  /** A unit of the client has its outcome. */
  answered(unit: GroupUnit): void {
    this.#store.answered(this, unit, this.#isTransactional)
  }

  close(): void {
    for (const partition of [...this.#readers.keys()]) this.leave(partition)
  }
}
