/** The real auditor, on a log of its own: what the tests of bad input and of failing stores drive. Worker threads import it too. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Audit, buildAudit } from '../../apps/audit/app.ts'
import type { AldebaranError } from '../../src/errors.ts'
import type { Log, TopicInfo } from '../../src/log/contract.ts'
import { type InlineLog, inlineLog } from '../../src/log/inline.ts'
import type { AnyTopic } from '../../src/pipeline/topic.ts'
import { type EmbeddedSettings, embedded } from '../../src/runtime/log-location.ts'
import { prepare } from '../../src/runtime/prepare.ts'
import { Producer } from '../../src/runtime/producer.ts'
import { type Running, type StartSettings, start } from '../../src/runtime/start.ts'
import { ByteWriter } from '../../src/schema/byte-writer.ts'
import type { Schema } from '../../src/schema/schema.ts'
import { Driver } from '../../src/testing/drive.ts'
import { type DeadLetter, readDeadLetters, readTopic } from '../../src/testing/read-topic.ts'
import type { SimulatedStore } from '../../src/testing/simulated-store.ts'
import { VirtualClock } from '../../src/time/clock.ts'

/** Long against any test: no book closes by itself. */
const DELTA_MS = 3_600_000

export const audit: Audit = buildAudit({ ids: 'text', deltaMs: DELTA_MS, partitions: 2 })
export const app = audit.application

export const REQUEST = { shares: 5, client: 'ACME', stock: 'XYZ', ts: 1 }
export const PURCHASE = { id: 'p', shares: 7, stock: 'XYZ', ts: 2 }

export function encode(schema: Schema<unknown>, value: unknown): Buffer {
  const out = new ByteWriter(256)
  schema.encode(value, out)
  return Buffer.from(out.bytes.subarray(0, out.position))
}

export async function inFolder<T>(work: (folder: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), 'aldebaran-bad-'))
  try {
    return await work(folder)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

export type AuditorSettings = Omit<StartSettings, 'log' | 'entry'> & EmbeddedSettings

export async function startAuditor(folder: string, settings: AuditorSettings = {}): Promise<Running> {
  const { durability = 'process', maxSize = '256MB', ...others } = settings
  return await start(app, {
    workers: 2,
    ...others,
    log: embedded(folder, { durability, maxSize }),
    entry: new URL(import.meta.url),
  })
}

/** Runs the auditor in a folder, and stops it whatever happens. */
export async function withAuditor<T>(
  folder: string,
  work: (running: Running) => Promise<T>,
  settings: AuditorSettings = {},
): Promise<T> {
  const running = await startAuditor(folder, settings)
  try {
    await running.ready()
    return await work(running)
  } finally {
    await running.stop()
  }
}

export async function until(log: Log, ready: () => boolean): Promise<void> {
  while (!ready()) await log.changed(20)
}

/** Every record of these topics was processed, and what came of it is committed. */
export function processed(running: Running, topics: readonly AnyTopic[] = [audit.trades]): Promise<void> {
  const { log } = running
  // What comes of the trades is committed with their positions, so in this order nothing is missed.
  const all = [...topics, audit.requests, audit.purchases]
  return until(log, () => all.every(one => lagOf(log, log.topic(one.name)!) === 0))
}

export function lagOf(log: Log, topic: TopicInfo): number {
  let lag = 0
  const group = topic.name === audit.trades.name ? 'audit.intake' : 'audit.audit'
  for (let partition = 0; partition < topic.partitions; partition++) {
    lag += log.partition(topic.name, partition).end - (log.position(group, topic.name, partition)?.offset ?? 0)
  }
  return lag
}

export function deadLetters(log: Log): DeadLetter[] {
  return readDeadLetters(log, app.deadLetters)
}

export interface AlertSeen {
  orderId: string
  kind: string
  requested: number
  purchased: number
  client: string
  stock: string
}

export function alertsOf(log: Log): AlertSeen[] {
  return readTopic(log, audit.alerts).map(record => record.value as AlertSeen)
}

/** Orders that raise an alert each, every record in a batch of its own. */
export async function appendOrders(log: Log, ids: readonly string[]): Promise<void> {
  for (const id of ids) {
    const producer = new Producer(log)
    producer.send(audit.requests, id, { id, ...REQUEST })
    producer.send(audit.purchases, id, { orderId: id, ...PURCHASE })
    await producer.flush()
  }
}

export const IDS: readonly string[] = Array.from({ length: 40 }, (_, i) => `order ${i}`)

/** A good order, which raises one alert when it is processed. */
export function sendGoodOrder(driver: Driver, id: string): void {
  driver.send(audit.requests, id, { id, ...REQUEST })
  driver.send(audit.purchases, id, { orderId: id, ...PURCHASE })
}

/** The auditor driven on a store and a log of the test's own. */
export async function driverOn(
  store: SimulatedStore,
  maxBytes?: number,
): Promise<{ driver: Driver; log: InlineLog; client: Log }> {
  const clock = new VirtualClock(1_000_000)
  const log = inlineLog(store, { clock, durability: 'disk', ...(maxBytes === undefined ? {} : { maxBytes }) })
  const client = log.client()
  return { driver: new Driver(app, client, await prepare(app, client), clock, 1e9), log, client: log.client() }
}

export function problemCode(driver: Driver): string | null {
  return (driver.problem as AldebaranError | null)?.code ?? null
}
