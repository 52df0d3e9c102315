/** Deliveries on Kafka: nodes are killed while they deliver, and tasks move. */
import assert from 'node:assert/strict'
import { type ChildProcess, fork } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout } from 'node:timers/promises'
import { type DeliveryGuarantee, Producer } from '../../src/index.ts'
import { type KafkaHost, openKafka } from '../../src/log/kafka/host.ts'
import { parseKafkaLocation } from '../../src/log/kafka/location.ts'
import { systemClock } from '../../src/time/clock.ts'
import { kafkaBroker } from '../servers/kafka.ts'
import { ordersOf, PARTITIONS } from './delivery-application.ts'

const { bootstrap } = await kafkaBroker()
const LOOK_MS = 50
const ANSWER_MS = 10

/** Whom the orders are posted to. */
class Receiver {
  /** How often each id came. */
  readonly times = new Map<string, number>()
  readonly #server: Server

  constructor() {
    this.#server = createServer((request, response) => {
      const id = String(request.headers['x-id'])
      this.times.set(id, (this.times.get(id) ?? 0) + 1)
      request.resume()
      void setTimeout(ANSWER_MS).then(() => response.end())
    })
  }

  async open(): Promise<string> {
    await once(this.#server.listen(0, '127.0.0.1'), 'listening')
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  close(): void {
    this.#server.close()
    this.#server.closeAllConnections()
  }
}

class Site implements AsyncDisposable {
  readonly name = `post${randomUUID().slice(0, 8)}`
  readonly receiver = new Receiver()
  readonly #folder = mkdtempSync(join(tmpdir(), 'aldebaran-post-'))
  readonly #guarantee: DeliveryGuarantee
  readonly #host: KafkaHost
  readonly #children = new Map<string, ChildProcess>()
  #url = ''

  constructor(guarantee: DeliveryGuarantee, host: KafkaHost) {
    this.#guarantee = guarantee
    this.#host = host
  }

  static async begin(guarantee: DeliveryGuarantee): Promise<Site> {
    const { bootstrap: brokers } = parseKafkaLocation(`kafka://${bootstrap}`, {})
    const site = new Site(guarantee, await openKafka({ bootstrap: brokers, node: `test-${randomUUID().slice(0, 8)}` }))
    site.#url = await site.receiver.open()
    const orders = ordersOf(site.name)
    await site.#host.client().createTopic(orders.name, orders.options)
    return site
  }

  async start(node: string): Promise<void> {
    const child = fork(new URL('./delivery-node.ts', import.meta.url), [bootstrap, node, join(this.#folder, node)], {
      env: {
        ...process.env,
        DELIVERY_NAME: this.name,
        DELIVERY_GUARANTEE: this.#guarantee,
        DELIVERY_RECEIVER: this.#url,
      },
      execArgv: [],
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    })
    this.#children.set(node, child)
    await once(child, 'message')
  }

  async stop(node: string): Promise<void> {
    const child = this.#children.get(node)!
    const ended = once(child, 'exit')
    child.send('stop')
    await ended
    this.#children.delete(node)
  }

  async kill(node: string): Promise<void> {
    const child = this.#children.get(node)!
    const ended = once(child, 'exit')
    child.kill('SIGKILL')
    await ended
    this.#children.delete(node)
  }

  async send(count: number): Promise<void> {
    const producer = new Producer(this.#host.client(), systemClock)
    for (let n = 0; n < count; n++) producer.send(ordersOf(this.name), `key ${n}`, `order ${n}`)
    await producer.flush()
  }

  /** Of the events that are still there, by id. */
  async rows(node: string): Promise<Record<string, string>> {
    const child = this.#children.get(node)!
    for (;;) {
      const answered = once(child, 'message')
      child.send('rows')
      const [answer] = (await answered) as [Record<string, string> | string]
      if (typeof answer !== 'string') return answer
      await setTimeout(LOOK_MS)
    }
  }

  async until(isSo: () => boolean | Promise<boolean>): Promise<void> {
    while (!(await isSo())) await setTimeout(LOOK_MS)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const node of [...this.#children.keys()]) await this.kill(node)
    this.receiver.close()
    await this.#host.close()
    rmSync(this.#folder, { recursive: true, force: true })
  }
}

const ORDERS = 400

test('at least once: nodes are killed while they deliver, and every order comes', async () => {
  await using site = await Site.begin('at-least-once')
  const { times } = site.receiver
  await site.start('a')
  await site.start('b')
  for (let round = 1; round <= 3; round++) {
    await site.send(ORDERS)
    await site.until(() => times.size > (round - 0.7) * ORDERS)
    await site.kill('b')
    await site.start('b')
  }
  await site.until(() => times.size === 3 * ORDERS)
  await site.until(async () => Object.keys(await site.rows('a')).length === 0)
  assert.equal(times.size, 3 * ORDERS)
})

test('tasks move from node to node without an order that comes twice', async () => {
  await using site = await Site.begin('at-least-once')
  const { times } = site.receiver
  await site.start('a')
  await site.send(ORDERS)
  await site.until(() => times.size > ORDERS / 4)
  await site.start('b')
  await site.send(ORDERS)
  await site.until(() => times.size > 1.5 * ORDERS)
  await site.stop('a')
  await site.until(async () => times.size === 2 * ORDERS && Object.keys(await site.rows('b')).length === 0)
  assert.deepEqual(
    [...times].filter(([, count]) => count > 1),
    [],
  )
})

test('at most once: nodes are killed while they deliver; nothing comes twice, and what may be lost is in doubt', async () => {
  await using site = await Site.begin('at-most-once')
  const { times } = site.receiver
  await site.start('a')
  await site.start('b')
  for (let round = 1; round <= 3; round++) {
    const before = times.size
    await site.send(ORDERS)
    await site.until(() => times.size > before + 0.3 * ORDERS)
    await site.kill('b')
    await site.start('b')
  }
  const settled = async (): Promise<boolean> => {
    const rows = await site.rows('a')
    const missing = 3 * ORDERS - times.size
    return Object.values(rows).every(kind => kind === 'd') && Object.keys(rows).length >= missing
  }
  await site.until(settled)
  const rows = await site.rows('a')
  assert.deepEqual(
    [...times].filter(([, count]) => count > 1),
    [],
  )
  const ids = new Set([...times.keys(), ...Object.keys(rows)])
  assert.equal(ids.size, 3 * ORDERS)
  for (const id of ids) assert.match(id, new RegExp(`^${site.name}-orders/[0-${PARTITIONS - 1}]/\\d+$`))
})
