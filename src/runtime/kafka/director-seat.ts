/**
 * The place of one worker in one group: hands on what the group gives, and tells the group what the worker holds.
 *
 * A group takes a standby away before it makes it the active, and an active before it makes it a standby; each time
 * the tables would be lost. So a task that was taken away is followed a while longer: to the group it is gone, and if it
 * comes back its tables are there. Following harms nobody, for it writes nothing.
 */
import { enterGroup, type GroupProtocol } from '../../log/kafka/group/enter-group.ts'
import {
  type GroupMember,
  type MemberListener,
  type MemberSettings,
  type MemberTasks,
  NO_TASKS,
  type OwnedTasks,
} from '../../log/kafka/group/member.ts'
import type { DirectedWorker } from './director-worker.ts'

/** A member that gets no task within this time is taken for one that there is none for, ms. */
const NO_TASKS_MS = 3000

export interface SeatSettings {
  readonly member: Omit<MemberSettings, 'listener'>
  readonly protocol: GroupProtocol
  /** A task that was taken away is followed so much longer, ms. */
  readonly lingerMs: number
  /** The tasks of the group that this node knows. */
  readonly tasks: ReadonlySet<string>
}

export interface SeatListener {
  epoch(memberId: string, epoch: number): void
  peers(): void
  /** The worker let go of a task, came, or went: other members of the group may be waiting for it. */
  moved(): void
  fenced(why: string): void
  problem(message: string | null): void
}

export class DirectorSeat {
  readonly group: string
  member: GroupMember | null = null
  memberId = ''
  epoch = 0
  problem: string | null = null
  readonly #settings: SeatSettings
  readonly #worker: DirectedWorker
  readonly #listener: SeatListener
  #target: MemberTasks = NO_TASKS
  #lingering = new Map<string, number>()
  #lingerTimer: NodeJS.Timeout | null = null
  #held: readonly string[] = []
  #allClosed: (() => void) | null = null
  #enteredAt = 0

  constructor(worker: DirectedWorker, settings: SeatSettings, listener: SeatListener) {
    this.group = settings.member.group
    this.#settings = settings
    this.#worker = worker
    this.#listener = listener
    worker.onHeld(() => this.#tellOwned())
  }

  /** @throws AldebaranError as `enterGroup` */
  async enter(): Promise<void> {
    const listener: MemberListener = {
      assigned: tasks => this.#assign(tasks),
      epoch: (memberId, epoch) => {
        this.memberId = memberId
        this.epoch = epoch
        this.#listener.epoch(memberId, epoch)
      },
      fenced: why => this.#giveUp(why),
      peers: () => this.#listener.peers(),
      problem: message => {
        this.problem = message
        this.#listener.problem(message)
      },
    }
    const { member, protocol } = this.#settings
    this.member = await enterGroup({ ...member, listener }, protocol)
    this.#enteredAt = performance.now()
    this.#tellOwned()
    this.#listener.moved()
  }

  /** The group has given it tasks, or had the time to, and they all run. */
  get isSettled(): boolean {
    if (this.member === null || this.epoch <= 0) return false
    const { active } = this.#worker.worker.owned
    if (this.#target.active.length === 0) return performance.now() - this.#enteredAt > NO_TASKS_MS
    return this.#target.active.every(task => active.includes(task))
  }

  /** To be called when none of its tasks runs any more. */
  async leave(): Promise<void> {
    if (this.#lingerTimer !== null) clearTimeout(this.#lingerTimer)
    this.#allClosed?.()
    await this.member?.leave()
  }

  #assign(tasks: MemberTasks): void {
    const known = (ids: readonly string[]): string[] => ids.filter(id => this.#settings.tasks.has(id))
    const before = this.#target
    this.#target = { active: known(tasks.active), standby: known(tasks.standby), warmup: known(tasks.warmup) }
    const stays = new Set([...this.#target.active, ...this.#target.standby, ...this.#target.warmup])
    const { lingerMs, member } = this.#settings
    const followed = [...before.standby, ...before.warmup, ...(member.standbys > 0 ? before.active : [])]
    const until = performance.now() + lingerMs
    for (const task of followed) if (!stays.has(task)) this.#lingering.set(task, until)
    for (const task of stays) this.#lingering.delete(task)
    this.#want()
    this.#tellOwned()
  }

  #want(): void {
    const { active, standby, warmup } = this.#target
    this.#worker.want(this.group, { active, standby: [...standby, ...warmup, ...this.#lingering.keys()] })
    if (this.#lingering.size === 0 || this.#lingerTimer !== null) return
    const next = Math.min(...this.#lingering.values()) - performance.now()
    this.#lingerTimer = setTimeout(
      () => {
        this.#lingerTimer = null
        const now = performance.now()
        for (const [task, until] of this.#lingering) if (until <= now) this.#lingering.delete(task)
        this.#want()
      },
      Math.max(1, next),
    )
    this.#lingerTimer.unref()
  }

  #tellOwned(): void {
    const held = [...this.#worker.held].filter(task => this.#settings.tasks.has(task))
    const letGo = this.#held.some(task => !held.includes(task))
    this.#held = held
    if (held.length === 0) this.#allClosed?.()
    const { standby, warmup } = this.#target
    const owned: OwnedTasks = { active: held, standby, warmup, offsets: this.#progress() }
    this.member?.setOwned(owned)
    if (letGo) this.#listener.moved()
  }

  /** Groups know how far a task is by an offset and an end: of several changelogs the sums, of which only the lag matters. */
  #progress(): OwnedTasks['offsets'] {
    return this.#worker.worker.owned.standby
      .filter(({ id }) => this.#settings.tasks.has(id))
      .map(({ id, lag }) => ({ task: id, offset: Number.MAX_SAFE_INTEGER - lag, end: Number.MAX_SAFE_INTEGER }))
  }

  async #giveUp(why: string): Promise<void> {
    this.#listener.fenced(why)
    const closed = new Promise<void>(resolve => {
      this.#allClosed = resolve
    })
    this.#assign(NO_TASKS)
    await closed
    this.#allClosed = null
  }
}
