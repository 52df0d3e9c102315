/**
 * The dead letters of an application, and what became of them.
 *
 *     open ─► replayed     appended to its topic again
 *       └───► purged       not wanted any more
 *
 * Invariants
 * 1. A letter is open until a mark says otherwise. Marks are a disk table, `APPLICATION.dead-letters`: key the offset,
 *    8 bytes big-endian.
 * 2. A mark is written in the commit that appends the record, and both changes to marks and the looks at them happen
 *    one after the other: so a letter is replayed once, however often and from how many clients it is asked for.
 * 3. `all` means the letters there were when it was asked for: those that a replay makes are left for the next time.
 */
import { setImmediate } from 'node:timers/promises'
import { AldebaranError } from '../errors.ts'
import type { Append, TableWrite } from '../log/contract.ts'
import { BatchCursor } from '../record/batch-cursor.ts'
import { BatchRun } from '../runtime/outputs.ts'
import type { Running } from '../runtime/start.ts'
import {
  type Letter,
  type LetterState,
  type LetterView,
  readLetter,
  viewLetter,
  whyNotReplayable,
} from './dead-letter.ts'
import type { SiteTopic } from './site-topic.ts'

export interface LetterFilter {
  code: string | undefined
  topic: string | undefined
  /** Undefined: any. */
  state: LetterState | undefined
}

export type Selection =
  | { offsets: readonly number[] }
  | { all: true; code: string | undefined; topic: string | undefined }

export interface ChangeAnswer {
  /** Letters that are replayed, or purged, now and were open before. */
  changed: number
  /** Were not open: nothing was done. */
  skipped: { offset: number; state: LetterState }[]
  failed: { offset: number; code: string; message: string }[]
}

interface Mark {
  state: LetterState
  time: number
}

const POLL_BYTES = 256 * 1024
/** Letters changed by one commit, and their bytes. */
const UNIT_LETTERS = 1000
const UNIT_BYTES = 4 * 1024 * 1024
const ANSWER_BYTES = 4 * 1024 * 1024
/** Letters looked at for one page of a list. */
const MOST_LOOKED_AT = 50_000
/** Skipped and failed letters told in one answer. */
const MOST_TOLD = 1000
/** Marks of letters that retention deleted, forgotten with one commit. */
const FORGOTTEN_AT_ONCE = 1000

/** Sits on a record that is replayed: which letter it comes from. */
export const REPLAY_OF = 'aldebaran.replay-of'

export class DeadLetterBox {
  readonly #running: Running
  readonly #topic: string
  readonly #marks: string
  readonly #sourceOf: (topic: string) => SiteTopic | null
  /** The change under way; the next one waits for it. */
  #turn: Promise<unknown> = Promise.resolve()
  /** Marks of letters from `#countedFrom` on; −1: to be counted. */
  #marked = -1
  #countedFrom = 0

  constructor(running: Running, sourceOf: (topic: string) => SiteTopic | null) {
    this.#running = running
    this.#topic = running.application.deadLetters.name
    this.#marks = `${running.application.name}.dead-letters`
    this.#sourceOf = sourceOf
  }

  /** Letters in the topic, and those of them that are open. */
  counts(): { topic: string; open: number; total: number } {
    const { log } = this.#running
    const { start, end } = log.partition(this.#topic, 0)
    if (this.#marked < 0 || this.#countedFrom !== start) {
      this.#marked = 0
      for (const _ of log.tableRange(this.#marks, offsetKey(start))) this.#marked++
      this.#countedFrom = start
    }
    return { topic: this.#topic, open: Math.max(0, end - start - this.#marked), total: end - start }
  }

  /** The newest first, from before `before` on. `before` of the answer: where older ones begin, or null. */
  async list(
    filter: LetterFilter,
    before: number | undefined,
    limit: number,
  ): Promise<{ letters: LetterView[]; before: number | null }> {
    const { start, end } = this.#running.log.partition(this.#topic, 0)
    const letters: LetterView[] = []
    let to = Math.min(before ?? end, end)
    let bytes = 0
    let looked = 0
    for (let window = Math.max(limit, 50); to > start && looked < MOST_LOOKED_AT; ) {
      const from = Math.max(start, to - window)
      const found = await this.#read(from, to)
      for (const letter of found.reverse()) {
        looked++
        to = letter.offset
        const mark = this.#mark(letter.offset)
        if (!passes(letter, mark, filter)) continue
        letters.push(this.#view(letter, mark))
        bytes += (letter.value?.length ?? 0) + (letter.key?.length ?? 0)
        if (letters.length >= limit || bytes >= ANSWER_BYTES) return { letters, before: to > start ? to : null }
      }
      to = from
      window = Math.min(window * 2, 2000)
    }
    return { letters, before: to > start ? to : null }
  }

  async get(offset: number): Promise<LetterView> {
    const letter = await this.#letter(offset)
    if (letter === null) throw unknownLetter(offset)
    return this.#view(letter, this.#mark(offset))
  }

  replay(selection: Selection): Promise<ChangeAnswer> {
    return this.#change('replayed', selection)
  }

  purge(selection: Selection): Promise<ChangeAnswer> {
    return this.#change('purged', selection)
  }

  #change(to: 'replayed' | 'purged', selection: Selection): Promise<ChangeAnswer> {
    const change = this.#turn.then(async () => {
      const answer: ChangeAnswer = { changed: 0, skipped: [], failed: [] }
      if ('offsets' in selection) await this.#changeThese(to, selection.offsets, answer)
      else await this.#changeAll(to, { ...selection, state: 'open' }, answer)
      return answer
    })
    this.#turn = change.catch(() => {})
    return change
  }

  async #changeThese(to: 'replayed' | 'purged', offsets: readonly number[], answer: ChangeAnswer): Promise<void> {
    const unit = new LetterUnit(this.#topic)
    for (const offset of [...new Set(offsets)].sort((a, b) => a - b)) {
      const letter = await this.#letter(offset)
      if (letter === null) {
        tell(answer.failed, { offset, code: 'NOT_FOUND', message: unknownLetter(offset).message })
      } else {
        this.#take(letter, to, unit, answer)
      }
      if (unit.isFull) await this.#commit(to, unit, answer)
    }
    await this.#commit(to, unit, answer)
  }

  async #changeAll(to: 'replayed' | 'purged', filter: LetterFilter, answer: ChangeAnswer): Promise<void> {
    const { start, end } = this.#running.log.partition(this.#topic, 0)
    const unit = new LetterUnit(this.#topic)
    for (let from = start; from < end; from += UNIT_LETTERS) {
      for (const letter of await this.#read(from, Math.min(end, from + UNIT_LETTERS))) {
        if (passes(letter, this.#mark(letter.offset), filter)) this.#take(letter, to, unit, answer)
        if (unit.isFull) await this.#commit(to, unit, answer)
      }
    }
    await this.#commit(to, unit, answer)
  }

  #take(letter: Letter, to: 'replayed' | 'purged', unit: LetterUnit, answer: ChangeAnswer): void {
    const mark = this.#mark(letter.offset)
    if (mark !== null) {
      tell(answer.skipped, { offset: letter.offset, state: mark.state })
      return
    }
    if (to === 'purged') {
      unit.mark(letter.offset)
      return
    }
    const reason = whyNotReplayable(letter, this.#sourceOf(letter.topic))
    if (reason !== null) tell(answer.failed, { offset: letter.offset, code: 'NOT_REPLAYABLE', message: reason })
    else unit.replay(letter)
  }

  async #commit(to: 'replayed' | 'purged', unit: LetterUnit, answer: ChangeAnswer): Promise<void> {
    if (unit.offsets.length === 0) return
    const { log, clock } = this.#running
    const value = Buffer.from(JSON.stringify({ state: to, time: clock.now() } satisfies Mark))
    const tables: TableWrite[] = unit.offsets.map(offset => ({ table: this.#marks, key: offsetKey(offset), value }))
    const forgotten = this.#forgotten()
    await log.commit({ appends: unit.appends(), tables: [...tables, ...forgotten] })
    answer.changed += unit.offsets.length
    if (this.#marked >= 0) this.#marked += unit.offsets.length
    unit.begin()
  }

  /** Deletes marks of letters that are no more. */
  #forgotten(): TableWrite[] {
    const { log } = this.#running
    const { start } = log.partition(this.#topic, 0)
    const old = log.tableRange(this.#marks, undefined, offsetKey(start), FORGOTTEN_AT_ONCE)
    return [...old].map(([key]) => ({ table: this.#marks, key, value: null }))
  }

  #mark(offset: number): Mark | null {
    const value = this.#running.log.tableGet(this.#marks, offsetKey(offset))
    return value === undefined ? null : (JSON.parse(value.toString('utf8')) as Mark)
  }

  #view(letter: Letter, mark: Mark | null): LetterView {
    return viewLetter(letter, mark, this.#sourceOf(letter.topic), this.#running)
  }

  async #letter(offset: number): Promise<Letter | null> {
    const { start, end } = this.#running.log.partition(this.#topic, 0)
    if (offset < start || offset >= end) return null
    return (await this.#read(offset, offset + 1))[0] ?? null
  }

  /** Letters from one offset to another, oldest first. */
  async #read(from: number, to: number): Promise<Letter[]> {
    const letters: Letter[] = []
    const reader = this.#running.log.reader(this.#topic, 0, from)
    const cursor = new BatchCursor()
    try {
      for (let next = from; next < to && reader.poll(POLL_BYTES); ) {
        cursor.reset(reader.chunk, 0, reader.size)
        while (cursor.nextBatch()) {
          while (!cursor.isControl && cursor.next()) {
            if (cursor.offset >= from && cursor.offset < to) letters.push(readLetter(cursor))
          }
          next = cursor.lastOffset + 1
        }
        await setImmediate()
      }
      return letters
    } finally {
      reader.close()
    }
  }
}

/** Letters that one commit changes, and the records it appends for them. */
class LetterUnit {
  readonly offsets: number[] = []
  readonly #letters: string
  readonly #runs = new Map<string, BatchRun>()
  #bytes = 0

  constructor(letters: string) {
    this.#letters = letters
  }

  get isFull(): boolean {
    return this.offsets.length >= UNIT_LETTERS || this.#bytes >= UNIT_BYTES
  }

  mark(offset: number): void {
    this.offsets.push(offset)
  }

  replay(letter: Letter): void {
    const { topic, partition, key, value } = letter
    const id = `${topic}/${partition}`
    let run = this.#runs.get(id)
    if (run === undefined) {
      run = new BatchRun(topic, partition)
      this.#runs.set(id, run)
    }
    const headers = [...letter.headers, { key: REPLAY_OF, value: Buffer.from(`${this.#letters}:${letter.offset}`) }]
    run.append(letter.sourceTimestamp, key, 0, key?.length ?? 0, value, 0, value?.length ?? 0, headers)
    this.#bytes += (key?.length ?? 0) + (value?.length ?? 0)
    this.mark(letter.offset)
  }

  appends(): Append[] {
    const appends: Append[] = []
    for (const run of this.#runs.values()) run.finishInto(appends)
    return appends
  }

  begin(): void {
    this.offsets.length = 0
    this.#runs.clear()
    this.#bytes = 0
  }
}

function passes(letter: Letter, mark: Mark | null, filter: LetterFilter): boolean {
  return (
    (filter.code === undefined || letter.code === filter.code) &&
    (filter.topic === undefined || letter.topic === filter.topic) &&
    (filter.state === undefined || (mark?.state ?? 'open') === filter.state)
  )
}

function tell<T>(list: T[], entry: T): void {
  if (list.length < MOST_TOLD) list.push(entry)
}

function unknownLetter(offset: number): AldebaranError {
  return new AldebaranError('NOT_FOUND', `there is no dead letter ${offset}`, { offset })
}

function offsetKey(offset: number): Buffer {
  const key = Buffer.alloc(8)
  key.writeBigUInt64BE(BigInt(offset))
  return key
}
