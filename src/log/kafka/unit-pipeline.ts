/**
 * Commits the units of one client on Kafka, in order.
 *
 *     exactly-once    batches and positions of unit n+1 are sent, in a transaction of the next transactional id, while the
 *                     transaction of unit n is still being ended; it is ended itself once that of unit n is
 *     at-least-once   batches of several units are under way; the positions of each follow when its batches are there
 *
 * Invariants
 * 1. Units are ended, and answered, in the order they came in.
 * 2. When anything of a unit fails, nothing after it is ended before it: what was sent after it is aborted, and all of it
 *    is sent again in order. So partitions have the records of units in their order.
 * 3. A unit is tried again as long as its error may pass; its bytes belong to the pipeline until it is answered.
 * 4. A transaction whose end was not answered is asked to end again. When that shows that somebody else ended it, nobody
 *    here can tell how: COMMIT_UNKNOWN.
 */
import { setTimeout as pause } from 'node:timers/promises'
import { AldebaranError } from '../../errors.ts'
import { fail, followsFailure, type GroupUnit } from '../group.ts'
import { unknownTopic } from '../topics.ts'
import { backOff } from './back-off.ts'
import { type Cluster, isPassing } from './cluster.ts'
import { trim } from './trim.ts'
import { byGroup, checkEntry, Entry, leadersOf } from './unit-entry.ts'
import { UnitProducer } from './unit-producer.ts'
import { type RequestSettings, UnitRequests } from './unit-requests.ts'
import type { KafkaFate } from './wire/error-codes.ts'

export interface PipelineSettings extends RequestSettings {
  readonly guarantee: 'exactly-once' | 'at-least-once'
  /** One transaction of each may be open. */
  readonly transactionalIds: readonly string[]
  readonly transactionTimeoutMs: number
}

/** Batches of an idempotent producer under way at once. Brokers know the last five of a partition. */
const MOST_PLAIN = 5

export class UnitPipeline {
  readonly #cluster: Cluster
  readonly #settings: PipelineSettings
  readonly #producers: UnitProducer[]
  readonly #plain: UnitProducer
  readonly #requests: UnitRequests
  #nextProducer = 0
  #queue: Entry[] = []
  /** Something is being waited for before more is sent. */
  #held = false
  #idle: (() => void)[] = []
  #starting: Promise<void> | null = null

  constructor(cluster: Cluster, settings: PipelineSettings) {
    this.#cluster = cluster
    this.#settings = settings
    const { transactionalIds, transactionTimeoutMs } = settings
    this.#producers = transactionalIds.map(id => new UnitProducer(cluster, id, transactionTimeoutMs))
    this.#plain = new UnitProducer(cluster, null, transactionTimeoutMs)
    this.#requests = new UnitRequests(
      cluster,
      settings,
      () => this.#queue,
      () => this.#advance(),
      entry => {
        this.#succeed(entry)
        this.#advance()
      },
    )
  }

  /** Ends what was left open under the transactional ids: by a predecessor, or by units that failed. */
  start(): Promise<void> {
    this.#starting ??= Promise.all(
      this.#producers.filter(producer => !producer.initialised).map(producer => producer.initialise()),
    )
      .then(() => {})
      .finally(() => {
        this.#starting = null
      })
    return this.#starting
  }

  /** `done` is called when the unit has its outcome. */
  submit(group: GroupUnit, done: () => void): void {
    this.#queue.push(new Entry(group, done))
    this.#advance()
  }

  /** Resolves when nothing is under way. */
  settled(): Promise<void> {
    if (this.#queue.length === 0) return Promise.resolve()
    return new Promise(resolve => this.#idle.push(resolve))
  }

  /** Does what can be done now: ends the oldest unit, sends those that wait. */
  #advance(): void {
    while (this.#finishHead());
    if (!this.#held && !this.#requests.holdsBack) this.#sendMore()
    if (this.#queue.length === 0) for (const resolve of this.#idle.splice(0)) resolve()
  }

  /** True when the oldest unit has its outcome, so that the next one may be looked at. */
  #finishHead(): boolean {
    const head = this.#queue[0]
    if (head === undefined) return false
    if (head.state === 'waiting') {
      if (!followsFailure(head.group)) return false
      this.#answer(head)
      return true
    }
    if (head.state === 'ending' || head.outstanding > 0) return false
    if (head.failure !== null) {
      this.#recover(head)
      return false
    }
    if (head.producer !== this.#plain) {
      if (head.positionsSent) this.#requests.endTransaction(head)
      return false
    }
    if ((head.unit.positions?.length ?? 0) > 0) {
      this.#requests.commitPositions(head)
      return false
    }
    this.#succeed(head)
    return true
  }

  #succeed(entry: Entry): void {
    entry.group.offsets = entry.offsets
    const { trims = [] } = entry.unit
    if (trims.length > 0) void trim(this.#cluster, trims).catch(() => {})
    this.#answer(entry)
  }

  #answer(entry: Entry): void {
    this.#queue.splice(this.#queue.indexOf(entry), 1)
    if (entry.producer !== null) entry.producer.busy = false
    entry.done()
  }

  #fail(entry: Entry, error: AldebaranError): void {
    fail(entry.group, error)
    this.#answer(entry)
  }

  // Sending

  #sendMore(): void {
    for (const entry of [...this.#queue]) {
      if (entry.state !== 'waiting') continue
      if (!this.#send(entry)) return
    }
  }

  /** False: it cannot be sent now, nor what follows it. */
  #send(entry: Entry): boolean {
    const isHead = this.#queue[0] === entry
    if (followsFailure(entry.group)) {
      if (isHead) queueMicrotask(() => this.#advance())
      return false
    }
    try {
      if (entry.unit.tables !== undefined && entry.unit.tables.length > 0) throw noTables()
      if (!checkEntry(entry, this.#cluster)) return this.#prepare(entry)
    } catch (error) {
      // Told in its turn.
      if (isHead) {
        this.#fail(entry, error as AldebaranError)
        queueMicrotask(() => this.#advance())
      }
      return false
    }
    if (entry.isEmpty) return this.#onlyTrims(entry, isHead)
    const plain = this.#isPlain(entry)
    if (plain ? !this.#mayFollow(entry) : this.#producers[this.#nextProducer]!.busy) return false
    const producer = plain ? this.#plain : this.#producers[this.#nextProducer]!
    const leaders = leadersOf(entry.unit, this.#cluster)
    if (leaders === null || !producer.initialised || !this.#requests.areOpen(entry, producer, leaders)) {
      return this.#prepare(entry)
    }
    entry.state = 'sent'
    entry.producer = producer
    if (producer === this.#plain) this.#requests.sendPlain(entry)
    else {
      producer.busy = true
      this.#nextProducer = (this.#nextProducer + 1) % this.#producers.length
      this.#requests.sendTransaction(entry)
    }
    return !this.#requests.holdsBack
  }

  #isPlain(entry: Entry): boolean {
    const { guarantee, sole } = this.#settings
    return guarantee === 'at-least-once' || (entry.isPlain && sole !== true)
  }

  /** Whether a unit without a transaction may be under way together with those before it. */
  #mayFollow(entry: Entry): boolean {
    const before = this.#queue.slice(0, this.#queue.indexOf(entry))
    if (before.length >= MOST_PLAIN || before.some(one => one.producer !== this.#plain)) return false
    if (this.#settings.guarantee === 'at-least-once') return true
    // One that fails must not leave a later one behind that did not: the sequence numbers of one partition see to that.
    const place = (one: Entry): string => `${one.unit.appends![0]!.topic}/${one.unit.appends![0]!.partition}`
    return before.every(one => place(one) === place(entry))
  }

  #onlyTrims(entry: Entry, isHead: boolean): boolean {
    if (!isHead) return false
    entry.state = 'ending'
    trim(this.#cluster, entry.unit.trims ?? [])
      .then(
        () => this.#answer(entry),
        (error: AldebaranError) => this.#fail(entry, error),
      )
      .finally(() => this.#advance())
    return true
  }

  /** Gets ready what `#send` found missing, then goes on. */
  #prepare(entry: Entry): false {
    this.#held = true
    this.#makeReady(entry)
      .then(
        () => null,
        (error: unknown) => error as AldebaranError,
      )
      .then(async error => {
        if (error !== null && isPassing(error) && performance.now() - entry.since < this.#settings.giveUpMs) {
          await this.#cluster.refresh().catch(() => {})
          await pause(backOff(entry.tries++, 250))
        } else if (error !== null) {
          await this.#headTurn(entry)
          this.#fail(entry, error)
        }
        this.#held = false
        this.#advance()
      })
    return false
  }

  async #makeReady(entry: Entry): Promise<void> {
    const cluster = this.#cluster
    const { purpose } = this.#settings
    for (const { topic } of [
      ...(entry.unit.appends ?? []),
      ...(entry.unit.positions ?? []),
      ...(entry.unit.trims ?? []),
    ]) {
      if (!cluster.topics.has(topic) && (await cluster.lookForNew(topic)) === undefined) throw unknownTopic(topic)
    }
    const leaders = leadersOf(entry.unit, cluster)
    if (leaders === null) throw new AldebaranError('KAFKA_UNREACHABLE', 'a partition has no leader now')
    for (const broker of leaders) await cluster.connection(broker, `${purpose} produce`)
    for (const group of byGroup(entry.unit).keys()) {
      await cluster.connection(await cluster.coordinator('group', group), `${purpose} offsets`)
    }
    if (this.#isPlain(entry)) {
      if (!this.#plain.initialised) await this.#plain.initialise()
      return
    }
    for (const producer of this.#producers) {
      if (!producer.initialised) await producer.initialise()
      const coordinator = await cluster.coordinator('transaction', producer.transactionalId!)
      await cluster.connection(coordinator, `${purpose} end`)
    }
  }

  // Recovery

  /** The oldest unit failed: nothing after it may be ended. What was sent is given up, and sent again if it may pass. */
  #recover(head: Entry): void {
    if (this.#held || this.#queue.some(entry => entry.outstanding > 0)) return
    this.#held = true
    this.#cluster.counters.add('recoveries', 1)
    const error = head.failure!
    const { sole = false } = this.#settings
    const fate = sole && head.fate === 'stale' ? 'fenced' : head.fate!
    const late = performance.now() - head.since > this.#settings.giveUpMs
    const passes = PASSING.has(fate) && !late && !sole
    void this.#giveUp(fate).then(async problem => {
      if (!passes || (problem !== null && !isPassing(problem))) {
        if (head.producer === this.#plain && late) this.#plain.forget()
        // An answer in order; those behind it follow it.
        this.#fail(head, problem === null || isPassing(problem) || !passes ? error : problem)
      } else await pause(backOff(head.tries, 250))
      for (const entry of this.#queue) {
        if (entry.producer === this.#plain && this.#plain.initialised && passes) entry.state = 'waiting'
        else if (entry.state !== 'waiting') {
          entry.state = 'waiting'
          entry.sequences = null
        }
        entry.tries++
        entry.producer = null
        entry.positionsVersion = null
        entry.positionsSent = false
        entry.refused = false
        entry.failure = null
        entry.fate = null
      }
      this.#held = false
      this.#advance()
    })
  }

  /** Aborts the transactions that are open, and looks anew where everything is. Null: that went well. */
  async #giveUp(fate: KafkaFate): Promise<AldebaranError | null> {
    const open = this.#queue.flatMap(entry =>
      entry.producer !== null && entry.producer !== this.#plain ? [entry.producer] : [],
    )
    for (const entry of this.#queue) {
      for (const group of byGroup(entry.unit).keys()) this.#cluster.forgetCoordinator('group', group)
    }
    for (const producer of open) {
      producer.busy = false
      producer.doubt()
      this.#cluster.forgetCoordinator('transaction', producer.transactionalId!)
    }
    if (fate === 'fenced' || fate === 'fatal') this.#plain.forget()
    await this.#cluster.refresh().catch(() => {})
    try {
      await Promise.all(open.map(producer => producer.initialise()))
      return null
    } catch (error) {
      if ((error as AldebaranError).fate === 'fenced') for (const producer of this.#producers) producer.forget()
      return error as AldebaranError
    }
  }

  /** Resolves when the unit is the oldest. */
  async #headTurn(entry: Entry): Promise<void> {
    while (this.#queue[0] !== entry && this.#queue.includes(entry)) await pause(1)
  }
}

const PASSING: ReadonlySet<KafkaFate> = new Set(['metadata', 'coordinator', 'retry', 'stale'])

function noTables(): AldebaranError {
  return new AldebaranError('OPTION_INVALID', 'This log holds no disk tables')
}
