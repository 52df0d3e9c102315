/**
 * The brokers as a client knows them: who leads which partition, who coordinates which group, and a connection to each
 * for each purpose. What it knows may be out of date; whoever is told so by a broker calls `refresh` or `forget…`.
 */
import { setTimeout as pause } from 'node:timers/promises'
import { AldebaranError } from '../../errors.ts'
import { backOff } from './back-off.ts'
import { NetworkCounters } from './counters.ts'
import { Connection, type ConnectionSettings, type Endpoint, LOOK_MS } from './wire/connection.ts'
import { findCoordinator, metadata } from './wire/data-messages.ts'
import { fateOfCode, NONE, nameOfCode } from './wire/error-codes.ts'
import { type Api, NO_UUID } from './wire/types.ts'

export interface ClusterSettings extends ConnectionSettings {
  readonly bootstrap: readonly Endpoint[]
}

export interface PartitionMetadata {
  leader: number
  leaderEpoch: number
  replicas: readonly number[]
  inSync: readonly number[]
}

export interface TopicMetadata {
  readonly name: string
  readonly id: string
  readonly partitions: readonly PartitionMetadata[]
}

/** Further looks for a topic that is not known, within about 150 ms. */
const LOOKS = 4
/** A broker that did not answer is asked last for this long, ms. */
const SILENT_MS = 10_000

export type CoordinatorKind = 'group' | 'transaction'

export class Cluster {
  readonly settings: ClusterSettings
  readonly counters: NetworkCounters
  brokers: ReadonlyMap<number, Endpoint> = new Map()
  readonly topics = new Map<string, TopicMetadata>()
  id: string | null = null
  controller = -1
  readonly #connections = new Map<string, Promise<Connection>>()
  readonly #open = new Map<string, Connection>()
  readonly #coordinators = new Map<string, number>()
  /** Connections that did not answer: not tried first until that time. */
  readonly #silentUntil = new Map<string, number>()
  #refreshing: Promise<void> | null = null
  #closed = false

  constructor(settings: ClusterSettings, counters: NetworkCounters = new NetworkCounters()) {
    this.settings = settings
    this.counters = counters
  }

  /** Learns of the brokers and of all topics. */
  refresh(): Promise<void> {
    this.#refreshing ??= this.#refresh().finally(() => {
      this.#refreshing = null
    })
    return this.#refreshing
  }

  async #refresh(): Promise<void> {
    const connection = await this.any()
    const answer = await connection.request(
      metadata,
      {
        topics: null,
        allowAutoTopicCreation: false,
        includeTopicAuthorizedOperations: false,
      },
      LOOK_MS,
    )
    this.id = answer.clusterId
    this.controller = answer.controllerId
    this.brokers = new Map(answer.brokers.map(({ nodeId, host, port }) => [nodeId, { host, port }]))
    this.topics.clear()
    for (const { errorCode, name, topicId, partitions } of answer.topics) {
      if (name === null || (errorCode !== NONE && fateOfCode(errorCode) !== 'metadata')) continue
      this.topics.set(name, topicOf(name, topicId, partitions))
    }
  }

  /** One topic as the controller's metadata has it now; undefined: there is none. */
  async look(name: string): Promise<TopicMetadata | undefined> {
    const connection = await this.any()
    const answer = await connection.request(
      metadata,
      {
        topics: [{ topicId: NO_UUID, name }],
        allowAutoTopicCreation: false,
        includeTopicAuthorizedOperations: false,
      },
      LOOK_MS,
    )
    const found = answer.topics[0]
    if (found === undefined || (found.errorCode !== NONE && found.partitions.length === 0)) {
      this.topics.delete(name)
      if (found !== undefined && fateOfCode(found.errorCode) === 'denied')
        throw refusal(found.errorCode, `topic ${name}`)
      return undefined
    }
    this.brokers = new Map(answer.brokers.map(({ nodeId, host, port }) => [nodeId, { host, port }]))
    const topic = topicOf(name, found.topicId, found.partitions)
    this.topics.set(name, topic)
    return topic
  }

  /** As `look`, for a topic that may have been made a moment ago: brokers hear of it one after the other. */
  async lookForNew(name: string): Promise<TopicMetadata | undefined> {
    for (let tries = 0; ; tries++) {
      const found = await this.look(name)
      if (found !== undefined || tries === LOOKS) return found
      await pause(backOff(tries))
    }
  }

  /** The broker that leads a partition, or −1 when nobody is known to. */
  leader(topic: string, partition: number): number {
    return this.topics.get(topic)?.partitions[partition]?.leader ?? -1
  }

  /** An open connection to a broker, made when there is none. One for each purpose: a long poll holds up no commit. */
  connection(broker: number, purpose: string): Promise<Connection> {
    const endpoint = this.brokers.get(broker)
    if (endpoint === undefined) {
      const error = new AldebaranError('KAFKA_UNREACHABLE', `broker ${broker} is not known (any more)`, { broker })
      return Promise.reject(error)
    }
    return this.#connect(`${purpose} ${broker}`, endpoint)
  }

  /** The connection if it is open now. */
  opened(broker: number, purpose: string): Connection | null {
    return this.#open.get(`${purpose} ${broker}`) ?? null
  }

  /** A connection to whichever broker answers; those that were silent a moment ago are asked last. */
  async any(): Promise<Connection> {
    for (const [key, connection] of this.#open) if (key.startsWith('control ') && !connection.closed) return connection
    const known = [...this.brokers.entries()].map(([id, endpoint]) => [`control ${id}`, endpoint] as const)
    const first = this.settings.bootstrap.map(
      endpoint => [`control ${endpoint.host}:${endpoint.port}`, endpoint] as const,
    )
    let problem: unknown = null
    const now = performance.now()
    const isSilent = ([key]: readonly [string, Endpoint]): number => Number((this.#silentUntil.get(key) ?? 0) > now)
    for (const [key, endpoint] of [...known, ...first].sort((a, b) => isSilent(a) - isSilent(b))) {
      try {
        return await this.#connect(key, endpoint)
      } catch (error) {
        problem = error
        // Every broker would say the same.
        if (error instanceof AldebaranError && error.fate === 'terminal') throw error
      }
    }
    throw problem
  }

  #connect(key: string, endpoint: Endpoint): Promise<Connection> {
    if (this.#closed) return Promise.reject(new AldebaranError('LOG_CLOSED', 'The log was closed'))
    const there = this.#connections.get(key)
    if (there !== undefined) return there
    const opening = Connection.open(endpoint, this.settings, this.counters)
    this.#connections.set(key, opening)
    const forget = (): void => {
      if (this.#connections.get(key) === opening) this.#connections.delete(key)
      if (this.#open.delete(key)) this.counters.add('connections', -1)
      this.counters.add('connectionFailures', 1)
      this.#silentUntil.set(key, performance.now() + SILENT_MS)
    }
    opening.then(connection => {
      this.#silentUntil.delete(key)
      if (this.#closed) connection.close()
      else {
        this.#open.set(key, connection)
        this.counters.add('connections', 1)
      }
      connection.onClose(forget)
    }, forget)
    return opening
  }

  async coordinator(kind: CoordinatorKind, key: string): Promise<number> {
    const name = `${kind} ${key}`
    const known = this.#coordinators.get(name)
    if (known !== undefined && this.brokers.has(known)) return known
    const connection = await this.any()
    const answer = await connection.request(
      findCoordinator,
      { keyType: kind === 'group' ? 0 : 1, keys: [key] },
      LOOK_MS,
    )
    const found = answer.coordinators[0]
    if (found === undefined || found.errorCode !== NONE) {
      throw refusal(found?.errorCode ?? -1, `the coordinator of ${kind} ${key}`)
    }
    if (!this.brokers.has(found.nodeId)) await this.refresh()
    this.#coordinators.set(name, found.nodeId)
    return found.nodeId
  }

  /** The coordinator if it is known now. */
  coordinatorNow(kind: CoordinatorKind, key: string): number | undefined {
    return this.#coordinators.get(`${kind} ${key}`)
  }

  forgetCoordinator(kind: CoordinatorKind, key: string): void {
    this.#coordinators.delete(`${kind} ${key}`)
  }

  /** Asks the coordinator of a group or transactional id, and looks for it again as long as it moves. */
  async askCoordinator<Q, S>(
    kind: CoordinatorKind,
    key: string,
    api: Api<Q, S> | ((connection: Connection) => Api<Q, S>),
    body: Q,
    codeOf: (answer: S) => number,
    options: { purpose?: string; forMs?: number } = {},
  ): Promise<S> {
    const until = performance.now() + (options.forMs ?? this.settings.requestTimeoutMs)
    for (let tries = 0; ; tries++) {
      try {
        const broker = await this.coordinator(kind, key)
        const connection = await this.connection(broker, options.purpose ?? 'control')
        const answer = await connection.request(typeof api === 'function' ? api(connection) : api, body)
        const code = codeOf(answer)
        const fate = code === NONE ? null : fateOfCode(code)
        if (fate !== 'coordinator' && fate !== 'retry') return answer
        if (performance.now() > until) return answer
        if (fate === 'coordinator') this.forgetCoordinator(kind, key)
      } catch (error) {
        this.forgetCoordinator(kind, key)
        if (!isPassing(error) || performance.now() > until) throw error
        await this.refresh().catch(() => {})
      }
      await pause(backOff(tries, 250))
    }
  }

  close(): void {
    this.#closed = true
    for (const connection of [...this.#open.values()]) connection.close()
  }
}

function topicOf(
  name: string,
  id: string,
  partitions: readonly {
    partition: number
    leader: number
    leaderEpoch: number
    replicas: number[]
    isr: number[]
  }[],
): TopicMetadata {
  const ordered = [...partitions].sort((a, b) => a.partition - b.partition)
  return {
    name,
    id,
    partitions: ordered.map(({ leader, leaderEpoch, replicas, isr }) => ({
      leader,
      leaderEpoch,
      replicas,
      inSync: isr,
    })),
  }
}

/** It may go well another time. */
export function isPassing(error: unknown): boolean {
  return error instanceof AldebaranError && error.fate === 'retry'
}

/** The error for a code of Kafka. `what` was refused. */
export function refusal(
  code: number,
  what: string,
  details: Record<string, string | number> = {},
  reason: string | null = null,
): AldebaranError {
  const name = nameOfCode(code)
  const text = `${what}: ${name}${reason === null ? '' : ` (${reason})`}`
  const all = { ...details, kafka: name }
  switch (fateOfCode(code)) {
    case 'denied':
      return new AldebaranError('KAFKA_DENIED', text, all)
    case 'fenced':
    case 'stale':
      return new AldebaranError('FENCED', text, all)
    case 'size':
      return new AldebaranError('BATCH_TOO_LARGE', text, all)
    case 'position':
      return new AldebaranError('OFFSET_OUT_OF_RANGE', text, all)
    case 'fatal':
      return new AldebaranError('KAFKA_REFUSED', text, all)
    default:
      return new AldebaranError('KAFKA_UNREACHABLE', text, all)
  }
}
