/**
 * Some tasks, run by one thread: poll → process → timers → commit.
 *
 *     starting ─► running ─► stopping ─► stopped
 *         ▲           │
 *         └─ waiting ◄┘   a unit failed: what is in memory is given up, and read again from the log after a while
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
import { Committer } from './commit.ts'
import type { Measures } from './measures.ts'
import { Outputs } from './outputs.ts'
import { Task } from './task.ts'
import type { TaskPlan } from './task-plan.ts'
import { openStates, type RowVersions } from './task-state.ts'

export interface WorkerSettings {
  /** Submit at the latest when the unit has taken this long to fill, ms. */
  unitMs: number
  /** Or read that many bytes. */
  unitBytes: number
  unitsUnderWay: number
  /** A changelog of a task with so many records is left alone: nothing is written anew or trimmed. */
  changelogRecords: number
  /** Wait that long before starting again after a failed unit, ms. */
  restartMs: number
}

export const DEFAULT_WORKER_SETTINGS: WorkerSettings = {
  unitMs: 20,
  unitBytes: 2 * 1024 * 1024,
  unitsUnderWay: 3,
  changelogRecords: 4096,
  restartMs: 250,
}

export interface WorkerEnvironment {
  log: Log
  clock: Clock
  measures: Measures
  budget: MemoryBudget
  versions: ReadonlyMap<string, RowVersions>
  report: (level: 'info' | 'warn' | 'error', message: string, details: Record<string, unknown>) => void
}

export type WorkerState = 'starting' | 'running' | 'waiting' | 'stopping' | 'stopped'

/** Share of the memory budget from which on nothing more is read. */
const PRESSURE_LIMIT = 0.9
/** Between two looks at the tables for memory to give back, ms. */
const SHRINK_MS = 1000

export class TaskWorker {
  state: WorkerState = 'starting'
  /** Why it is waiting, or what blocks a task; null when all is well. */
  problem: Error | null = null
  tasks: Task[] = []
  readonly #plans: readonly TaskPlan[]
  readonly #environment: WorkerEnvironment
  readonly #settings: WorkerSettings
  #outputs = new Outputs()
  #committer: Committer
  #startAgainAt = 0
  #charged = 0
  /** Of those, for buffers. */
  #chargedBuffers = 0
  #unitBytes = 0
  #unitSince = 0
  /** The oldest first timestamp of a batch in the unit, ms. */
  #unitOldest = Number.POSITIVE_INFINITY
  #unitOpen = false
  #pressed = false
  #shrinkAgainAt = 0
  /** Of a task that could not be restored: its bytes are damaged. */
  #damage: Error | null = null

  constructor(plans: readonly TaskPlan[], environment: WorkerEnvironment, settings: WorkerSettings) {
    this.#plans = plans
    this.#environment = environment
    this.#settings = settings
    this.#committer = this.#newCommitter()
  }

  /** Everything it did is committed. */
  get settled(): boolean {
    return !this.#unitOpen && this.#committer.underWay === 0
  }

  /** Does some of what there is to do. False: nothing, until the log changes or `idleMs` have passed. */
  step(): boolean {
    const { log, clock } = this.#environment
    log.pump()
    const heeds = this.state !== 'waiting' && this.state !== 'stopped'
    if (heeds && this.#committer.failure !== null) return this.#fail(this.#committer.failure)
    switch (this.state) {
      case 'starting':
        return this.#start()
      case 'waiting':
        // Units under way may still succeed: what the log says is known only when all have been answered.
        if (clock.monotonic() < this.#startAgainAt || this.#committer.underWay > 0) return false
        this.#outputs = new Outputs()
        this.#committer = this.#newCommitter()
        this.state = 'starting'
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
    if (this.state === 'waiting') return Math.max(1, this.#startAgainAt - clock.monotonic())
    if (this.state !== 'running') return 1
    let deadline = Number.POSITIVE_INFINITY
    for (const task of this.tasks) {
      deadline = Math.min(deadline, task.nextDeadline())
      if (task.blocked !== null || this.#pressed) deadline = Math.min(deadline, clock.now() + 10)
    }
    return Math.max(0, deadline - clock.now())
  }

  /** Finishes the batches at hand, commits, and stops. */
  stop(): void {
    if (this.state === 'running') this.state = 'stopping'
    else if (this.state !== 'stopping') this.#close()
  }

  #start(): boolean {
    const { measures, report } = this.#environment
    const begun = this.#environment.clock.monotonic()
    this.#damage = null
    this.tasks = []
    try {
      for (const plan of this.#plans) this.#startTask(plan)
    } catch (error) {
      return this.#fail(asError(error))
    }
    for (const task of this.tasks) task.report()
    this.state = 'running'
    this.problem = this.#damage
    report('info', 'tasks are running', {
      tasks: this.tasks.map(task => task.plan.id),
      restored: measures.get('restoredRecords'),
      ms: Math.round(this.#environment.clock.monotonic() - begun),
    })
    return true
  }

  #startTask(plan: TaskPlan): void {
    const { report } = this.#environment
    const charged = this.#charged
    try {
      const states = openStates(plan, {
        ...this.#environment,
        changelogRecords: this.#settings.changelogRecords,
        charge: (bytes, always) => this.#charge(bytes, always),
      })
      this.tasks.push(new Task(plan, states, { ...this.#environment, outputs: this.#outputs }))
    } catch (error) {
      if (!(error instanceof AldebaranError) || error.fate !== 'corrupted') throw error
      this.#charge(charged - this.#charged)
      this.#damage ??= error
      report('error', 'a task does not run: what was stored for it is damaged', {
        task: plan.id,
        error: error.message,
        ...error.details,
      })
    }
  }

  #run(): boolean {
    const { clock } = this.#environment
    const { unitsUnderWay, unitMs, unitBytes } = this.#settings
    if (this.#committer.underWay >= unitsUnderWay) return false
    let worked = false
    try {
      for (const task of this.tasks) {
        if (task.fireTimers()) {
          worked = true
          this.#open(clock.now())
        }
      }
      if (!this.#underPressure()) {
        for (const task of this.tasks) if (this.#advance(task)) worked = true
      }
    } catch (error) {
      return this.#fail(asError(error))
    }
    this.#makeRoom()
    this.#tellProblem()
    if (!this.#unitOpen) return worked
    if (!worked || this.#unitBytes >= unitBytes || clock.monotonic() - this.#unitSince >= unitMs) this.#submit()
    return true
  }

  /** Before the next try of what found no memory: what rows do not need any more may be all that it takes. */
  #makeRoom(): void {
    const { clock } = this.#environment
    if (!this.#pressed && !this.tasks.some(task => isOfMemory(task.blocked))) return
    if (clock.monotonic() < this.#shrinkAgainAt) return
    this.#shrinkAgainAt = clock.monotonic() + SHRINK_MS
    for (const task of this.tasks) for (const { table } of task.states) table.shrink()
  }

  #tellProblem(): void {
    const { report, budget } = this.#environment
    const before = this.problem
    let problem = this.#damage
    for (const task of this.tasks) problem ??= task.blocked
    if (problem === null && this.#pressed) {
      const message = `Reading stopped: ${budget.used} of the ${budget.limit} bytes of the memory budget are in use`
      problem = isOfMemory(before)
        ? before
        : new AldebaranError('MEMORY_BUDGET', message, { used: budget.used, limit: budget.limit })
    }
    this.problem = problem
    if (problem === null || before?.message === problem.message) return
    const details = problem instanceof AldebaranError ? { code: problem.code, ...problem.details } : {}
    report('error', 'a task does not go on', { error: problem.message, ...details })
  }

  /** One batch of a task. */
  #advance(task: Task): boolean {
    const { measures } = this.#environment
    const bytes = measures.get('bytesIn')
    if (!task.step()) return false
    this.#open(task.lastBaseTimestamp)
    this.#unitBytes += measures.get('bytesIn') - bytes
    return true
  }

  #open(timestamp: number): void {
    if (!this.#unitOpen) {
      this.#unitOpen = true
      this.#unitBytes = 0
      this.#unitSince = this.#environment.clock.monotonic()
      this.#unitOldest = Number.POSITIVE_INFINITY
    }
    if (timestamp < this.#unitOldest) this.#unitOldest = timestamp
  }

  #submit(): void {
    this.#unitOpen = false
    try {
      this.#committer.submit(this.tasks, this.#unitOldest)
      this.#chargeBuffers()
    } catch (error) {
      this.#fail(asError(error))
    }
  }

  #finish(): boolean {
    if (this.#unitOpen) this.#submit()
    if (this.state !== 'stopping') return false
    if (this.#committer.underWay > 0) return false
    this.#close()
    return true
  }

  #close(): void {
    for (const task of this.tasks) task.close()
    this.tasks = []
    this.state = 'stopped'
  }

  /** What is in memory is no longer what the log says: give it up. */
  #fail(error: Error): boolean {
    const { clock, measures, report } = this.#environment
    report('error', 'tasks start again from the last commit', { error: messageOf(error) })
    const stopping = this.state === 'stopping'
    for (const task of this.tasks) task.close()
    this.tasks = []
    this.#charge(-this.#charged)
    this.#chargedBuffers = 0
    this.#unitOpen = false
    this.problem = error
    this.#startAgainAt = clock.monotonic() + this.#settings.restartMs
    this.state = stopping ? 'stopped' : 'waiting'
    measures.add('restarts', 1)
    return false
  }

  #newCommitter(): Committer {
    const { log, clock, measures } = this.#environment
    return new Committer(log, this.#outputs, clock, measures, this.#settings.changelogRecords / 4)
  }

  /** Buffers are there already when they are counted, so they are never refused. */
  #chargeBuffers(): void {
    let bytes = this.#committer.bytesUnderWay
    for (const task of this.tasks) bytes += task.bufferBytes
    this.#charge(bytes - this.#chargedBuffers, true)
    this.#chargedBuffers = bytes
  }

  #charge(bytes: number, always = false): void {
    this.#environment.budget.charge(bytes, always)
    this.#charged += bytes
    this.#environment.measures.add('chargedBytes', bytes)
  }

  #underPressure(): boolean {
    const { budget, report } = this.#environment
    let pressed = budget.pressure() >= PRESSURE_LIMIT
    if (pressed) {
      this.#chargeBuffers()
      let spare = 0
      for (const task of this.tasks) for (const { table } of task.states) spare += table.spareBytes
      pressed = budget.used - spare >= PRESSURE_LIMIT * budget.limit
    }
    if (pressed !== this.#pressed) {
      this.#pressed = pressed
      report(pressed ? 'warn' : 'info', pressed ? 'memory budget nearly used up: reading stops' : 'reading goes on', {
        used: budget.used,
        limit: budget.limit,
      })
    }
    return pressed
  }
}

function isOfMemory(error: Error | null): boolean {
  return error instanceof AldebaranError && error.code === 'MEMORY_BUDGET'
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(messageOf(error))
}
