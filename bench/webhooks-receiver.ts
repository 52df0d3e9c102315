/**
 * A receiver of webhooks that behaves as badly as its paths say: `/fast/17`, `/slow/18?ms=300`, `/hang/19`; the rest of the
 * path tells endpoints of one kind apart. What it took is counted for each of them.
 *
 * 1. Events with ids `e_NUMBER` are kept as numbers, divided by `stride`: which were taken, and which more than once.
 * 2. A time is from `data.at` of the event (`sharedNow`), else from its `timestamp`, to the end of the request.
 * 3. `deadPort` refuses connections until `revive`.
 */
import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo, Server as NetServer } from 'node:net'
import { FAULTS, type Fault, type FaultState, newFaultState } from './webhooks-faults.ts'
import { Histogram, NumberSet } from './webhooks-ledger.ts'
import { answerCalls, sharedNow } from './webhooks-process.ts'

export interface ReceiverSettings {
  /** 0: any that is free. */
  port: number
  /** 0: any that is free, below those that the system gives out. */
  deadPort: number
  stride: number
  /** Names of FAULTS; others answer 404. */
  faults: readonly string[]
}

export interface Received {
  /** As it was named, without its query. */
  path: string
  requests: number
  taken: number
  duplicates: number
  early: number
  /** Numbers divided by `stride`: see NumberSet. */
  bits: Uint8Array
  times: { counts: Uint32Array; count: number; max: number }
}

interface EndpointLedger {
  readonly path: string
  readonly fault: Fault
  readonly state: FaultState
  readonly taken: NumberSet
  readonly times: Histogram
  requests: number
  count: number
  duplicates: number
}

const SLOW_MS = 200
/** Linux and macOS connect from higher ports: nothing of theirs is in the way when it comes back. */
const DEAD_FROM = 20_000
const DEAD_PORTS = 10_000

export class WebhookReceiver {
  readonly port: number
  readonly deadPort: number
  readonly #server: Server
  readonly #settings: ReceiverSettings
  readonly #endpoints = new Map<string, EndpointLedger>()
  #revived: Server | null = null
  #taken = 0

  private constructor(settings: ReceiverSettings, server: Server, deadPort: number) {
    this.#settings = settings
    this.#server = server
    this.port = (server.address() as AddressInfo).port
    this.deadPort = deadPort
    server.on('request', this.#receive)
  }

  /** On 127.0.0.1. */
  static async open(settings: ReceiverSettings): Promise<WebhookReceiver> {
    const server = await listen(settings.port)
    return new WebhookReceiver(settings, server, settings.deadPort || (await refusingPort()))
  }

  /** Events that were taken, in all. */
  get taken(): number {
    return this.#taken
  }

  /** Of one path; 0: nothing came there. */
  takenAt(path: string): number {
    return this.#endpoints.get(path)?.count ?? 0
  }

  /** @param isFresh times are counted anew from now on */
  report(isFresh: boolean): Received[] {
    const all = [...this.#endpoints.values()].map(
      ({ path, requests, count, duplicates, state, taken, times }): Received => ({
        path,
        requests,
        taken: count,
        duplicates,
        early: state.early,
        bits: taken.bits,
        times: { counts: isFresh ? times.counts.slice() : times.counts, count: times.count, max: times.max },
      }),
    )
    if (isFresh) for (const { times } of this.#endpoints.values()) times.clear()
    return all
  }

  /** `deadPort` takes connections from now on. */
  async revive(): Promise<void> {
    if (this.#revived !== null) return
    this.#revived = await listen(this.deadPort)
    this.#revived.on('request', this.#receive)
  }

  async close(): Promise<void> {
    for (const { state } of this.#endpoints.values()) for (const timer of state.timers) clearTimeout(timer)
    for (const server of [this.#server, this.#revived]) {
      if (server === null) continue
      const closed = once(server, 'close')
      server.close()
      server.closeAllConnections()
      await closed
    }
  }

  readonly #receive = (request: IncomingMessage, response: ServerResponse): void => {
    const endpoint = this.#endpointOf(request.url ?? '/')
    if (endpoint === null) {
      response.writeHead(404).end()
      request.resume()
      return
    }
    const chunks: Buffer[] = []
    // Whoever hangs up loses the answer, and nothing else happens.
    request.on('error', () => {})
    response.on('error', () => {})
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      const now = sharedNow()
      endpoint.requests++
      if (!endpoint.fault.answer(request, response, endpoint.state)) return
      endpoint.count++
      this.#taken++
      const body = chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks)
      this.#note(endpoint, numberOf(request.headers['webhook-id']), body, now)
    })
  }

  #note(endpoint: EndpointLedger, number: number, body: Buffer, now: number): void {
    if (number >= 0 && !endpoint.taken.add(Math.floor(number / this.#settings.stride))) {
      endpoint.duplicates++
      return
    }
    const late = lateness(body, now)
    if (late !== null) endpoint.times.add(late)
  }

  #endpointOf(url: string): EndpointLedger | null {
    const [path = '/', query = ''] = url.split('?')
    const known = this.#endpoints.get(path)
    if (known !== undefined) return known
    const name = path.split('/')[1] ?? ''
    const fault = this.#settings.faults.includes(name) || name === 'redirected' ? FAULTS[name] : undefined
    if (fault === undefined) return null
    const made: EndpointLedger = {
      path,
      fault,
      state: newFaultState(Number(new URLSearchParams(query).get('ms') ?? SLOW_MS) || 0),
      taken: new NumberSet(),
      times: new Histogram(),
      requests: 0,
      count: 0,
      duplicates: 0,
    }
    this.#endpoints.set(path, made)
    return made
  }
}

function ignore(): void {}

async function listen(port: number): Promise<Server> {
  const server = createServer()
  // Longer than senders keep connections.
  server.keepAliveTimeout = 60_000
  server.requestTimeout = 0
  // Who sends may break off.
  server.on('connection', socket => socket.on('error', ignore))
  await listening(server, port)
  return server
}

async function listening(server: NetServer, port: number): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  server.once('error', reject)
  server.listen(port, '127.0.0.1', () => {
    server.off('error', reject)
    resolve()
  })
  await promise
}

async function refusingPort(): Promise<number> {
  for (;;) {
    const port = DEAD_FROM + Math.floor(Math.random() * DEAD_PORTS)
    const server = createServer()
    try {
      await listening(server, port)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error
      continue
    }
    const closed = once(server, 'close')
    server.close()
    await closed
    return port
  }
}

/** −1: an id of somebody else. */
function numberOf(id: string | string[] | undefined): number {
  return typeof id === 'string' && /^e_\d{1,9}$/.test(id) ? Number(id.slice(2)) : -1
}

/** ms; null: the event does not say when it was sent. */
function lateness(body: Buffer, now: number): number | null {
  try {
    const { data, timestamp } = JSON.parse(body.toString()) as { data?: { at?: unknown }; timestamp?: unknown }
    if (typeof data?.at === 'number') return now - data.at
    const sent = typeof timestamp === 'string' ? Date.parse(timestamp) : Number.NaN
    return Number.isNaN(sent) ? null : Date.now() - sent
  } catch {
    return null
  }
}

let receiver: WebhookReceiver | null = null

const calls = {
  async open(settings: ReceiverSettings): Promise<{ port: number; deadPort: number }> {
    receiver = await WebhookReceiver.open(settings)
    return { port: receiver.port, deadPort: receiver.deadPort }
  },
  report: (isFresh: boolean): Received[] => receiver!.report(isFresh),
  taken: (_: null): number => receiver!.taken,
  takenAt: (path: string): number => receiver!.takenAt(path),
  revive: async (_: null): Promise<void> => await receiver!.revive(),
}
export type ReceiverCalls = typeof calls

if (import.meta.main && process.send !== undefined) answerCalls(calls)
