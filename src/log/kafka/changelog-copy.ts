/**
 * A copy of one partition of a changelog on this machine, so that a restart reads from Kafka only what is not in it.
 *
 * Words: the copy begins at `start` and ends at `end`. It *extends* when batches are appended and `end` moves.
 *
 * Invariants
 * 1. The copy has every committed batch between its start and its end, and nothing else. What lies between two batches
 *    is no record: markers, and what was aborted.
 * 2. What was fetched from an offset up to another is everything that is committed there. So it extends the copy when
 *    it begins at its end or before; the batches that are in the copy already are passed over.
 * 3. A batch written here extends the copy when its base offset is the end, or when the end is known to lead up to it:
 *    its client is the *writer*, and nobody else commits in between. The writer is the client that read the partition
 *    up to the end of the copy and stopped reading, or wrote the last batch in it: whoever takes the task over reads
 *    again first, and units of a client that lost it fail (`fencing`). Without transactions a batch is there although its
 *    unit fails: then only the base offset counts.
 * 4. A batch that was committed and did not extend the copy ends the writer, and whoever reads the partition just then
 *    does not become it. So the copy ends before that batch, until a reader comes by its end, or the changelog is trimmed
 *    past the end and the copy begins anew.
 * 5. A copy is only a copy: whatever goes wrong with it, it is given up, and Kafka is read.
 */
import { baseOffsetOf, batchLength, lastOffsetOf, recordCountOf } from '../../record/batch-header.ts'
import type { CopyFiles } from './copy-files.ts'
import type { Segment } from './copy-segment.ts'

/** A client that reads and writes; only told from others. */
export type CopyClient = object

/** One who reads the partition, from Kafka or from the copy. */
export interface CopyFollower {
  readonly client: CopyClient
  /** A batch was committed meanwhile that the copy does not have. */
  hasMissed: boolean
}

/** What is known of the partition on Kafka. */
export interface KnownRange {
  readonly start: number
  /** The end of what is known to be committed. */
  readonly end: number
  /** The end of everything that was written, committed or not. */
  readonly written: number
}

export class ChangelogCopy {
  readonly files: CopyFiles
  #end: number
  #writer: CopyClient | null = null
  #trimmed = 0
  readonly #followers = new Set<CopyFollower>()

  constructor(files: CopyFiles) {
    this.files = files
    this.#end = files.end ?? -1
  }

  /** The offset after what it has; −1: it has not begun. */
  get end(): number {
    return this.#end
  }

  /** Whether it can be read from an offset on, instead of Kafka. */
  covers(offset: number): boolean {
    const { start } = this.files
    return start !== null && start <= offset && offset < this.#end
  }

  /** Somebody begins to read from an offset on. A copy that cannot be continued, or is not of this log, begins anew. */
  follow(client: CopyClient, from: number, { start, written }: Pick<KnownRange, 'start' | 'written'>): CopyFollower {
    this.#writer = null
    if (this.#end < start || this.#end > written) this.#begin(from)
    this.trim(start)
    const follower = { client, hasMissed: false }
    this.#followers.add(follower)
    return follower
  }

  /** A reader got everything that is committed from `from` up to `next`: the batches of the runs, and nothing more. */
  fetched(bytes: Buffer, runs: readonly { start: number; end: number }[], from: number, next: number): void {
    // Nothing in it is wanted any more.
    if (from > this.#end && this.#end < this.#trimmed) this.#begin(from)
    if (from > this.#end || next <= this.#end) return
    for (const run of runs) {
      for (let at = run.start; at < run.end; ) {
        const end = at + batchLength(bytes, at)
        const base = baseOffsetOf(bytes, at)
        if (lastOffsetOf(bytes, at) >= this.#end) {
          // No batch lies across the end but the first one, where the changelog was trimmed in the middle of it.
          if (base < this.#end && !this.files.isEmpty) {
            this.#begin(next)
            return
          }
          this.files.append(bytes, at, end, base)
        }
        at = end
      }
    }
    this.#end = next
  }

  /** A reader is gone that had got everything before `position`. */
  leave(follower: CopyFollower, position: number): void {
    this.#followers.delete(follower)
    if (!follower.hasMissed && position <= this.#end) this.#writer = follower.client
  }

  /** A batch was committed by a client. `offset` −1: nobody knows where. */
  wrote(client: CopyClient, batch: Uint8Array, offset: number, isTransactional: boolean): void {
    const next = offset + recordCountOf(batch, 0)
    if (offset >= 0 && next <= this.#end) this.#writer = client
    else if (offset >= 0 && this.#leadsTo(offset, client, isTransactional)) this.#extend(client, batch, offset, next)
    else if (offset >= this.#end && this.#end < this.#trimmed) {
      this.#begin(offset)
      this.#extend(client, batch, offset, next)
    } else this.#miss()
  }

  /** A unit of a client failed: whether its batches were committed is not known here. */
  failed(): void {
    this.#miss()
  }

  /** Records before the offset are gone. */
  trim(before: number): void {
    this.#trimmed = Math.max(this.#trimmed, before)
    this.files.trim(this.#trimmed)
  }

  /** What follows the first `bytes` of a segment is damaged; `next` is the offset there. */
  cut(segment: Segment, bytes: number, next: number): void {
    if (!this.files.has(segment)) return
    this.files.cut(segment, bytes, next)
    this.#end = next
    this.#writer = null
  }

  #leadsTo(offset: number, client: CopyClient, isTransactional: boolean): boolean {
    return offset === this.#end || (isTransactional && offset > this.#end && this.#writer === client)
  }

  #extend(client: CopyClient, batch: Uint8Array, offset: number, next: number): void {
    this.files.append(batch, 0, batch.length, offset)
    this.#end = next
    this.#writer = client
  }

  #begin(offset: number): void {
    this.files.reset(offset)
    this.#end = offset
    this.#writer = null
  }

  #miss(): void {
    this.#writer = null
    for (const follower of this.#followers) follower.hasMissed = true
  }
}
