/** One partition that a client reads, as the network thread sees it: where to fetch next, and the ring it goes to. */
import type { AldebaranError } from '../../errors.ts'
import { batchLength, lastOffsetOf } from '../../record/batch-header.ts'
import { type CommittedRuns, committedRuns } from './committed.ts'
import { BATCHES, FAILED, PART, RingWriter } from './ring.ts'
import type { FetchedPartition as Answer } from './wire/data-messages.ts'

/** Least room in the ring to fetch more. */
const LEAST_ROOM = 64 * 1024
/** A part smaller than this is not worth a frame. */
const LEAST_PART = 4096
/** Batches go into the ring in pieces of this size, or one by one when they are larger. */
const PIECE_BYTES = 128 * 1024

const NOTHING = Buffer.alloc(0)

/** What was committed from the offset `from` up to `next`: the batches of the runs. `start`: the oldest offset there is. */
export type Tap = (bytes: Buffer, runs: CommittedRuns['runs'], from: number, next: number, start: number) => void

interface Run {
  readonly kind: number
  /** Whole batches, or an error. */
  readonly bytes: Buffer
  start: number
  readonly end: number
  /** The offset after it. */
  readonly next: number
}

export class FetchedPartition {
  readonly topic: string
  readonly partition: number
  /** The next offset to fetch. */
  position: number
  /** Nothing was left to fetch when it was last asked for. */
  atEnd = false
  failed = false
  /** Not asked for again before this time, monotonic ms: the last try met an error. */
  notBefore = 0
  tries = 0
  /** Hears of everything that is fetched, before the reader does. */
  tap: Tap | null = null
  readonly #ring: RingWriter
  /** What the ring had no room for, the oldest first. */
  #backlog: Run[] = []

  constructor(topic: string, partition: number, position: number, ring: SharedArrayBuffer) {
    this.topic = topic
    this.partition = partition
    this.position = position
    this.#ring = new RingWriter(ring)
  }

  setRange(start: number, end: number): void {
    this.#ring.setRange(start, end)
  }

  /** Bytes to ask for; 0: the ring has no room now. */
  get wanted(): number {
    if (this.failed) return 0
    this.flush()
    const { room } = this.#ring
    if (this.#backlog.length > 0 || room < LEAST_ROOM) {
      this.#ring.pause()
      // The reader may have taken something before it could see that.
      if (this.#backlog.length > 0 || this.#ring.room < LEAST_ROOM) return 0
    }
    return this.#ring.room
  }

  /** Takes what a broker answered. Its bytes are used during the call only. True: the reader has something new. */
  take(answer: Answer): boolean {
    this.tries = 0
    const bytes = answer.records as Buffer
    this.#ring.setRange(Math.max(0, answer.logStartOffset), Math.max(0, answer.lastStableOffset))
    const { runs, next } = committedRuns(bytes, answer.aborted, this.position)
    this.atEnd = next >= answer.lastStableOffset
    if (next === this.position) return false
    this.tap?.(bytes, runs, this.position, next, Math.max(0, answer.logStartOffset))
    let done = this.position
    this.position = next
    for (const run of runs) {
      for (let start = run.start; start < run.end; ) {
        const end = cutBatches(bytes, start, run.end)
        done = lastOffsetOf(bytes, lastBatch) + 1
        this.#add({ kind: BATCHES, bytes, start, end, next: done })
        start = end
      }
    }
    if (done < next) this.#add({ kind: BATCHES, bytes: NOTHING, start: 0, end: 0, next })
    return true
  }

  /** Batches kept on this machine, in front of what is fetched. `next`: the offset after them. */
  feed(bytes: Buffer, next: number): void {
    this.position = next
    this.#add({ kind: BATCHES, bytes, start: 0, end: bytes.length, next })
  }

  fail(error: AldebaranError): void {
    this.failed = true
    const bytes = Buffer.from(JSON.stringify({ code: error.code, message: error.message }))
    this.#add({ kind: FAILED, bytes, start: 0, end: bytes.length, next: this.position })
  }

  /** Moves on what the ring has room for now. True: it moved something. */
  flush(): boolean {
    const before = this.#backlog.length
    while (this.#backlog.length > 0 && this.#write(this.#backlog[0]!)) this.#backlog.shift()
    return this.#backlog.length < before
  }

  #add(run: Run): void {
    if (this.#backlog.length === 0 && this.#write(run)) return
    // The bytes belong to the answer: keep a copy of what is left.
    const bytes = Buffer.from(run.bytes.subarray(run.start, run.end))
    this.#backlog.push({ ...run, bytes, start: 0, end: bytes.length })
  }

  /** Writes a run; false: not all of it, and the rest begins at its `start`. */
  #write(run: Run): boolean {
    const { kind, bytes, next } = run
    const { room } = this.#ring
    if (run.end - run.start <= room) {
      this.#ring.write(kind, next, bytes, run.start, run.end)
      return true
    }
    if (kind === BATCHES && room >= LEAST_PART) {
      this.#ring.write(PART, next, bytes, run.start, run.start + room)
      run.start += room
    }
    return false
  }
}

/** Where the last batch of the piece that `cutBatches` found begins. */
let lastBatch = 0

/** The end of the whole batches from `start` on that make a piece of moderate size: one at least. */
function cutBatches(bytes: Buffer, start: number, end: number): number {
  let at = start
  do {
    lastBatch = at
    at += batchLength(bytes, at)
  } while (at < end && at + batchLength(bytes, at) - start <= PIECE_BYTES)
  return at
}
