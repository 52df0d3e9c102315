import { randomBytes } from 'node:crypto'
import { setTimeout } from 'node:timers/promises'
import { AldebaranError, DESTINATION_HEADER, Producer, type Running } from 'aldebaran'
import type { Webhooks } from './app.ts'
import type { Directory } from './directory.ts'
import { type EventInput, payloadOf } from './input.ts'

/** Declared types are known for so long, ms, and of so many accounts. */
const KNOWN_MS = 1000
const MOST_KNOWN = 10_000
/** Clocks of other nodes run a little faster or slower. */
const FORGOTTEN_MS = 1.1 * KNOWN_MS

/** Writes events to their topic: those of one call become durable together. */
export class Publisher {
  readonly #webhooks: Webhooks
  readonly #running: Running
  readonly #directory: Directory
  readonly #producer: Producer
  /** Types that an account declared; null: any. */
  readonly #declared = new Map<string, { types: ReadonlySet<string> | null; until: number }>()
  /** How often types were declared here: what was asked for before is not remembered. */
  #declarations = 0

  constructor(webhooks: Webhooks, running: Running, directory: Directory) {
    this.#webhooks = webhooks
    this.#running = running
    this.#directory = directory
    this.#producer = new Producer(running.log)
  }

  /** Resolves with their ids when they are durable. @throws AldebaranError VALUE_INVALID a type is not declared */
  async publish(account: string, events: readonly EventInput[]): Promise<string[]> {
    await this.check(account, events)
    const ids = events.map(({ id, type, payload }) => this.#send(account, id ?? newId(), type, payload, undefined))
    await this.#producer.flush()
    return ids
  }

  /** @throws AldebaranError VALUE_INVALID a type is not declared; BUSY, WORKER_DIED */
  async check(account: string, events: readonly EventInput[]): Promise<void> {
    const declared = await this.#typesOf(account)
    const unknown = declared === null ? undefined : events.find(({ type }) => !declared.has(type))
    if (unknown === undefined) return
    const message = `${unknown.type} is none of the event types of account ${account}`
    throw new AldebaranError('VALUE_INVALID', message, { path: 'type' })
  }

  /** The types of the account have changed. Resolves when every node goes by it. */
  async forget(account: string): Promise<void> {
    this.#declarations++
    this.#declared.delete(account)
    // Others may know what was before, for as long as they remember it.
    if (this.#running.nodes().length > 1) await setTimeout(FORGOTTEN_MS)
  }

  /** An event of type `webhook.test` for one endpoint alone, whatever it wants. Resolves with its id. */
  async test(account: string, endpoint: string, now: number): Promise<string> {
    const type = 'webhook.test'
    const payload = payloadOf(type, new Date(now).toISOString(), { account, endpoint })
    const id = this.#send(account, newId(), type, payload, endpoint)
    await this.#producer.flush()
    return id
  }

  async #typesOf(account: string): Promise<ReadonlySet<string> | null> {
    const now = performance.now()
    const known = this.#declared.get(account)
    if (known !== undefined && known.until > now) return known.types
    const declarations = this.#declarations
    const { eventTypes = [] } = (await this.#directory.read(account)) ?? {}
    const types = eventTypes.length === 0 ? null : new Set(eventTypes.map(({ name }) => name))
    if (this.#declarations !== declarations) return types
    if (this.#declared.size >= MOST_KNOWN) this.#declared.clear()
    this.#declared.set(account, { types, until: now + KNOWN_MS })
    return types
  }

  #send(account: string, id: string, type: string, payload: Buffer, only: string | undefined): string {
    const { key, value, headers } = recordOf(account, id, type, payload)
    if (only !== undefined) headers.push({ key: DESTINATION_HEADER, value: Buffer.from(only) })
    this.#producer.send(this.#webhooks.events, key, value, { headers })
    return id
  }
}

/** An event as it lies in its topic. */
export function recordOf(account: string, id: string, type: string, payload: Buffer) {
  const headers = [
    { key: 'id', value: Buffer.from(id) },
    { key: 'type', value: Buffer.from(type) },
  ]
  return { key: account, value: payload, headers }
}

function newId(): string {
  return `msg_${randomBytes(15).toString('base64url')}`
}
