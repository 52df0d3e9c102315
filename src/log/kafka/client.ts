/**
 * A thread's access to a log on Kafka. The network thread does what needs the network: this side hands units over through
 * its mailbox, reads what was fetched from rings in shared memory, and asks the rest through a port. A question blocks
 * this thread until it is answered, as the contract has it; all of them are rare.
 */
import { type MessagePort, receiveMessageOnPort } from 'node:worker_threads'
import { AldebaranError, ERROR_CODES, type ErrorCode } from '../../errors.ts'
import { systemClock } from '../../time/clock.ts'
import { ring } from '../bell.ts'
import type {
  From,
  LocalTables,
  Log,
  LogCapabilities,
  PartitionInfo,
  PartitionReader,
  Position,
  TopicInfo,
  TopicOptions,
} from '../contract.ts'
import { CONTROL_BELL, CONTROL_STATE } from '../ends.ts'
import { LocalTableFolder } from '../local-table-folder.ts'
import type { MailboxBuffers } from '../mailbox.ts'
import { STOPPED, UnitSender } from '../unit-sender.ts'
import type { Answers, Ask, FromClient, FromNetwork } from './asks.ts'
import { KafkaReader, type ReaderHost, type Subscription } from './reader.ts'
import { newRing } from './ring.ts'

export interface KafkaAddress {
  readonly kind: 'kafka'
  readonly mailbox: MailboxBuffers
  readonly control: SharedArrayBuffer
  readonly port: MessagePort
  /** answered[0] counts the answers of the port. */
  readonly answered: SharedArrayBuffer
  readonly capabilities: LogCapabilities
  /** The folder for disk tables; null: there is none. */
  readonly tables: string | null
  readonly transfer: readonly MessagePort[]
}

/** How often a thread that waits for an answer looks whether the network thread is still there. */
const CHECK_MS = 1000

type Outcome = { answer: unknown } | { error: AldebaranError }

export class KafkaClient extends UnitSender implements Log, ReaderHost {
  readonly capabilities: LogCapabilities
  readonly localTables: LocalTables | undefined
  readonly #control: Int32Array
  readonly #port: MessagePort
  readonly #answered: Int32Array
  readonly #waiting = new Map<number, (outcome: Outcome) => void>()
  readonly #readers = new Set<KafkaReader>()
  #nextId = 0
  #closed = false

  constructor(address: KafkaAddress) {
    super(address.mailbox, address.control, false)
    this.capabilities = address.capabilities
    this.localTables = this.#tablesIn(address.tables)
    this.#control = new Int32Array(address.control)
    this.#port = address.port
    this.#answered = new Int32Array(address.answered)
    this.#port.on('message', message => this.#heard(message as FromNetwork))
    this.#port.unref()
  }

  topics(options: { internal?: boolean } = {}): TopicInfo[] {
    const all = this.#ask({ kind: 'topics' })
    return options.internal === true ? all : all.filter(topic => topic.internal !== true)
  }

  topic(name: string): TopicInfo | undefined {
    return this.#ask({ kind: 'topic', name }) ?? undefined
  }

  partition(topic: string, partition: number): PartitionInfo {
    return this.#ask({ kind: 'partition', topic, partition })
  }

  async createTopic(name: string, options: TopicOptions): Promise<void> {
    await this.#request({ kind: 'create', name, options })
  }

  async deleteTopic(name: string): Promise<void> {
    await this.#request({ kind: 'delete', name })
  }

  reader(topic: string, partition: number, from: From): PartitionReader {
    return this.#read(topic, partition, this.subscribe(topic, partition, from))
  }

  async listTopics(): Promise<TopicInfo[]> {
    return await this.#request({ kind: 'topics' })
  }

  async partitionsOf(topics: readonly string[]): Promise<Map<string, PartitionInfo[]>> {
    return await this.#request({ kind: 'partitions', topics })
  }

  async positionsOf(groups: readonly string[] | null): Promise<Position[]> {
    return await this.#request({ kind: 'committed', groups })
  }

  async openReader(topic: string, partition: number, from: From): Promise<PartitionReader> {
    const ring = newRing()
    const { id, position, end } = await this.#request({ kind: 'subscribe', topic, partition, from, ring })
    return this.#read(topic, partition, { id, ring, position, end })
  }

  position(group: string, topic: string, partition: number): Position | undefined {
    return this.#ask({ kind: 'position', group, topic, partition }) ?? undefined
  }

  positions(group?: string): Position[] {
    return this.#ask({ kind: 'positions', group: group ?? null })
  }

  tableGet(): undefined {
    throw noTables()
  }

  tableRange(): never {
    throw noTables()
  }

  async close(): Promise<void> {
    if (!(await this.finish())) return
    for (const reader of [...this.#readers]) reader.close()
    this.#closed = true
    this.#port.close()
    await this.localTables?.close()
  }

  // For readers

  subscribe(topic: string, partition: number, from: From): Subscription {
    const shared = newRing()
    const { id, position, end } = this.#ask({ kind: 'subscribe', topic, partition, from, ring: shared })
    return { id, ring: shared, position, end }
  }

  unsubscribe(id: number): void {
    if (!this.#closed) this.#port.postMessage({ unsubscribe: id } satisfies FromClient)
  }

  ringNetwork(): void {
    ring(this.#control, CONTROL_BELL)
  }

  offsetAtTime(topic: string, partition: number, ms: number): number {
    return this.#ask({ kind: 'time', topic, partition, ms })
  }

  #tablesIn(folder: string | null): LocalTables | undefined {
    if (folder === null) return undefined
    const identityOf = (topic: string): string | null => this.#ask({ kind: 'identity', topic })
    return new LocalTableFolder({ folder, clock: systemClock, identityOf })
  }

  #read(topic: string, partition: number, subscription: Subscription): KafkaReader {
    const reader = new KafkaReader(this, topic, partition, subscription, closed => this.#readers.delete(closed))
    this.#readers.add(reader)
    return reader
  }

  /** Asks, and blocks until the answer is here. */
  #ask<K extends Ask['kind']>(ask: Extract<Ask, { kind: K }>): Answers[K] {
    let outcome = null as Outcome | null
    this.#post(ask, told => {
      outcome = told
    })
    for (;;) {
      const seen = Atomics.load(this.#answered, 0)
      for (let got = receiveMessageOnPort(this.#port); got !== undefined; got = receiveMessageOnPort(this.#port)) {
        this.#heard(got.message as FromNetwork)
      }
      if (outcome !== null) break
      this.#checkRunning()
      Atomics.wait(this.#answered, 0, seen, CHECK_MS)
    }
    if ('error' in outcome) throw outcome.error
    return outcome.answer as Answers[K]
  }

  /** Asks without blocking. */
  #request<K extends Ask['kind']>(ask: Extract<Ask, { kind: K }>): Promise<Answers[K]> {
    return new Promise((resolve, reject) => {
      const alive = setInterval(() => {}, CHECK_MS)
      try {
        this.#post(ask, told => {
          clearInterval(alive)
          if ('error' in told) reject(told.error)
          else resolve(told.answer as Answers[K])
        })
      } catch (error) {
        clearInterval(alive)
        reject(error as Error)
      }
    })
  }

  #post(ask: Ask, told: (outcome: Outcome) => void): void {
    this.#checkRunning()
    const id = this.#nextId++
    this.#waiting.set(id, told)
    this.#port.postMessage({ id, ask } satisfies FromClient)
  }

  #checkRunning(): void {
    if (this.#closed) throw new AldebaranError('LOG_CLOSED', 'The log was closed')
    if (Atomics.load(this.#control, CONTROL_STATE) >= STOPPED) {
      throw new AldebaranError('LOG_STOPPED', 'The network thread ended')
    }
  }

  #heard({ id, answer, error }: FromNetwork): void {
    const told = this.#waiting.get(id)
    this.#waiting.delete(id)
    if (error === undefined) {
      told?.({ answer })
      return
    }
    const code = error.code in ERROR_CODES ? (error.code as ErrorCode) : 'LOG_STOPPED'
    told?.({ error: new AldebaranError(code, error.message, error.details) })
  }
}

function noTables(): AldebaranError {
  return new AldebaranError('OPTION_INVALID', 'This log holds no disk tables')
}
