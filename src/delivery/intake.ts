/** What has come to a delivery since its last turn: events, and commands of operators. All of it can be undone. */
import { AldebaranError } from '../errors.ts'
import type { TaskContext } from '../pipeline/task-context.ts'
import type { AnyTopic } from '../pipeline/topic.ts'
import { parseDuration } from '../pipeline/units.ts'
import { type Header, readHeaders } from '../record/headers.ts'
import type { TaskTable } from '../state/contract.ts'
import type { Clock } from '../time/clock.ts'
import { type Command, parseCommand } from './commands.ts'
import type { Route, RouteContext } from './contract.ts'
import { checkName, type DueEvent, orderOf } from './due-event.ts'
import type { Latest } from './latest.ts'
import type { CompiledDelivery, Routed } from './settings.ts'
import type { SeenRow } from './tables.ts'

/** Of a record that goes to one of its destinations alone: of one that was a dead letter there, and is replayed. */
export const DESTINATION_HEADER = 'aldebaran-destination'

const DEFAULT_PRIORITY = 4
const NO_HEADERS: readonly Header[] = []

export interface Arrived {
  readonly events: DueEvent[]
  readonly commands: Command[]
  /** Of the events those that are new: the others had waited. */
  taken: number
  /** Passed over, for they were taken in before. */
  duplicates: number
}

export class Intake {
  readonly #settings: CompiledDelivery
  readonly #partition: number
  readonly #seen: TaskTable | null
  readonly #clock: Clock
  readonly #latest: Latest
  #routeContext: RouteContext<AnyTopic> | null = null
  /** Of the record that is routed. */
  #headers: readonly Header[] = NO_HEADERS
  #arrived = nothing()
  readonly #mark = { events: 0, commands: 0, taken: 0, duplicates: 0 }

  constructor(settings: CompiledDelivery, partition: number, seen: TaskTable | null, latest: Latest, clock: Clock) {
    this.#settings = settings
    this.#partition = partition
    this.#seen = seen
    this.#latest = latest
    this.#clock = clock
  }

  /** The record that the context is at. */
  admit(value: unknown, context: TaskContext): void {
    const { route, name } = this.#settings
    const record = this.#recordAt(context)
    this.#headers = record.headers
    const routed: Routed = route === null ? name : route(value, this.#contextOf(context))
    if (routed === undefined) return
    if (typeof routed === 'string') this.#add(record, { destination: routed })
    else if (!isList(routed)) this.#add(record, routed)
    else {
      const names = new Set(routed.map(one => one.destination))
      if (names.size < routed.length) throw new AldebaranError('VALUE_INVALID', 'a record goes twice to a destination')
      for (const one of routed) this.#add(record, one)
    }
  }

  /** An event whose time has come, or that an operator lets go on. */
  returned(event: DueEvent): void {
    this.#arrived.events.push(event)
  }

  command(value: unknown): void {
    this.#arrived.commands.push(parseCommand(value))
  }

  savepoint(): void {
    const { events, commands, taken, duplicates } = this.#arrived
    this.#mark.events = events.length
    this.#mark.commands = commands.length
    this.#mark.taken = taken
    this.#mark.duplicates = duplicates
  }

  rollback(): void {
    this.#arrived.events.length = this.#mark.events
    this.#arrived.commands.length = this.#mark.commands
    this.#arrived.taken = this.#mark.taken
    this.#arrived.duplicates = this.#mark.duplicates
  }

  /** Everything since the last call; null: nothing. It cannot be undone any more. */
  take(): Arrived | null {
    const arrived = this.#arrived
    if (arrived.events.length + arrived.commands.length + arrived.duplicates === 0) return null
    this.#arrived = nothing()
    this.savepoint()
    return arrived
  }

  /** The context of the task, with what else a route may know. It is one and the same for all records. */
  #contextOf(context: TaskContext): RouteContext<AnyTopic> {
    this.#routeContext ??= Object.assign(Object.create(context), {
      headers: () => [...this.#headers],
      latest: (topic: AnyTopic, key?: unknown) => {
        const { keyBytes, keyStart, keyEnd } = context
        return this.#latest.get(topic, keyStart < 0 ? null : keyBytes.subarray(keyStart, keyEnd), key)
      },
    }) as RouteContext<AnyTopic>
    return this.#routeContext
  }

  #recordAt(context: TaskContext): SourceRecord {
    const cursor = context.cursor!
    const { keyStart, keyEnd, valueStart, valueEnd, headersStart, headersEnd } = cursor
    const start = keyStart < 0 ? valueStart : keyStart
    // What is read into is used again for the next records: this is one copy of it all.
    const bytes = Buffer.from(cursor.bytes.subarray(start, headersEnd))
    const headers = cursor.headerCount === 0 ? NO_HEADERS : readHeaders(bytes, headersStart - start)
    return {
      id: `${context.topic}/${this.#partition}/${cursor.offset}`,
      key: keyStart < 0 ? null : bytes.subarray(keyStart - start, keyEnd - start),
      value: bytes.subarray(valueStart - start, valueEnd - start),
      headers,
      only: headers.find(header => header.key === DESTINATION_HEADER)?.value?.toString() ?? null,
      offset: cursor.offset,
      timestamp: cursor.timestamp,
      since: this.#clock.now(),
    }
  }

  #add(record: SourceRecord, route: Route): void {
    const { destination, tenant = '', order = '', priority = DEFAULT_PRIORITY, delay = 0 } = route
    checkName('destination', destination, 1)
    checkName('tenant', tenant, 0)
    checkName('order', order, 0)
    if (!(Number.isInteger(priority) && priority >= 0 && priority <= 9)) {
      throw new AldebaranError('VALUE_INVALID', `priority cannot be ${priority}`, { path: 'priority' })
    }
    if (record.only !== null && record.only !== destination) return
    const { id = record.id } = route
    // A replay is wanted, however often it came.
    if (record.only === null && this.#isKnown(`${destination}\0${id}`, record.since)) return
    const wait = parseDuration(delay, 'delay')
    this.#arrived.taken++
    this.#arrived.events.push({
      destination,
      tenant,
      id,
      lane: order,
      order: orderOf(priority, record.offset),
      key: record.key,
      value: record.value,
      headers: record.headers,
      offset: record.offset,
      timestamp: record.timestamp,
      since: record.since,
      tries: 0,
      notBefore: wait > 0 ? record.since + wait : 0,
      error: '',
      stored: null,
    })
  }

  /** True: it was taken in before. */
  #isKnown(id: string, now: number): boolean {
    if (this.#seen === null) return false
    const key = Buffer.from(id)
    const row = this.#seen.locate(key, 0, key.length) as unknown as SeenRow
    const isKnown = row.exists
    if (isKnown) this.#arrived.duplicates++
    else row.forget = now + this.#settings.deduplicate
    return isKnown
  }
}

interface SourceRecord {
  readonly id: string
  readonly key: Buffer | null
  readonly value: Buffer
  readonly headers: readonly Header[]
  readonly only: string | null
  readonly offset: number
  readonly timestamp: number
  readonly since: number
}

function nothing(): Arrived {
  return { events: [], commands: [], taken: 0, duplicates: 0 }
}

function isList(routed: Route | readonly Route[]): routed is readonly Route[] {
  return Array.isArray(routed)
}
