/** One unit on its way through the pipeline, with the requests it is made of. */
import { AldebaranError } from '../../errors.ts'
import { recordCountOf } from '../../record/batch-header.ts'
import type { CommitUnit, Position } from '../contract.ts'
import type { GroupUnit } from '../group.ts'
import { checkUnit } from '../unit.ts'
import { type Cluster, refusal } from './cluster.ts'
import type { UnitProducer } from './unit-producer.ts'
import type { Connection } from './wire/connection.ts'
import { produce } from './wire/data-messages.ts'
import {
  DUPLICATE_SEQUENCE_NUMBER,
  fateOfCode,
  type KafkaFate,
  NONE,
  OUT_OF_ORDER_SEQUENCE_NUMBER,
} from './wire/error-codes.ts'
import type { StampedBatch } from './wire/stamped-batch.ts'

export class Entry {
  readonly group: GroupUnit
  readonly done: () => void
  /** waiting → sent (to partitions and groups) → ending (its transaction, or its positions) */
  state: 'waiting' | 'sent' | 'ending' = 'waiting'
  producer: UnitProducer | null = null
  /** Answers that are not here yet. */
  outstanding = 0
  /** In a transaction: its batches are there, and its positions may be sent with this version; null: not yet. */
  positionsVersion: number | null = null
  positionsSent = false
  /** Something of this try was refused for now. */
  refused = false
  /** What went wrong in this try, and what that means. */
  failure: AldebaranError | null = null
  fate: KafkaFate | null = null
  tries = 0
  readonly offsets: number[]
  /** Kept for another try by an idempotent producer: the broker knows the batches by them. */
  sequences: number[] | null = null
  readonly since = performance.now()

  constructor(group: GroupUnit, done: () => void) {
    this.group = group
    this.done = done
    this.offsets = new Array(group.unit.appends?.length ?? 0).fill(-1)
  }

  get unit(): CommitUnit {
    return this.group.unit
  }

  /** One batch for one partition, and nothing else: it needs no transaction to be atomic. */
  get isPlain(): boolean {
    const { appends = [], positions = [] } = this.unit
    return appends.length === 1 && positions.length === 0
  }

  get isEmpty(): boolean {
    const { appends = [], positions = [] } = this.unit
    return appends.length === 0 && positions.length === 0
  }

  /** The worst of what went wrong counts. */
  fail(error: AldebaranError, fate: KafkaFate): void {
    if (this.failure !== null && SEVERITY.indexOf(fate) >= SEVERITY.indexOf(this.fate!)) return
    this.failure = error
    this.fate = fate
  }
}

/**
 * Whether brokers refused something only for now, so that the same may be sent again as it is. Behind a batch that they
 * refused so, the next one of its partition is a gap to them until that one is there.
 */
export function isForNow(entry: Entry, codes: readonly number[]): boolean {
  const refused = codes.filter(code => code !== NONE && code !== DUPLICATE_SEQUENCE_NUMBER)
  return refused.length > 0 && refused.every(code => fateWithin(entry, code) === 'retry')
}

function fateWithin(entry: Entry, code: number): KafkaFate {
  return entry.refused && code === OUT_OF_ORDER_SEQUENCE_NUMBER ? 'retry' : fateOfCode(code)
}

/** Does a request of a transaction again a little later, where it may be; false: it may not. */
export type Again = (entry: Entry, tries: number, again: () => void) => boolean

const SEVERITY: readonly KafkaFate[] = [
  'fatal',
  'denied',
  'size',
  'position',
  'fenced',
  'stale',
  'metadata',
  'coordinator',
  'retry',
]

/** Positions by group. */
export function byGroup(unit: CommitUnit): Map<string, Position[]> {
  const groups = new Map<string, Position[]>()
  for (const position of unit.positions ?? []) {
    const list = groups.get(position.group)
    if (list === undefined) groups.set(position.group, [position])
    else list.push(position)
  }
  return groups
}

/** The topics of positions, as requests spell them. */
export function committedTopics(positions: readonly Position[]): {
  name: string
  partitions: { partition: number; offset: number; leaderEpoch: number; metadata: string | null }[]
}[] {
  const topics = new Map<string, { partition: number; offset: number; leaderEpoch: number; metadata: string }[]>()
  for (const { topic, partition, offset, metadata } of positions) {
    const list = topics.get(topic) ?? []
    topics.set(topic, list)
    list.push({ partition, offset, leaderEpoch: -1, metadata })
  }
  return [...topics].map(([name, partitions]) => ({ name, partitions }))
}

/** Throws what is wrong with a unit; null: a topic is not known (yet). */
export function checkEntry(entry: Entry, cluster: Cluster): boolean {
  const topics = new Map()
  for (const { topic } of [
    ...(entry.unit.appends ?? []),
    ...(entry.unit.positions ?? []),
    ...(entry.unit.trims ?? []),
  ]) {
    const known = cluster.topics.get(topic)
    if (known === undefined) return false
    topics.set(topic, { info: { name: topic, partitions: known.partitions.length }, firstId: 0 })
  }
  checkUnit(entry.unit, topics, () => Number.POSITIVE_INFINITY)
  return true
}

/** Leaders of everything a unit appends to; null: one of them is not known. */
export function leadersOf(unit: CommitUnit, cluster: Cluster): Set<number> | null {
  const leaders = new Set<number>()
  for (const { topic, partition } of unit.appends ?? []) {
    const leader = cluster.leader(topic, partition)
    if (leader < 0) return null
    leaders.add(leader)
  }
  return leaders
}

type ProduceAnswer = ReturnType<typeof produce.response.read>

interface Settings {
  readonly transactional: boolean
  readonly version: number
  readonly compression: number
  readonly timeoutMs: number
  readonly again: Again
}

/**
 * Sends the batches of a unit: one request for each leader, and a further one for each further batch of a partition.
 * `answered` is called once for each request.
 */
export function sendAppends(
  entry: Entry,
  cluster: Cluster,
  connectionTo: (broker: number) => Connection | null,
  settings: Settings,
  answered: () => void,
): void {
  const { appends = [] } = entry.unit
  const producer = entry.producer!
  const known = entry.sequences
  const sequences = known ?? []
  const requests: { broker: number; appends: number[] }[] = []
  const rounds = new Map<string, number>()
  appends.forEach(({ topic, partition, batch }, index) => {
    if (known === null) sequences.push(producer.sequence(topic, partition, recordCountOf(batch, 0)))
    const key = `${topic}/${partition}`
    const round = rounds.get(key) ?? 0
    rounds.set(key, round + 1)
    const broker = cluster.leader(topic, partition)
    const request = requests.filter(one => one.broker === broker)[round]
    if (request === undefined) requests.push({ broker, appends: [index] })
    else request.appends.push(index)
  })
  entry.sequences = sequences
  for (const request of requests) {
    const topics = new Map<string, Sent[]>()
    for (const index of request.appends) {
      const { topic, partition, batch } = appends[index]!
      const list = topics.get(topic) ?? []
      topics.set(topic, list)
      const records = {
        batch,
        producerId: producer.id,
        producerEpoch: producer.epoch,
        sequence: sequences[index]!,
        transactional: settings.transactional,
        compression: settings.compression,
      }
      list.push({ index, partition, records })
    }
    sendRequest(entry, topics, () => connectionTo(request.broker), settings, answered)
  }
}

interface Sent {
  /** Which append of the unit it is. */
  readonly index: number
  readonly partition: number
  readonly records: StampedBatch
}

function sendRequest(
  entry: Entry,
  topics: ReadonlyMap<string, Sent[]>,
  connect: () => Connection | null,
  settings: Settings,
  answered: () => void,
  tries = 0,
): void {
  const body = {
    transactionalId: settings.transactional ? entry.producer!.transactionalId : null,
    acks: -1,
    timeoutMs: settings.timeoutMs,
    topics: [...topics].map(([name, partitions]) => ({ name, partitions })),
  }
  const heard = (error: AldebaranError | null, answer: ProduceAnswer | null): void => {
    entry.outstanding--
    const found = (answer?.topics ?? []).flatMap(({ name, partitions }) => partitions.map(one => ({ name, ...one })))
    const again = (): void => sendRequest(entry, topics, connect, settings, answered, tries + 1)
    const codes = found.map(one => one.errorCode)
    if (isForNow(entry, codes) && settings.again(entry, tries, again)) return
    if (error !== null) entry.fail(error, error.fate === 'retry' ? 'metadata' : 'fatal')
    for (const { name, partition, errorCode, baseOffset, errorMessage } of found) {
      const index = topics.get(name)?.find(one => one.partition === partition)?.index
      if (index === undefined) continue
      if (errorCode === NONE || errorCode === DUPLICATE_SEQUENCE_NUMBER) entry.offsets[index] = baseOffset
      else {
        const details = { topic: name, partition }
        entry.fail(refusal(errorCode, `${name}/${partition}`, details, errorMessage), fateWithin(entry, errorCode))
      }
    }
    answered()
  }
  entry.outstanding++
  const connection = connect()
  if (connection !== null) connection.send({ ...produce, version: settings.version }, body, heard)
  else {
    // It was closed since it was looked for.
    queueMicrotask(() => heard(new AldebaranError('KAFKA_UNREACHABLE', 'a broker is not connected'), null))
  }
}
