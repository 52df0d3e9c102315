/**
 * The requests that a unit is made of: its batches, its positions, the end of its transaction. Whoever has the unit is told
 * that something was answered (`advance`), or that it is committed (`succeed`).
 */
import { setTimeout as pause } from 'node:timers/promises'
import { AldebaranError } from '../../errors.ts'
import type { Position } from '../contract.ts'
import { backOff } from './back-off.ts'
import { type Cluster, refusal } from './cluster.ts'
import { type Again, byGroup, committedTopics, type Entry, isForNow, sendAppends } from './unit-entry.ts'
import type { UnitProducer } from './unit-producer.ts'
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
import { fateOfCode, NONE } from './wire/error-codes.ts'
import { atVersion } from './wire/types.ts'

/** Who commits positions of a group: fenced when it is no member any more. */
export interface Membership {
  readonly memberId: string
  readonly epoch: number
}

export interface RequestSettings {
  /** Tells its connections from those of others. */
  readonly purpose: string
  /** The code of a compression. */
  readonly compression: number
  /** A unit that still fails after this long is given up, ms. */
  readonly giveUpMs: number
  /** Others may have the same ids: who has been fenced stays fenced, and every unit is a transaction. Default: false. */
  readonly sole?: boolean
  readonly membership: (group: string) => Membership | undefined
}

/** Further tries of one request, within about 3 s; then its transaction is given up and sent again. */
const MOST_TRIES = 30

const NO_MEMBER: Membership = { memberId: '', epoch: -1 }

export class UnitRequests {
  /** How many requests are being begun, or wait to be sent again. */
  #holds = 0
  readonly #cluster: Cluster
  readonly #settings: RequestSettings
  readonly #queue: () => readonly Entry[]
  readonly #advance: () => void
  readonly #succeed: (entry: Entry) => void

  /** `queue`: the units that have no outcome yet, the oldest first. */
  constructor(
    cluster: Cluster,
    settings: RequestSettings,
    queue: () => readonly Entry[],
    advance: () => void,
    succeed: (entry: Entry) => void,
  ) {
    this.#cluster = cluster
    this.#settings = settings
    this.#queue = queue
    this.#advance = advance
    this.#succeed = succeed
  }

  /** Nothing new may be sent: it would overtake what is being begun, or is to be sent again. */
  get holdsBack(): boolean {
    return this.#holds > 0
  }

  /** Without a transaction. */
  sendPlain(entry: Entry): void {
    this.#sendBatches(entry, false, 9, this.#advance)
    // Only positions: there is nothing to wait for.
    if (entry.outstanding === 0) queueMicrotask(this.#advance)
  }

  sendTransaction(entry: Entry): void {
    if (this.#bumps(entry.producer!)) this.#sendInTurn(entry, 12, 5)
    else this.#sendOld(entry)
  }

  /** Null: none is open. It may be closed at any time, so what is answered later looks for it again. */
  #connection(broker: number, purpose: string): Connection | null {
    return this.#cluster.opened(broker, `${this.#settings.purpose} ${purpose}`)
  }

  /** Every broker the unit has to do with has an open connection. */
  areOpen(entry: Entry, producer: UnitProducer, leaders: ReadonlySet<number>): boolean {
    for (const broker of leaders) if (this.#connection(broker, 'produce') === null) return false
    for (const group of byGroup(entry.unit).keys()) {
      const broker = this.#cluster.coordinatorNow('group', group)
      if (broker === undefined || this.#connection(broker, 'offsets') === null) return false
    }
    if (producer.transactionalId === null) return true
    const broker = this.#cluster.coordinatorNow('transaction', producer.transactionalId)
    return broker !== undefined && this.#connection(broker, 'end') !== null
  }

  /** Whether the cluster runs the second transaction protocol: each transaction has an epoch of its own. */
  #bumps(producer: UnitProducer): boolean {
    const broker = this.#cluster.coordinatorNow('transaction', producer.transactionalId!)!
    const connection = this.#connection(broker, 'end')!
    return (connection.features.get('transaction.version') ?? 0) >= 2 && connection.supports(END_TXN_KEY, 5)
  }

  /**
   * Positions follow when the batches are there: a broker that is to add two things to one transaction at a time gives up
   * the first of them. They follow in the order of the units, for of two that are committed the coordinator keeps those
   * that it was sent last: those of the unit before would bring the group back, and a successor would read twice.
   */
  #sendInTurn(entry: Entry, produceVersion: number, positionsVersion: number): void {
    const written = (): void => {
      if (entry.outstanding === 0) entry.positionsVersion = positionsVersion
      this.#sendDuePositions()
      this.#advance()
    }
    if ((entry.unit.appends?.length ?? 0) > 0) this.#sendBatches(entry, true, produceVersion, written)
    else queueMicrotask(written)
  }

  #sendDuePositions(): void {
    for (const entry of this.#queue()) {
      if (entry.positionsSent || entry.producer?.transactionalId === null) continue
      if (entry.state !== 'sent' || entry.positionsVersion === null || entry.failure !== null) return
      entry.positionsSent = true
      this.#sendPositions(entry, entry.positionsVersion)
    }
  }

  #sendBatches(entry: Entry, transactional: boolean, version: number, answered: () => void): void {
    const { compression } = this.#settings
    const timeoutMs = Math.max(1000, this.#cluster.settings.requestTimeoutMs - 1000)
    const again: Again = (...request) => transactional && this.#again(...request)
    const settings = { transactional, version, compression, timeoutMs, again }
    sendAppends(entry, this.#cluster, broker => this.#connection(broker, 'produce'), settings, answered)
  }

  #sendPositions(entry: Entry, version: number): void {
    for (const [group, positions] of byGroup(entry.unit)) this.#sendGroup(entry, version, group, positions, 0)
  }

  #sendGroup(entry: Entry, version: number, group: string, positions: readonly Position[], tries: number): void {
    const producer = entry.producer!
    const broker = this.#cluster.coordinatorNow('group', group)
    const connection = broker === undefined ? null : this.#connection(broker, 'offsets')
    if (connection === null) {
      // It was closed, or the coordinator was forgotten, while the batches were under way.
      const error = new AldebaranError('KAFKA_UNREACHABLE', `the coordinator of group ${group} is not connected`)
      entry.fail(error, 'coordinator')
      return
    }
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
    connection.send(atVersion(txnOffsetCommit, version), body, (error, answer) => {
      entry.outstanding--
      const codes = codesOf(answer?.topics)
      const again = (): void => this.#sendGroup(entry, version, group, positions, tries + 1)
      if (isForNow(entry, codes) && this.#again(entry, tries, again)) return
      this.#heard(entry, error, codes, `positions of group ${group}`, { group })
      this.#advance()
    })
  }

  /**
   * What brokers refuse only for now is sent again as it is. Not when units after it were sent: their records would
   * come to lie before its own. Those are all given up then, and sent again in order.
   */
  #again(entry: Entry, tries: number, again: () => void): boolean {
    const isLast = this.#queue().every(one => one === entry || one.state === 'waiting')
    if (!isLast || entry.failure !== null || !this.#isPatient(entry, tries)) return false
    this.#holds++
    entry.refused = true
    entry.outstanding++
    setTimeout(
      () => {
        this.#holds--
        entry.outstanding--
        again()
        this.#advance()
      },
      backOff(tries, 100),
    )
    return true
  }

  /** A sole writer sends no unit twice: it has only these tries. */
  #isPatient(entry: Entry, tries: number): boolean {
    const { sole = false, giveUpMs } = this.#settings
    return sole ? performance.now() - entry.since < giveUpMs : tries < MOST_TRIES
  }

  /** With the first protocol, partitions and groups are added to the transaction before anything is sent to them. */
  #sendOld(entry: Entry): void {
    const producer = entry.producer!
    const { transactionalId, id: producerId, epoch: producerEpoch } = producer
    const connection = this.#connection(this.#cluster.coordinatorNow('transaction', transactionalId!)!, 'end')!
    const head = { transactionalId: transactionalId!, producerId, producerEpoch }
    const topics = new Map<string, Set<number>>()
    for (const { topic, partition } of entry.unit.appends ?? []) {
      topics.set(topic, (topics.get(topic) ?? new Set()).add(partition))
    }
    this.#holds++
    const added = (): void => {
      if (entry.outstanding > 0) return
      this.#holds--
      if (entry.failure === null) this.#sendInTurn(entry, 9, 3)
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

  /** `unsure`: an earlier try was not answered, so it may have ended the transaction. */
  endTransaction(entry: Entry, tries = 0, unsure = false): void {
    entry.state = 'ending'
    const producer = entry.producer!
    const transactionalId = producer.transactionalId!
    const again = async (error: AldebaranError, lost = false): Promise<void> => {
      if (performance.now() - entry.since > this.#settings.giveUpMs * 2) return this.#unknown(entry, error)
      await pause(backOff(tries, 100))
      try {
        const broker = await this.#cluster.coordinator('transaction', transactionalId)
        await this.#cluster.connection(broker, `${this.#settings.purpose} end`)
      } catch {
        await this.#cluster.refresh().catch(() => {})
      }
      this.endTransaction(entry, tries + 1, unsure || lost)
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
        return
      }
      const problem = error ?? refusal(code, `ending a transaction of ${transactionalId}`)
      const fate = error === null ? fateOfCode(code) : error.fate === 'retry' ? 'coordinator' : 'fatal'
      if (fate === 'coordinator') this.#cluster.forgetCoordinator('transaction', transactionalId)
      if (fate === 'coordinator' || fate === 'retry' || fate === 'metadata') void again(problem, error !== null)
      else if (unsure) this.#unknown(entry, problem)
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

  commitPositions(entry: Entry): void {
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
        else {
          entry.state = 'sent'
          this.#advance()
        }
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
}

function codesOf(topics: readonly { partitions: readonly { errorCode: number }[] }[] | undefined): number[] {
  return (topics ?? []).flatMap(topic => topic.partitions.map(partition => partition.errorCode))
}
