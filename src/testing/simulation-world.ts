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
import { countTables, plansById, planTasks, type TaskPlan } from '../runtime/task-plan.ts'
import { DEFAULT_WORKER_SETTINGS, TaskWorker } from '../runtime/worker.ts'
import { MemoryBudget } from '../state/memory-budget.ts'
import type { VirtualClock } from '../time/clock.ts'
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

export interface WorldSettings {
  application: Application
  store: SimulatedStore
  clock: VirtualClock
  random: SeededRandom
  versions: ReadonlyMap<string, RowVersions>
  workers: number
  records: readonly SimulatedRecord[]
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
  /** Records sent, and records known to be committed. */
  #sent: number
  #waiting = false

  constructor(settings: WorldSettings) {
    const { store, clock, onStep } = settings
    this.#settings = settings
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
    return this.#sent === this.#settings.records.length && !this.#waiting
  }

  /** A thread ended: its successor connects, which waits for the units of the old one. */
  restartWorker(i: number): void {
    this.log.step()
    this.workers[i] = this.#newWorker(i)
  }

  /** Sends the next `count` records as one unit that carries its own position, so that none is sent twice. */
  produce(count: number): void {
    this.#producer.pump()
    if (this.#waiting || this.allSent) return
    const { records, markerTopic, trace } = this.#settings
    const end = Math.min(records.length, this.#sent + count)
    const before = this.#sent
    this.#sent = end
    this.#waiting = true
    this.#producer.submit(
      {
        appends: this.#appends(records.slice(before, end)),
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
    const { clock, versions, trace } = this.#settings
    return new TaskWorker(
      plansById(this.#plans),
      NOTHING_ASSIGNED,
      {
        log: this.log.client(),
        clock,
        measures: new Measures(countTables(this.#plans)),
        budget: new MemoryBudget(1e9),
        versions,
        report: (_level, message, details) => trace(`worker ${i}: ${message} ${JSON.stringify(details)}`),
      },
      // Small, so that changelogs are written anew and trimmed, and read in several steps, in a run of some hundred records.
      { ...DEFAULT_WORKER_SETTINGS, changelogRecords: 8, restoreBytes: 300 },
    )
  }
}
