import type { Append } from '../log/contract.ts'
import type { RecordSink } from '../pipeline/outlet.ts'
import type { AnyTopic } from '../pipeline/topic.ts'
import { type BatchMark, BatchWriter } from '../record/batch-writer.ts'
import { type Header, headersSize } from '../record/headers.ts'

/** A batch is closed and the next one begun at this size. */
const BATCH_BYTES = 512 * 1024
/** Nothing is added to a batch that would pass this: a large record has a batch of its own, or nearly so. */
const MOST_BATCH_BYTES = 2 * BATCH_BYTES

/** Records for one partition, as a run of batches of bounded size. Buffers are kept and reused. */
export class BatchRun {
  readonly topic: string
  readonly partition: number
  /** Kept by the owner: it is in the owner's list of runs with records. */
  listed = false
  readonly #writers: BatchWriter[] = [new BatchWriter()]
  /** The open batch; those before it are full. */
  #current = 0
  #markedWriter = 0
  readonly #mark: BatchMark = { batch: 0, count: 0, bytes: 0, maxTimestamp: Number.NaN }

  constructor(topic: string, partition: number) {
    this.topic = topic
    this.partition = partition
    this.begin()
  }

  append(
    timestamp: number,
    key: Uint8Array | null,
    keyStart: number,
    keyEnd: number,
    value: Uint8Array | null,
    valueStart: number,
    valueEnd: number,
    headers?: readonly Header[] | null,
  ): void {
    let writer = this.#writers[this.#current]!
    let bytes = writer.bytes + (valueEnd - valueStart) + (keyEnd - keyStart)
    if (headers !== undefined && headers !== null) bytes += headersSize(headers)
    if (writer.bytes >= BATCH_BYTES || (bytes > MOST_BATCH_BYTES && writer.count > 0)) {
      this.#current++
      writer = this.#writers[this.#current] ?? new BatchWriter()
      this.#writers[this.#current] = writer
      writer.begin()
    }
    writer.append(timestamp, key, keyStart, keyEnd, value, valueStart, valueEnd, headers)
  }

  get bytes(): number {
    let sum = 0
    for (let i = 0; i <= this.#current; i++) sum += this.#writers[i]!.count === 0 ? 0 : this.#writers[i]!.bytes
    return sum
  }

  get count(): number {
    let sum = 0
    for (let i = 0; i <= this.#current; i++) sum += this.#writers[i]!.count
    return sum
  }

  mark(): void {
    this.#markedWriter = this.#current
    this.#writers[this.#current]!.mark(this.#mark)
  }

  rewind(): void {
    this.#current = this.#markedWriter
    this.#writers[this.#current]!.rewind(this.#mark)
  }

  /** Adds the finished batches to `appends`; they stay valid until `begin`. */
  finishInto(appends: Append[]): void {
    for (let i = 0; i <= this.#current; i++) {
      const writer = this.#writers[i]!
      if (writer.count > 0) appends.push({ topic: this.topic, partition: this.partition, batch: writer.finish() })
    }
  }

  begin(): void {
    this.#current = 0
    this.#writers[0]!.begin()
    this.mark()
  }
}

/** Everything the tasks of a worker have sent in the unit that is being filled. */
export class Outputs implements RecordSink {
  readonly #byTopic = new Map<AnyTopic, (BatchRun | undefined)[]>()
  /** Those with records, in the order they got their first. */
  readonly #used: BatchRun[] = []
  #markedUsed = 0

  append(
    topic: AnyTopic,
    partition: number,
    timestamp: number,
    key: Buffer | null,
    keyStart: number,
    keyEnd: number,
    value: Buffer | null,
    valueStart: number,
    valueEnd: number,
    headers: readonly Header[] | null,
  ): void {
    let runs = this.#byTopic.get(topic)
    if (runs === undefined) {
      runs = []
      this.#byTopic.set(topic, runs)
    }
    let run = runs[partition]
    if (run === undefined) {
      run = new BatchRun(topic.name, partition)
      runs[partition] = run
    }
    if (!run.listed) {
      run.listed = true
      this.#used.push(run)
    }
    run.append(timestamp, key, keyStart, keyEnd, value, valueStart, valueEnd, headers)
  }

  get bytes(): number {
    let sum = 0
    for (const run of this.#used) sum += run.bytes
    return sum
  }

  get count(): number {
    let sum = 0
    for (const run of this.#used) sum += run.count
    return sum
  }

  /** `rewind` goes back to the last mark. */
  mark(): void {
    this.#markedUsed = this.#used.length
    for (const run of this.#used) run.mark()
  }

  rewind(): void {
    for (let i = 0; i < this.#used.length; i++) {
      const run = this.#used[i]!
      if (i < this.#markedUsed) run.rewind()
      else unlist(run)
    }
    this.#used.length = this.#markedUsed
  }

  finishInto(appends: Append[]): void {
    for (const run of this.#used) run.finishInto(appends)
  }

  begin(): void {
    for (const run of this.#used) unlist(run)
    this.#used.length = 0
    this.#markedUsed = 0
  }
}

function unlist(run: BatchRun): void {
  run.begin()
  run.listed = false
}
