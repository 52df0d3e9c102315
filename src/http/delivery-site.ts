/** A delivery as the API shows it and talks to it. */
import type { Command } from '../delivery/commands.ts'
import { type DeliveryPart, isDeliveryPart, LIVE_DESTINATIONS } from '../delivery/delivery.ts'
import { keyRange, partsOfKey, type RowKind, rowKey } from '../delivery/due-event.ts'
import { DELIVERY_COUNTS, DELIVERY_LEVELS } from '../delivery/environment.ts'
import { DUE, type EventFields } from '../delivery/tables.ts'
import { AldebaranError } from '../errors.ts'
import type { Append } from '../log/contract.ts'
import type { DeliveryMeasure } from '../runtime/measures.ts'
import { BatchRun } from '../runtime/outputs.ts'
import type { Running } from '../runtime/start.ts'
import type { TaskPlan } from '../runtime/task-plan.ts'
import { systemClock } from '../time/clock.ts'
import { show } from './codec.ts'
import type { DestinationView, EventState, EventStory, EventView } from './delivery-shape.ts'
import { mergeDestinations } from './destination-view.ts'
import { eventAt } from './event-rows.ts'
import { type StoryOptions, tellStory } from './event-story.ts'
import type { Site } from './site.ts'
import type { DeliveryView } from './stats-shape.ts'
import { ask } from './table-rows.ts'

export const EVENT_STATES: readonly EventState[] = ['in-doubt', 'waiting', 'scheduled']

/** Scheduled events that one call sends, and that it looks at, with their values, at a time. */
const MOST_SENT = 10_000
const SENT_AT_ONCE = 200
const KINDS: Record<EventState, RowKind> = { 'in-doubt': 'd', waiting: 'q', scheduled: 'r' }

export class DeliverySite {
  readonly #running: Running
  readonly #plans: readonly TaskPlan[]
  readonly #part: DeliveryPart

  constructor(running: Running, part: DeliveryPart) {
    this.#running = running
    this.#part = part
    this.#plans = running.plans.filter(plan => plan.part === part)
  }

  static all(site: Site, application: string | undefined): DeliverySite[] {
    const places = application === undefined ? site.applications : [site.application(application)]
    return places.flatMap(running =>
      running.application.topologies
        .flatMap(({ parts }) => parts.filter(isDeliveryPart))
        .map(part => new DeliverySite(running, part)),
    )
  }

  /** @throws AldebaranError NOT_FOUND */
  static find(site: Site, name: string, application: string | undefined): DeliverySite {
    const found = DeliverySite.all(site, application).find(one => one.#part.name === name)
    if (found === undefined) throw new AldebaranError('NOT_FOUND', `there is no delivery ${name}`, { delivery: name })
    return found
  }

  get name(): string {
    return this.#part.name
  }

  get application(): string {
    return this.#running.application.name
  }

  /** What the workers of this process count: of tasks elsewhere their nodes tell. */
  measure(name: DeliveryMeasure): number {
    const isLevel = (DELIVERY_LEVELS as readonly DeliveryMeasure[]).includes(name)
    let sum = 0
    for (const { measures, owned } of this.#running.workers) {
      for (const { id, deliveryIndex } of this.#plans) {
        // A task that went leaves its levels behind.
        if (!isLevel || owned.active.includes(id)) sum += measures.delivery(deliveryIndex, name)
      }
    }
    return sum
  }

  /** What the application counts itself, since the workers of this process began. */
  counters(): ReadonlyMap<string, number> {
    const { workers } = this.#running
    const sum = (counter: number): number =>
      workers.reduce(
        (all, { measures }) =>
          this.#plans.reduce((some, plan) => some + measures.counter(plan.firstCounter + counter), all),
        0,
      )
    return new Map(this.#part.delivery.counters.map((name, counter) => [name, sum(counter)]))
  }

  describe(): DeliveryView {
    const { source, guarantee } = this.#part.delivery
    const values = Object.fromEntries([...DELIVERY_COUNTS, ...DELIVERY_LEVELS].map(name => [name, this.measure(name)]))
    return {
      application: this.application,
      delivery: this.name,
      topic: source.name,
      guarantee,
      partitions: this.#part.partitions,
      ...(values as Pick<DeliveryView, (typeof DELIVERY_COUNTS)[number] | (typeof DELIVERY_LEVELS)[number]>),
    }
  }

  /** By name, of all partitions as one. `next`: the name to give as `from`, or null. */
  async destinations(from: string, limit: number): Promise<{ destinations: DestinationView[]; next: string | null }> {
    const rows = await this.#scan(LIVE_DESTINATIONS, () => Buffer.from(from), null, limit + 1)
    const parts = rows.map(({ partition, row }) => ({
      partition,
      destination: String(row.key),
      fields: row.fields as Record<string, unknown>,
    }))
    const all = mergeDestinations(parts)
    return { destinations: all.slice(0, limit), next: all[limit]?.destination ?? null }
  }

  /** By destination and turn; where two partitions have the same turn, by partition. */
  async events(
    state: EventState,
    destination: string | undefined,
    after: string | undefined,
    limit: number,
  ): Promise<{ events: EventView[]; next: string | null }> {
    const range = keyRange(KINDS[state], destination)
    const last = after === undefined ? null : this.#placeOf(after)
    const from = (partition: number): Buffer => {
      if (last === null) return range.from
      return Buffer.from(partition <= last.partition ? `${last.key}\0` : last.key)
    }
    const rows = await this.#scan(DUE.name, from, range.to, limit + 1)
    const all = rows
      .map(({ partition, row }) => ({ partition, row, key: Buffer.from(String(row.key)) }))
      .sort((a, b) => a.key.compare(b.key) || a.partition - b.partition)
    const events = all.slice(0, limit).map(({ partition, row }) => this.#view(state, partition, String(row.key), row))
    return { events, next: all.length > limit ? events.at(-1)!.event : null }
  }

  /**
   * What is known of one event, at all destinations or at one.
   * @throws AldebaranError NOT_FOUND; BUSY, WORKER_DIED: a task cannot be asked now
   */
  async story(site: Site, id: string, options: StoryOptions): Promise<EventStory> {
    return await tellStory(site, this.#running, this.#part, id, options)
  }

  /**
   * What is about a destination is told to every task, for it may have events of several partitions; what is about an
   * event to the task that has it, for others may have one at the same place.
   * @throws AldebaranError OPTION_INVALID
   */
  async command(...commands: readonly Command[]): Promise<void> {
    const now = systemClock.now()
    const runs = new Map<number, BatchRun>()
    for (const command of commands) {
      const place = 'event' in command ? this.#placeOf(command.event) : null
      const value = Buffer.from(JSON.stringify(place === null ? command : { ...command, event: place.key }))
      for (const { partition } of this.#plans) {
        if (place !== null && partition !== place.partition) continue
        const run = runs.get(partition) ?? new BatchRun(this.#part.control.name, partition)
        runs.set(partition, run)
        run.append(now, null, -1, -1, value, 0, value.length)
      }
    }
    const appends: Append[] = []
    for (const run of runs.values()) run.finishInto(appends)
    await this.#running.log.commit({ appends })
  }

  /**
   * What is scheduled for a destination, and was taken in within a time, is sent now. `more`: it was too much for once.
   * @throws AldebaranError BUSY, WORKER_DIED: a task cannot be asked now
   */
  async sendScheduled(destination: string, since: number, until: number): Promise<{ sent: number; more: boolean }> {
    let sent = 0
    for (let after: string | undefined; sent < MOST_SENT; ) {
      const { events, next } = await this.events('scheduled', destination, after, SENT_AT_ONCE)
      const chosen = events.filter(event => event.since >= since && event.since < until)
      if (chosen.length > 0) await this.command(...chosen.map(({ event }): Command => ({ command: 'send', event })))
      sent += chosen.length
      if (next === null) return { sent, more: false }
      after = next
    }
    return { sent, more: true }
  }

  #view(state: EventState, partition: number, key: string, row: { fields: object }): EventView {
    const fields = row.fields as EventFields
    const { source } = this.#part.delivery
    const value = Buffer.from(fields.value)
    return {
      event: eventAt(partition, key),
      id: fields.id,
      destination: partsOfKey(key).destination,
      tenant: fields.tenant,
      state,
      tries: fields.tries,
      since: fields.since,
      due: fields.notBefore,
      error: fields.error,
      topic: source.name,
      partition,
      offset: fields.offset,
      value: show(source.value, value, 0, value.length).value,
    }
  }

  async #scan(table: string, fromOf: (partition: number) => Buffer, to: Buffer | null, limit: number) {
    const found = await Promise.all(
      this.#plans.map(async ({ partition }) => {
        const from = fromOf(partition)
        const rows = await ask(this.#running, { kind: 'scan', pipeline: this.name, table, partition, from, to, limit })
        return rows.map(row => ({ partition, row }))
      }),
    )
    return found.flat()
  }

  /** @throws AldebaranError OPTION_INVALID */
  #placeOf(event: string): { partition: number; key: string } {
    const [digits = '', encoded = ''] = event.split('.')
    const partition = Number(digits)
    const key = Buffer.from(encoded, 'base64url').toString()
    const { kind, destination, order } = partsOfKey(key)
    const isKey = Object.values(KINDS).includes(kind) && rowKey(kind, destination, order) === key
    if (isKey && partition < this.#part.partitions && eventAt(partition, key) === event) return { partition, key }
    throw new AldebaranError('OPTION_INVALID', `'${event}' is not the name of an event of ${this.name}`, { event })
  }
}
