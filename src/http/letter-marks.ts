/**
 * What became of dead letters: a compacted topic of the log, `APPLICATION.dead-letters.marks`. Key is the offset of the
 * letter, 8 bytes big-endian; value the mark as JSON, null when the letter is no more. A letter without a mark is open.
 */
import type { Append, Log, PartitionInfo } from '../log/contract.ts'
import { BatchCursor } from '../record/batch-cursor.ts'
import { BatchRun } from '../runtime/outputs.ts'
import type { LetterState } from './dead-letter.ts'
import { pollSoon } from './poll-soon.ts'

export interface Mark {
  state: LetterState
  /** ms since 1970. */
  time: number
}

const POLL_BYTES = 256 * 1024

export class LetterMarks {
  readonly topic: string
  readonly #marks = new Map<number, Mark>()
  /** The table where marks were kept before there was the topic. */
  readonly #former: string
  #position = 0

  constructor(letters: string) {
    this.topic = `${letters}.marks`
    this.#former = letters
  }

  get(offset: number): Mark | null {
    return this.#marks.get(offset) ?? null
  }

  /** Of letters from `start` on. */
  count(start: number): number {
    let count = 0
    for (const offset of this.#marks.keys()) if (offset >= start) count++
    return count
  }

  /** Of letters before `start`. */
  before(start: number, limit: number): number[] {
    const found: number[] = []
    for (const offset of this.#marks.keys()) {
      if (found.length >= limit) break
      if (offset < start) found.push(offset)
    }
    return found
  }

  /** Before the first mark is written. */
  async create(log: Log): Promise<void> {
    if ((await this.#range(log)) !== undefined) return
    await log.createTopic(this.topic, { partitions: 1, compacted: true, internal: true })
    if (log.capabilities.tables) await this.#takeOver(log)
  }

  /** Reads what was written since the last time, by this process or another one. */
  async refresh(log: Log): Promise<void> {
    const range = await this.#range(log)
    if (range === undefined || (range.end <= this.#position && log.capabilities.denseOffsets)) return
    const reader = await log.openReader(this.topic, 0, Math.max(this.#position, range.start))
    const cursor = new BatchCursor()
    try {
      while (await pollSoon(reader, reader.end(), POLL_BYTES)) {
        cursor.reset(reader.chunk, 0, reader.size)
        while (cursor.nextBatch()) while (!cursor.isControl && cursor.next()) this.#take(cursor)
      }
      this.#position = reader.position
    } finally {
      reader.close()
    }
  }

  /** To be committed; `took` has to be called when it is. A null mark forgets the letter. */
  appends(marks: ReadonlyMap<number, Mark | null>, now: number): Append[] {
    const run = new BatchRun(this.topic, 0)
    for (const [offset, mark] of marks) {
      const key = keyOf(offset)
      const value = mark === null ? null : Buffer.from(JSON.stringify(mark))
      run.append(now, key, 0, key.length, value, value === null ? -1 : 0, value?.length ?? -1, [])
    }
    const appends: Append[] = []
    run.finishInto(appends)
    return appends
  }

  took(marks: ReadonlyMap<number, Mark | null>): void {
    for (const [offset, mark] of marks) this.#set(offset, mark)
  }

  async #range(log: Log): Promise<PartitionInfo | undefined> {
    return (await log.partitionsOf([this.topic])).get(this.topic)?.[0]
  }

  #take(cursor: BatchCursor): void {
    const { bytes, keyStart, valueStart, valueEnd } = cursor
    const mark = valueStart < 0 ? null : (JSON.parse(bytes.toString('utf8', valueStart, valueEnd)) as Mark)
    this.#set(Number(bytes.readBigUInt64BE(keyStart)), mark)
  }

  #set(offset: number, mark: Mark | null): void {
    if (mark === null) this.#marks.delete(offset)
    else this.#marks.set(offset, mark)
  }

  async #takeOver(log: Log): Promise<void> {
    const marks = new Map<number, Mark>()
    for (const [key, value] of log.tableRange(this.#former)) {
      marks.set(Number(key.readBigUInt64BE()), JSON.parse(value.toString('utf8')) as Mark)
    }
    if (marks.size > 0) await log.commit({ appends: this.appends(marks, Date.now()) })
  }
}

function keyOf(offset: number): Buffer {
  const key = Buffer.alloc(8)
  key.writeBigUInt64BE(BigInt(offset))
  return key
}
