/**
 * One process of a simulation: a log over the simulated store, workers, a producer, and who moves tasks between the
 * workers. It ends with a crash, and the next one starts from what the store kept.
 */
import { AldebaranError } from '../errors.ts'
import type { Append, Log } from '../log/contract.ts'
import { type InlineLog, inlineLog } from '../log/inline.ts'
import { BatchWriter } from '../record/batch-writer.ts'
import { partitionOf } from '../record/partitioner.ts'
import type { Application } from '../runtime/application.ts'
import { NOTHING_ASSIGNED } from '../runtime/assignment.ts'
import { Measures } from '../runtime/measures.ts'
import type { RowVersions } from '../runtime/row-versions.ts'
import { measureSizes, plansById, planTasks, type TaskPlan } from '../runtime/task-plan.ts'
import { DEFAULT_WORKER_SETTINGS, TaskWorker } from '../runtime/worker.ts'
import { MemoryBudget } from '../state/memory-budget.ts'
import type { VirtualClock } from '../time/clock.ts'
import type { Outside } from './outside.ts'
import type { SeededRandom } from './random.ts'
import type { SimulatedStore } from './simulated-store.ts'
import { SimulatedDirector } from './simulation-director.ts'

/** A record of a scenario, as bytes: also bytes that no schema would write. */
export interface SimulatedRecord {
  topic: string
  key: Buffer | null
  value: Buffer | null
}

const PRODUCER = 'aldebaran.simulation.producer'
const RANDOM_STEPS = 1_000_000

export interface WorldSettings {
  application: Application
  store: SimulatedStore
  clock: VirtualClock
  random: SeededRandom
  versions: ReadonlyMap<string, RowVersions>
  workers: number
  /** Where the deliveries of the application go. */
  outside: Outside
  records: readonly SimulatedRecord[]
  /** Sent only when the faults are over. */
  afterFaults: readonly SimulatedRecord[]
  /** A topic that holds the producer's position. */
  markerTopic: string
  onStep: (step: string) => void
  trace: (event: string) => void
}

export class World {
  readonly log: InlineLog
  readonly workers: TaskWorker[]
  readonly director: SimulatedDirector
  readonly #settings: WorldSettings
  readonly #plans: readonly TaskPlan[]
  readonly #producer: Log
  readonly #batch = new BatchWriter()
  readonly #records: readonly SimulatedRecord[]
  /** Of each worker, as those outside know it. */
  readonly #lives: number[]
  /** Records sent, and records known to be committed. */
  #sent: number
  #waiting = false

  constructor(settings: WorldSettings) {
    const { store, clock, onStep, records, afterFaults } = settings
    this.#settings = settings
    this.#records = [...records, ...afterFaults]
    this.#lives = Array.from({ length: settings.workers }, () => settings.outside.born())
    this.log = inlineLog(store, { clock, durability: store.durability, auto: false, onStep })
    this.#producer = this.log.client()
    this.#sent = this.#producer.position(PRODUCER, settings.markerTopic, 0)?.offset ?? 0
    this.#plans = planTasks(settings.application)
    this.workers = Array.from({ length: settings.workers }, (_, i) => this.#newWorker(i))
    this.director = new SimulatedDirector(this.#plans, settings.workers, settings.random)
    this.direct()
  }

  direct(): void {
    this.director.direct(this.workers)
  }

  /** Everything was sent and its commit heard of. */
  get allSent(): boolean {
    return this.#sent >= this.#toSend && !this.#waiting
  }

  get #toSend(): number {
    const { outside, records } = this.#settings
    return outside.calm ? this.#records.length : records.length
  }

  stepWorker(i: number): boolean {
    const { outside } = this.#settings
    const worker = this.workers[i]!
    const life = this.#lives[i]!
    outside.life = life
    const worked = worker.step()
    if (worker.state === 'waiting') outside.lost(life)
    else if (!worked && worker.state === 'running' && worker.settled) outside.rested(life)
    return worked
  }

  /** The process ends. */
  end(): void {
    for (const life of this.#lives) this.#settings.outside.lost(life)
  }

  /** A thread ended: its successor connects, which waits for the units of the old one. */
  restartWorker(i: number): void {
    this.log.step()
    const { outside } = this.#settings
    outside.lost(this.#lives[i]!)
    this.#lives[i] = outside.born()
    this.workers[i] = this.#newWorker(i)
  }

  /** Sends the next `count` records as one unit that carries its own position, so that none is sent twice. */
  produce(count: number): void {
    this.#producer.pump()
    if (this.#waiting || this.allSent) return
    const { markerTopic, trace } = this.#settings
    const end = Math.min(this.#toSend, this.#sent + count)
    const before = this.#sent
    this.#sent = end
    this.#waiting = true
    this.#producer.submit(
      {
        appends: this.#appends(this.#records.slice(before, end)),
        positions: [{ group: PRODUCER, topic: markerTopic, partition: 0, offset: end, metadata: '' }],
      },
      error => {
        this.#waiting = false
        if (error === null) return
        trace(`producer refused: ${error instanceof AldebaranError ? error.code : error.message}`)
        this.#sent = before
      },
    )
  }

  pumpProducer(): void {
    this.#producer.pump()
  }

  /** Nothing is on its way anywhere. */
  get idle(): boolean {
    return (
      this.allSent &&
      this.director.isDone(this.workers) &&
      this.workers.every(worker => worker.state === 'running' && worker.settled)
    )
  }

  #appends(records: readonly SimulatedRecord[]): Append[] {
    const { clock } = this.#settings
    const groups = Map.groupBy(records, record => `${record.topic}/${this.#partitionOf(record)}`)
    return [...groups.values()].map(group => {
      this.#batch.begin()
      for (const { key, value } of group) {
        this.#batch.append(
          clock.now(),
          key,
          key === null ? -1 : 0,
          key?.length ?? -1,
          value,
          value === null ? -1 : 0,
          value?.length ?? -1,
        )
      }
      const { topic } = group[0]!
      return { topic, partition: this.#partitionOf(group[0]!), batch: Buffer.from(this.#batch.finish()) }
    })
  }

  #partitionOf({ topic, key }: SimulatedRecord): number {
    const { partitions } = this.#producer.topic(topic)!
    return key === null ? 0 : partitionOf(key, 0, key.length, partitions)
  }

  #newWorker(i: number): TaskWorker {
    const { clock, versions, random, trace } = this.#settings
    return new TaskWorker(
      plansById(this.#plans),
      NOTHING_ASSIGNED,
      {
        log: this.log.client(),
        clock,
        measures: new Measures(measureSizes(this.#plans)),
        budget: new MemoryBudget(1e9),
        versions,
        random: () => random.below(RANDOM_STEPS) / RANDOM_STEPS,
        report: (_level, message, details) => trace(`worker ${i}: ${message} ${JSON.stringify(details)}`),
      },
      // Small, so that changelogs are written anew and trimmed, and read in several steps, in a run of some hundred records.
      { ...DEFAULT_WORKER_SETTINGS, changelogRecords: 8, restoreBytes: 300 },
    )
  }
}
