/**
 * The tasks of one worker: what it was assigned, and how far it has got with it.
 *
 *                    assigned as active                     its replica is complete
 *     (none) ◄─────────────────────────────► restoring ─────────────────────────────► running
 *        ▲ ▲                                  ▲     │ fails                              │ no longer active
 *        │ │ assigned as standby    promoted  │     └─► tried again after a while        ▼
 *        │ └────────────────────► standby ◄───┘                                        leaving
 *        │                           ▲                                                   │ its last unit is answered
 *        └───────────────────────────┴───────────────────────────────────────────────────┘
 *
 * 1. Only the latest assignment counts. A task that leaves and is wanted again leaves first, with its tables kept.
 * 2. Those that run are not touched when others come and go.
 * 3. What is read for replicas in one step is bounded, those that are restored first: those that run wait no longer.
 * 4. A task that cannot be restored holds up no other.
 */
import { AldebaranError, messageOf } from '../errors.ts'
import type { Assignment, Owned } from './assignment.ts'
import type { Outputs } from './outputs.ts'
import { Replica } from './replica.ts'
import { Task } from './task.ts'
import type { TaskPlan } from './task-plan.ts'
import type { StateEnvironment, TaskState } from './task-state.ts'

export interface TaskSetEnvironment extends StateEnvironment {
  outputs: Outputs
  random: () => number
  /** Read for replicas by one step, about, at most. */
  restoreBytes: number
  /** A task that could not be restored is tried again after this long, ms. */
  retryMs: number
}

interface Leaving {
  readonly task: Task
  /** The number of the last unit that may hold something of it; null: that is not submitted yet. */
  unit: number | null
}

interface Failure {
  readonly error: Error
  /** Monotonic ms; Infinity: it is being tried, or will not be. */
  again: number
}

export class TaskSet {
  readonly running: Task[] = []
  /** Grows with every change of `owned` but the lags. */
  changes = 0
  readonly #plans: ReadonlyMap<string, TaskPlan>
  readonly #environment: TaskSetEnvironment
  #active: ReadonlySet<string> = new Set()
  #standby: ReadonlySet<string> = new Set()
  #isHeeded = false
  #leaving: Leaving[] = []
  /** Given up with a failed unit: others that are under way may still be committed. */
  #givenUp: string[] = []
  readonly #replicas = new Map<string, Replica>()
  readonly #failures = new Map<string, Failure>()
  /** Begun since the last time that all of the assignment ran, and when the first of them came, monotonic ms. */
  #begun: string[] = []
  #since = 0

  constructor(plans: ReadonlyMap<string, TaskPlan>, environment: TaskSetEnvironment) {
    this.#plans = plans
    this.#environment = environment
  }

  /** @throws AldebaranError OPTION_INVALID for a task that the application does not have. */
  assign({ active, standby }: Assignment): void {
    for (const id of [...active, ...standby]) {
      if (!this.#plans.has(id)) throw new AldebaranError('OPTION_INVALID', `there is no task '${id}'`, { task: id })
    }
    const toRun = new Set(active)
    const toFollow = new Set(standby.filter(id => !toRun.has(id)))
    if (isEqual(toRun, this.#active) && isEqual(toFollow, this.#standby)) return
    this.#active = toRun
    this.#standby = toFollow
    this.#isHeeded = false
  }

  get owned(): Owned {
    const replicas = [...this.#replicas]
    const restoring = new Set(replicas.filter(([, replica]) => replica.isPromoted).map(([id]) => id))
    for (const [id, failure] of this.#failures) if (this.#active.has(id) && !isDamage(failure)) restoring.add(id)
    return {
      active: this.running.map(task => task.plan.id),
      restoring: [...restoring],
      closing: [...this.#leaving.map(({ task }) => task.plan.id), ...this.#givenUp],
      standby: replicas.filter(([id]) => !restoring.has(id)).map(([id, replica]) => ({ id, lag: replica.lag })),
    }
  }

  /** Some of the active tasks do not run yet; those that are damaged never will. */
  get isRestoring(): boolean {
    if (!this.#isHeeded) return true
    let damaged = 0
    for (const [id, failure] of this.#failures) if (isDamage(failure) && this.#active.has(id)) damaged++
    return this.running.length + damaged < this.#active.size
  }

  get isLeaving(): boolean {
    return this.#leaving.length > 0
  }

  /** Some of those wait for the unit at hand to be submitted. */
  get awaitsUnit(): boolean {
    return this.#leaving.some(({ unit }) => unit === null)
  }

  /** Why a task is not restored, or null. */
  get problem(): Error | null {
    for (const { error } of this.#failures.values()) return error
    return null
  }

  /** Tables that are in memory without a task. */
  get replicas(): Iterable<Replica> {
    return this.#replicas.values()
  }

  /** Every task whose work the unit at hand may hold. */
  get ofUnit(): readonly Task[] {
    const left = this.#leaving.filter(({ unit }) => unit === null)
    return left.length === 0 ? this.running : [...this.running, ...left.map(({ task }) => task)]
  }

  /** Of all tables in memory, but of those that leave. */
  *states(): Generator<TaskState> {
    for (const task of this.running) yield* task.states
    for (const replica of this.#replicas.values()) yield* replica.states
  }

  /** Bytes of the buffers that are read into. */
  get bufferBytes(): number {
    let bytes = 0
    for (const task of this.running) bytes += task.bufferBytes
    for (const replica of this.#replicas.values()) bytes += replica.bufferBytes
    return bytes
  }

  /** Does what the latest assignment says; no unit that failed is under way any more. False: that was done. */
  heed(): boolean {
    if (this.#isHeeded) return false
    this.#isHeeded = true
    this.changes++
    this.#givenUp = []
    if (this.#begun.length === 0) this.#since = this.#environment.clock.monotonic()
    for (const task of [...this.running]) {
      if (this.#active.has(task.plan.id)) continue
      this.running.splice(this.running.indexOf(task), 1)
      task.courier?.drain()
      this.#leaving.push({ task, unit: null })
    }
    for (const [id, replica] of this.#replicas) {
      if (this.#isWanted(id)) continue
      this.#replicas.delete(id)
      replica.release()
    }
    for (const id of this.#failures.keys()) if (!this.#isWanted(id)) this.#failures.delete(id)
    for (const id of [...this.#active, ...this.#standby]) this.#admit(id)
    return true
  }

  /** Everything done until now is in the units up to this number. A delivery stays until what it began has ended. */
  submitted(unit: number): void {
    for (const leaving of this.#leaving) if (leaving.task.courier?.isDrained !== false) leaving.unit ??= unit
  }

  /** Units up to this number are committed: tasks that waited for that are let go. */
  committed(unit: number): boolean {
    const gone = this.#leaving.filter(leaving => leaving.unit !== null && leaving.unit <= unit)
    if (gone.length === 0) return false
    this.changes++
    this.#leaving = this.#leaving.filter(leaving => !gone.includes(leaving))
    for (const { task } of gone) {
      const { id } = task.plan
      task.close()
      for (const state of task.states) this.#environment.measures.setTable(state.index, 0, 0)
      if (this.#isWanted(id)) this.#try(id, () => this.#replicas.set(id, this.#replicaOf(task)))
      else for (const state of task.states) state.release()
      if (this.#isWanted(id)) this.#admit(id)
    }
    return true
  }

  /** Reads the changelogs on, and begins what is restored. False: there is nothing now. */
  follow(withStandbys: boolean): boolean {
    const { changes } = this
    const { restoreBytes } = this.#environment
    if (this.#failures.size > 0) this.#tryAgain()
    let left = restoreBytes
    for (const replica of this.#replicas.values()) {
      if (replica.isPromoted && left > 0) left -= this.#advance(replica, left)
    }
    if (withStandbys && this.#standby.size > 0) left -= this.#followStandbys(left)
    if (this.#begun.length > 0 && !this.isRestoring) this.#tellBegun()
    return left < restoreBytes || this.changes !== changes
  }

  /** What is in memory of those that run is not what the log says. Replicas stay. */
  giveUp(): void {
    this.#givenUp.push(...this.#closeTasks())
    this.#failures.clear()
    this.#begun = []
    // Until the start, when the ends of their changelogs are taken anew.
    for (const replica of this.#replicas.values()) replica.demote()
    this.#isHeeded = false
    this.changes++
  }

  close(): void {
    this.#closeTasks()
    for (const replica of this.#replicas.values()) replica.release()
    this.#replicas.clear()
    this.changes++
  }

  /** Returns the ids of those there were. */
  #closeTasks(): string[] {
    const tasks = [...this.running, ...this.#leaving.map(({ task }) => task)]
    for (const task of tasks) {
      task.close()
      for (const state of task.states) state.release()
    }
    this.running.length = 0
    this.#leaving = []
    return tasks.map(task => task.plan.id)
  }

  #isWanted(id: string): boolean {
    return this.#active.has(id) || this.#standby.has(id)
  }

  /** Begins to make of a task what it shall be. One that runs, leaves, or is damaged, stays as it is. */
  #admit(id: string): void {
    const has = (task: Task): boolean => task.plan.id === id
    if (this.running.some(has) || this.#leaving.some(leaving => has(leaving.task))) return
    this.#try(id, () => {
      let replica = this.#replicas.get(id)
      if (replica === undefined) {
        const failure = this.#failures.get(id)
        if (failure !== undefined && isDamage(failure)) return
        replica = new Replica(this.#plans.get(id)!, this.#environment)
        this.#replicas.set(id, replica)
      }
      if (this.#active.has(id)) replica.promote()
      else replica.demote()
    })
  }

  #replicaOf(task: Task): Replica {
    return new Replica(task.plan, this.#environment, task.states)
  }

  /** About so many bytes were read. */
  #advance(replica: Replica, maxBytes: number): number {
    const { id } = replica.plan
    let read = 0
    this.#try(id, () => {
      read = replica.advance(maxBytes)
      if (replica.isComplete) this.#begin(replica)
      else if (!replica.isPromoted) this.#failures.delete(id)
    })
    return read
  }

  #begin(replica: Replica): void {
    const { plan } = replica
    const states = replica.take()
    this.#replicas.delete(plan.id)
    try {
      const task = new Task(plan, states, this.#environment)
      task.report()
      this.running.push(task)
    } catch (error) {
      for (const state of states) state.release()
      throw error
    }
    this.#failures.delete(plan.id)
    this.#begun.push(plan.id)
    this.changes++
  }

  /** Those that took the most of a step come last in the next one. */
  #followStandbys(maxBytes: number): number {
    let left = maxBytes
    const busy: Replica[] = []
    for (const replica of this.#replicas.values()) {
      if (replica.isPromoted || left <= 0) continue
      const read = this.#advance(replica, left)
      left -= read
      if (read > 0) busy.push(replica)
    }
    for (const replica of left > 0 ? [] : busy) {
      if (this.#replicas.delete(replica.plan.id)) this.#replicas.set(replica.plan.id, replica)
    }
    return maxBytes - left
  }

  #try(id: string, work: () => void): void {
    try {
      work()
    } catch (error) {
      this.#fail(id, error instanceof Error ? error : new Error(messageOf(error)))
    }
  }

  #fail(id: string, error: Error): void {
    const { clock, retryMs, report } = this.#environment
    this.#replicas.get(id)?.release()
    this.#replicas.delete(id)
    const before = this.#failures.get(id)?.error
    const failure = { error, again: clock.monotonic() + retryMs }
    this.#failures.set(id, failure)
    this.changes++
    if (before?.message === error.message) return
    const message = isDamage(failure)
      ? 'a task does not run: what was stored for it is damaged'
      : 'a task could not be restored; it is tried again'
    const details = error instanceof AldebaranError ? { code: error.code, ...error.details } : {}
    report('error', message, { task: id, error: error.message, ...details })
  }

  #tryAgain(): void {
    const now = this.#environment.clock.monotonic()
    for (const [id, failure] of this.#failures) {
      if (failure.again > now || isDamage(failure)) continue
      failure.again = Number.POSITIVE_INFINITY
      this.changes++
      this.#admit(id)
    }
  }

  #tellBegun(): void {
    const { clock, measures, report } = this.#environment
    report('info', 'tasks are running', {
      tasks: this.#begun,
      restored: measures.get('restoredRecords'),
      ms: Math.round(clock.monotonic() - this.#since),
    })
    this.#begun = []
  }
}

function isEqual(some: ReadonlySet<string>, others: ReadonlySet<string>): boolean {
  return some.size === others.size && [...some].every(id => others.has(id))
}

function isDamage({ error }: Failure): boolean {
  return error instanceof AldebaranError && error.fate === 'corrupted'
}
