/**
 * A member of a group of the classic protocol, for brokers without streams groups: members join in rounds, and one of
 * them leads and gives out the tasks.
 *
 *     join ─► sync ─► heartbeats … ─► join (a round was called, or tasks were let go of)
 *
 * Invariants
 * 1. Tasks are kept during a round: one is given to another member only in a round in which nobody claims it.
 * 2. A member claims what it was given and what it still holds.
 * 3. A request that waits for others has a connection of its own: a broker answers those of one connection in order.
 */
import { AldebaranError } from '../../../errors.ts'
import { refusal } from '../cluster.ts'
import type { Connection } from '../wire/connection.ts'
import { fateOfCode, NONE } from '../wire/error-codes.ts'
import { classicHeartbeat, joinGroup, leaveGroup, syncGroup } from '../wire/group-messages.ts'
import { decodeAssignment, encodeSubscription, PROTOCOL, PROTOCOL_TYPE } from './classic-data.ts'
import { leadGroup } from './classic-leader.ts'
import {
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
import { samePeers } from './streams-answers.ts'

const NO_GENERATION = -1
const NOTHING_OWNED: OwnedTasks = { ...NO_TASKS, offsets: [] }
const INCONSISTENT_GROUP_PROTOCOL = 23
const INVALID_SESSION_TIMEOUT = 26
const REBALANCE_IN_PROGRESS = 27
const MEMBER_ID_REQUIRED = 79
/** What brokers take unless their administrator changed it, ms. */
const LEAST_SESSION_MS = 6000

let connections = 0

export class ClassicMember implements GroupMember {
  readonly protocol = 'classic'
  readonly group: string
  memberId = ''
  epoch = NO_GENERATION
  assigned: MemberTasks = NO_TASKS
  peers: readonly GroupPeer[] = []
  readonly #settings: MemberSettings
  readonly #membership: Membership
  readonly #purpose: string
  #owned: OwnedTasks = NOTHING_OWNED
  #sessionMs: number
  /** A round is to be joined. */
  #joins = true
  /** Tasks that were taken away and are still held: when the last is let go of, a round is called. */
  #waitsForRelease = false
  #connection: Connection | null = null

  constructor(settings: MemberSettings) {
    this.group = settings.group
    this.#settings = settings
    this.#sessionMs = settings.sessionMs
    this.#membership = new Membership(settings)
    this.#purpose = `member ${connections++}`
  }

  /** Joins. Resolves when the first round is over. @throws AldebaranError what will not pass: KAFKA_DENIED … */
  async start(): Promise<void> {
    await this.#membership.start(() => this.#turn())
  }

  setOwned(owned: OwnedTasks): void {
    this.#owned = owned
    if (!this.#waitsForRelease || this.#holdsMore()) return
    this.#waitsForRelease = false
    this.#joins = true
    this.#membership.pace.hurry()
  }

  /** The leader told each member only what it is to have. */
  async targets(): Promise<ReadonlyMap<string, TaskTarget>> {
    return new Map()
  }

  now(): void {
    this.#membership.pace.hurry()
  }

  async leave(): Promise<void> {
    if (this.#membership.isLeaving) return
    const stopped = this.#membership.stop()
    // A round that waits for others would keep it.
    this.#connection?.close()
    await stopped
    await this.#sayFarewell(this.memberId)
    this.#takeEpoch(NO_GENERATION)
  }

  async #sayFarewell(memberId: string): Promise<void> {
    if (memberId === '') return
    const members = [{ memberId, groupInstanceId: null, reason: null }]
    await this.#membership.sayFarewell(leaveGroup, { groupId: this.group, members })
  }

  /** @returns that it is in the group: its round is over */
  async #turn(): Promise<boolean> {
    try {
      const { cluster } = this.#settings
      const broker = await cluster.coordinator('group', this.group)
      this.#connection = await cluster.connection(broker, this.#purpose)
      if (this.#joins) await this.#round(this.#connection)
      else await this.#beat(this.#connection)
      return !this.#joins
    } catch (error) {
      // Its own end closes the connection.
      if (this.#membership.isLeaving) return false
      throw error
    }
  }

  async #round(connection: Connection): Promise<void> {
    const { endpoint, group, parts, processId, rebalanceMs, standbys } = this.#settings
    const claims = [...new Set([...this.assigned.active, ...this.#owned.active])]
    const metadata = encodeSubscription({
      process: processId,
      endpoint,
      generation: this.epoch,
      claims,
      standbys: this.#owned.offsets.map(({ task, offset, end }) => ({ task, lag: Math.max(0, end - offset) })),
    })
    const joined = await connection.request(
      joinGroup,
      {
        groupId: group,
        sessionTimeoutMs: this.#sessionMs,
        rebalanceTimeoutMs: rebalanceMs,
        memberId: this.memberId,
        groupInstanceId: null,
        protocolType: PROTOCOL_TYPE,
        protocols: [{ name: PROTOCOL, metadata }],
        reason: null,
      },
      rebalanceMs + ANSWER_MS,
    )
    if (joined.errorCode === MEMBER_ID_REQUIRED) {
      this.memberId = joined.memberId
      return this.#membership.pace.hurry()
    }
    if (joined.errorCode === INVALID_SESSION_TIMEOUT && this.#sessionMs < LEAST_SESSION_MS) {
      this.#sessionMs = LEAST_SESSION_MS
      return this.#membership.pace.hurry()
    }
    if (joined.errorCode !== NONE) return this.#refused(joined.errorCode)
    this.memberId = joined.memberId
    this.#takeEpoch(joined.generationId)
    const leads = joined.leader === joined.memberId && !joined.skipAssignment
    const synced = await connection.request(
      syncGroup,
      {
        groupId: group,
        generationId: joined.generationId,
        memberId: this.memberId,
        groupInstanceId: null,
        protocolType: PROTOCOL_TYPE,
        protocolName: PROTOCOL,
        assignments: leads
          ? leadGroup(parts, standbys, joined.members).map(share => ({ ...share, groupInstanceId: null }))
          : [],
      },
      rebalanceMs + ANSWER_MS,
    )
    // Another round was called before this one was over.
    if (synced.errorCode === REBALANCE_IN_PROGRESS) return this.#membership.pace.hurry()
    if (synced.errorCode !== NONE) return this.#refused(synced.errorCode)
    this.#take(synced.assignment, claims)
  }

  #take(assignment: Uint8Array, claims: readonly string[]): void {
    const { tasks, peers } = decodeAssignment(assignment)
    this.#joins = false
    this.#membership.tellProblem(null)
    if (!samePeers(peers, this.peers)) {
      this.peers = peers
      this.#settings.listener.peers(peers)
    }
    const changed = !sameAssignment(tasks, this.assigned)
    this.assigned = tasks
    this.#membership.pace.stir()
    if (changed) this.#settings.listener.assigned(tasks)
    // What was claimed in this round is given to nobody else in it, also if it was let go of meanwhile.
    this.#waitsForRelease = claims.some(task => !tasks.active.includes(task)) || this.#holdsMore()
    if (this.#waitsForRelease) this.setOwned(this.#owned)
  }

  /** More than it was given. */
  #holdsMore(): boolean {
    return this.#owned.active.some(task => !this.assigned.active.includes(task))
  }

  async #beat(connection: Connection): Promise<void> {
    const { errorCode } = await connection.request(
      classicHeartbeat,
      { groupId: this.group, generationId: this.epoch, memberId: this.memberId, groupInstanceId: null },
      ANSWER_MS,
    )
    if (errorCode === REBALANCE_IN_PROGRESS) {
      this.#joins = true
      this.#membership.pace.hurry()
    } else if (errorCode !== NONE) await this.#refused(errorCode)
    else this.#membership.tellProblem(null)
  }

  async #refused(code: number): Promise<void> {
    const { cluster, group } = this.#settings
    const fate = fateOfCode(code)
    const error = refusal(code, `group ${group}`, { group })
    if (fate === 'coordinator') cluster.forgetCoordinator('group', group)
    if (fate === 'fenced' || fate === 'stale') return this.#fence(error.message)
    if (code === INCONSISTENT_GROUP_PROTOCOL) {
      throw new AldebaranError(
        'KAFKA_REFUSED',
        `group ${group} has members of another protocol: stop them, or set the streams protocol here too`,
        { group },
      )
    }
    throw error
  }

  async #fence(why: string): Promise<void> {
    const hadTasks = this.epoch !== NO_GENERATION
    const before = this.memberId
    this.assigned = NO_TASKS
    this.peers = []
    this.memberId = ''
    this.epoch = NO_GENERATION
    this.#joins = true
    this.#waitsForRelease = false
    if (hadTasks) await this.#settings.listener.fenced(why)
    await this.#sayFarewell(before)
    this.#owned = NOTHING_OWNED
    this.#membership.pace.hurry()
  }

  #takeEpoch(epoch: number): void {
    this.epoch = epoch
    this.#settings.listener.epoch(this.memberId, epoch)
  }
}
