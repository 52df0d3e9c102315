import type { Append, Log } from '../log/contract.ts'
import { BatchRun } from '../runtime/outputs.ts'
import { type Letter, whyNotReplayable } from './dead-letter.ts'
import { editLetter, type LetterEdit } from './letter-edit.ts'
import type { SiteTopic } from './site-topic.ts'

export type TopicFinder = (topic: string) => SiteTopic | null

interface UnitSettings {
  readonly log: Log
  readonly to: 'replayed' | 'purged'
  /** The topic of the letters. */
  readonly letters: string
  /** Finds the topics that letters came from. */
  readonly sourceOf: TopicFinder
  readonly edit: LetterEdit | undefined
}

/** Sits on a record that is replayed: which letter it comes from. */
export const REPLAY_OF = 'aldebaran.replay-of'
/** Letters changed by one commit, and their bytes. */
export const UNIT_LETTERS = 1000
const UNIT_BYTES = 4 * 1024 * 1024

/** Letters that one commit changes, and the records it appends for them. */
export class LetterUnit {
  readonly offsets: number[] = []
  readonly log: Log
  readonly to: 'replayed' | 'purged'
  readonly #letters: string
  readonly #sourceOf: TopicFinder
  readonly #edit: LetterEdit | undefined
  readonly #runs = new Map<string, BatchRun>()
  #bytes = 0

  constructor({ log, to, letters, sourceOf, edit }: UnitSettings) {
    this.log = log
    this.to = to
    this.#letters = letters
    this.#sourceOf = sourceOf
    this.#edit = edit
  }

  get isFull(): boolean {
    return this.offsets.length >= UNIT_LETTERS || this.#bytes >= UNIT_BYTES
  }

  /** Why it cannot be taken; null: it was. @throws AldebaranError VALUE_INVALID: by what it was edited to */
  take(letter: Letter): string | null {
    if (this.to === 'replayed') {
      const source = this.#sourceOf(letter.topic)
      const reason = whyNotReplayable(letter, source)
      if (reason !== null) return reason
      this.#replay(this.#edit === undefined ? letter : editLetter(letter, this.#edit, source!.value))
    }
    this.offsets.push(letter.offset)
    return null
  }

  #replay(letter: Letter): void {
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
