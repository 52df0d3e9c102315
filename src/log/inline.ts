/**
 * The engine without a thread: for tests, the CLI and simulations. Clients queue their units; a `step` commits whatever
 * is queued as one group and rings the clients concerned.
 */
import { AldebaranError } from '../errors.ts'
import type { Clock } from '../time/clock.ts'
import type { CommitResult, CommitUnit, Log, TopicOptions } from './contract.ts'
import { isMeant } from './ends.ts'
import { type EngineOptions, LogEngine, type Step } from './engine.ts'
import { type GroupUnit, groupUnit, type UnitSource } from './group.ts'
import type { KeyValueStore } from './key-value.ts'
import { copyUnit } from './unit.ts'
import { LogView } from './view.ts'

export interface InlineOptions {
  clock: Clock
  durability: 'process' | 'disk'
  /** Bytes that the store may use. Default: no limit. */
  maxBytes?: number
  /** Steps by itself whenever a client submits, pumps or waits. Default: true. Simulations say false and call `step`. */
  auto?: boolean
  /** Called at each step of a commit; a simulation throws in it to crash there. */
  onStep?: (step: Step) => void
}

type Done = (error: Error | null, result: CommitResult | null) => void

interface Queued {
  entry: GroupUnit
  client: InlineClient
  done: Done
}

export class InlineLog {
  readonly engine: LogEngine
  readonly #store: KeyValueStore
  readonly #options: InlineOptions
  #queue: Queued[] = []
  #clients = new Map<InlineClient, number>()

  constructor(store: KeyValueStore, options: InlineOptions) {
    this.#store = store
    this.#options = options
    const engineOptions: EngineOptions = { clock: options.clock, onStep: options.onStep ?? null }
    if (options.maxBytes !== undefined) engineOptions.maxBytes = options.maxBytes
    this.engine = new LogEngine(store, engineOptions)
  }

  client(): Log {
    const taken = new Set(this.#clients.values())
    let number = 0
    while (taken.has(number)) number++
    const client = new InlineClient(this, this.#store, this.engine, number, this.#options)
    this.#clients.set(client, number)
    return client
  }

  /** Commits what is queued as one group. False when nothing was. */
  step(): boolean {
    const group = this.#queue
    if (group.length === 0) return false
    this.#queue = []
    this.engine.commitGroup(group.map(queued => queued.entry))
    for (const queued of group) queued.client.answer(queued.entry, queued.done)
    this.#ringInterested()
    this.engine.answered()
    return true
  }

  /** Applies retention and deletes what is due; true when there is more to do. */
  maintain(): boolean {
    return this.engine.maintain()
  }

  async close(): Promise<void> {
    for (const client of [...this.#clients.keys()]) await client.close()
    await this.#store.close()
  }

  /** For its clients. */
  enqueue(entry: GroupUnit, client: InlineClient, done: Done): void {
    this.#queue.push({ entry, client, done })
  }

  /** For its clients. */
  forget(client: InlineClient): void {
    this.#clients.delete(client)
  }

  #ringInterested(): void {
    const { interestLow, interestHigh } = this.engine
    for (const [client, number] of this.#clients) {
      if (isMeant(number, interestLow, interestHigh)) client.wake()
    }
  }
}

/** Runs the engine in this thread, over any store. */
export function inlineLog(store: KeyValueStore, options: InlineOptions): InlineLog {
  return new InlineLog(store, options)
}

class InlineClient extends LogView implements Log {
  readonly #log: InlineLog
  readonly #engine: LogEngine
  readonly #auto: boolean
  readonly #source: UnitSource = { failures: 0 }
  /** Failures that were told to the caller. */
  #told = 0
  #pending = 0
  #answers: { entry: GroupUnit; done: Done }[] = []
  #rung = false
  #sleepers: (() => void)[] = []
  #scheduled = false

  constructor(log: InlineLog, store: KeyValueStore, engine: LogEngine, number: number, options: InlineOptions) {
    const { durability } = options
    super(store, engine.ends, number, { denseOffsets: true, tables: true, durability, fencing: 'none' })
    this.#log = log
    this.#engine = engine
    this.#auto = options.auto !== false
  }

  async createTopic(name: string, options: TopicOptions): Promise<void> {
    this.checkOpen()
    this.#engine.createTopic(name, options)
  }

  async deleteTopic(name: string): Promise<void> {
    this.checkOpen()
    this.#engine.deleteTopic(name)
  }

  submit(unit: CommitUnit, done: Done): void {
    this.#pending++
    const entry = groupUnit(copyUnit(unit), this.#source, this.#told)
    if (this.closed) {
      entry.error = new AldebaranError('LOG_CLOSED', 'The log was closed')
      this.answer(entry, done)
      return
    }
    this.#log.enqueue(entry, this, done)
    if (this.#auto) this.#schedule()
  }

  commit(unit: CommitUnit): Promise<CommitResult> {
    return new Promise((resolve, reject) => {
      this.submit(unit, (error, result) => (error === null ? resolve(result!) : reject(error)))
    })
  }

  pump(): void {
    if (this.#auto) this.#log.step()
    const answers = this.#answers
    this.#answers = []
    for (const { entry, done } of answers) {
      this.#pending--
      if (entry.error !== null && entry.error.code !== 'LOG_STOPPED') this.#told++
      if (entry.error === null) done(null, { offsets: entry.offsets })
      else done(entry.error, null)
    }
  }

  /** Nothing else runs while this thread blocks, so it never does. */
  wait(_ms: number): void {
    if (this.#auto) this.#log.step()
    this.#rung = false
  }

  async changed(ms: number, signal?: AbortSignal): Promise<void> {
    if (this.#auto) this.#log.step()
    if (!this.#rung && signal?.aborted !== true) {
      await new Promise<void>(resolve => {
        const timer = setTimeout(resolve, ms)
        const wake = () => {
          clearTimeout(timer)
          resolve()
        }
        this.#sleepers.push(wake)
        signal?.addEventListener('abort', wake, { once: true })
      })
    }
    this.#rung = false
  }

  wake(): void {
    this.#rung = true
    const sleepers = this.#sleepers
    this.#sleepers = []
    for (const wake of sleepers) wake()
  }

  async close(): Promise<void> {
    while (this.#pending > 0) {
      this.#log.step()
      this.pump()
    }
    if (this.closed) return
    this.closeView()
    this.wake()
    this.#log.forget(this)
  }

  /** For the log: the unit was tried. */
  answer(entry: GroupUnit, done: Done): void {
    this.#answers.push({ entry, done })
    this.wake()
    this.#schedule()
  }

  #schedule(): void {
    if (this.#scheduled) return
    this.#scheduled = true
    queueMicrotask(() => {
      this.#scheduled = false
      this.pump()
    })
  }
}
