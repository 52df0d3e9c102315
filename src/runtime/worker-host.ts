/**
 * One worker as the main thread sees it: a thread that is started, asked, watched and started again when it dies.
 *
 *     starting ─► running … (as the thread tells) ─► stopped
 *         ▲          │
 *         └ waiting ◄┘  the thread ended: its memory is given back and its units are answered, then it is started again
 *
 * A successor starts from what the log says, so it must not start while the log thread still holds units of the one
 * before: they would be committed after it had read its positions, and their input would be processed twice.
 */
import { extname } from 'node:path'
import { MessageChannel, type MessagePort, Worker } from 'node:worker_threads'
import { AldebaranError, ERROR_CODES, type ErrorCode, messageOf } from '../errors.ts'
import { type LogAddress, wakeClient } from '../log/client.ts'
import type { RowCopy } from '../state/contract.ts'
import type { MemoryBudget } from '../state/memory-budget.ts'
import { type AssignedWorker, type Assignment, NOTHING_ASSIGNED, NOTHING_OWNED, type Owned } from './assignment.ts'
import { type MeasureSizes, Measures } from './measures.ts'
import type { TableQuery } from './queries.ts'
import { threadLimits } from './thread-limits.ts'
import { workerFlags } from './worker-flags.ts'
import type { FromWorker, QueryAnswer, ToWorker, WorkerProblem, WorkerThreadData } from './worker-thread.ts'

/** A thread that died is started again after this long, ms. */
export const RESPAWN_MS = 250

export type Report = (level: 'info' | 'warn' | 'error', message: string, details: Record<string, unknown>) => void

export interface WorkerHostSettings
  extends Pick<WorkerThreadData, 'entry' | 'application' | 'worker' | 'versions' | 'settings'> {
  sizes: MeasureSizes
  budget: MemoryBudget
  newAddress: () => LogAddress
  /** Gives the address of a thread back that ended; resolves when its units are answered. */
  release: (address: LogAddress) => Promise<void>
  respawnMs: number
  report: Report
}

export class WorkerHost implements AssignedWorker {
  readonly measures: Measures
  problem: WorkerProblem | null = null
  /** Why the first thread could not even find the application; null: it did. */
  failure: AldebaranError | null = null
  readonly #settings: WorkerHostSettings
  #thread: Worker | null = null
  #address: LogAddress | null = null
  #control = new Int32Array(new SharedArrayBuffer(4))
  #requests: MessagePort | null = null
  #asked = new Map<number, { resolve: (rows: RowCopy[] | undefined) => void; reject: (error: Error) => void }>()
  #nextId = 0
  #assigned = { number: 0, assignment: NOTHING_ASSIGNED }
  #state = 'starting'
  /** The number of the assignment that the state is of. */
  #stateOf = 0
  #owned: Owned = NOTHING_OWNED
  readonly #listeners: (() => void)[] = []
  /** The thread at hand has found its application. */
  #found = false
  #everFound = false
  #stopping = false
  #respawn: NodeJS.Timeout | null = null
  /** Resolves when the thread at hand has ended and its address is given back. */
  #ended: Promise<void> = Promise.resolve()

  constructor(settings: WorkerHostSettings) {
    this.#settings = settings
    this.measures = new Measures(settings.sizes)
    this.#spawn()
  }

  get state(): string {
    // Of those before it does not matter whether all of their tasks ran.
    return this.#state === 'running' && this.#stateOf !== this.#assigned.number ? 'starting' : this.#state
  }

  get owned(): Owned {
    return this.#owned
  }

  onOwned(listener: () => void): void {
    this.#listeners.push(listener)
  }

  /** A thread that is started later begins with the latest assignment. */
  assign(assignment: Assignment): void {
    this.#assigned = { number: this.#assigned.number + 1, assignment }
    this.#send({ kind: 'assign', ...this.#assigned })
  }

  query(query: TableQuery): Promise<RowCopy[] | undefined> {
    if (this.#requests === null) {
      return Promise.reject(new AldebaranError('WORKER_DIED', 'the worker of this partition is being started again'))
    }
    const id = this.#nextId++
    const answer = new Promise<RowCopy[] | undefined>((resolve, reject) => this.#asked.set(id, { resolve, reject }))
    this.#send({ kind: 'query', id, query })
    return answer
  }

  #send(message: ToWorker): void {
    this.#requests?.postMessage(message)
    if (this.#address !== null) wakeClient(this.#address)
  }

  /** Lets it finish what it has at hand and commit. */
  async stop(): Promise<void> {
    this.#stopping = true
    if (this.#respawn !== null) clearTimeout(this.#respawn)
    Atomics.store(this.#control, 0, 1)
    if (this.#address !== null) wakeClient(this.#address)
    // A module that takes for ever to load has nothing at hand.
    if (!this.#found) await this.#thread?.terminate()
    await this.#ended
    this.#state = 'stopped'
  }

  #spawn(): void {
    const { sizes, newAddress, release: _, respawnMs: __, budget, report, ...data } = this.#settings
    const { port1, port2 } = new MessageChannel()
    const address = newAddress()
    this.#control = new Int32Array(new SharedArrayBuffer(4))
    const threadData: WorkerThreadData = {
      ...data,
      kind: 'aldebaran-worker',
      address,
      measures: this.measures.buffer,
      budget: { limit: budget.limit, shared: budget.shared },
      control: this.#control.buffer as SharedArrayBuffer,
      assigned: this.#assigned,
      requests: port2,
    }
    const url = new URL(`./worker-thread${extname(import.meta.url)}`, import.meta.url)
    const execArgv = workerFlags(process.execArgv)
    const thread = new Worker(url, {
      workerData: threadData,
      transferList: [port2, ...address.transfer],
      name: `tasks-${data.worker}`,
      // What the user's module may look at to build its pipelines.
      argv: process.argv.slice(2),
      resourceLimits: threadLimits(sizes.deliveries),
      ...(execArgv === null ? {} : { execArgv }),
    })
    this.#thread = thread
    this.#address = address
    this.#requests = port1
    this.#found = false
    this.#state = 'starting'
    port1.on('message', ({ id, rows, problem }: QueryAnswer) => {
      if (problem === null) this.#asked.get(id)?.resolve(rows)
      else this.#asked.get(id)?.reject(errorOf(problem))
      this.#asked.delete(id)
    })
    port1.unref()
    thread.on('message', (message: FromWorker) => {
      if (message.kind === 'report') {
        report(message.level, message.message, { worker: data.worker, ...message.details })
      } else if (message.kind === 'owned') {
        this.#own(message.owned)
      } else {
        this.#found = true
        this.#everFound = true
        this.#state = message.state
        this.#stateOf = message.assigned
        this.problem = message.problem
      }
    })
    let cause: unknown = null
    thread.on('error', error => {
      cause = error
    })
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#ended = promise
    thread.on('exit', code => {
      void this.#end(address, code, cause).then(resolve)
    })
  }

  async #end(address: LogAddress, code: number, cause: unknown): Promise<void> {
    this.#thread = null
    this.#address = null
    this.#requests?.close()
    this.#requests = null
    const error = new AldebaranError('WORKER_DIED', 'the worker thread ended')
    for (const asked of this.#asked.values()) asked.reject(error)
    this.#asked.clear()
    if (!this.#stopping) this.#mourn(code, cause)
    // Until its units are answered, nobody else may have what it had.
    const { active, restoring, closing } = this.#owned
    this.#own({ active: [], restoring: [], closing: [...active, ...restoring, ...closing], standby: [] })
    await this.#settings.release(address)
    this.#own(NOTHING_OWNED)
    if (!this.#stopping) this.#respawn = setTimeout(() => this.#spawn(), this.#settings.respawnMs)
  }

  #own(owned: Owned): void {
    this.#owned = owned
    for (const listener of this.#listeners) listener()
  }

  #mourn(code: number, cause: unknown): void {
    const { entry, budget, report, worker } = this.#settings
    const charged = this.measures.get('chargedBytes')
    this.measures.add('chargedBytes', -charged)
    budget.giveBack(charged)
    const message = cause === null ? `exit code ${code}` : messageOf(cause)
    if (!this.#everFound) {
      this.failure = new AldebaranError(
        'OPTION_INVALID',
        `worker threads cannot use ${entry} as the entry: ${message}`,
        { entry },
        cause ?? undefined,
      )
    }
    this.#state = 'waiting'
    this.problem = { message: `the worker thread ended: ${message}`, code: 'WORKER_DIED', details: {} }
    this.measures.add('restarts', 1)
    report('error', 'a worker thread ended; it is started again', {
      worker,
      error: message,
      stack: cause instanceof Error ? cause.stack : undefined,
    })
  }
}

function errorOf({ code, message, details }: WorkerProblem): Error {
  return code !== null && code in ERROR_CODES
    ? new AldebaranError(code as ErrorCode, message, details)
    : new Error(message)
}
