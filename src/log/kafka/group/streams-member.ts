/**
 * A member of a streams group (KIP-1071): one request, the heartbeat, says what the member has and is answered with
 * what it shall have. The broker decides.
 *
 * Invariants
 * 1. One heartbeat at a time, and each tells all but the topology: so none depends on another that was lost.
 * 2. A broker tells a change once. When an answer may have been lost, the group is described after the next heartbeat
 *    that was answered, and what is described counts.
 * 3. A fenced member joins again after its listener has let go of everything, under a new id.
 */
import { randomUUID } from 'node:crypto'
import { AldebaranError } from '../../../errors.ts'
import { refusal } from '../cluster.ts'
import type { Connection } from '../wire/connection.ts'
import { fateOfCode, NONE } from '../wire/error-codes.ts'
import {
  type StreamsHeartbeatRequest,
  type StreamsHeartbeatResponse,
  streamsGroupHeartbeat,
} from '../wire/group-messages.ts'
import {
  byPart,
  fromParts,
  type GroupMember,
  type GroupPeer,
  type MemberSettings,
  type MemberTasks,
  NO_TASKS,
  type OwnedTasks,
  sameAssignment,
  type TaskTarget,
} from './member.ts'
import { ANSWER_MS, Membership } from './membership.ts'
import { progressOf, samePeers, streamsPeers } from './streams-answers.ts'
import { chooseTopology, describeGroup } from './streams-topology.ts'

const JOINS = 0
const LEAVES = -1
const INVALID_REQUEST = 42
const GROUP_ID_NOT_FOUND = 69
const NOTHING_OWNED: OwnedTasks = { ...NO_TASKS, offsets: [] }
/** So often a topology is chosen anew when others change it at the same time. */
const TOPOLOGY_TRIES = 5

export class StreamsMember implements GroupMember {
  readonly protocol = 'streams'
  readonly group: string
  memberId: string = randomUUID()
  epoch = JOINS
  assigned: MemberTasks = NO_TASKS
  peers: readonly GroupPeer[] = []
  readonly #settings: MemberSettings
  readonly #membership: Membership
  #owned: OwnedTasks = NOTHING_OWNED
  #endpointEpoch = 0
  /** How often the broker wants to know the offsets, ms; 0: never. */
  #offsetsMs = 0
  #offsetsToldAt = 0
  /** An answer may have been lost. */
  #unsure = false
  #refusedTopologies = 0

  constructor(settings: MemberSettings) {
    this.group = settings.group
    this.#settings = settings
    this.#membership = new Membership(settings)
  }

  /**
   * Joins. Resolves when the group has taken it in; tasks may come later.
   * @throws AldebaranError what will not pass: KAFKA_DENIED, KAFKA_REFUSED …
   */
  async start(): Promise<void> {
    await this.#membership.start(async () => {
      await this.#beat()
      return this.epoch !== JOINS
    })
  }

  setOwned(owned: OwnedTasks): void {
    const changed = !sameAssignment(owned, this.#owned)
    this.#owned = owned
    if (changed) this.#membership.pace.hurry()
  }

  now(): void {
    this.#membership.pace.hurry()
  }

  async targets(tasks: readonly string[]): Promise<ReadonlyMap<string, TaskTarget>> {
    const wanted = new Set(tasks)
    const targets = new Map<string, TaskTarget>()
    const described = await describeGroup(await this.#connection(), this.group)
    for (const { memberId, processId, targetAssignment } of described?.members ?? []) {
      if (memberId === this.memberId) continue
      for (const task of fromParts(targetAssignment.activeTasks)) {
        if (wanted.has(task)) targets.set(task, { memberId, node: processId })
      }
    }
    return targets
  }

  async leave(): Promise<void> {
    if (this.#membership.isLeaving) return
    await this.#membership.stop()
    await this.#sayFarewell()
    this.#takeEpoch(JOINS)
  }

  async #sayFarewell(): Promise<void> {
    await this.#membership.sayFarewell(streamsGroupHeartbeat, this.#body(LEAVES, null))
  }

  async #beat(): Promise<void> {
    const connection = await this.#connection()
    const joins = this.epoch === JOINS
    const topology = joins ? await this.#chooseTopology(connection) : null
    if (topology === 'wait') return
    const unsure = this.#unsure && !joins
    // With an epoch of before the member would be fenced if more had changed since. What was under way may still come
    // after this look, so there is another one after the heartbeat. Whoever joins is told all that it has.
    if (unsure && !(await this.#readBack(connection))) return
    this.#unsure = true
    const answer = await connection.request(streamsGroupHeartbeat, this.#body(this.epoch, topology), ANSWER_MS)
    if (answer.errorCode !== NONE) return this.#refused(answer, joins)
    this.#take(answer, joins)
    if (unsure && !(await this.#readBack(connection))) return
    this.#unsure = false
  }

  async #connection(): Promise<Connection> {
    const { cluster } = this.#settings
    return await cluster.connection(await cluster.coordinator('group', this.group), `group ${this.group}`)
  }

  async #chooseTopology(connection: Connection): Promise<StreamsHeartbeatRequest['topology'] | 'wait'> {
    const { cluster, group, parts } = this.#settings
    if (parts.some(part => part.sources.some(source => !cluster.topics.has(source)))) await cluster.refresh()
    let chosen = await chooseTopology(cluster, connection, group, parts)
    if (chosen === 'wait') {
      // Topics that another node has made since are not known here: without them a shape seems to be another one.
      await cluster.refresh()
      chosen = await chooseTopology(cluster, connection, group, parts)
    }
    if (chosen === 'wait') {
      this.#membership.tellProblem(
        `nodes with other parts of this pipeline are members of group ${group}: stop them first`,
      )
    }
    return chosen
  }

  #body(epoch: number, topology: StreamsHeartbeatRequest['topology']): StreamsHeartbeatRequest {
    const { endpoint, group, rack, processId, rebalanceMs } = this.#settings
    // Who joins must have nothing: a member that lost its answer joins again, and is told what it has.
    const owned = epoch === JOINS ? NO_TASKS : this.#owned
    const leaves = epoch === LEAVES
    const tells = this.#offsetsMs > 0 && !leaves && performance.now() - this.#offsetsToldAt >= this.#offsetsMs
    if (tells) this.#offsetsToldAt = performance.now()
    return {
      groupId: group,
      memberId: this.memberId,
      memberEpoch: epoch,
      endpointInformationEpoch: this.#endpointEpoch,
      instanceId: null,
      rackId: leaves ? null : rack,
      rebalanceTimeoutMs: leaves ? -1 : rebalanceMs,
      topology,
      activeTasks: leaves ? null : byPart(owned.active),
      standbyTasks: leaves ? null : byPart(owned.standby),
      warmupTasks: leaves ? null : byPart(owned.warmup),
      processId: leaves ? null : processId,
      userEndpoint: leaves ? null : endpoint,
      clientTags: leaves ? null : [],
      taskOffsets: tells ? progressOf(this.#owned, 'offset') : null,
      taskEndOffsets: tells ? progressOf(this.#owned, 'end') : null,
      shutdownApplication: false,
    }
  }

  #take(answer: StreamsHeartbeatResponse, joins: boolean): void {
    this.#offsetsMs = answer.taskOffsetIntervalMs
    this.#endpointEpoch = answer.endpointInformationEpoch
    this.#refusedTopologies = 0
    if (answer.partitionsByUserEndpoint !== null) {
      const peers = streamsPeers(answer.partitionsByUserEndpoint, this.#settings.parts)
      if (!samePeers(peers, this.peers)) {
        this.peers = peers
        this.#membership.pace.stir()
        this.#settings.listener.peers(peers)
      }
    }
    this.#takeEpoch(answer.memberEpoch)
    const { activeTasks, standbyTasks, warmupTasks } = answer
    const tasks = {
      active: activeTasks === null ? this.assigned.active : fromParts(activeTasks),
      standby: standbyTasks === null ? this.assigned.standby : fromParts(standbyTasks),
      warmup: warmupTasks === null ? this.assigned.warmup : fromParts(warmupTasks),
    }
    if (joins) this.#membership.pace.stir()
    this.#assign(tasks)
    const status = answer.status ?? []
    this.#membership.tellProblem(status.length === 0 ? null : status.map(({ detail }) => detail).join('; '))
  }

  #takeEpoch(epoch: number): void {
    if (epoch === this.epoch) return
    this.epoch = epoch
    this.#membership.pace.stir()
    this.#settings.listener.epoch(this.memberId, epoch)
  }

  #assign(tasks: MemberTasks): void {
    if (sameAssignment(tasks, this.assigned)) return
    this.assigned = tasks
    this.#membership.pace.stir()
    this.#settings.listener.assigned(tasks)
  }

  /** Takes what the coordinator has of this member. @returns false when it does not know it: then it was fenced */
  async #readBack(connection: Connection): Promise<boolean> {
    const described = await describeGroup(connection, this.group)
    const self = described?.members.find(({ memberId }) => memberId === this.memberId)
    if (self === undefined) {
      await this.#fence('the group does not know the member any more')
      return false
    }
    this.#takeEpoch(self.memberEpoch)
    const { activeTasks, standbyTasks, warmupTasks } = self.assignment
    this.#assign({
      active: fromParts(activeTasks),
      standby: fromParts(standbyTasks),
      warmup: fromParts(warmupTasks),
    })
    return true
  }

  async #refused(answer: StreamsHeartbeatResponse, joins: boolean): Promise<void> {
    const { errorCode, errorMessage } = answer
    const { cluster, group } = this.#settings
    const error = refusal(errorCode, `group ${group}`, { group }, errorMessage)
    const fate = fateOfCode(errorCode)
    if (fate === 'coordinator') cluster.forgetCoordinator('group', group)
    if (fate === 'fenced' || fate === 'stale' || (errorCode === GROUP_ID_NOT_FOUND && !joins)) {
      return this.#fence(error.message)
    }
    // Another node may have given the group its topology in between, or make it forget one: a classic group for a moment.
    const isNoGroup = errorCode === GROUP_ID_NOT_FOUND
    const passes = joins && (isNoGroup || errorCode === INVALID_REQUEST) && this.#refusedTopologies++ < TOPOLOGY_TRIES
    if (passes) return
    if (joins && isNoGroup) {
      throw new AldebaranError(
        'KAFKA_REFUSED',
        `group ${group} has members of another protocol: stop them, or set the classic protocol here too`,
        { group },
      )
    }
    throw error
  }

  async #fence(why: string): Promise<void> {
    this.#unsure = false
    this.assigned = NO_TASKS
    this.peers = []
    this.epoch = JOINS
    await this.#settings.listener.fenced(why)
    await this.#sayFarewell()
    this.#owned = NOTHING_OWNED
    this.memberId = randomUUID()
    this.#endpointEpoch = 0
    this.#membership.pace.hurry()
  }
}
