/** For tests of deliveries: one delivery of texts, a log in memory, and a worker that is driven by steps. */
import { setImmediate as turn } from 'node:timers/promises'
import type { Attempt, DeliverySettings } from '../../delivery/contract.ts'
import { delivery } from '../../delivery/delivery.ts'
import { DeliveryError } from '../../delivery/delivery-error.ts'
import { DESTINATION_HEADER } from '../../delivery/intake.ts'
import type { Append, TopicInfo } from '../../log/contract.ts'
import { type InlineLog, inlineLog } from '../../log/inline.ts'
import { type AnyTopic, topic } from '../../pipeline/topic.ts'
import { text } from '../../schema/primitives.ts'
import type { RowCopy } from '../../state/contract.ts'
import { readTopic } from '../../testing/read-topic.ts'
import { SimulatedStore } from '../../testing/simulated-store.ts'
import { VirtualClock } from '../../time/clock.ts'
import { type Application, application } from '../application.ts'
import { DEAD_LETTER_HEADERS } from '../dead-letters.ts'
import { liveEvents } from '../live-events.ts'
import { Measures } from '../measures.ts'
import { BatchRun } from '../outputs.ts'
import { prepare } from '../prepare.ts'
import { Producer } from '../producer.ts'
import { measureSizes, planTasks } from '../task-plan.ts'
import type { TaskWorker } from '../worker.ts'
import { soleWorker } from './workers.ts'

export const events = topic('events', { key: text(), value: text(), partitions: 1 })

type Settings = Partial<DeliverySettings<typeof events>>

/** Parts that a time is gone through in. */
const STEPS = 100

export class DeliveryWorld {
  readonly clock = new VirtualClock(1_700_000_000_000)
  /** The values that `send` was called with, those with the number of the try, and the ids. */
  readonly sent: string[] = []
  readonly tries: string[] = []
  readonly ids: string[] = []
  /** Writes to the rows of events. */
  changesOfDue = 0
  readonly #store = new SimulatedStore()
  readonly #settings: Settings
  #app: Application | null = null
  #log: InlineLog | null = null
  #worker: TaskWorker | null = null
  #measures: Measures | null = null

  constructor(settings: Settings) {
    this.#settings = settings
  }

  /** `settings`: others than those it was made with. */
  async start(settings: Settings = this.#settings): Promise<void> {
    const { send = () => {} } = settings
    const calls = delivery('calls', {
      ...settings,
      from: events,
      send: (value: string, attempt: Attempt) => {
        this.sent.push(value)
        this.tries.push(`${value} ${attempt.number}`)
        this.ids.push(attempt.id)
        return send(value, attempt)
      },
    })
    const app = application('app', { deliveries: [calls] })
    const log = inlineLog(this.#store, { clock: this.clock, durability: 'disk', auto: false })
    // Preparing waits for commits, which nobody makes by themselves here.
    const turns = setInterval(() => log.step())
    const client = log.client()
    const versions = await prepare(app, client).finally(() => clearInterval(turns))
    const submit = client.submit.bind(client)
    client.submit = (unit, done) => {
      this.changesOfDue += (unit.tables ?? []).filter(({ table }) => /due\/\d+$/.test(table)).length
      submit(unit, done)
    }
    this.#app = app
    this.#log = log
    this.#measures = new Measures(measureSizes(planTasks(app)))
    this.#worker = soleWorker(app, { log: client, clock: this.clock, versions, measures: this.#measures })
    await this.settle()
  }

  /** The process ends, and the store is as it was committed last. */
  async crash(): Promise<void> {
    this.#worker = null
    await this.#log?.close()
  }

  async close(): Promise<void> {
    await this.crash()
  }

  send(...values: string[]): void {
    const producer = new Producer(this.#log!.client(), this.clock)
    for (const value of values) producer.send(events, 'k', value)
    void producer.flush()
    this.#log!.step()
  }

  command(command: object): void {
    const { topics } = this.#app!.topologies[0]!
    this.sendTo(topics.find(one => one.name.endsWith('.control'))!, 'k', command)
  }

  sendTo(topic: AnyTopic, key: string, value: unknown): void {
    const producer = new Producer(this.#log!.client(), this.clock)
    producer.send(topic, key, value)
    void producer.flush()
    this.#log!.step()
  }

  sendWithHeader(value: string, header: string): void {
    const producer = new Producer(this.#log!.client(), this.clock)
    producer.send(events, 'k', value, { headers: [{ key: 'h', value: Buffer.from(header) }] })
    void producer.flush()
    this.#log!.step()
  }

  /** A null value. */
  forget(topic: AnyTopic, key: string): void {
    const run = new BatchRun(topic.name, 0)
    const bytes = Buffer.from(key)
    run.append(this.clock.now(), bytes, 0, bytes.length, null, -1, -1)
    const appends: Append[] = []
    run.finishInto(appends)
    void this.#log!.client().commit({ appends })
    this.#log!.step()
  }

  topic({ name }: AnyTopic): TopicInfo | undefined {
    return this.#log!.client().topic(name)
  }

  read(topic: AnyTopic): unknown[] {
    return readTopic(this.#log!.client(), topic).map(({ value }) => value)
  }

  /** Until nothing happens any more. */
  async settle(): Promise<void> {
    for (let quiet = 0; quiet < 3; quiet++) {
      if (this.#worker!.step()) quiet = 0
      if (this.#log!.step()) quiet = 0
      await turn()
      // What waits a little for more is committed too.
      if (quiet === 2 && !this.#worker!.settled && this.#worker!.idleMs() <= 20) {
        this.clock.advance(this.#worker!.idleMs())
        quiet = 0
      }
    }
  }

  /** So many turns of the worker; what it submits is committed. */
  turns(count: number): void {
    for (let n = 0; n < count; n++) {
      this.#worker!.step()
      this.clock.advance(10)
      this.#log!.step()
    }
  }

  /** The worker does what it can, and nothing is committed. */
  stepWithoutLog(): void {
    while (this.#worker!.step());
  }

  /** So long passes, bit by bit. */
  async after(ms: number): Promise<void> {
    const until = this.clock.now() + ms
    while (this.clock.now() < until) {
      this.clock.advance(Math.min(Math.max(1, ms / STEPS), until - this.clock.now()))
      await this.settle()
    }
  }

  /** The event waits in memory, or is under way. */
  isInMemory(id: string): boolean {
    return liveEvents(this.#worker!.tasks[0]!.courier!, id).length > 0
  }

  /** The first so many of its own counters. */
  counters(count: number): number[] {
    return Array.from({ length: count }, (_, counter) => this.#measures!.counter(counter))
  }

  rows(table: string): RowCopy[] {
    const state = this.#worker!.tasks[0]!.states.find(({ node }) => node.definition.name === table)
    return state!.table.scan(undefined, undefined, 100_000)
  }

  deadLetters(): { value: string; message: string; destination: string | undefined }[] {
    return readTopic(this.#log!.client(), this.#app!.deadLetters).map(({ value, headers }) => {
      const header = (name: string) => headers.find(({ key }) => key === name)?.value?.toString()
      const message = header(DEAD_LETTER_HEADERS.message) ?? ''
      return {
        value: Buffer.from(String(value), 'base64').toString(),
        message,
        destination: header(DESTINATION_HEADER),
      }
    })
  }
}

/** A `send` that never ends, and one that is refused. */
export function hang(): Promise<void> {
  return new Promise(() => {})
}

export function fails(): never {
  throw new DeliveryError('retry', 'out of order')
}
