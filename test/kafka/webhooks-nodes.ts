/** The notifier as `aldebaran run` starts it, as several processes on a broker of their own. */
import assert from 'node:assert/strict'
import { Producer, partitionOf } from 'aldebaran'
import { newKey } from '../../apps/webhooks/sealing.ts'
import type { Append } from '../../src/log/contract.ts'
import { BatchRun } from '../../src/runtime/outputs.ts'
import { systemClock } from '../../src/time/clock.ts'
import { CommandNodes } from './command-nodes.ts'
import { OwnBroker } from './own-broker.ts'
import { WebhooksReceiver } from './webhooks-receiver.ts'

export const PARTITIONS = 2

export interface Answer {
  status: number
  // biome-ignore lint/suspicious/noExplicitAny: answers of many shapes, which the tests look into
  body: any
}

interface ClusterAnswer {
  applications: { nodes: { node: string; active: string[] }[] }[]
}

export class WebhooksNodes extends CommandNodes {
  readonly receiver: WebhooksReceiver
  protected readonly environment: NodeJS.ProcessEnv
  readonly #broker: OwnBroker

  private constructor(receiver: WebhooksReceiver, broker: OwnBroker, more: NodeJS.ProcessEnv) {
    super('webhooks', broker.bootstrap)
    this.receiver = receiver
    this.#broker = broker
    this.environment = {
      WEBHOOKS_KEY: newKey(),
      WEBHOOKS_TRUSTED: receiver.origin,
      WEBHOOKS_PARTITIONS: String(PARTITIONS),
      ...more,
    }
  }

  static async begin(more: NodeJS.ProcessEnv = {}): Promise<WebhooksNodes> {
    const broker = await OwnBroker.begin()
    return new WebhooksNodes(await WebhooksReceiver.open(), broker, more)
  }

  /** `path`: from the root. Throws when the node cannot be reached. */
  async ask(node: string, method: string, path: string, body?: unknown): Promise<Answer> {
    const response = await fetch(this.urlOf(node) + path, {
      method,
      ...(body === undefined ? {} : { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }),
    })
    const text = await response.text()
    return { status: response.status, body: text === '' ? undefined : JSON.parse(text) }
  }

  /** `path`: behind /webhooks/accounts. Fails unless it is answered with that status. */
  async call(node: string, method: string, path: string, status: number, body?: unknown) {
    const answer = await this.ask(node, method, `/webhooks/accounts${path}`, body)
    assert.equal(answer.status, status, `${method} ${path} at ${node}: ${JSON.stringify(answer.body)}`)
    return answer.body
  }

  /** An endpoint at `/account/name` of the receiver, which trusts it from now on. */
  async endpoint(node: string, account: string, name: string, more: object = {}): Promise<string> {
    const path = `/${account}/${name}`
    const body = { url: this.receiver.origin + path, ...more }
    const { id, secret } = await this.call(node, 'POST', `/${account}/endpoints`, 201, body)
    this.receiver.trust(path, [secret])
    return id
  }

  async event(node: string, account: string, id: string, type = 'x'): Promise<void> {
    const { ids } = await this.call(node, 'POST', `/${account}/events`, 202, { type, id, data: { id } })
    assert.deepEqual(ids, [id])
  }

  /** Writes events to their topic, past all nodes. */
  async produce(account: string, ids: readonly string[]): Promise<void> {
    const { webhooksFromEnvironment } = await import('../../apps/webhooks/environment.ts')
    const { events } = webhooksFromEnvironment(this.environment)
    const producer = new Producer(this.#broker.log, systemClock)
    for (const id of ids) {
      const headers = [{ key: 'id', value: Buffer.from(id) }]
      producer.send(events, account, Buffer.from(JSON.stringify({ type: 'x', data: { id } })), { headers })
    }
    await producer.flush()
  }

  /** As a client that spreads keys in another way. */
  async produceAt(partition: number, account: string): Promise<void> {
    const run = new BatchRun('webhooks.events', partition)
    const bytes = Buffer.from(`${account}{"type":"x"}`)
    run.append(systemClock.now(), bytes, 0, account.length, bytes, account.length, bytes.length)
    const appends: Append[] = []
    run.finishInto(appends)
    await this.#broker.log.commit({ appends })
  }

  /** The node that delivers for an account, and one that does not. */
  async sides(account: string): Promise<{ owner: string; other: string }> {
    const key = Buffer.from(account)
    const task = `webhooks/${partitionOf(key, 0, key.length, PARTITIONS)}`
    let owner: string | undefined
    await this.until(async () => {
      const owners = await Promise.all(this.names.map(name => this.#ownerOf(name, task)))
      owner = owners[0]
      return owner !== undefined && owners.every(one => one === owner)
    })
    return { owner: owner!, other: this.names.find(name => name !== owner)! }
  }

  /** Whether the brokers compact a topic. */
  isCompacted(topic: string): boolean {
    return this.#broker.log.topic(topic)?.compacted === true
  }

  override async [Symbol.asyncDispose](): Promise<void> {
    await super[Symbol.asyncDispose]()
    await this.receiver.close()
    await this.#broker[Symbol.asyncDispose]()
  }

  async #ownerOf(name: string, task: string): Promise<string | undefined> {
    const { body } = await this.ask(name, 'GET', '/cluster')
    const [application] = (body as ClusterAnswer).applications
    const owner = application?.nodes.find(({ active }) => active.includes(task))
    // Behind its name stands which of its processes it is.
    return this.names.find(one => owner?.node.startsWith(`${one}-`))
  }
}
