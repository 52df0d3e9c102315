/** Opens a log on Kafka: starts the network thread, and gives out clients and addresses. */
import { extname } from 'node:path'
import { MessageChannel, type MessagePort, Worker } from 'node:worker_threads'
import { AldebaranError, ERROR_CODES, type ErrorCode } from '../../errors.ts'
import { type Compression, compressionCode } from '../../record/compression.ts'
import { Bell, ring } from '../bell.ts'
import type { Log } from '../contract.ts'
import { CONTROL_BELL, CONTROL_STATE, CONTROL_WORDS } from '../ends.ts'
import { ANSWERED, BELL, CLOSED, type MailboxBuffers, newMailbox, STATE, SUBMITTED } from '../mailbox.ts'
import { CHECK_MS, CLOSING, RUNNING, STOPPED } from '../unit-sender.ts'
import { type KafkaAddress, KafkaClient } from './client.ts'
import { Cluster, type ClusterSettings } from './cluster.ts'
import type { ThreadReport } from './copy-store.ts'
import { NetworkCounters } from './counters.ts'
import type { FromNetworkThread, NetworkThreadData, ToNetwork } from './network-thread.ts'
import type { Membership } from './unit-requests.ts'
import type { Endpoint } from './wire/connection.ts'
import { NO_SECURITY, type Security } from './wire/security.ts'

export interface KafkaOptions {
  readonly bootstrap: readonly Endpoint[]
  readonly security?: Security
  /** Default: 'exactly-once'. */
  readonly guarantee?: 'exactly-once' | 'at-least-once'
  /** Of what is written. Default: 'none'. */
  readonly compression?: Compression
  /** Replicas of topics that are created. Default: as the cluster says. */
  readonly replication?: number
  /**
   * Names this node among those of the application; it stays the same over restarts where that is possible, so that what
   * it left open is ended as soon as it is back.
   */
  readonly node: string
  /** Transactions that a client may have open at once. Default 4. */
  readonly transactions?: number
  /** Kafka aborts what a node left open that nobody buried after this, ms. Default 10,000. */
  readonly transactionTimeoutMs?: number
  /** Default 10,000. */
  readonly requestTimeoutMs?: number
  /** A unit that cannot be committed for this long fails, ms. Default 30,000. */
  readonly giveUpMs?: number
  /** The folder for copies of changelogs, which nobody else uses. Default: none are kept. */
  readonly copies?: string
  /** Hears of what the network thread has to tell people. */
  readonly report?: ThreadReport
}

interface Client {
  readonly name: string
  readonly mailbox: MailboxBuffers
}

/**
 * Connects to the cluster.
 * @throws AldebaranError KAFKA_UNREACHABLE, KAFKA_AUTHENTICATION, KAFKA_UNSUPPORTED, KAFKA_PROTOCOL.
 */
export async function openKafka(options: KafkaOptions): Promise<KafkaHost> {
  const cluster: ClusterSettings = {
    bootstrap: options.bootstrap,
    clientId: `aldebaran-${options.node}`,
    security: options.security ?? NO_SECURITY,
    connectTimeoutMs: 5000,
    requestTimeoutMs: options.requestTimeoutMs ?? 10_000,
  }
  const data: NetworkThreadData = {
    kind: 'aldebaran-network',
    cluster,
    control: new SharedArrayBuffer(CONTROL_WORDS * 4),
    counters: new NetworkCounters().buffer,
    topics: { replication: options.replication ?? -1 },
    copies: options.copies ?? null,
  }
  const url = new URL(`./network-thread${extname(import.meta.url)}`, import.meta.url)
  // The flags of the process are not for it: with some of them, as --input-type, it would not start.
  const thread = new Worker(url, { workerData: data, name: 'network', execArgv: [] })
  const host = new KafkaHost(thread, data, options)
  await host.ready
  return host
}

export class KafkaHost {
  readonly options: KafkaOptions
  /** Resolves when the network thread serves. */
  readonly ready: Promise<void>
  /** Resolves when the network thread has ended: with null after `close`, with its error otherwise. */
  readonly stopped: Promise<AldebaranError | null>
  /** The brokers as this thread knows them, for what is not records: membership, administration. */
  readonly cluster: Cluster
  /** Of the network thread. */
  readonly counters: NetworkCounters
  readonly #thread: Worker
  readonly #control: Int32Array
  #clients: Client[] = []
  #own: Log[] = []
  #closed = false
  #nextOwn = 0

  constructor(thread: Worker, data: NetworkThreadData, options: KafkaOptions) {
    this.options = options
    this.cluster = new Cluster(data.cluster)
    this.counters = new NetworkCounters(data.counters)
    this.#thread = thread
    this.#control = new Int32Array(data.control)
    const ready = Promise.withResolvers<void>()
    const stopped = Promise.withResolvers<AldebaranError | null>()
    this.ready = ready.promise
    this.stopped = stopped.promise
    let failure: AldebaranError | null = null
    thread.on('message', (message: FromNetworkThread) => {
      if (message.kind === 'ready') ready.resolve()
      else if (message.kind === 'report') options.report?.(message.level, message.message, message.details)
      else failure = errorOf(message)
    })
    thread.on('error', (error: Error) => {
      failure = new AldebaranError('LOG_STOPPED', `The network thread ended: ${error.message}`, {}, error)
    })
    thread.on('exit', () => {
      if (!this.#closed) failure ??= new AldebaranError('LOG_STOPPED', 'The network thread ended')
      Atomics.compareExchange(this.#control, CONTROL_STATE, RUNNING, STOPPED)
      for (const client of this.#clients) ring(new Int32Array(client.mailbox.words), BELL)
      if (failure !== null) ready.reject(failure)
      stopped.resolve(failure)
    })
  }

  /** A client for this thread. It is closed with the host. */
  client(): Log {
    const log = new KafkaClient(this.#address(`client-${this.#nextOwn++}`, false))
    this.#own.push(log)
    return log
  }

  /** An address for one client, in this or any other thread of the process. */
  address(): KafkaAddress {
    return this.#address(`client-${this.#nextOwn++}`, false)
  }

  /** An address for the thread of a worker. Its successor fences it. */
  workerAddress(worker: number): KafkaAddress {
    return this.#address(`worker-${worker}`, true)
  }

  /** For what one node at a time may do: whoever asks for a client of that name fences the one before, on any node. */
  soleClient(name: string): Log {
    return new KafkaClient(this.#address(`client-${this.#nextOwn++}`, true, [name]))
  }

  /** The transactional ids of a worker, for those who bury it. */
  transactionalIds(client: string): string[] {
    const count = this.options.transactions ?? 4
    return Array.from({ length: count }, (_, i) => `${this.options.node}.${client}.${i}`)
  }

  /** As whom a worker commits positions of a group from now on. */
  setMembership(worker: number, group: string, membership: Membership | null): void {
    this.#post({ kind: 'membership', client: `worker-${worker}`, group, membership })
  }

  #address(name: string, ownsTasks: boolean, soleIds?: readonly string[]): KafkaAddress {
    if (this.#closed) throw new AldebaranError('LOG_CLOSED', 'The log was closed')
    this.#clients = this.#clients.filter(client => !isClosed(client.mailbox))
    const { options } = this
    const guarantee = options.guarantee ?? 'exactly-once'
    const mailbox = newMailbox()
    const answered = new SharedArrayBuffer(4)
    const { port1, port2 } = new MessageChannel()
    const settings = {
      name,
      ownsTasks,
      guarantee,
      transactionalIds: soleIds ?? this.transactionalIds(name),
      sole: soleIds !== undefined,
      transactionTimeoutMs: options.transactionTimeoutMs ?? 10_000,
      compression: compressionCode(options.compression ?? 'none'),
      giveUpMs: options.giveUpMs ?? 30_000,
    }
    this.#clients.push({ name, mailbox })
    this.#post({ kind: 'client', settings, mailbox, port: port2, answered }, [port2])
    return {
      kind: 'kafka',
      mailbox,
      control: this.#control.buffer as SharedArrayBuffer,
      port: port1,
      answered,
      capabilities: { denseOffsets: false, tables: false, durability: 'disk', fencing: 'positions' },
      transfer: [port1],
    }
  }

  #post(message: ToNetwork, transfer: readonly MessagePort[] = []): void {
    this.#thread.postMessage(message, [...transfer])
    ring(this.#control, CONTROL_BELL)
  }

  /**
   * Gives an address back whose thread ended without closing its client; resolves when all it had submitted is
   * answered, for only then does the log say where a successor has to start.
   */
  async release(address: { readonly mailbox: MailboxBuffers }): Promise<void> {
    const words = new Int32Array(address.mailbox.words)
    const bell = new Bell(words, BELL)
    while (Atomics.load(words, SUBMITTED) !== Atomics.load(words, ANSWERED) && this.#serving()) {
      await bell.changed(CHECK_MS)
    }
    Atomics.store(words, STATE, CLOSED)
    ring(this.#control, CONTROL_BELL)
  }

  /** Commits what was submitted, closes the clients of this thread, and ends the network thread. */
  async close(): Promise<void> {
    if (!this.#closed) {
      await Promise.all(this.#own.map(log => log.close()))
      this.#closed = true
      Atomics.compareExchange(this.#control, CONTROL_STATE, RUNNING, CLOSING)
      ring(this.#control, CONTROL_BELL)
      this.cluster.close()
    }
    await this.stopped
  }

  #serving(): boolean {
    return Atomics.load(this.#control, CONTROL_STATE) < STOPPED
  }
}

function isClosed(mailbox: MailboxBuffers): boolean {
  return Atomics.load(new Int32Array(mailbox.words), STATE) === CLOSED
}

function errorOf(message: Extract<FromNetworkThread, { kind: 'failed' }>): AldebaranError {
  const code = message.code !== null && message.code in ERROR_CODES ? (message.code as ErrorCode) : 'LOG_STOPPED'
  return new AldebaranError(code, message.message, message.details)
}
