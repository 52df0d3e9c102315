/** Sample data: an account with an endpoint for each demo receiver, and real events of GitHub sent to it. */
import { createReadStream } from 'node:fs'
import { createInterface } from 'node:readline'
import { setTimeout } from 'node:timers/promises'
import { createGunzip } from 'node:zlib'
import { AldebaranError, type Running } from 'aldebaran'
import type { Webhooks } from './app.ts'
import { DEMO_RECEIVERS } from './demo-receivers.ts'
import { Directory } from './directory.ts'
import { newEndpoint } from './endpoint-secrets.ts'
import { payloadOf } from './input.ts'
import { Publisher } from './publisher.ts'

export interface SampleEvent {
  readonly type: string
  readonly data: unknown
}

export interface SampleSettings {
  /** Of the demo receivers, in the order of DEMO_RECEIVERS. */
  origins: readonly string[]
  /** Events per second. */
  rate: number
  signal: AbortSignal
}

export const DEMO_ACCOUNT = 'demo'
/** They lie in the order of their types: so they come mixed, and each of them comes, for their number is no multiple of it. */
const STRIDE = 101
/** Between two tries while the log takes nothing, ms. */
const RETRY_MS = 1000

/** The events that come with the application, each once. */
export async function* sampleEvents(): AsyncGenerator<SampleEvent, void, void> {
  const file = createReadStream(new URL('./data/events-github.ndjson.gz', import.meta.url))
  for await (const line of createInterface({ input: file.pipe(createGunzip()), crlfDelay: Number.POSITIVE_INFINITY })) {
    if (line === '') continue
    const { event, payload } = JSON.parse(line) as { event: string; payload: unknown }
    yield { type: event, data: payload }
  }
}

/** Makes the endpoints where they are missing, tells those of an earlier run their new addresses, and sends until it is aborted. */
export async function runSamples(webhooks: Webhooks, running: Running, settings: SampleSettings): Promise<void> {
  const { origins, rate, signal } = settings
  const directory = new Directory(webhooks, running)
  const publisher = new Publisher(webhooks, running, directory)
  for (const [index, { name, types }] of DEMO_RECEIVERS.entries()) {
    if (signal.aborted) return
    await setUp(webhooks, directory, name, types, `${origins[index]}/hooks`, running.clock.now())
  }
  const events: SampleEvent[] = []
  for await (const event of sampleEvents()) events.push(event)
  for (let n = 0; !signal.aborted; n++) {
    const { type, data } = events[(n * STRIDE) % events.length]!
    const payload = payloadOf(type, new Date(running.clock.now()).toISOString(), data)
    await publisher.publish(DEMO_ACCOUNT, [{ id: undefined, type, payload }]).catch(async (error: unknown) => {
      // What a full disk refuses is given up: the sample comes again.
      if (!(error instanceof AldebaranError) || error.fate !== 'retry') throw error
      await pause(RETRY_MS, signal)
    })
    await pause(1000 / rate, signal)
  }
}

async function setUp(
  webhooks: Webhooks,
  directory: Directory,
  description: string,
  types: readonly string[],
  url: string,
  now: number,
): Promise<void> {
  await directory.change(DEMO_ACCOUNT, account => {
    const known = account.endpoints.find(endpoint => endpoint.description === description)
    if (known !== undefined) return { change: 'update', id: known.id, at: now, fields: { url } }
    const fields = { url, description, types }
    return { change: 'create', endpoint: newEndpoint(webhooks.vault, DEMO_ACCOUNT, { fields }, now) }
  })
}

async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await setTimeout(ms, undefined, { signal }).catch(() => {})
}
