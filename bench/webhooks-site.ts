/** The webhooks application, a receiver and publishers, each in a process of its own, and the API between them. */
import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import type { WebhooksSettings } from '../apps/webhooks/app.ts'
import { hold } from '../test/servers/leash.ts'
import type { AppCalls, AppSettings, Letters } from './webhooks-app.ts'
import { FAULTS } from './webhooks-faults.ts'
import { Histogram } from './webhooks-ledger.ts'
import type { LoadCalls } from './webhooks-load.ts'
import { Program } from './webhooks-process.ts'
import type { Received, ReceiverCalls, ReceiverSettings } from './webhooks-receiver.ts'

export interface SiteSettings {
  durability: 'process' | 'disk'
  memory: string
  webhooks: Omit<WebhooksSettings, 'key' | 'sender'>
  receiver?: Partial<ReceiverSettings>
  /** Of Node, for the application. */
  flags?: readonly string[]
}

export interface Endpoint {
  readonly account: string
  readonly id: string
}

/** What `GET /deliveries` tells of webhooks. */
export interface Counts {
  tries: number
  delivered: number
  retried: number
  dead: number
  waiting: number
  scheduled: number
  underWay: number
  broken: number
  duplicates: number
}

const WAIT_MS = 200
/** Endpoints that are made at once, each of another account. */
const AT_ONCE = 16

export class WebhooksSite implements AsyncDisposable {
  readonly folder: string
  readonly app: Program<AppCalls>
  readonly receiver: Program<ReceiverCalls>
  readonly url: string
  readonly port: number
  readonly deadPort: number
  readonly #programs: AsyncDisposable[]
  readonly #release: () => void

  private constructor(
    folder: string,
    release: () => void,
    app: Program<AppCalls>,
    receiver: Program<ReceiverCalls>,
    url: string,
    ports: { port: number; deadPort: number },
  ) {
    this.folder = folder
    this.#release = release
    this.app = app
    this.receiver = receiver
    this.url = url
    this.port = ports.port
    this.deadPort = ports.deadPort
    this.#programs = [app, receiver]
  }

  static async start({
    durability,
    memory,
    webhooks,
    receiver: given,
    flags = [],
  }: SiteSettings): Promise<WebhooksSite> {
    const folder = mkdtempSync(join(tmpdir(), 'aldebaran-webhooks-'))
    const release = hold({ folder })
    const programs: AsyncDisposable[] = []
    try {
      const receiver = await Program.start<ReceiverCalls>('webhooks-receiver.ts')
      programs.push(receiver)
      const faults = Object.keys(FAULTS)
      const ports = await receiver.call('open', { port: 0, deadPort: 0, stride: 1, faults, ...given })
      const settings: AppSettings = {
        folder: join(folder, 'store'),
        durability,
        memory,
        maxSize: '32GB',
        webhooks: {
          key: randomBytes(32).toString('base64'),
          // A name for each endpoint makes each an origin of its own, as endpoints are.
          sender: { addresses: { http: true, ports: 'any', allow: ['*.localhost'] } },
          ...webhooks,
        },
      }
      const app = await Program.start<AppCalls>('webhooks-app.ts', { WEBHOOKS_BENCH: JSON.stringify(settings) }, flags)
      programs.push(app)
      return new WebhooksSite(folder, release, app, receiver, await app.call('url', null), ports)
    } catch (error) {
      await end(programs, folder, release)
      throw error
    }
  }

  async publisher(): Promise<Program<LoadCalls>> {
    const program = await Program.start<LoadCalls>('webhooks-load.ts')
    this.#programs.push(program)
    return program
  }

  /** The address of an endpoint of its own origin. `fault`: of FAULTS, or `refuse`: nothing listens there. */
  addressOf(name: string, fault: string): string {
    const isRefused = fault === 'refuse'
    return `http://${name}.localhost:${isRefused ? this.deadPort : this.port}/${isRefused ? 'fast' : fault}/${name}`
  }

  async endpoint(account: string, fields: Readonly<Record<string, unknown>>): Promise<Endpoint> {
    const { id } = (await this.ask('POST', `/webhooks/accounts/${account}/endpoints`, fields)) as { id: string }
    return { account, id }
  }

  /** Number n belongs to account `t(n % tenants)` and wants events of type `e.(n / tenants)`. */
  async endpoints(count: number, tenants: number, faultOf: (number: number) => string): Promise<Endpoint[]> {
    const made: Endpoint[] = []
    const ofTenant = async (tenant: number): Promise<void> => {
      for (let number = tenant; number < count; number += tenants) {
        const url = this.addressOf(`e${number}`, faultOf(number))
        made[number] = await this.endpoint(`t${tenant}`, { url, types: [`e.${Math.floor(number / tenants)}`] })
      }
    }
    let next = 0
    const lane = async (): Promise<void> => {
      while (next < tenants) await ofTenant(next++)
    }
    await Promise.all(Array.from({ length: AT_ONCE }, lane))
    return made
  }

  async ask(method: string, path: string, body?: unknown): Promise<unknown> {
    const response = await fetch(this.url + path, {
      method,
      ...(body === undefined ? {} : { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }),
    })
    const text = await response.text()
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`)
    return text === '' ? null : JSON.parse(text)
  }

  async counts(): Promise<Counts> {
    const { deliveries } = (await this.ask('GET', '/deliveries')) as { deliveries: Counts[] }
    return deliveries[0]!
  }

  /** Records that came in, and that the delivery has not taken in yet. */
  async lag(): Promise<number> {
    return ((await this.ask('GET', '/lag')) as { total: number }).total
  }

  /** What waits behind one endpoint, and what it is doing. */
  async destination(id: string): Promise<{ waiting: number; scheduled: number; state: string }> {
    const path = `/deliveries/webhooks/destinations?from=${id}&limit=1`
    const { destinations } = (await this.ask('GET', path)) as {
      destinations: { destination: string; waiting: number; scheduled: number; state: string }[]
    }
    const found = destinations.find(({ destination }) => destination === id)
    return found ?? { waiting: 0, scheduled: 0, state: 'unknown' }
  }

  async letters(): Promise<Letters> {
    return await this.app.call('letters', null)
  }

  /** Looks again and again. False: it does not hold after so many seconds. @throws Error when a program ended */
  async until(condition: () => Promise<boolean>, seconds: number): Promise<boolean> {
    const end = performance.now() + seconds * 1000
    while (!(await condition())) {
      if (performance.now() >= end) return false
      await Promise.race([setTimeout(WAIT_MS), this.app.failed, this.receiver.failed])
    }
    return true
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await end(this.#programs, this.folder, this.#release)
  }
}

async function end(programs: readonly AsyncDisposable[], folder: string, release: () => void): Promise<void> {
  for (const program of programs) await program[Symbol.asyncDispose]()
  rmSync(folder, { recursive: true, force: true })
  release()
}

/** Flags of Node as they are written in a shell, '--max-old-space-size=96'. */
export function flagsOf(text: string): string[] {
  return text.split(' ').filter(flag => flag !== '')
}

/** Times of several endpoints as one. */
export function timesOf(received: readonly Received[]): Histogram {
  const all = new Histogram()
  for (const { times } of received) all.merge(times)
  return all
}

/** For a result. */
export function latencies(times: Histogram, before = ''): Record<string, number> {
  const ms = (value: number): number => Number(value.toFixed(2))
  return {
    [`${before}p50_ms`]: ms(times.percentile(0.5)),
    [`${before}p99_ms`]: ms(times.percentile(0.99)),
    [`${before}max_ms`]: ms(times.max),
  }
}
