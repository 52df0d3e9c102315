/** The work of the log thread for a writing process: takes the units of all clients, commits them together, answers. */
import { AldebaranError } from '../errors.ts'
import { ring } from './bell.ts'
import type { TopicOptions } from './contract.ts'
import { isMeant } from './ends.ts'
import type { LogEngine } from './engine.ts'
import { type GroupUnit, groupUnit, type UnitSource } from './group.ts'
import { ANSWERED, Arena, BELL, CLOSED, type MailboxBuffers, SLOT_HEADER, STATE, SUBMITTED, slotOf } from './mailbox.ts'
import { writeError, writeOffsets } from './unit-answers.ts'
import { decodeUnit } from './unit-codec.ts'
import { CREATE_TOPIC, UNIT } from './unit-sender.ts'

/** One group takes this much at most: more would only make those wait that came first. */
const GROUP_UNITS = 1024
const GROUP_BYTES = 16 * 1024 * 1024

/** A client, as the log thread sees it. */
export class ServedClient implements UnitSource {
  failures = 0
  readonly number: number
  readonly words: Int32Array
  readonly arena: Arena
  /** Units taken so far; those up to `answered` are answered. */
  taken = 0
  #answered = 0

  constructor(number: number, mailbox: MailboxBuffers) {
    this.number = number
    this.words = new Int32Array(mailbox.words)
    this.arena = new Arena(mailbox.arena)
  }

  get waiting(): boolean {
    return Atomics.load(this.words, SUBMITTED) !== this.taken
  }

  get closed(): boolean {
    return Atomics.load(this.words, STATE) === CLOSED && !this.waiting
  }

  answerOffsets(offsets: readonly number[]): void {
    writeOffsets(this.arena.bytes, slotOf(this.words, this.#answered), offsets)
    this.#count()
  }

  answerError(error: unknown): void {
    writeError(this.arena.bytes, slotOf(this.words, this.#answered), error)
    this.#count()
  }

  #count(): void {
    this.#answered = (this.#answered + 1) | 0
    Atomics.store(this.words, ANSWERED, this.#answered)
  }
}

export class Server {
  readonly #engine: LogEngine | null
  readonly #clients = new Map<number, ServedClient>()
  #group: GroupUnit[] = []
  #bytes = 0

  /** Without an engine it only rings clients. */
  constructor(engine: LogEngine | null) {
    this.#engine = engine
  }

  add(number: number, mailbox: MailboxBuffers): void {
    const client = new ServedClient(number, mailbox)
    this.#clients.set(number, client)
    // What it reads may have grown between its first look and now.
    ring(client.words, BELL)
  }

  /** Forgets clients that were closed. */
  forgetClosed(): void {
    for (const client of this.#clients.values()) if (client.closed) this.#clients.delete(client.number)
  }

  ringAll(low = -1, high = -1): void {
    for (const client of this.#clients.values()) if (isMeant(client.number, low, high)) ring(client.words, BELL)
  }

  /** Commits what the clients have submitted, as one group. False when there was nothing. */
  serve(): boolean {
    const engine = this.#engine
    if (engine === null) return false
    const group: GroupUnit[] = []
    this.#group = group
    this.#bytes = 0
    let asked = false
    for (const client of this.#clients.values()) asked = this.#take(engine, client) || asked
    if (group.length === 0) return asked
    engine.commitGroup(group)
    for (const entry of group) {
      const client = entry.source as ServedClient
      if (entry.error === null) client.answerOffsets(entry.offsets)
      else client.answerError(entry.error)
    }
    this.#ring(engine, group)
    engine.answered()
    return true
  }

  /** Takes units of one client into the group, up to a request that is not a unit. True when there was something. */
  #take(engine: LogEngine, client: ServedClient): boolean {
    const first = this.#group.length
    while (client.waiting && this.#group.length < GROUP_UNITS && this.#bytes < GROUP_BYTES) {
      client.arena.refresh()
      const { bytes } = client.arena
      const slot = slotOf(client.words, client.taken)
      const kind = bytes.readInt32LE(slot)
      const length = bytes.readInt32LE(slot + 8)
      if (kind !== UNIT) {
        // Answers come in the order of the requests: first the units before it.
        if (this.#group.length > first) return true
        client.taken = (client.taken + 1) | 0
        this.#administer(engine, client, kind, bytes.toString('utf8', slot + SLOT_HEADER, slot + SLOT_HEADER + length))
        continue
      }
      client.taken = (client.taken + 1) | 0
      this.#bytes += length
      this.#group.push(groupUnit(decodeUnit(bytes, slot + SLOT_HEADER), client, bytes.readInt32LE(slot + 4)))
    }
    return this.#group.length > first
  }

  #administer(engine: LogEngine, client: ServedClient, kind: number, text: string): void {
    const { name, options } = JSON.parse(text) as { name: string; options: TopicOptions }
    try {
      if (kind === CREATE_TOPIC) engine.createTopic(name, options)
      else engine.deleteTopic(name)
      client.answerOffsets([])
      // Readers of a deleted topic find out.
      if (kind !== CREATE_TOPIC) this.ringAll()
    } catch (error) {
      if (!(error instanceof AldebaranError) || error.fate === 'corrupted') throw error
      client.answerError(error)
    }
    ring(client.words, BELL)
  }

  /** Rings once whoever got an answer, or reads a partition that grew. */
  #ring(engine: LogEngine, group: readonly GroupUnit[]): void {
    const { interestLow, interestHigh } = engine
    const answered = new Set(group.map(entry => entry.source))
    for (const client of this.#clients.values()) {
      if (answered.has(client) || isMeant(client.number, interestLow, interestHigh)) ring(client.words, BELL)
    }
  }
}
