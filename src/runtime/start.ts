import { createRequire } from 'node:module'
import { availableParallelism } from 'node:os'
import { setTimeout as pause } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'
import { isDeliveryPart, LIVE_DESTINATIONS } from '../delivery/delivery.ts'
import { AldebaranError } from '../errors.ts'
import type { LogAddress } from '../log/client.ts'
import type { Log } from '../log/contract.ts'
import { parseSize } from '../pipeline/units.ts'
import type { RowCopy } from '../state/contract.ts'
import { MemoryBudget } from '../state/memory-budget.ts'
import { type Clock, systemClock } from '../time/clock.ts'
import type { Application } from './application.ts'
import type { Director } from './assignment.ts'
import { LIVE_EVENTS } from './live-events.ts'
import type { EngineCounters, LogEngine, NodeView } from './log-engine.ts'
import type { LogLocation } from './log-location.ts'
import { openEngine } from './open-engine.ts'
import { prepare } from './prepare.ts'
import type { TableQuery } from './queries.ts'
import type { SourceView } from './source-state.ts'
import { measureSizes, planTasks, type TaskPlan } from './task-plan.ts'
import { DEFAULT_WORKER_SETTINGS, type WorkerSettings } from './worker.ts'
import { RESPAWN_MS, type Report, WorkerHost, type WorkerHostSettings } from './worker-host.ts'
import type { WorkerProblem } from './worker-thread.ts'

export interface StartSettings {
  log: LogLocation
  /** Threads that run tasks. Default: one for each core but one, at least 1, at most one a partition. */
  workers?: number
  /** One budget for all tables and buffers. Default '1GB'. */
  memory?: string | number
  /** The module that exports or starts the application, for the worker threads. Default: the main module. */
  entry?: string | URL
  report?: Report
  worker?: Partial<WorkerSettings>
}

export interface Health {
  status: 'ok' | 'failing'
  /** Every worker runs its tasks: state is restored and nothing blocks. */
  ready: boolean
  /** `worker` is null for what concerns all of them. */
  problems: ({ worker: number | null } & WorkerProblem)[]
}

/** An application that runs. */
export class Running {
  readonly application: Application
  readonly log: Log
  readonly plans: readonly TaskPlan[]
  readonly workers: readonly WorkerHost[]
  readonly budget: MemoryBudget
  readonly clock: Clock
  readonly startedAt: number
  /** Resolves with what the application cannot go on after: its log ended by itself. Stop it then, and start again. */
  readonly failed: Promise<AldebaranError>
  /** What brings records in from outside. */
  sources: readonly SourceView[] = []
  readonly #engine: LogEngine
  readonly #director: Director
  /** Of the task that has a partition of a table, by pipeline, table and partition. */
  readonly #taskIds: ReadonlyMap<string, string>
  readonly #report: Report
  readonly #onStop: (() => Promise<void>)[] = []
  #url: string | null = null
  #stopped: Promise<void> | null = null
  #failure: AldebaranError | null = null

  constructor(
    application: Application,
    engine: LogEngine,
    log: Log,
    plans: readonly TaskPlan[],
    workers: readonly WorkerHost[],
    director: Director,
    budget: MemoryBudget,
    report: Report,
  ) {
    this.application = application
    this.log = log
    this.plans = plans
    this.workers = workers
    this.budget = budget
    this.clock = systemClock
    this.startedAt = systemClock.now()
    this.#engine = engine
    this.#director = director
    this.#taskIds = new Map(plans.flatMap(plan => tablesOf(plan).map(table => [table, plan.id])))
    this.#report = report
    this.failed = new Promise(resolve => {
      void engine.stopped.then(failure => {
        if (failure !== null) resolve(this.#fail(failure))
      })
    })
  }

  /** Where its API listens; null: nowhere. */
  get url(): string | null {
    return this.#url
  }

  set url(url: string | null) {
    this.#url = url
    this.#engine.apiChanged()
  }

  health(): Health {
    const problems: Health['problems'] = this.workers.flatMap((worker, i) =>
      worker.problem === null ? [] : [{ worker: i, ...worker.problem }],
    )
    for (const { message, details } of this.#engine.problems()) {
      problems.push({ worker: null, code: null, message, details })
    }
    if (this.#failure !== null) {
      const { code, message, details } = this.#failure
      problems.unshift({ worker: null, code, message, details })
    }
    return {
      status: problems.length === 0 ? 'ok' : 'failing',
      ready: problems.length === 0 && this.#isReady(),
      problems,
    }
  }

  /**
   * Resolves when every worker runs its tasks.
   * @throws AldebaranError OPTION_INVALID when they cannot load the application, LOG_CLOSED when it is stopped, and
   *   what `failed` tells.
   */
  async ready(): Promise<void> {
    // One task that is blocked, or whose bytes are damaged, holds up no other: health tells of it.
    while (this.#failure !== null || !this.#isReady()) {
      const failure = this.#failure ?? this.workers.find(worker => worker.failure !== null)?.failure ?? null
      if (failure !== null) throw failure
      if (this.#stopped !== null) throw new AldebaranError('LOG_CLOSED', 'the application was stopped')
      await pause(5)
    }
  }

  /** Every node of the application, this one first; empty where the engine has but one. */
  nodes(): NodeView[] {
    return this.#engine.nodes()
  }

  /** What the engine counts beside the workers; null: nothing. */
  counters(): EngineCounters | null {
    return this.#engine.counters()
  }

  /**
   * Rows from the worker that runs the task of the partition, here or on another node; undefined: it has just left.
   * @throws AldebaranError WORKER_DIED when none has it now, BUSY when its node cannot be asked.
   */
  async query(query: TableQuery): Promise<RowCopy[] | undefined> {
    const own = await this.queryHere(query)
    if (own !== null) return own
    const { pipeline, table, partition } = query
    const id = this.#taskIds.get(tablePartition(pipeline, table, partition))
    const rows = id === undefined ? undefined : await this.#engine.ask(id, query)
    if (rows !== undefined) return rows
    throw new AldebaranError('WORKER_DIED', `no worker has partition ${partition} of table '${table}' now`, {
      table,
      partition,
    })
  }

  /** As `query`, of this process alone; null: no worker of it runs the task. */
  async queryHere(query: TableQuery): Promise<RowCopy[] | undefined | null> {
    const { pipeline, table, partition } = query
    const id = this.#taskIds.get(tablePartition(pipeline, table, partition))
    const worker = id === undefined ? undefined : this.workers.find(({ owned }) => owned.active.includes(id))
    return worker === undefined ? null : await worker.query(query)
  }

  /** Lets another thread read and write the log: `connectLog` there. Each thread needs one of its own. */
  address(): LogAddress {
    return this.#engine.address()
  }

  /**
   * Does what only one node may do at a time. What `work` commits to the log it is given is refused from the moment on
   * that another node begins with work of this name.
   */
  async exclusively<T>(name: string, work: (log: Log) => Promise<T>): Promise<T> {
    const sole = this.#engine.sole(name)
    if (sole === null) return await work(this.log)
    try {
      // Ends what another node has open, and fences it, before anything is read.
      await sole.positionsOf([])
      return await work(sole)
    } finally {
      await sole.close()
    }
  }

  /** Finishes the batches at hand, commits, and closes the log. */
  stop(): Promise<void> {
    this.#stopped ??= this.#stop()
    return this.#stopped
  }

  /** Called at the begin of `stop`, the last one added first. */
  onStop(hook: () => Promise<void>): void {
    this.#onStop.unshift(hook)
  }

  #isReady(): boolean {
    return this.#engine.isSettled && this.workers.every(worker => worker.state === 'running')
  }

  async #stop(): Promise<void> {
    const errors: unknown[] = []
    for (const hook of this.#onStop) await hook().catch(error => errors.push(error))
    await Promise.all(this.workers.map(worker => worker.stop()))
    await this.#director.stop().catch(error => errors.push(error))
    await this.log.close()
    await this.#engine.close()
    // A hook that failed keeps nothing from being committed.
    if (errors.length > 0) throw errors[0]
  }

  /** Without a log the workers could only fail again and again. What was told to be committed is committed. */
  #fail(failure: AldebaranError): AldebaranError {
    this.#failure = failure
    this.#report('error', 'the log ended: the application stops', { error: failure.message, code: failure.code })
    for (const worker of this.workers) void worker.stop()
    return failure
  }
}

function tablesOf({ part, partition }: TaskPlan): string[] {
  const names = part.tables.map(({ definition }) => definition.name)
  if (isDeliveryPart(part)) names.push(LIVE_DESTINATIONS, LIVE_EVENTS)
  return names.map(name => tablePartition(part.pipeline, name, partition))
}

/** No name has a slash in it. */
function tablePartition(pipeline: string, table: string, partition: number): string {
  return `${pipeline}/${table}/${partition}`
}

const quiet: Report = () => {}

/** Opens the log, creates what the application needs, and starts its workers. `ready` tells when they run. */
export async function start(app: Application, settings: StartSettings): Promise<Running> {
  const plans = planTasks(app)
  const partitions = Math.max(1, ...plans.map(plan => plan.partition + 1))
  const workers = Math.min(settings.workers ?? Math.max(1, availableParallelism() - 1), partitions)
  if (!Number.isInteger(workers) || workers < 1) {
    throw new AldebaranError('OPTION_INVALID', `workers: ${settings.workers} is not a whole number from 1`)
  }
  const entry = entryOf(settings.entry)
  const report = settings.report ?? quiet
  let running: Running | null = null
  const engine = await openEngine(settings.log, {
    application: app,
    plans,
    workers,
    report,
    answer: async query => (await running?.queryHere(query)) ?? undefined,
    api: () => running?.url ?? null,
  })
  const log = engine.client()
  const hosts: WorkerHost[] = []
  try {
    const versions = await prepare(app, log)
    const budget = new MemoryBudget(parseSize(settings.memory ?? '1GB', 'memory'))
    for (let worker = 0; worker < workers; worker++) {
      const workerSettings: WorkerHostSettings = {
        entry,
        application: app.name,
        worker,
        budget,
        versions,
        settings: { ...DEFAULT_WORKER_SETTINGS, lingerMs: engine.lingerMs, ...settings.worker },
        sizes: measureSizes(plans),
        newAddress: () => engine.workerAddress(worker),
        release: address => engine.release(address),
        respawnMs: RESPAWN_MS,
        report,
      }
      hosts.push(new WorkerHost(workerSettings))
    }
    const director = engine.director()
    running = new Running(app, engine, log, plans, hosts, director, budget, report)
    await director.start(hosts)
    return running
  } catch (error) {
    await Promise.all(hosts.map(worker => worker.stop()))
    await log.close()
    await engine.close()
    throw error
  }
}

function entryOf(entry: string | URL | undefined): string {
  if (entry instanceof URL) return entry.href
  if (entry !== undefined) return entry.startsWith('file:') ? entry : pathToFileURL(entry).href
  const main = process.argv[1]
  if (main === undefined || main === '-' || process.execArgv.some(flag => EVALUATED.test(flag))) {
    throw new AldebaranError(
      'OPTION_INVALID',
      'entry: the main module is no file; name the one that exports or starts the application, for the workers',
    )
  }
  // Node takes it without its extension, and as a folder too.
  return pathToFileURL(createRequire(pathToFileURL(main)).resolve(main)).href
}

/** The program is an argument of Node. */
const EVALUATED = /^(?:-e|-p|-pe|--eval|--print)(?:=|$)/
