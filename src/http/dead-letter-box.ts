/**
 * The dead letters of an application, and what became of them.
 *
 *     open ─► replayed     appended to its topic again
 *       └───► purged       not wanted any more
 *
 * Invariants
 * 1. A letter is open until a mark says otherwise (`letter-marks.ts`).
 * 2. A mark is written in the commit that appends the record, and both changes to marks and the looks at them happen
 *    one after the other, on one node at a time (`Running.exclusively`): so a letter is replayed once, however often and
 *    from how many clients it is asked for.
 * 3. `all` means the letters there were when it was asked for: those that a replay makes are left for the next time.
 */
import { setImmediate } from 'node:timers/promises'
import { AldebaranError } from '../errors.ts'
import type { Log, PartitionInfo } from '../log/contract.ts'
import { unknownTopic } from '../log/topics.ts'
import { BatchCursor } from '../record/batch-cursor.ts'
import type { Running } from '../runtime/start.ts'
import { type Letter, type LetterState, type LetterView, readLetter, viewLetter } from './dead-letter.ts'
import type { LetterEdit } from './letter-edit.ts'
import { type LetterFilter, passes } from './letter-filter.ts'
import { LetterMarks, type Mark } from './letter-marks.ts'
import { LetterUnit, type TopicFinder, UNIT_LETTERS } from './letter-unit.ts'
import { pollSoon } from './poll-soon.ts'
import { RecordCount } from './record-count.ts'

/** `edit`: what the record of the one letter is replayed with instead of its own. */
export type Selection =
  | { offsets: readonly number[]; edit?: LetterEdit | undefined }
  | ({ all: true } & Omit<LetterFilter, 'state'>)

export interface ChangeAnswer {
  /** Letters that are replayed, or purged, now and were open before. */
  changed: number
  /** Were not open: nothing was done. */
  skipped: { offset: number; state: LetterState }[]
  failed: { offset: number; code: string; message: string }[]
}

const POLL_BYTES = 256 * 1024
const ANSWER_BYTES = 4 * 1024 * 1024
/** Letters looked at for one page of a list. */
const MOST_LOOKED_AT = 50_000
/** Skipped and failed letters told in one answer. */
const MOST_TOLD = 1000
/** Marks of letters that retention deleted, forgotten with one commit. */
const FORGOTTEN_AT_ONCE = 1000

export class DeadLetterBox {
  readonly #running: Running
  readonly #topic: string
  readonly #marks: LetterMarks
  readonly #count: RecordCount
  readonly #finder: () => Promise<TopicFinder>
  /** The change under way; the next one waits for it. */
  #turn: Promise<unknown> = Promise.resolve()

  /** `finder` gives what finds the topics that letters came from. */
  constructor(running: Running, finder: () => Promise<TopicFinder>) {
    this.#running = running
    this.#topic = running.application.deadLetters.name
    this.#marks = new LetterMarks(this.#topic)
    this.#count = new RecordCount(this.#topic)
    this.#finder = finder
  }

  /** Letters in the topic, and those of them that are open. */
  async counts(): Promise<{ topic: string; open: number; total: number }> {
    const { log } = this.#running
    const range = await this.#range(log)
    await this.#marks.refresh(log)
    const total = await this.#count.of(log, range)
    return { topic: this.#topic, open: Math.max(0, total - this.#marks.count(range.start)), total }
  }

  /** The newest first, from before `before` on. `before` of the answer: where older ones begin, or null. */
  async list(
    filter: LetterFilter,
    before: number | undefined,
    limit: number,
  ): Promise<{ letters: LetterView[]; before: number | null }> {
    const { log } = this.#running
    const { start, end } = await this.#range(log)
    await this.#marks.refresh(log)
    const sourceOf = await this.#finder()
    const letters: LetterView[] = []
    let to = Math.min(before ?? end, end)
    let bytes = 0
    let looked = 0
    for (let window = Math.max(limit, 50); to > start && looked < MOST_LOOKED_AT; ) {
      const from = Math.max(start, to - window)
      const found = await this.#read(log, from, to)
      for (const letter of found.reverse()) {
        looked++
        to = letter.offset
        const mark = this.#marks.get(letter.offset)
        if (!passes(letter, mark, filter)) continue
        letters.push(viewLetter(letter, mark, sourceOf(letter.topic), this.#running))
        bytes += (letter.value?.length ?? 0) + (letter.key?.length ?? 0)
        if (letters.length >= limit || bytes >= ANSWER_BYTES) return { letters, before: to > start ? to : null }
      }
      to = from
      window = Math.min(window * 2, 2000)
    }
    return { letters, before: to > start ? to : null }
  }

  async get(offset: number): Promise<LetterView> {
    const { log } = this.#running
    const letter = await this.#letter(log, offset)
    if (letter === null) throw unknownLetter(offset)
    await this.#marks.refresh(log)
    return viewLetter(letter, this.#marks.get(offset), (await this.#finder())(letter.topic), this.#running)
  }

  /** @throws AldebaranError VALUE_INVALID: an edited value does not fit the schema of its topic; nothing was changed */
  replay(selection: Selection): Promise<ChangeAnswer> {
    return this.#change('replayed', selection)
  }

  purge(selection: Selection): Promise<ChangeAnswer> {
    return this.#change('purged', selection)
  }

  #change(to: 'replayed' | 'purged', selection: Selection): Promise<ChangeAnswer> {
    const change = this.#turn.then(async () => {
      const answer: ChangeAnswer = { changed: 0, skipped: [], failed: [] }
      const work = async (log: Log): Promise<void> => {
        await this.#marks.create(log)
        await this.#marks.refresh(log)
        const edit = 'offsets' in selection ? selection.edit : undefined
        const unit = new LetterUnit({ log, to, letters: this.#topic, sourceOf: await this.#finder(), edit })
        if ('offsets' in selection) await this.#changeThese(unit, selection.offsets, answer)
        else await this.#changeAll(unit, { ...selection, state: 'open' }, answer)
      }
      await this.#running.exclusively(this.#topic, work).catch(error => {
        if (!(error instanceof AldebaranError) || error.fate !== 'fenced') throw error
        throw new AldebaranError('BUSY', 'another node changes dead letters of this application now', {}, error)
      })
      return answer
    })
    this.#turn = change.catch(() => {})
    return change
  }

  async #changeThese(unit: LetterUnit, offsets: readonly number[], answer: ChangeAnswer): Promise<void> {
    for (const offset of [...new Set(offsets)].sort((a, b) => a - b)) {
      const letter = await this.#letter(unit.log, offset)
      if (letter === null) {
        tell(answer.failed, { offset, code: 'NOT_FOUND', message: unknownLetter(offset).message })
      } else {
        this.#take(letter, unit, answer)
      }
      if (unit.isFull) await this.#commit(unit, answer)
    }
    await this.#commit(unit, answer)
  }

  async #changeAll(unit: LetterUnit, filter: LetterFilter, answer: ChangeAnswer): Promise<void> {
    const { start, end } = await this.#range(unit.log)
    for (let from = start; from < end; from += UNIT_LETTERS) {
      for (const letter of await this.#read(unit.log, from, Math.min(end, from + UNIT_LETTERS))) {
        if (passes(letter, this.#marks.get(letter.offset), filter)) this.#take(letter, unit, answer)
        if (unit.isFull) await this.#commit(unit, answer)
      }
    }
    await this.#commit(unit, answer)
  }

  #take(letter: Letter, unit: LetterUnit, answer: ChangeAnswer): void {
    const mark = this.#marks.get(letter.offset)
    if (mark !== null) {
      tell(answer.skipped, { offset: letter.offset, state: mark.state })
      return
    }
    const reason = unit.take(letter)
    if (reason !== null) tell(answer.failed, { offset: letter.offset, code: 'NOT_REPLAYABLE', message: reason })
  }

  async #commit(unit: LetterUnit, answer: ChangeAnswer): Promise<void> {
    if (unit.offsets.length === 0) return
    const { log, to } = unit
    const time = this.#running.clock.now()
    const { start } = await this.#range(log)
    const marks = new Map<number, Mark | null>(unit.offsets.map(offset => [offset, { state: to, time }]))
    // Marks of letters that are no more.
    for (const offset of this.#marks.before(start, FORGOTTEN_AT_ONCE)) marks.set(offset, null)
    await log.commit({ appends: [...unit.appends(), ...this.#marks.appends(marks, time)] })
    this.#marks.took(marks)
    answer.changed += unit.offsets.length
    unit.begin()
  }

  async #range(log: Log): Promise<PartitionInfo> {
    const range = (await log.partitionsOf([this.#topic])).get(this.#topic)?.[0]
    if (range === undefined) throw unknownTopic(this.#topic)
    return range
  }

  async #letter(log: Log, offset: number): Promise<Letter | null> {
    const { start, end } = await this.#range(log)
    if (offset < start || offset >= end) return null
    return (await this.#read(log, offset, offset + 1))[0] ?? null
  }

  /** Letters from one offset to another, oldest first. */
  async #read(log: Log, from: number, to: number): Promise<Letter[]> {
    const letters: Letter[] = []
    const reader = await log.openReader(this.#topic, 0, from)
    const cursor = new BatchCursor()
    try {
      while (await pollSoon(reader, to, POLL_BYTES)) {
        cursor.reset(reader.chunk, 0, reader.size)
        while (cursor.nextBatch()) {
          while (!cursor.isControl && cursor.next()) {
            if (cursor.offset >= from && cursor.offset < to) letters.push(readLetter(cursor))
          }
        }
        await setImmediate()
      }
      return letters
    } finally {
      reader.close()
    }
  }
}

function tell<T>(list: T[], entry: T): void {
  if (list.length < MOST_TOLD) list.push(entry)
}

function unknownLetter(offset: number): AldebaranError {
  return new AldebaranError('NOT_FOUND', `there is no dead letter ${offset}`, { offset })
}
