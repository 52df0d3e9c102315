import { randomBytes } from 'node:crypto'
import { AldebaranError, DESTINATION_HEADER, Producer, type Running } from 'aldebaran'
import type { Webhooks } from './app.ts'
import type { Directory } from './directory.ts'
import { type EventInput, payloadOf } from './input.ts'

/** Declared types are known for so long, ms, and of so many accounts. */
const KNOWN_MS = 1000
const MOST_KNOWN = 10_000

/** Writes events to their topic: those of one call become durable together. */
export class Publisher {
  readonly #webhooks: Webhooks
  readonly #directory: Directory
  readonly #producer: Producer
  /** Types that an account declared; null: any. */
  readonly #declared = new Map<string, { types: ReadonlySet<string> | null; until: number }>()

  constructor(webhooks: Webhooks, running: Running, directory: Directory) {
    this.#webhooks = webhooks
    this.#directory = directory
    this.#producer = new Producer(running.log)
  }

  /** Resolves with their ids when they are durable. @throws AldebaranError VALUE_INVALID a type is not declared */
  async publish(account: string, events: readonly EventInput[]): Promise<string[]> {
    const declared = await this.#typesOf(account)
    const unknown = declared === null ? undefined : events.find(({ type }) => !declared.has(type))
    if (unknown !== undefined) {
      const message = `${unknown.type} is none of the event types of account ${account}`
      throw new AldebaranError('VALUE_INVALID', message, { path: 'type' })
    }
    const ids = events.map(({ id, type, payload }) => this.#send(account, id ?? newId(), type, payload, undefined))
    await this.#producer.flush()
    return ids
  }

  /** The types of the account have changed. */
  forget(account: string): void {
    this.#declared.delete(account)
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
    const { eventTypes = [] } = (await this.#directory.read(account)) ?? {}
    const types = eventTypes.length === 0 ? null : new Set(eventTypes.map(({ name }) => name))
    if (this.#declared.size >= MOST_KNOWN) this.#declared.clear()
    this.#declared.set(account, { types, until: now + KNOWN_MS })
    return types
  }

  #send(account: string, id: string, type: string, payload: Buffer, only: string | undefined): string {
    const headers = [
      { key: 'id', value: Buffer.from(id) },
      { key: 'type', value: Buffer.from(type) },
      ...(only === undefined ? [] : [{ key: DESTINATION_HEADER, value: Buffer.from(only) }]),
    ]
    this.#producer.send(this.#webhooks.events, account, payload, { headers })
    return id
  }
}

function newId(): string {
  return `msg_${randomBytes(15).toString('base64url')}`
}
