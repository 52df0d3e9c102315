/**
 * The tasks that a worker is assigned, run by one thread: poll → process → timers → commit. TaskSet has how they come
 * and go.
 *
 *     starting ◄─► running ─► stopping ─► stopped
 *         ▲           │
 *         └─ waiting ◄┘   a unit failed: what is in memory is given up, and read again from the log after a while
 *
 * Starting: some tasks of the assignment are still restored; the others run.
 *
 * 1. `step` never waits, so that a thread, an event loop and a simulation can all drive it.
 * 2. A unit is submitted when there is nothing more to read, or when it is large or old enough; never more than
 *    `unitsUnderWay` at once.
 * 3. Above 90 % of the memory budget nothing more is read but what the room of freed rows can take; timers go on and may
 *    free more.
 * 4. A task whose bytes are damaged stops, and no other task with it.
 */
import { AldebaranError, messageOf } from '../errors.ts'
import type { Log } from '../log/contract.ts'
import type { MemoryBudget } from '../state/memory-budget.ts'
import type { Clock } from '../time/clock.ts'
import type { Assignment, Owned } from './assignment.ts'
import { Committer } from './commit.ts'
import type { Measures } from './measures.ts'
import { OpenUnit } from './open-unit.ts'
import { Outputs } from './outputs.ts'
import type { Replica } from './replica.ts'
import type { RowVersions } from './row-versions.ts'
import type { Task } from './task.ts'
import type { TaskPlan } from './task-plan.ts'
import { TaskSet } from './task-set.ts'
import { isOfMemory, WorkerMemory } from './worker-memory.ts'

export interface WorkerSettings {
  /**
   * When there is nothing more to read, a unit that sends records waits so long for more while another one is under way,
   * and one that sends none five times as long, ms.
   */
  lingerMs: number
  /** Submit at the latest when the unit has taken this long to fill, ms. */
  unitMs: number
  /** Or read that many bytes. */
  unitBytes: number
  unitsUnderWay: number
  /** A changelog of a task with so many records is left alone: nothing is written anew or trimmed. */
  changelogRecords: number
  /** Read about so many bytes of changelogs a step, at most. */
  restoreBytes: number
  /** Wait that long before starting again after a failed unit, and before restoring a task again that could not be, ms. */
  restartMs: number
}

export const DEFAULT_WORKER_SETTINGS: WorkerSettings = {
  lingerMs: 0,
  unitMs: 20,
  unitBytes: 2 * 1024 * 1024,
  unitsUnderWay: 3,
  changelogRecords: 4096,
  restoreBytes: 4 * 1024 * 1024,
  restartMs: 250,
}

/** A unit that sends nothing waits so much longer for more: nobody waits for it. */
const QUIET_LINGER = 5
/** A unit waits so long for deliveries of what was read in it, ms: what has ended then is never written down. */
const DELIVERY_LINGER_MS = 30
/** How often positions pass over offsets without a record when there is nothing else to commit, ms. */
const GAPS_MS = 1000

export interface WorkerEnvironment {
  log: Log
  clock: Clock
  measures: Measures
  budget: MemoryBudget
  versions: ReadonlyMap<string, RowVersions>
  report: (level: 'info' | 'warn' | 'error', message: string, details: Record<string, unknown>) => void
  /** From 0 to 1, for waits that are to differ. Default Math.random. */
  random?: () => number
}

export type WorkerState = 'starting' | 'running' | 'waiting' | 'stopping' | 'stopped'

export class TaskWorker {
  /** Why it is waiting, or what blocks a task; null when all is well. */
  problem: Error | null = null
  readonly #environment: WorkerEnvironment
  readonly #settings: WorkerSettings
  readonly #memory: WorkerMemory
  readonly #tasks: TaskSet
  readonly #outputs = new Outputs()
  #phase: Exclude<WorkerState, 'starting'> = 'running'
  #committer: Committer
  #startAgainAt = 0
  readonly #unit: OpenUnit
  /** Gaps between offsets are looked for at this time. */
  #gapsAt = 0

  /** `plans`: of all tasks there are, by their id. */
  constructor(
    plans: ReadonlyMap<string, TaskPlan>,
    assignment: Assignment,
    environment: WorkerEnvironment,
    settings: WorkerSettings,
  ) {
    this.#environment = environment
    this.#settings = settings
    this.#memory = new WorkerMemory(environment)
    this.#unit = new OpenUnit(environment.clock, settings)
    this.#tasks = new TaskSet(plans, {
      ...environment,
      random: environment.random ?? Math.random,
      outputs: this.#outputs,
      charge: (bytes, always) => this.#memory.charge(bytes, always),
      changelogRecords: settings.changelogRecords,
      restoreBytes: settings.restoreBytes,
      retryMs: settings.restartMs,
    })
    this.#tasks.assign(assignment)
    this.#committer = this.#newCommitter()
  }

  get state(): WorkerState {
    return this.#phase === 'running' && this.#tasks.isRestoring ? 'starting' : this.#phase
  }

  /** Those that run. */
  get tasks(): readonly Task[] {
    return this.#tasks.running
  }

  /** Tables that are restored, or follow as standbys. */
  get replicas(): Iterable<Replica> {
    return this.#tasks.replicas
  }

  get owned(): Owned {
    return this.#tasks.owned
  }

  /** Grows with every change of `owned` but the lags. */
  get changes(): number {
    return this.#tasks.changes
  }

  /** Some of its tasks are deliveries: what they began goes on in the event loop of the thread. */
  get delivers(): boolean {
    return this.#tasks.ofUnit.some(task => task.courier !== null)
  }

  /** Everything it did is committed, and no task is about to leave. */
  get settled(): boolean {
    return !this.#unit.isOpen && this.#committer.underWay === 0 && !this.#tasks.isLeaving
  }

  /** The tasks it shall have from now on, whatever it was told before. */
  assign(assignment: Assignment): void {
    this.#tasks.assign(assignment)
  }

  /** Does some of what there is to do. False: nothing, until the log changes or `idleMs` have passed. */
  step(): boolean {
    const { log, clock } = this.#environment
    log.pump()
    const heeds = this.#phase === 'running' || this.#phase === 'stopping'
    if (heeds && this.#committer.failure !== null) return this.#fail(this.#committer.failure)
    switch (this.#phase) {
      case 'waiting':
        // Units under way may still succeed: what the log says is known only when all have been answered.
        if (clock.monotonic() < this.#startAgainAt || this.#committer.underWay > 0) return false
        this.#outputs.begin()
        this.#committer = this.#newCommitter()
        this.#phase = 'running'
        return true
      case 'running':
        return this.#run()
      case 'stopping':
        return this.#finish()
      case 'stopped':
        return false
    }
  }

  /** How long nothing happens by itself, ms. */
  idleMs(): number {
    const { clock } = this.#environment
    if (this.#phase === 'waiting') return Math.max(1, this.#startAgainAt - clock.monotonic())
    if (this.#phase !== 'running') return 1
    // Timers that are due fire when a unit is answered: until then there is nothing to look at the clock for.
    if (!this.#mayWork()) return Number.POSITIVE_INFINITY
    let deadline = Number.POSITIVE_INFINITY
    for (const task of this.tasks) {
      deadline = Math.min(deadline, task.nextDeadline())
      if (task.blocked !== null || this.#memory.isShort) deadline = Math.min(deadline, clock.now() + 10)
    }
    if (this.#unit.isOpen) {
      deadline = Math.min(deadline, clock.now() + this.#lingerMs() - this.#unit.age)
    }
    return Math.max(0, deadline - clock.now())
  }

  /** Finishes the batches at hand, commits, and stops. */
  stop(): void {
    if (this.#phase === 'running') {
      this.#phase = 'stopping'
      for (const task of this.tasks) task.courier?.drain()
    } else if (this.#phase !== 'stopping') this.#close()
  }

  #run(): boolean {
    let moved = this.#tasks.heed()
    if (this.#tasks.isLeaving && this.#letGo()) moved = true
    const worked = this.#mayWork() && this.#work()
    if (this.#phase !== 'running') return worked
    // Standbys may not take what the tasks that run would need.
    if (this.#tasks.follow(!this.#memory.isShort)) moved = true
    if (moved) this.#memory.chargeBuffers(this.#bufferBytes())
    this.#tellProblem()
    return worked || moved
  }

  /** Tasks that leave go when the units are answered that may hold something of them. */
  #letGo(): boolean {
    if (this.#tasks.awaitsUnit) {
      if (!this.#unit.isOpen) this.#tasks.submitted(this.#committer.submitted)
      else if (this.#mayWork()) this.#submit()
    }
    return this.#tasks.committed(this.#committer.answered)
  }

  #mayWork(): boolean {
    return this.#phase === 'running' && this.#committer.underWay < this.#settings.unitsUnderWay
  }

  /** The tasks that run have their turn. */
  #work(): boolean {
    const { clock } = this.#environment
    // What is delivered before the unit ends is never written down as waiting.
    const isEnding = this.#unit.isFull
    let worked = false
    try {
      for (const task of this.tasks) {
        if (task.fireTimers()) {
          worked = true
          this.#unit.add(clock.now())
        }
      }
      this.#memory.look(
        () => this.#tasks.states(),
        () => this.#bufferBytes(),
      )
      if (!this.#memory.isShort) {
        for (const task of this.tasks) if (!(isEnding && task.courier) && this.#advance(task)) worked = true
      }
      if (this.#deliver()) worked = true
    } catch (error) {
      return this.#fail(asError(error))
    }
    // What it has in memory goes with a store that is no more.
    const lost = this.tasks.find(task => isOfStore(task.blocked))?.blocked
    if (lost) return this.#fail(lost)
    if (this.#memory.isShort || this.tasks.some(task => isOfMemory(task.blocked))) {
      this.#memory.makeRoom(this.#tasks.states())
    }
    if (!worked && !this.#unit.isOpen) this.#passGaps()
    if (!this.#unit.isOpen) return worked
    if (!worked && this.#unit.age < this.#lingerMs()) return false
    if (!worked || (this.#unit.isFull && !this.#awaitsDeliveries())) this.#submit()
    return true
  }

  #awaitsDeliveries(): boolean {
    return this.#unit.age < this.#settings.unitMs + DELIVERY_LINGER_MS && this.#isDelivering()
  }

  /** Something that was read in the unit at hand may end in a moment, and nobody waits for the commit. */
  #isDelivering(): boolean {
    const couriers = this.#tasks.ofUnit.flatMap(task => task.courier ?? [])
    return couriers.some(courier => courier.endsSoon) && !couriers.some(courier => courier.isUrgent)
  }

  #deliver(): boolean {
    let worked = false
    for (const task of this.#tasks.ofUnit) {
      if (!task.deliver()) continue
      worked = true
      this.#unit.add(Number.POSITIVE_INFINITY)
    }
    return worked
  }

  /**
   * How long the unit at hand waits for more. One that sends something, when nothing else is under way, not at all:
   * it would be waited for. One that sends nothing waits longer.
   */
  #lingerMs(): number {
    const { lingerMs } = this.#settings
    if (this.delivers) return this.#isDelivering() ? DELIVERY_LINGER_MS : lingerMs
    if (this.#outputs.count === 0) return lingerMs * QUIET_LINGER
    return this.#committer.underWay === 0 ? 0 : lingerMs
  }

  /** Once in a while when there is nothing to do: a commit for it is not worth more. */
  #passGaps(): void {
    const { clock } = this.#environment
    const now = clock.monotonic()
    if (now < this.#gapsAt) return
    this.#gapsAt = now + GAPS_MS
    for (const task of this.tasks) {
      if (task.blocked !== null) continue
      for (const input of task.inputs) if (input.passGap()) this.#unit.add(Number.POSITIVE_INFINITY)
    }
  }

  #tellProblem(): void {
    const before = this.problem
    const unrestored = this.#tasks.problem
    let problem = unrestored
    for (const task of this.tasks) problem ??= task.blocked
    problem ??= this.#memory.problem(before)
    this.problem = problem
    if (problem === null || problem === unrestored || before?.message === problem.message) return
    const details = problem instanceof AldebaranError ? { code: problem.code, ...problem.details } : {}
    this.#environment.report('error', 'a task does not go on', { error: problem.message, ...details })
  }

  /** One batch of a task. */
  #advance(task: Task): boolean {
    const { measures } = this.#environment
    const bytes = measures.get('bytesIn')
    if (!task.step()) return false
    this.#unit.add(task.lastBaseTimestamp)
    this.#unit.bytes += measures.get('bytesIn') - bytes
    return true
  }

  #submit(): void {
    this.#unit.close()
    try {
      this.#committer.submit(this.#tasks.ofUnit, this.#unit.oldest)
      this.#tasks.submitted(this.#committer.submitted)
      this.#memory.chargeBuffers(this.#bufferBytes())
    } catch (error) {
      this.#fail(asError(error))
    }
  }

  #finish(): boolean {
    const mayWork = this.#committer.underWay < this.#settings.unitsUnderWay
    if (mayWork) this.#deliver()
    if (this.#unit.isOpen && mayWork) this.#submit()
    if (this.#phase === 'stopping' && this.#tasks.ofUnit.some(task => task.courier?.isDrained === false)) return false
    if (this.#phase !== 'stopping') return false
    if (this.#committer.underWay > 0) return false
    this.#close()
    return true
  }

  #close(): void {
    this.#tasks.close()
    this.#memory.chargeBuffers(0)
    this.#phase = 'stopped'
  }

  /** What is in memory is no longer what the log says: give it up. */
  #fail(error: Error): boolean {
    const { clock, measures, report } = this.#environment
    report('error', 'tasks start again from the last commit', { error: messageOf(error) })
    this.#tasks.giveUp()
    this.#memory.chargeBuffers(0)
    this.#unit.close()
    this.problem = error
    this.#startAgainAt = clock.monotonic() + this.#settings.restartMs
    measures.add('restarts', 1)
    if (this.#phase === 'stopping') this.#close()
    else this.#phase = 'waiting'
    return false
  }

  #newCommitter(): Committer {
    const { log, clock, measures } = this.#environment
    return new Committer(log, this.#outputs, clock, measures, this.#settings.changelogRecords / 4)
  }

  /** Of the units under way, and of what is read into. */
  #bufferBytes(): number {
    return this.#committer.bytesUnderWay + this.#tasks.bufferBytes
  }
}

function isOfStore(error: Error | null): boolean {
  return error instanceof AldebaranError && error.code === 'TABLE_STORE_LOST'
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(messageOf(error))
}
