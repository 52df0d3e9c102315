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
import { AldebaranError } from '../../errors.ts'
import { fail, followsFailure, type GroupUnit } from '../group.ts'
import { unknownTopic } from '../topics.ts'
import { backOff, type Cluster, isPassing, refusal } from './cluster.ts'
import { trim } from './trim.ts'
import { byGroup, checkEntry, committedTopics, Entry, leadersOf, sendAppends } from './unit-entry.ts'
import { UnitProducer } from './unit-producer.ts'
import type { Connection } from './wire/connection.ts'
import {
  addOffsetsToTxn,
  addPartitionsToTxn,
  END_TXN_KEY,
  endTxn,
  endTxnBumping,
  offsetCommit,
  txnOffsetCommit,
} from './wire/data-messages.ts'
import { fateOfCode, type KafkaFate, NONE } from './wire/error-codes.ts'
import { atVersion } from './wire/types.ts'

/** Who commits positions of a group: fenced when it is no member any more. */
export interface Membership {
  readonly memberId: string
  readonly epoch: number
}

export interface PipelineSettings {
  /** Tells its connections from those of others. */
  readonly purpose: string
  readonly guarantee: 'exactly-once' | 'at-least-once'
  /** One transaction of each may be open. */
  readonly transactionalIds: readonly string[]
  /** Others may have the same ids: who has been fenced stays fenced, and every unit is a transaction. Default: false. */
  readonly sole?: boolean
  readonly transactionTimeoutMs: number
  /** The code of a compression. */
  readonly compression: number
  /** A unit that still fails after this long is given up, ms. */
  readonly giveUpMs: number
  readonly membership: (group: string) => Membership | undefined
}

const NO_MEMBER: Membership = { memberId: '', epoch: -1 }
/** Batches of an idempotent producer under way at once. Brokers know the last five of a partition. */
const MOST_PLAIN = 5

export class UnitPipeline {
  readonly #cluster: Cluster
  readonly #settings: PipelineSettings
  readonly #producers: UnitProducer[]
  readonly #plain: UnitProducer
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
    if (!this.#held) this.#sendMore()
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
      this.#endTransaction(head, 0)
      return false
    }
    if ((head.unit.positions?.length ?? 0) > 0) {
      this.#commitPositions(head)
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
    if (leaders === null || !producer.initialised || !this.#areOpen(entry, producer, leaders))
      return this.#prepare(entry)
    entry.state = 'sent'
    entry.producer = producer
    if (producer === this.#plain) {
      this.#sendBatches(entry, false, 9, () => this.#advance())
      // Only positions: there is nothing to wait for.
      if (entry.outstanding === 0) queueMicrotask(() => this.#advance())
      return true
    }
    producer.busy = true
    this.#nextProducer = (this.#nextProducer + 1) % this.#producers.length
    if (this.#bumps(producer)) {
      this.#sendInTurn(entry, 12, 5)
      return true
    }
    this.#sendOld(entry)
    return false
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

  #connection(broker: number, purpose: string): Connection {
    return this.#cluster.opened(broker, `${this.#settings.purpose} ${purpose}`)!
  }

  /** Every broker the unit has to do with has an open connection. */
  #areOpen(entry: Entry, producer: UnitProducer, leaders: ReadonlySet<number>): boolean {
    for (const broker of leaders) if (this.#connection(broker, 'produce') === null) return false
    for (const group of byGroup(entry.unit).keys()) {
      const broker = this.#cluster.coordinatorNow('group', group)
      if (broker === undefined || this.#connection(broker, 'offsets') === null) return false
    }
    if (producer.transactionalId === null) return true
    const broker = this.#cluster.coordinatorNow('transaction', producer.transactionalId)
    return broker !== undefined && this.#connection(broker, 'end') !== null
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
      if (!cluster.topics.has(topic) && (await cluster.look(topic)) === undefined) throw unknownTopic(topic)
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

  /** Whether the cluster runs the second transaction protocol: each transaction has an epoch of its own. */
  #bumps(producer: UnitProducer): boolean {
    const broker = this.#cluster.coordinatorNow('transaction', producer.transactionalId!)!
    const connection = this.#connection(broker, 'end')
    return (connection.features.get('transaction.version') ?? 0) >= 2 && connection.supports(END_TXN_KEY, 5)
  }

  /**
   * Positions follow when the batches are there: a broker that is to add two things to one transaction at a time gives up
   * the first of them.
   */
  #sendInTurn(entry: Entry, produceVersion: number, positionsVersion: number): void {
    const positions = (): void => {
      if (entry.outstanding === 0 && entry.failure === null) this.#sendPositions(entry, positionsVersion)
      this.#advance()
    }
    if ((entry.unit.appends?.length ?? 0) === 0) this.#sendPositions(entry, positionsVersion)
    else this.#sendBatches(entry, true, produceVersion, positions)
  }

  #sendBatches(entry: Entry, transactional: boolean, version: number, answered: () => void): void {
    const { compression } = this.#settings
    const timeoutMs = Math.max(1000, this.#cluster.settings.requestTimeoutMs - 1000)
    const settings = { transactional, version, compression, timeoutMs }
    sendAppends(entry, this.#cluster, broker => this.#connection(broker, 'produce'), settings, answered)
  }

  #sendPositions(entry: Entry, version: number): void {
    const producer = entry.producer!
    for (const [group, positions] of byGroup(entry.unit)) {
      const broker = this.#cluster.coordinatorNow('group', group)!
      const { memberId, epoch } = this.#settings.membership(group) ?? NO_MEMBER
      const body = {
        transactionalId: producer.transactionalId!,
        groupId: group,
        producerId: producer.id,
        producerEpoch: producer.epoch,
        generationId: epoch,
        memberId,
        groupInstanceId: null,
        topics: committedTopics(positions),
      }
      entry.outstanding++
      this.#connection(broker, 'offsets').send(atVersion(txnOffsetCommit, version), body, (error, answer) => {
        entry.outstanding--
        this.#heard(entry, error, codesOf(answer?.topics), `positions of group ${group}`, { group })
        this.#advance()
      })
    }
  }

  /** With the first protocol, partitions and groups are added to the transaction before anything is sent to them. */
  #sendOld(entry: Entry): void {
    const producer = entry.producer!
    const { transactionalId, id: producerId, epoch: producerEpoch } = producer
    const connection = this.#connection(this.#cluster.coordinatorNow('transaction', transactionalId!)!, 'end')
    const head = { transactionalId: transactionalId!, producerId, producerEpoch }
    const topics = new Map<string, Set<number>>()
    for (const { topic, partition } of entry.unit.appends ?? []) {
      topics.set(topic, (topics.get(topic) ?? new Set()).add(partition))
    }
    this.#held = true
    const added = (): void => {
      if (entry.outstanding > 0) return
      this.#held = false
      if (entry.failure === null) {
        this.#sendInTurn(entry, 9, 3)
      }
      this.#advance()
    }
    if (topics.size > 0) {
      entry.outstanding++
      const body = { ...head, topics: [...topics].map(([name, set]) => ({ name, partitions: [...set] })) }
      connection.send(addPartitionsToTxn, body, (error, answer) => {
        entry.outstanding--
        this.#heard(entry, error, codesOf(answer?.topics), 'partitions of a transaction', {})
        added()
      })
    }
    for (const groupId of byGroup(entry.unit).keys()) {
      entry.outstanding++
      connection.send(addOffsetsToTxn, { ...head, groupId }, (error, answer) => {
        entry.outstanding--
        this.#heard(entry, error, [answer?.errorCode ?? NONE], 'the positions of a transaction', { group: groupId })
        added()
      })
    }
  }

  #heard(
    entry: Entry,
    error: AldebaranError | null,
    codes: readonly number[],
    what: string,
    details: Record<string, string>,
  ): void {
    if (error !== null) entry.fail(error, error.fate === 'retry' ? 'coordinator' : 'fatal')
    for (const code of codes) {
      if (code !== NONE) entry.fail(refusal(code, what, details), fateOfCode(code))
    }
  }

  // Ending

  #endTransaction(entry: Entry, tries: number): void {
    entry.state = 'ending'
    const producer = entry.producer!
    const transactionalId = producer.transactionalId!
    const again = async (error: AldebaranError): Promise<void> => {
      if (performance.now() - entry.since > this.#settings.giveUpMs * 2) return this.#unknown(entry, error)
      await pause(backOff(tries, 100))
      try {
        const broker = await this.#cluster.coordinator('transaction', transactionalId)
        await this.#cluster.connection(broker, `${this.#settings.purpose} end`)
      } catch {
        await this.#cluster.refresh().catch(() => {})
      }
      this.#endTransaction(entry, tries + 1)
    }
    const broker = this.#cluster.coordinatorNow('transaction', transactionalId)
    const connection = broker === undefined ? null : this.#cluster.opened(broker, `${this.#settings.purpose} end`)
    if (connection === null) {
      void again(new AldebaranError('KAFKA_UNREACHABLE', 'the coordinator of a transaction is not connected'))
      return
    }
    const body = { transactionalId, producerId: producer.id, producerEpoch: producer.epoch, committed: true }
    const heard = (error: AldebaranError | null, code: number): void => {
      if (error === null && code === NONE) {
        this.#succeed(entry)
        this.#advance()
        return
      }
      const problem = error ?? refusal(code, `ending a transaction of ${transactionalId}`)
      const fate = error === null ? fateOfCode(code) : error.fate === 'retry' ? 'coordinator' : 'fatal'
      if (fate === 'coordinator') this.#cluster.forgetCoordinator('transaction', transactionalId)
      if (fate === 'coordinator' || fate === 'retry' || fate === 'metadata') void again(problem)
      else if (tries > 0 && fate === 'fenced') this.#unknown(entry, problem)
      else {
        entry.state = 'sent'
        entry.fail(problem, fate)
        this.#advance()
      }
    }
    if (this.#bumps(producer)) {
      connection.send(endTxnBumping, body, (error, answer) => {
        if (answer?.errorCode === NONE) producer.next(answer.producerId, answer.producerEpoch)
        heard(error, answer?.errorCode ?? NONE)
      })
    } else connection.send(endTxn, body, (error, answer) => heard(error, answer?.errorCode ?? NONE))
  }

  /** Nobody here can tell whether it was committed. */
  #unknown(entry: Entry, cause: AldebaranError): void {
    entry.state = 'sent'
    const text = `Whether a unit was committed is not known: ${cause.message}`
    entry.fail(new AldebaranError('COMMIT_UNKNOWN', text, cause.details, cause), 'fatal')
    this.#advance()
  }

  #commitPositions(entry: Entry): void {
    entry.state = 'ending'
    for (const [group, positions] of byGroup(entry.unit)) {
      const { memberId, epoch } = this.#settings.membership(group) ?? NO_MEMBER
      const body = {
        groupId: group,
        generationId: epoch,
        memberId,
        groupInstanceId: null,
        topics: committedTopics(positions),
      }
      const connection = this.#cluster.opened(
        this.#cluster.coordinatorNow('group', group) ?? -1,
        `${this.#settings.purpose} offsets`,
      )
      entry.outstanding++
      const heard = (error: AldebaranError | null, codes: readonly number[]): void => {
        entry.outstanding--
        this.#heard(entry, error, codes, `positions of group ${group}`, { group })
        if (entry.outstanding > 0) return
        if (entry.failure === null) this.#succeed(entry)
        else entry.state = 'sent'
        this.#advance()
      }
      if (connection === null) {
        const error = new AldebaranError('KAFKA_UNREACHABLE', `the coordinator of group ${group} is not connected`)
        queueMicrotask(() => heard(error, []))
      } else {
        connection.send(atVersion(offsetCommit, connection.supports(8, 9) ? 9 : 8), body, (error, answer) =>
          heard(error, codesOf(answer?.topics)),
        )
      }
    }
  }

  // Recovery

  /** The oldest unit failed: nothing after it may be ended. What was sent is given up, and sent again if it may pass. */
  #recover(head: Entry): void {
    if (this.#held || this.#queue.some(entry => entry.outstanding > 0)) return
    this.#held = true
    const error = head.failure!
    const { sole = false } = this.#settings
    const fate = sole && head.fate === 'stale' ? 'fenced' : head.fate!
    const late = performance.now() - head.since > this.#settings.giveUpMs
    const passes = PASSING.has(fate) && !late && !sole
    void this.#giveUp(fate).then(async problem => {
      if (!passes || (problem !== null && !isPassing(problem))) {
        // Its own error says most; an answer in order, then those behind it follow it.
        if (head.producer === this.#plain && late) this.#plain.id = -1
        this.#fail(head, error)
      } else await pause(backOff(head.tries, 250))
      for (const entry of this.#queue) {
        if (entry.producer === this.#plain && this.#plain.initialised && passes) entry.state = 'waiting'
        else if (entry.state !== 'waiting') {
          entry.state = 'waiting'
          entry.sequences = null
        }
        entry.tries++
        entry.producer = null
        entry.failure = null
        entry.fate = null
      }
      this.#held = false
      this.#advance()
    })
  }

  /** Aborts the transactions that are open, and looks anew where everything is. Null: that went well. */
  async #giveUp(fate: KafkaFate): Promise<AldebaranError | null> {
    try {
      for (const entry of this.#queue) {
        for (const group of byGroup(entry.unit).keys()) this.#cluster.forgetCoordinator('group', group)
        const id = entry.producer?.transactionalId
        if (id != null) this.#cluster.forgetCoordinator('transaction', id)
      }
      await this.#cluster.refresh().catch(() => {})
      const open = this.#queue.flatMap(entry =>
        entry.producer !== null && entry.producer !== this.#plain ? [entry.producer] : [],
      )
      for (const producer of open) producer.busy = false
      // Who was fenced fences nobody: the next unit, if there is one, begins anew.
      if (fate === 'fenced') for (const producer of open) producer.id = -1
      else await Promise.all(open.map(producer => producer.initialise()))
      if (fate === 'fenced' || fate === 'fatal') this.#plain.id = -1
      return null
    } catch (error) {
      return error as AldebaranError
    }
  }

  /** Resolves when the unit is the oldest. */
  async #headTurn(entry: Entry): Promise<void> {
    while (this.#queue[0] !== entry && this.#queue.includes(entry)) await pause(1)
  }
}

const PASSING: ReadonlySet<KafkaFate> = new Set(['metadata', 'coordinator', 'retry', 'stale'])

function codesOf(topics: readonly { partitions: readonly { errorCode: number }[] }[] | undefined): number[] {
  return (topics ?? []).flatMap(topic => topic.partitions.map(partition => partition.errorCode))
}

function noTables(): AldebaranError {
  return new AldebaranError('OPTION_INVALID', 'This log holds no disk tables')
}

function pause(ms: number): Promise<void> {
  return new Promise(resolve => setTimeout(resolve, ms))
}
