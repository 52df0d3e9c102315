/**
 * The entry of a worker thread: imports the user's module, finds the application in it, and runs its tasks in a loop
 * that blocks when there is nothing to do. It returns to its event loop now and then, so that what handlers print gets
 * out; HTTP, heartbeats and timers of the process live on the main thread, so a long handler delays none of them.
 */
import { setImmediate, setTimeout } from 'node:timers/promises'
import { isMainThread, type MessagePort, parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads'
import { isDeliveryPart } from '../delivery/delivery.ts'
import { AldebaranError, messageOf } from '../errors.ts'
import { connectLog, type LogAddress } from '../log/client.ts'
import type { Log } from '../log/contract.ts'
import type { RowCopy } from '../state/contract.ts'
import { MemoryBudget } from '../state/memory-budget.ts'
import { systemClock } from '../time/clock.ts'
import type { Application } from './application.ts'
import type { Assignment, Owned } from './assignment.ts'
import { findApplication } from './find-application.ts'
import { Measures } from './measures.ts'
import { answerQuery, type TableQuery } from './queries.ts'
import type { RowVersions } from './row-versions.ts'
import { measureSizes, plansById, planTasks, type TaskPlan } from './task-plan.ts'
import { TaskWorker, type WorkerSettings } from './worker.ts'

/** Longest stay away from the event loop, ms. */
const TURN_MS = 50
const ALIVE_MS = 2 ** 30
/** What deliveries keep open is waited for so long, ms. */
const CLOSE_MS = 5000
/** Between two looks at how far standbys are behind, ms. */
const LAG_MS = 250

export interface WorkerThreadData {
  kind: 'aldebaran-worker'
  entry: string
  application: string
  worker: number
  /** As it was when the thread was started; others follow as messages. */
  assigned: NumberedAssignment
  address: LogAddress
  measures: SharedArrayBuffer
  budget: { limit: number; shared: SharedArrayBuffer }
  /** control[0]: 1 asks it to stop. */
  control: SharedArrayBuffer
  versions: ReadonlyMap<string, RowVersions>
  settings: WorkerSettings
  requests: MessagePort
}

export interface NumberedAssignment {
  /** Assignments of a worker are numbered, so that it can be told which one a state speaks of. */
  number: number
  assignment: Assignment
}

/** Why a worker, or a task of it, does not go on. */
export interface WorkerProblem {
  message: string
  code: string | null
  /** What the message speaks of: topic, partition, offset … */
  details: AldebaranError['details']
}

export type FromWorker =
  | { kind: 'report'; level: 'info' | 'warn' | 'error'; message: string; details: Record<string, unknown> }
  | { kind: 'owned'; owned: Owned }
  /** `assigned`: the number of the assignment that the state is of. */
  | { kind: 'state'; state: string; problem: WorkerProblem | null; assigned: number }

export type ToWorker = { kind: 'query'; id: number; query: TableQuery } | ({ kind: 'assign' } & NumberedAssignment)

export interface QueryAnswer {
  id: number
  /** Undefined: the table is not here, or the question cannot be answered for the `problem`. */
  rows: RowCopy[] | undefined
  problem: WorkerProblem | null
}

class WorkerThread {
  readonly #data: WorkerThreadData
  readonly #tell: (message: FromWorker) => void
  readonly #log: Log
  readonly #worker: TaskWorker
  readonly #plans: readonly TaskPlan[]
  #assigned: number
  #toldState = ''
  #toldOwned = ''
  #toldChanges = -1
  #lookAgainAt = 0

  constructor(app: Application, data: WorkerThreadData, tell: (message: FromWorker) => void) {
    this.#data = data
    this.#tell = tell
    this.#log = connectLog(data.address)
    this.#assigned = data.assigned.number
    const plans = planTasks(app)
    this.#plans = plans
    this.#worker = new TaskWorker(
      plansById(plans),
      data.assigned.assignment,
      {
        log: this.#log,
        clock: systemClock,
        measures: new Measures(measureSizes(plans), data.measures),
        budget: new MemoryBudget(data.budget.limit, data.budget.shared),
        versions: data.versions,
        report: (level, message, details) => tell({ kind: 'report', level, message, details }),
      },
      data.settings,
    )
  }

  async run(): Promise<void> {
    const worker = this.#worker
    const log = this.#log
    const control = new Int32Array(this.#data.control)
    // Tells that the application was found, before what may take long.
    this.#tellState()
    let turned = systemClock.monotonic()
    // A wait for the log alone does not keep the thread.
    const alive = setInterval(() => {}, ALIVE_MS)
    while (worker.state !== 'stopped') {
      if (Atomics.load(control, 0) === 1) worker.stop()
      this.#heedRequests()
      const worked = worker.step()
      this.#tellOwned()
      this.#tellState()
      if (worker.delivers) {
        // What it sends goes on in the event loop.
        if (worked) await setImmediate()
        else await log.changed(Math.min(worker.idleMs(), TURN_MS))
        continue
      }
      if (!worked) log.wait(Math.min(worker.idleMs(), TURN_MS))
      if (systemClock.monotonic() - turned >= TURN_MS) {
        await setImmediate()
        turned = systemClock.monotonic()
      }
    }
    await log.close()
    await this.#closeDeliveries()
    clearInterval(alive)
    this.#data.requests.close()
  }

  /** One that does not end, or throws, holds nobody up. */
  async #closeDeliveries(): Promise<void> {
    const closes = new Set(this.#plans.flatMap(({ part }) => (isDeliveryPart(part) ? (part.delivery.close ?? []) : [])))
    const closing = [...closes].map(async close => {
      try {
        await close()
      } catch (error) {
        const details = { error: messageOf(error) }
        this.#tell({ kind: 'report', level: 'warn', message: 'a delivery was not closed', details })
      }
    })
    const given = new AbortController()
    const pause = setTimeout(CLOSE_MS, undefined, { signal: given.signal }).catch(() => {})
    await Promise.race([Promise.all(closing), pause])
    given.abort()
  }

  #heedRequests(): void {
    const port = this.#data.requests
    for (let next = receiveMessageOnPort(port); next !== undefined; next = receiveMessageOnPort(port)) {
      const request = next.message as ToWorker
      if (request.kind === 'query') {
        port.postMessage({ id: request.id, ...answered(this.#worker, request.query) } satisfies QueryAnswer)
      } else {
        this.#worker.assign(request.assignment)
        this.#assigned = request.number
      }
    }
  }

  /** Before the state, which may say that all of them run. */
  #tellOwned(): void {
    const { changes } = this.#worker
    const now = systemClock.monotonic()
    if (changes === this.#toldChanges && now < this.#lookAgainAt) return
    this.#toldChanges = changes
    this.#lookAgainAt = now + LAG_MS
    const { owned } = this.#worker
    const text = JSON.stringify(owned)
    if (text === this.#toldOwned) return
    this.#toldOwned = text
    this.#tell({ kind: 'owned', owned })
  }

  #tellState(): void {
    const { state, problem } = this.#worker
    const text = `${this.#assigned} ${state} ${problem?.message ?? null}`
    if (text === this.#toldState) return
    this.#toldState = text
    this.#tell({ kind: 'state', state, problem: problemOf(problem), assigned: this.#assigned })
  }
}

function problemOf(error: Error | null): WorkerProblem | null {
  if (error === null) return null
  return error instanceof AldebaranError
    ? { message: error.message, code: error.code, details: error.details }
    : { message: messageOf(error), code: null, details: {} }
}

/** A question that cannot be answered is an answer too: it must not end the thread. */
function answered(worker: TaskWorker, query: TableQuery): Pick<QueryAnswer, 'rows' | 'problem'> {
  try {
    return { rows: answerQuery(worker, query), problem: null }
  } catch (error) {
    return { rows: undefined, problem: problemOf(error instanceof Error ? error : new Error(messageOf(error))) }
  }
}

const data = workerData as WorkerThreadData | null
if (!isMainThread && parentPort !== null && data?.kind === 'aldebaran-worker') {
  const port = parentPort
  const app = await findApplication(data.entry, data.application)
  await new WorkerThread(app, data, message => port.postMessage(message)).run()
  port.close()
}
