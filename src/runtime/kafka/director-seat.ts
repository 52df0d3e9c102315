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
  type TaskTarget,
} from '../../log/kafka/group/member.ts'
import type { DirectedWorker } from './director-worker.ts'
import { Handovers } from './handovers.ts'

/** A member that gets no task within this time is taken for one that there is none for, ms. */
const NO_TASKS_MS = 3000

export interface SeatSettings {
  readonly member: Omit<MemberSettings, 'listener'>
  readonly protocol: GroupProtocol
  /** A task that was taken away is followed so much longer, ms. */
  readonly lingerMs: number
  /** The tasks of the group that this node knows. */
  readonly tasks: ReadonlySet<string>
  /** Those of them that have tables to be read before they run. */
  readonly withTables: ReadonlySet<string>
}

export interface SeatListener {
  epoch(memberId: string, epoch: number): void
  peers(): void
  /** The worker let go of a task, came, or went: other members of the group may be waiting for it. */
  moved(): void
  fenced(why: string): void
  problem(message: string | null): void
  /** Makes another member follow a task: see `DirectorSeat.warm`. */
  warm(target: TaskTarget, task: string): Promise<number | null>
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
  readonly #handovers: Handovers
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
    this.#handovers = new Handovers({
      targets: async tasks => (await this.member?.targets(tasks)) ?? new Map(),
      warm: (target, task) => listener.warm(target, task),
      withTables: settings.withTables,
      release: tasks => this.#release(tasks),
    })
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

  /** Follows a task that it is to have soon. How many records it is behind; null: it has not begun yet. */
  warm(task: string): number | null {
    if (!this.#settings.tasks.has(task)) return null
    const { active, standby } = this.#worker.worker.owned
    if (active.includes(task)) return 0
    this.#lingering.set(task, performance.now() + this.#settings.lingerMs)
    this.#want()
    return standby.find(({ id }) => id === task)?.lag ?? null
  }

  /** To be called when none of its tasks runs any more. */
  async leave(): Promise<void> {
    this.#handovers.clear()
    if (this.#lingerTimer !== null) clearTimeout(this.#lingerTimer)
    this.#allClosed?.()
    await this.member?.leave()
  }

  /** `mayKeep`: what is taken away may run on until others can take it over. */
  #assign(tasks: MemberTasks, mayKeep = true): void {
    const known = (ids: readonly string[]): string[] => ids.filter(id => this.#settings.tasks.has(id))
    const before = this.#target
    this.#target = { active: known(tasks.active), standby: known(tasks.standby), warmup: known(tasks.warmup) }
    const stays = new Set([...this.#target.active, ...this.#target.standby, ...this.#target.warmup])
    for (const task of this.#target.active) this.#handovers.forget(task)
    const running = new Set(this.#worker.worker.owned.active)
    const going = before.active.filter(task => !this.#target.active.includes(task))
    const isKept = (task: string): boolean => mayKeep && running.has(task)
    this.#linger([...before.standby, ...before.warmup].filter(task => !stays.has(task)))
    for (const task of stays) this.#lingering.delete(task)
    this.#handovers.begin(going.filter(isKept))
    this.#release(going.filter(task => !isKept(task)))
  }

  /** The worker lets go of tasks that it ran. */
  #release(tasks: readonly string[]): void {
    const { standby, warmup } = this.#target
    if (this.#settings.member.standbys > 0) {
      this.#linger(tasks.filter(task => !standby.includes(task) && !warmup.includes(task)))
    }
    this.#want()
    this.#tellOwned()
  }

  #linger(tasks: readonly string[]): void {
    const until = performance.now() + this.#settings.lingerMs
    for (const task of tasks) this.#lingering.set(task, until)
  }

  #want(): void {
    const { active, standby, warmup } = this.#target
    this.#worker.want(this.group, {
      active: [...active, ...this.#handovers.kept],
      standby: [...standby, ...warmup, ...this.#lingering.keys()],
    })
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
    this.#handovers.clear()
    this.#assign(NO_TASKS, false)
    await closed
    this.#allClosed = null
  }
}
