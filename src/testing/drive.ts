import type { Log } from '../log/contract.ts'
import { inlineLog } from '../log/inline.ts'
import type { AnyTopic, KeyOf, Topic, ValueOf } from '../pipeline/topic.ts'
import type { Application } from '../runtime/application.ts'
import { allActive } from '../runtime/assignment.ts'
import { Measures } from '../runtime/measures.ts'
import { prepare } from '../runtime/prepare.ts'
import { Producer } from '../runtime/producer.ts'
import { allRows } from '../runtime/queries.ts'
import type { RowVersions } from '../runtime/row-versions.ts'
import { countTables, plansById, planTasks } from '../runtime/task-plan.ts'
import { DEFAULT_WORKER_SETTINGS, TaskWorker } from '../runtime/worker.ts'
import type { RowCopy } from '../state/contract.ts'
import { MemoryBudget } from '../state/memory-budget.ts'
import { VirtualClock } from '../time/clock.ts'
import { type DeadLetter, type ReadRecord, readDeadLetters, readTopic } from './read-topic.ts'
import { SimulatedStore } from './simulated-store.ts'

export interface DriverOptions {
  /** Where the virtual clock begins, ms since 1970. Default 0. */
  startMs?: number
  /** Default '1GB' worth: no test meets it by accident. Bytes. */
  memoryBytes?: number
}

/**
 * Runs an application in memory, in this thread, with a clock that moves only when told to: records in, outputs and
 * tables out. Everything a call causes has happened and is committed when it returns.
 */
export class Driver {
  readonly clock: VirtualClock
  readonly #application: Application
  readonly #log: Log
  readonly #versions: ReadonlyMap<string, RowVersions>
  readonly #producer: Producer
  readonly #memoryBytes: number
  readonly #read = new Map<string, number[]>()
  #worker: TaskWorker

  constructor(
    application: Application,
    log: Log,
    versions: ReadonlyMap<string, RowVersions>,
    clock: VirtualClock,
    memoryBytes: number,
  ) {
    this.clock = clock
    this.#application = application
    this.#log = log
    this.#versions = versions
    this.#memoryBytes = memoryBytes
    this.#producer = new Producer(log, clock)
    this.#worker = this.#newWorker()
    this.#settle()
  }

  /** Sends a record and processes it with all that follows. */
  send<K, V>(topic: Topic<K, V>, key: NoInfer<K> | null, value: NoInfer<V>, timestamp = this.clock.now()): void {
    this.#producer.send(topic, key, value, { timestamp })
    this.#flush()
  }

  /** Sends several records as one batch each partition, and processes them. */
  sendAll<K, V>(topic: Topic<K, V>, records: readonly (readonly [key: NoInfer<K> | null, value: NoInfer<V>])[]): void {
    for (const [key, value] of records) this.#producer.send(topic, key, value)
    this.#flush()
  }

  /** Sends raw bytes, also such as no schema would write. */
  sendBytes(topic: AnyTopic, key: Uint8Array | null, value: Uint8Array): void {
    this.#producer.sendBytes(topic, key, value)
    this.#flush()
  }

  /** Moves the clock and runs the timers that come due. */
  advance(ms: number): void {
    this.clock.advance(ms)
    this.#settle()
  }

  /** The records written to a topic since the last call, by partition and offset. */
  outputs<T extends AnyTopic>(topic: T): ReadRecord<KeyOf<T>, ValueOf<T>>[] {
    const records = readTopic(this.#log, topic, this.#read.get(topic.name))
    this.#markRead(topic)
    return records
  }

  /** The dead letters since the last call. */
  deadLetters(): DeadLetter[] {
    const topic = this.#application.deadLetters
    const letters = readDeadLetters(this.#log, topic, this.#read.get(topic.name))
    this.#markRead(topic)
    return letters
  }

  /** Every row of a table, in byte order of the keys within a partition. */
  rows(pipeline: string, table: string): RowCopy[] {
    return allRows(this.#worker, pipeline, table)
  }

  /** Ends the process without a word and starts it again from what was committed. */
  restart(): void {
    this.#worker = this.#newWorker()
    this.#settle()
  }

  /** Ends it and starts another version of the application on the same log. */
  async upgrade(application: Application): Promise<Driver> {
    const versions = await prepare(application, this.#log)
    return new Driver(application, this.#log, versions, this.clock, this.#memoryBytes)
  }

  /** Why it does not go on (a full table, the memory budget), or null. */
  get problem(): Error | null {
    return this.#worker.problem
  }

  async close(): Promise<void> {
    await this.#log.close()
  }

  #flush(): void {
    void this.#producer.flush()
    this.#settle()
  }

  #settle(): void {
    for (let quiet = 0; quiet < 2; ) {
      this.#log.pump()
      quiet = this.#worker.step() ? 0 : quiet + 1
    }
  }

  #markRead(topic: AnyTopic): void {
    const partitions = Array.from(
      { length: topic.options.partitions },
      (_, i) => this.#log.partition(topic.name, i).end,
    )
    this.#read.set(topic.name, partitions)
  }

  #newWorker(): TaskWorker {
    const plans = planTasks(this.#application)
    return new TaskWorker(
      plansById(plans),
      allActive(plans),
      {
        log: this.#log,
        clock: this.clock,
        measures: new Measures(countTables(plans)),
        budget: new MemoryBudget(this.#memoryBytes),
        versions: this.#versions,
        report: () => {},
      },
      DEFAULT_WORKER_SETTINGS,
    )
  }
}

export async function drive(application: Application, options: DriverOptions = {}): Promise<Driver> {
  const clock = new VirtualClock(options.startMs ?? 0)
  const log = inlineLog(new SimulatedStore(), { clock, durability: 'disk' }).client()
  const versions = await prepare(application, log)
  return new Driver(application, log, versions, clock, options.memoryBytes ?? 1e9)
}
