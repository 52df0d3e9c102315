/** Opens a log on Kafka: starts the network thread, and gives out clients and addresses. */
import { extname } from 'node:path'
import { MessageChannel, type MessagePort, Worker } from 'node:worker_threads'
import { AldebaranError } from '../../errors.ts'
import { type Compression, compressionCode } from '../../record/compression.ts'
import { ring } from '../bell.ts'
import type { Log } from '../contract.ts'
import { CONTROL_BELL, CONTROL_WORDS } from '../ends.ts'
import { type MailboxBuffers, newMailbox } from '../mailbox.ts'
import { errorOf } from '../thread-failure.ts'
import { ThreadHost } from '../thread-host.ts'
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
  /** The folder for disk tables, which nobody else uses. Default: none can be kept. */
  readonly tables?: string
  /** Hears of what the network thread has to tell people. */
  readonly report?: ThreadReport
}

/** A worker as a member of a group. */
export interface GroupMembership {
  readonly group: string
  readonly worker: number
  /** Grows whenever the group gives out tasks anew; 0 and less: it is not one of those that have tasks. */
  readonly epoch: number
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

export class KafkaHost extends ThreadHost<FromNetworkThread> {
  readonly options: KafkaOptions
  /** The brokers as this thread knows them, for what is not records: membership, administration. */
  readonly cluster: Cluster
  /** Of the network thread. */
  readonly counters: NetworkCounters
  /** What workers are in groups, by group and worker. */
  readonly #memberships = new Map<string, GroupMembership>()
  #nextOwn = 0

  constructor(thread: Worker, data: NetworkThreadData, options: KafkaOptions) {
    super(thread, data.control, 'network thread')
    this.options = options
    this.cluster = new Cluster(data.cluster)
    this.counters = new NetworkCounters(data.counters)
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
    const key = `${group} ${worker}`
    if (membership === null) this.#memberships.delete(key)
    else this.#memberships.set(key, { group, worker, epoch: membership.epoch })
    this.#post({ kind: 'membership', client: `worker-${worker}`, group, membership })
  }

  /** Requests sent since the start, by the names of their apis: for records, membership and administration. */
  requests(): ReadonlyMap<string, number> {
    const requests = new Map<string, number>()
    this.counters.addRequestsTo(requests)
    this.cluster.counters.addRequestsTo(requests)
    return requests
  }

  /** As what the workers are members of groups. */
  memberships(): GroupMembership[] {
    return [...this.#memberships.values()]
  }

  #address(name: string, ownsTasks: boolean, soleIds?: readonly string[]): KafkaAddress {
    const { options } = this
    const guarantee = options.guarantee ?? 'exactly-once'
    const mailbox = newMailbox()
    this.admit(mailbox)
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
    this.#post({ kind: 'client', settings, mailbox, port: port2, answered }, [port2])
    return {
      kind: 'kafka',
      mailbox,
      control: this.control.buffer as SharedArrayBuffer,
      port: port1,
      answered,
      capabilities: { denseOffsets: false, tables: false, durability: 'disk', fencing: 'positions' },
      tables: this.options.tables ?? null,
      transfer: [port1],
    }
  }

  #post(message: ToNetwork, transfer: readonly MessagePort[] = []): void {
    this.thread.postMessage(message, [...transfer])
    ring(this.control, CONTROL_BELL)
  }

  /**
   * Gives an address back whose thread ended without closing its client; resolves when all it had submitted is
   * answered, for only then does the log say where a successor has to start.
   */
  async release(address: { readonly mailbox: MailboxBuffers }): Promise<void> {
    await this.closeMailbox(address.mailbox)
    ring(this.control, CONTROL_BELL)
  }

  protected connect(): Log {
    return new KafkaClient(this.address())
  }

  protected heard(message: FromNetworkThread): AldebaranError | null {
    if (message.kind === 'failed') return errorOf(message) ?? new AldebaranError('LOG_STOPPED', message.message)
    this.options.report?.(message.level, message.message, message.details)
    return null
  }

  protected closing(): void {
    this.cluster.close()
  }
}
