/** Nodes without worker threads: workers that open and close tasks as they are told, and look after each other's. */
import { EventEmitter, once } from 'node:events'
import { Cluster, type ClusterSettings } from '../../src/log/kafka/cluster.ts'
import type { GroupProtocol } from '../../src/log/kafka/group/enter-group.ts'
import { createTopics } from '../../src/log/kafka/wire/admin-messages.ts'
import { NONE, nameOfCode } from '../../src/log/kafka/wire/error-codes.ts'
import { NO_SECURITY } from '../../src/log/kafka/wire/security.ts'
import type { Application } from '../../src/runtime/application.ts'
import { type AssignedWorker, type Assignment, NOTHING_OWNED, type Owned } from '../../src/runtime/assignment.ts'
import { DEFAULT_DIRECTOR_TIMES, type DirectorSettings, KafkaDirector } from '../../src/runtime/kafka/director.ts'

/** Who has which task at any time. Two owners at a time are remembered. */
export class Ownership extends EventEmitter {
  readonly owners = new Map<string, string>()
  readonly conflicts: string[] = []
  /** Tasks that were taken over by a worker that did not follow them. */
  readonly cold = new Set<string>()

  take(task: string, owner: string): void {
    const before = this.owners.get(task)
    if (before !== undefined && before !== owner) this.conflicts.push(`${task}: ${before} and ${owner}`)
    this.owners.set(task, owner)
    this.emit('change')
  }

  drop(task: string, owner: string): void {
    if (this.owners.get(task) === owner) this.owners.delete(task)
    this.emit('change')
  }

  /** As when the process of the owner ends. */
  dropAll(owner: string): void {
    for (const [task, of] of this.owners) if (of === owner) this.owners.delete(task)
  }

  async until(condition: () => boolean): Promise<void> {
    while (!condition()) await once(this, 'change')
  }

  countOf(owner: string): number {
    return [...this.owners.values()].filter(of => of === owner).length
  }
}

/** Runs what it is told at once; what it is to close takes a turn of the event loop, or as long as it is held up. */
export class PretendedWorker implements AssignedWorker {
  owned: Owned = NOTHING_OWNED
  /** While true, it lets go of nothing. */
  holdsOn = false
  /** How far behind it is with what it follows, records. */
  lag = 0
  readonly #name: string
  readonly #ownership: Ownership
  readonly #listeners: (() => void)[] = []
  #assignment: Assignment = { active: [], standby: [] }
  #finished = false

  constructor(name: string, ownership: Ownership) {
    this.#name = name
    this.#ownership = ownership
  }

  assign(assignment: Assignment): void {
    if (this.#finished) return
    this.#assignment = assignment
    setImmediate(() => this.#follow())
  }

  onOwned(listener: () => void): void {
    this.#listeners.push(listener)
  }

  /** Closes its tasks; nothing is begun any more. */
  finish(): void {
    this.#finished = true
    this.#assignment = { active: [], standby: [] }
    this.#follow()
  }

  letGo(): void {
    this.holdsOn = false
    this.#follow()
  }

  catchUp(): void {
    this.lag = 0
    this.#follow()
  }

  #follow(): void {
    const { active, standby } = this.#assignment
    const had = [...this.owned.active, ...this.owned.closing]
    const leaving = had.filter(task => !active.includes(task))
    for (const task of active) {
      if (this.owned.active.includes(task)) continue
      this.#ownership.take(task, this.#name)
      if (!this.owned.standby.some(({ id }) => id === task)) this.#ownership.cold.add(task)
    }
    if (!this.holdsOn) for (const task of leaving) this.#ownership.drop(task, this.#name)
    this.owned = {
      active: [...active],
      restoring: [],
      closing: this.holdsOn ? leaving : [],
      standby: standby.map(id => ({ id, lag: this.lag })),
    }
    for (const listener of this.#listeners) listener()
    this.#ownership.emit('change')
  }
}

export interface PretendedNode {
  readonly name: string
  readonly cluster: Cluster
  readonly director: KafkaDirector
  readonly workers: readonly PretendedWorker[]
  readonly epochs: { worker: number; group: string; memberId: string; epoch: number }[]
  readonly reports: string[]
}

export interface NodeSettings {
  readonly bootstrap: string
  readonly application: Application
  readonly name: string
  readonly port: number
  readonly ownership: Ownership
  readonly protocol: GroupProtocol
  readonly nodes: PretendedNode[]
  readonly workers?: number
  /** Of its workers. */
  readonly lag?: number
  readonly standbys?: number
  /** Its own by default. */
  readonly cluster?: Cluster
}

export function clusterSettings(bootstrap: string, name: string): ClusterSettings {
  const [host, port] = bootstrap.split(',')[0]!.split(':')
  return {
    bootstrap: [{ host: host!, port: Number(port) }],
    clientId: name,
    security: NO_SECURITY,
    connectTimeoutMs: 5000,
    requestTimeoutMs: 10_000,
  }
}

/** Begins a node whose peers hurry when something moves, as the mesh of nodes has it. */
export async function beginNode(settings: NodeSettings): Promise<PretendedNode> {
  const { application, name, ownership, port, protocol, nodes } = settings
  const cluster = settings.cluster ?? new Cluster(clusterSettings(settings.bootstrap, name))
  const workers = Array.from(
    { length: settings.workers ?? 1 },
    (_, i) => new PretendedWorker(`${name}-${i}`, ownership),
  )
  for (const worker of workers) worker.lag = settings.lag ?? 0
  const epochs: PretendedNode['epochs'] = []
  const reports: string[] = []
  const directorSettings: DirectorSettings = {
    ...DEFAULT_DIRECTOR_TIMES,
    application,
    cluster,
    node: name,
    endpoint: { host: '127.0.0.1', port },
    rack: null,
    standbys: settings.standbys ?? 1,
    protocol,
    onEpoch: (worker, group, memberId, epoch) => {
      epochs.push({ worker, group, memberId, epoch })
      ownership.emit('change')
    },
    onPeers: () => ownership.emit('change'),
    onMoved: group => {
      for (const node of nodes) if (node.name !== name) node.director.hurry(group)
    },
    onWarm: async (target, ...warm) => nodes.find(one => one.name === target)?.director.warm(...warm) ?? null,
    report: (_level, message, details) => {
      reports.push(`${message} ${JSON.stringify(details)}`)
      ownership.emit('change')
    },
  }
  const node = { name, cluster, director: new KafkaDirector(directorSettings), workers, epochs, reports }
  nodes.push(node)
  await node.director.start(workers)
  return node
}

/** In order: the worker closes its tasks, then the members leave. */
export async function endNode(node: PretendedNode): Promise<void> {
  for (const worker of node.workers) worker.finish()
  await node.director.stop()
  node.cluster.close()
}

export async function makeTopics(bootstrap: string, partitions: ReadonlyMap<string, number>): Promise<void> {
  const cluster = new Cluster(clusterSettings(bootstrap, 'topics'))
  await cluster.refresh()
  const connection = await cluster.connection(cluster.controller, 'control')
  const answer = await connection.request(createTopics, {
    topics: [...partitions].map(([name, count]) => ({
      name,
      partitions: count,
      replicationFactor: -1,
      assignments: [],
      configs: [],
    })),
    timeoutMs: 10_000,
    validateOnly: false,
  })
  cluster.close()
  for (const { name, errorCode } of answer.topics) {
    if (errorCode !== NONE) throw new Error(`topic ${name}: ${nameOfCode(errorCode)}`)
  }
}
