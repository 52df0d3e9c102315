/** For the tests of workers: an application that counts, a log in memory, and workers on it that are driven by steps. */
import type { Log } from '../../log/contract.ts'
import { type InlineLog, inlineLog } from '../../log/inline.ts'
import { pipeline } from '../../pipeline/pipeline.ts'
import { topic } from '../../pipeline/topic.ts'
import { t } from '../../schema/field-types.ts'
import { int32, text } from '../../schema/primitives.ts'
import { MemoryBudget } from '../../state/memory-budget.ts'
import { readTopic } from '../../testing/read-topic.ts'
import { SimulatedStore } from '../../testing/simulated-store.ts'
import { VirtualClock } from '../../time/clock.ts'
import { type Application, application } from '../application.ts'
import { type Assignment, allActive } from '../assignment.ts'
import { Measures } from '../measures.ts'
import { prepare } from '../prepare.ts'
import { Producer } from '../producer.ts'
import { measureSizes, plansById, planTasks } from '../task-plan.ts'
import { DEFAULT_WORKER_SETTINGS, TaskWorker, type WorkerEnvironment, type WorkerSettings } from '../worker.ts'

export const words = topic('words', { key: text(), value: text(), partitions: 2 })
export const told = topic('told', { key: text(), value: int32(), partitions: 2 })
/** A key of each partition; the tasks are count/0 and count/1. */
export const KEY_0 = 'a'
export const KEY_1 = 'd'
export const NOTHING: Assignment = { active: [], standby: [] }
export const BOTH: Assignment = { active: ['count/0', 'count/1'], standby: [] }
/** The row of a key is reminded after this long without a record, ms: 1000 is added. */
export const REMIND_MS = 1000

/** Counts by key, and tells each count. `note`: the row has one field more. A word 'forget' deletes the row. */
export function counting(note = false, store: 'memory' | 'disk' = 'memory'): Application {
  const count = pipeline('count')
  const counts = count.table('counts', {
    key: text(),
    row: { count: t.int, last: t.string, ...(note ? { note: t.string } : {}) },
    timers: { remind: 'processing' },
    store,
  })
  count
    .from(words)
    .into(counts, (word, row, { now }) => {
      if (word === 'forget') {
        row.delete()
        return -1
      }
      row.count++
      row.last = word
      row.remind = now + REMIND_MS
      return row.count
    })
    .to(told)
  counts.on('remind', row => {
    row.count += 1000
  })
  return application('counting', { pipelines: [count] })
}

export interface TestWorker {
  worker: TaskWorker
  measures: Measures
  budget: MemoryBudget
  reports: string[]
}

export class TestWorkers {
  readonly clock = new VirtualClock(1000)
  readonly store = new SimulatedStore()
  readonly log: InlineLog
  readonly #producer: Producer

  constructor() {
    this.log = inlineLog(this.store, { clock: this.clock, durability: 'disk', auto: false })
    this.#producer = new Producer(this.log.client(), this.clock)
  }

  /** A worker of a process of its own, as far as it matters. `wrap`: what it has for the log. */
  async add(
    assignment: Assignment,
    { app = counting(), wrap = (log: Log) => log, memory = 1e9, ...settings }: AddOptions = {},
  ): Promise<TestWorker> {
    // Preparing waits for commits, which nobody makes by themselves here.
    const turns = setInterval(() => this.log.step())
    const versions = await prepare(app, wrap(this.log.client())).finally(() => clearInterval(turns))
    const plans = planTasks(app)
    const measures = new Measures(measureSizes(plans))
    const budget = new MemoryBudget(memory)
    const reports: string[] = []
    const report = (_level: string, message: string): void => void reports.push(message)
    const environment = { log: wrap(this.log.client()), clock: this.clock, measures, budget, versions, report }
    const worker = new TaskWorker(plansById(plans), assignment, environment, {
      ...DEFAULT_WORKER_SETTINGS,
      ...settings,
    })
    return { worker, measures, budget, reports }
  }

  /** Sends words as one batch. */
  send(key: string, ...sent: string[]): void {
    this.sendAll(sent.map(word => [key, word]))
  }

  sendAll(sent: readonly (readonly [key: string, word: string])[]): void {
    for (const [key, word] of sent) this.#producer.send(words, key, word)
    void this.#producer.flush()
    this.log.step()
  }

  /** Until none of them has anything to do. */
  settle(...workers: TestWorker[]): void {
    for (let quiet = 0; quiet < 3; quiet++) {
      for (const { worker } of workers) if (worker.step()) quiet = 0
      if (this.log.step()) quiet = 0
    }
  }

  /** What was told for a key, in order. */
  told(key: string): (number | null)[] {
    return readTopic(this.log.client(), told)
      .filter(record => record.key === key)
      .map(record => record.value)
  }
}

/** The worker that has all tasks of an application whose topics are there (`versions`: see `prepare`). */
export function soleWorker(
  app: Application,
  environment: Pick<WorkerEnvironment, 'log' | 'clock' | 'versions'> & Partial<Pick<WorkerEnvironment, 'measures'>>,
  settings: Partial<WorkerSettings> = {},
): TaskWorker {
  const plans = planTasks(app)
  const measures = new Measures(measureSizes(plans))
  const more = { budget: new MemoryBudget(1e9), report: () => {} }
  const all = { ...DEFAULT_WORKER_SETTINGS, ...settings }
  return new TaskWorker(plansById(plans), allActive(plans), { measures, ...environment, ...more }, all)
}

interface AddOptions extends Partial<WorkerSettings> {
  app?: Application
  wrap?: (log: Log) => Log
  memory?: number
}

/** Fields of the rows that a worker has of a task, as it runs or as it follows; undefined: it has none. */
export function rowsOf({ worker }: TestWorker, id: string): Record<string, unknown>[] | undefined {
  const running = worker.tasks.find(task => task.plan.id === id)?.states
  const states = running ?? [...worker.replicas].find(replica => replica.plan.id === id)?.states
  return states?.[0]?.table.scan(undefined, undefined, 1000).map(row => row.fields)
}
