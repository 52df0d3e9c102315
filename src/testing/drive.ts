import type { Command } from '../delivery/commands.ts'
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
import { measureSizes, plansById, planTasks } from '../runtime/task-plan.ts'
import { DEFAULT_WORKER_SETTINGS, TaskWorker } from '../runtime/worker.ts'
import type { RowCopy } from '../state/contract.ts'
import { MemoryBudget } from '../state/memory-budget.ts'
import { VirtualClock } from '../time/clock.ts'
import { deliveryCommand } from './delivery-command.ts'
import { Outside, type Receivers, type SentTry, takesAll } from './outside.ts'
import { SeededRandom } from './random.ts'
import { type DeadLetter, type ReadRecord, readDeadLetters, readTopic } from './read-topic.ts'
import { SimulatedStore } from './simulated-store.ts'

export interface DriverOptions {
  /** Where the virtual clock begins, ms since 1970. Default 0. */
  startMs?: number
  /** Default '1GB' worth: no test meets it by accident. Bytes. */
  memoryBytes?: number
  /** What stands in for the `send` of deliveries, by their names. Default of each: it takes everything at once. */
  deliveries?: Receivers
}

const RANDOM_STEPS = 1_000_000

/**
 * Runs an application in memory, in this thread, with a clock that moves only when told to: records in, outputs and
 * tables out. Everything a call causes has happened and is committed when it returns.
 */
export class Driver {
  readonly clock: VirtualClock
  readonly #application: Application
  readonly #outside: Outside
  readonly #log: Log
  readonly #versions: ReadonlyMap<string, RowVersions>
  readonly #producer: Producer
  readonly #memoryBytes: number
  readonly #random = new SeededRandom(1)
  readonly #read = new Map<string, number[]>()
  #worker: TaskWorker
  #life = 0
  /** Tries that were told. */
  #told = 0

  constructor(
    application: Application,
    log: Log,
    versions: ReadonlyMap<string, RowVersions>,
    clock: VirtualClock,
    memoryBytes: number,
    outside = outsideOf(application, clock),
  ) {
    this.clock = clock
    this.#application = outside.application
    this.#outside = outside
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

  /** Moves the clock and runs the timers that come due. With deliveries it goes from one thing that comes due to the next. */
  advance(ms: number): void {
    let left = ms
    while (this.#outside.isUsed && left > 0) {
      const next = Math.min(this.#outside.nextAt - this.clock.monotonic(), this.#worker.idleMs())
      const step = Math.min(left, Math.max(1, next))
      left -= step
      this.clock.advance(step)
      this.#settle()
    }
    this.clock.advance(left)
    this.#settle()
  }

  /** The tries that deliveries began since the last call, or those of one of them. What `told` says may still come. */
  sent(delivery?: string): SentTry[] {
    const { ledger } = this.#outside
    const tries = ledger.slice(this.#told).filter(entry => delivery === undefined || entry.delivery === delivery)
    this.#told = ledger.length
    return tries
  }

  /** Tells a delivery what an operator would. */
  command(delivery: string, command: Command): void {
    for (const { topic, key, value } of deliveryCommand(this.#application, delivery, command)) {
      const known = this.#application.topologies.flatMap(({ topics }) => topics).find(one => one.name === topic)!
      this.#producer.sendBytes(known, key, value!)
    }
    this.#flush()
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
    this.#outside.lost(this.#life)
    this.#worker = this.#newWorker()
    this.#settle()
  }

  /** Ends it and starts another version of the application on the same log. */
  async upgrade(application: Application): Promise<Driver> {
    this.#outside.lost(this.#life)
    const outside = this.#outside.with(application)
    const versions = await prepare(outside.application, this.#log)
    return new Driver(application, this.#log, versions, this.clock, this.#memoryBytes, outside)
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
      this.#outside.life = this.#life
      const worked = this.#worker.step()
      if (!worked && this.#worker.settled) this.#outside.rested(this.#life)
      quiet = worked || this.#outside.answer() ? 0 : quiet + 1
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
    this.#life = this.#outside.born()
    return new TaskWorker(
      plansById(plans),
      allActive(plans),
      {
        log: this.#log,
        clock: this.clock,
        measures: new Measures(measureSizes(plans)),
        budget: new MemoryBudget(this.#memoryBytes),
        versions: this.#versions,
        random: () => this.#random.below(RANDOM_STEPS) / RANDOM_STEPS,
        report: () => {},
      },
      // A delivery waits a little for more before it commits, which here would never come: each turn is a unit.
      this.#outside.isUsed ? { ...DEFAULT_WORKER_SETTINGS, unitMs: 0 } : DEFAULT_WORKER_SETTINGS,
    )
  }
}

export async function drive(application: Application, options: DriverOptions = {}): Promise<Driver> {
  const clock = new VirtualClock(options.startMs ?? 0)
  const log = inlineLog(new SimulatedStore(), { clock, durability: 'disk' }).client()
  const outside = outsideOf(application, clock, options.deliveries)
  const versions = await prepare(outside.application, log)
  return new Driver(application, log, versions, clock, options.memoryBytes ?? 1e9, outside)
}

function outsideOf(application: Application, clock: VirtualClock, receivers: Receivers = {}): Outside {
  return new Outside(application, receivers, takesAll, clock, new SeededRandom(1), () => {})
}
