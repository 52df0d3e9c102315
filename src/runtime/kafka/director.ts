/**
 * Tasks as Kafka's groups give them out: each worker is a member of the group of each pipeline.
 *
 *     group of pipeline a ─► seat ┐
 *                                 ├─► worker: the sum of both
 *     group of pipeline b ─► seat ┘
 *
 * It runs on the main thread, whose event loop no handler holds up: a member that computes for long is not taken for
 * dead. A worker that never lets go of a task is, after `rebalanceMs`; its commits are refused from then on.
 */
import { messageOf } from '../../errors.ts'
import type { Cluster } from '../../log/kafka/cluster.ts'
import type { GroupProtocol } from '../../log/kafka/group/enter-group.ts'
import { configureGroup } from '../../log/kafka/group/group-settings.ts'
import { allTasks, type GroupPeer } from '../../log/kafka/group/member.ts'
import type { Endpoint } from '../../log/kafka/wire/connection.ts'
import { type Application, groupOf } from '../application.ts'
import type { AssignedWorker, Director } from '../assignment.ts'
import type { Report } from '../worker-host.ts'
import { DirectorSeat, type SeatListener } from './director-seat.ts'
import { DirectedWorker } from './director-worker.ts'
import { groupParts } from './group-parts.ts'

export interface DirectorSettings {
  readonly application: Application
  readonly cluster: Cluster
  /** Unique to this start of the process. */
  readonly node: string
  /** Where other nodes ask this one; null: nowhere. */
  readonly endpoint: Endpoint | null
  readonly rack: string | null
  readonly standbys: number
  readonly protocol: GroupProtocol
  readonly sessionMs: number
  readonly rebalanceMs: number
  readonly heartbeatMs: number
  readonly lingerMs: number
  /** The commits of the worker for the group carry these from now on. */
  readonly onEpoch: (worker: number, group: string, memberId: string, epoch: number) => void
  readonly onPeers: () => void
  /** Something moved in the group: other nodes should `hurry`. */
  readonly onMoved: (group: string) => void
  /** Asks another node to do `warm`. */
  readonly onWarm: (node: string, group: string, memberId: string, task: string) => Promise<number | null>
  readonly report: Report
}

export const DEFAULT_DIRECTOR_TIMES = {
  sessionMs: 10_000,
  rebalanceMs: 60_000,
  heartbeatMs: 500,
  lingerMs: 2000,
} as const

/** A member of this node: what others bury when the node is dead. */
export interface SeatedMember {
  readonly worker: number
  readonly group: string
  readonly memberId: string
  readonly epoch: number
}

export class KafkaDirector implements Director {
  readonly #settings: DirectorSettings
  #workers: DirectedWorker[] = []
  #seats: { worker: number; seat: DirectorSeat }[] = []

  constructor(settings: DirectorSettings) {
    this.#settings = settings
  }

  /**
   * Resolves when every worker is a member of every group. Tasks may come later.
   * @throws AldebaranError KAFKA_REFUSED, KAFKA_DENIED …
   */
  async start(workers: readonly AssignedWorker[]): Promise<void> {
    this.#workers = workers.map(worker => new DirectedWorker(worker))
    await Promise.all(this.#settings.application.topologies.map(topology => this.#enter(topology)))
  }

  /** Called when the workers have closed their tasks: others get them at once. */
  async stop(): Promise<void> {
    for (const worker of this.#workers) worker.close()
    const left = await Promise.allSettled(this.#seats.map(({ seat }) => seat.leave()))
    for (const result of left) {
      if (result.status === 'rejected') {
        this.#settings.report('warn', 'a group could not be left', { error: messageOf(result.reason) })
      }
    }
    for (const group of new Set(this.#seats.map(({ seat }) => seat.group))) this.#settings.onMoved(group)
  }

  /** Asks the groups at once: another node says that something moved. */
  hurry(group?: string): void {
    for (const { seat } of this.#seats) if (group === undefined || seat.group === group) seat.member?.now()
  }

  /**
   * Makes a member of this node follow a task that it is to have soon.
   * How many records it is behind; null: it has not begun yet, or is no member any more.
   */
  warm(group: string, memberId: string, task: string): number | null {
    const found = this.#seats.find(({ seat }) => seat.group === group && seat.memberId === memberId)
    return found?.seat.warm(task) ?? null
  }

  members(): SeatedMember[] {
    return this.#seats
      .filter(({ seat }) => seat.member !== null)
      .map(({ worker, seat }) => ({ worker, group: seat.group, memberId: seat.memberId, epoch: seat.epoch }))
  }

  /** The nodes with the tasks they have, as each group told last; this node is one of them. */
  peers(): ReadonlyMap<string, readonly GroupPeer[]> {
    const peers = new Map<string, readonly GroupPeer[]>()
    for (const { seat } of this.#seats) {
      const told = seat.member?.peers ?? []
      if (told.length > 0 || !peers.has(seat.group)) peers.set(seat.group, told)
    }
    return peers
  }

  /** Every worker runs what its groups have given it: nothing, where the application has topics only. */
  get isSettled(): boolean {
    const { topologies } = this.#settings.application
    return (this.#seats.length > 0 || topologies.length === 0) && this.#seats.every(({ seat }) => seat.isSettled)
  }

  /** What keeps groups from giving out tasks. */
  problems(): { group: string; message: string }[] {
    const found = new Map<string, string>()
    for (const { seat } of this.#seats) if (seat.problem !== null) found.set(seat.group, seat.problem)
    return [...found].map(([group, message]) => ({ group, message }))
  }

  async #enter(topology: Application['topologies'][number]): Promise<void> {
    const { application, cluster, endpoint, node, protocol, rack, report, standbys } = this.#settings
    const { sessionMs, rebalanceMs, heartbeatMs, lingerMs } = this.#settings
    const group = groupOf(application.name, topology.pipeline)
    const parts = groupParts(application, topology)
    const member = {
      cluster,
      group,
      processId: node,
      endpoint,
      rack,
      parts,
      standbys,
      sessionMs,
      rebalanceMs,
      heartbeatMs,
    }
    const tasks = new Set(allTasks(parts))
    const withTables = new Set(allTasks(parts.filter(part => part.changelogs.length > 0)))
    if (protocol !== 'classic') {
      for (const { name, value, reason } of await configureGroup(cluster, group, member)) {
        report('info', 'a setting of the group was not taken', { group, name, value, reason })
      }
    }
    const seats = this.#workers.map((worker, i) => ({
      worker: i,
      seat: new DirectorSeat(worker, { member, protocol, lingerMs, tasks, withTables }, this.#listen(i, group)),
    }))
    this.#seats.push(...seats)
    // The first one may have to make the group forget a shape it had: the others find it done.
    const [first, ...others] = seats
    await first?.seat.enter()
    await Promise.all(others.map(({ seat }) => seat.enter()))
  }

  #listen(worker: number, group: string): SeatListener {
    const { node, onEpoch, onMoved, onPeers, onWarm, report } = this.#settings
    return {
      epoch: (memberId, epoch) => onEpoch(worker, group, memberId, epoch),
      peers: onPeers,
      moved: () => {
        onMoved(group)
        this.hurry(group)
      },
      warm: async ({ memberId, node: target }, task) =>
        target === node ? this.warm(group, memberId, task) : await onWarm(target, group, memberId, task),
      fenced: why =>
        report('warn', 'the group went on without this member: its tasks are closed', { worker, group, why }),
      problem: message => {
        if (message !== null) report('warn', 'the group gives out no tasks', { worker, group, problem: message })
      },
    }
  }
}
