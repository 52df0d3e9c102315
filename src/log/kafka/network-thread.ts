/**
 * The network thread: everything between this process and the brokers that concerns records. It has an event loop of its
 * own, so that neither a busy handler nor the main thread delays a commit that is under way.
 */
import { type MessagePort, parentPort, workerData } from 'node:worker_threads'
import { Bell, ring } from '../bell.ts'
import { CONTROL_BELL, CONTROL_STATE } from '../ends.ts'
import { BELL, type MailboxBuffers } from '../mailbox.ts'
import { failureOf, type ThreadFailure } from '../thread-failure.ts'
import { unknownTopic } from '../topics.ts'
import { CLOSING, DONE, STOPPED } from '../unit-sender.ts'
import { Catalog } from './catalog.ts'
import { Cluster, type ClusterSettings } from './cluster.ts'
import { CopyStore, type ThreadReport } from './copy-store.ts'
import { NetworkCounters } from './counters.ts'
import { Session, type SessionSettings } from './session.ts'
import { TopicAdmin, type TopicDefaults } from './topic-admin.ts'
import { UnitPipeline } from './unit-pipeline.ts'
import type { Membership } from './unit-requests.ts'

export interface NetworkThreadData {
  kind: 'aldebaran-network'
  cluster: ClusterSettings
  control: SharedArrayBuffer
  counters: SharedArrayBuffer
  topics: TopicDefaults
  /** The folder for copies of changelogs; null: none are kept. */
  copies: string | null
}

export type ToNetwork =
  | {
      kind: 'client'
      settings: SessionSettings
      mailbox: MailboxBuffers
      port: MessagePort
      answered: SharedArrayBuffer
    }
  | { kind: 'membership'; client: string; group: string; membership: Membership | null }

/** What it tells, beside `{ kind: 'ready' }`. */
export type FromNetworkThread =
  | ThreadFailure
  | { kind: 'report'; level: 'info' | 'warn'; message: string; details: Record<string, string | number> }

/** How often the thread looks around though nothing rang. */
const CHECK_MS = 1000

class Network {
  readonly #control: Int32Array
  readonly #cluster: Cluster
  readonly #admin: TopicAdmin
  readonly #copies: CopyStore | null
  readonly #mailboxes = new Map<Session, MailboxBuffers>()

  constructor(data: NetworkThreadData, report: ThreadReport) {
    this.#control = new Int32Array(data.control)
    this.#cluster = new Cluster(data.cluster, new NetworkCounters(data.counters))
    const pipeline = new UnitPipeline(this.#cluster, {
      purpose: 'catalog',
      guarantee: 'exactly-once',
      transactionalIds: [],
      transactionTimeoutMs: 10_000,
      compression: 0,
      giveUpMs: data.cluster.requestTimeoutMs,
      membership: () => undefined,
    })
    const catalog = new Catalog(this.#cluster, pipeline)
    this.#admin = new TopicAdmin(this.#cluster, catalog, data.topics)
    this.#copies = data.copies === null ? null : new CopyStore(data.copies, this.#cluster, catalog, report)
    const remove = this.#admin.delete.bind(this.#admin)
    this.#admin.delete = async name => {
      await remove(name)
      this.#copies?.forget(name)
      for (const session of this.#mailboxes.keys()) session.forgetTopic(name, unknownTopic(name))
    }
  }

  async connect(): Promise<void> {
    await this.#cluster.refresh()
  }

  heard(message: ToNetwork): void {
    if (message.kind === 'membership') {
      for (const session of this.#mailboxes.keys()) {
        if (session.name === message.client) session.setMembership(message.group, message.membership)
      }
      return
    }
    const { settings, mailbox, port, answered } = message
    this.#mailboxes.set(
      new Session(this.#cluster, this.#admin, settings, mailbox, port, answered, this.#copies),
      mailbox,
    )
  }

  async serve(): Promise<void> {
    const bell = new Bell(this.#control, CONTROL_BELL)
    while (Atomics.load(this.#control, CONTROL_STATE) < CLOSING) {
      for (const session of [...this.#mailboxes.keys()]) {
        session.look()
        if (!session.closed) continue
        this.#mailboxes.delete(session)
        session.drop()
      }
      void this.#copies?.look()
      await bell.changed(CHECK_MS)
    }
    await Promise.all([...this.#mailboxes.keys()].map(session => session.close()))
    await this.#copies?.close()
  }

  end(state: number): void {
    Atomics.store(this.#control, CONTROL_STATE, state)
    for (const { words } of this.#mailboxes.values()) ring(new Int32Array(words), BELL)
    for (const session of this.#mailboxes.keys()) session.drop()
    this.#cluster.close()
  }
}

async function runThread(data: NetworkThreadData, port: NonNullable<typeof parentPort>): Promise<void> {
  const network = new Network(data, (level, message, details) => {
    port.postMessage({ kind: 'report', level, message, details } satisfies FromNetworkThread)
  })
  try {
    await network.connect()
    port.on('message', message => network.heard(message as ToNetwork))
    port.postMessage({ kind: 'ready' })
    await network.serve()
    network.end(DONE)
  } catch (error) {
    network.end(STOPPED)
    port.postMessage(failureOf(error) satisfies FromNetworkThread)
  } finally {
    port.close()
  }
}

const data = workerData as NetworkThreadData | null
if (parentPort !== null && data?.kind === 'aldebaran-network') void runThread(data, parentPort)
