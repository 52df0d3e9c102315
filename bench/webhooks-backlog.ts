/**
 * `webhooks --mode backlog`: an endpoint that refuses connections, with as many events as one likes waiting for it, and two
 * others that go on: one of an account in the same partition, one of another. Then it comes back, with a rate limit.
 *
 * 1. The breaker holds the backlog: an event that was never tried has used no try. Waits of retries are shorter than by
 *    default, so that the few that were tried end within the run; all else is as by default.
 * 2. When it is back its owner says so, as one would: the breaker is reset.
 */
import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { partitionOf } from '../src/record/partitioner.ts'
import { type OptionSpec, type Options, parseOptions, result } from './measure.ts'
import { accountFor, NumberSet } from './webhooks-ledger.ts'
import type { LoadCalls, LoadSettings } from './webhooks-load.ts'
import type { Program } from './webhooks-process.ts'
import type { Received } from './webhooks-receiver.ts'
import { flagsOf, latencies, timesOf, WebhooksSite } from './webhooks-site.ts'
import { peakRssOf, UsageSampler } from './webhooks-usage.ts'

const OPTIONS = {
  events: { kind: 'number', default: 1_000_000, min: 1 },
  /** Of each of the endpoints that go on, a second. */
  others: { kind: 'number', default: 100, min: 1 },
  /** Of the endpoint that comes back, a second. */
  drain: { kind: 'number', default: 5000, min: 1 },
  before: { kind: 'number', default: 10, min: 1 },
  held: { kind: 'number', default: 30, min: 1 },
  partitions: { kind: 'number', default: 4, min: 1 },
  batch: { kind: 'number', default: 500, min: 1, max: 1000 },
  bytes: { kind: 'number', default: 1024, min: 128 },
  durability: { kind: 'text', default: 'disk', choices: ['process', 'disk'] },
  memory: { kind: 'text', default: '256MB' },
  flags: { kind: 'text', default: '' },
  megabytes: { kind: 'number', default: 400, min: 1 },
  limit: { kind: 'number', default: 1200, min: 1 },
} as const satisfies Record<string, OptionSpec>

type BacklogOptions = Options<typeof OPTIONS>

const RETRY = ['5s', '10s', '30s', '1m', '5m', '30m', '2h', '5h', '10h']
const TICK_MS = 20
const POLL_MS = 50
/** Of the events; between them the rate of the drain is measured. */
const [FROM, TO] = [0.05, 0.95]

export async function measureBacklog(args: string[]): Promise<void> {
  const options = parseOptions(args, OPTIONS)
  const { events, durability, memory, partitions } = options
  await using site = await WebhooksSite.start({
    durability: durability === 'disk' ? 'disk' : 'process',
    memory,
    flags: flagsOf(options.flags),
    webhooks: { partitions, retry: { schedule: RETRY } },
  })
  const [near, far] = neighbours('backlog0', partitions)
  const late = await site.endpoint('backlog0', { url: site.addressOf('late', 'refuse') })
  for (const [name, account] of [
    ['near', near],
    ['far', far],
  ] as const) {
    await site.endpoint(`${account}0`, { url: site.addressOf(name, 'fast') })
  }
  using phases = new Phases(site, options)
  const stop = await phases.begin({ near, far })

  await setTimeout(options.before * 1000)
  await phases.end('before', {})

  const load = await site.publisher()
  const told = await load.call('run', loadOf(site, options, { account: 'backlog', rate: 0, count: events }))
  const publishing = Number(told.seconds.toFixed(2))
  await site.until(async () => (await site.lag()) < options.others * 2, options.limit)
  await phases.end('filling', { n: told.taken, publishing_s: publishing, rate: Math.round(told.taken / told.seconds) })

  await setTimeout(options.held * 1000)
  const { waiting, scheduled, state } = await site.destination(late.id)
  await phases.end('held', { waiting, scheduled, state, disk_mb: megabytesIn(site.folder) })

  const back = performance.now()
  await site.ask('PATCH', `/webhooks/accounts/backlog0/endpoints/${late.id}`, { rate: `${options.drain}/s` })
  await site.receiver.call('revive', null)
  await site.ask('POST', '/deliveries/webhooks/commands', { command: 'reset', destination: late.id })
  const drained = await drain(site, events, options.limit)
  await phases.end('draining', {
    n: events,
    drain_limit: options.drain,
    drain_rate: drained.rate,
    drain_s: Number(((performance.now() - back) / 1000).toFixed(2)),
  })

  const sent = await stop()
  await site.until(async () => (await takenBy(site, 'near')) + (await takenBy(site, 'far')) >= sent.near + sent.far, 30)
  const received = await site.receiver.call('report', false)
  const letters = await site.letters()
  let [missing, duplicates] = [0, 0]
  for (const [name, count] of [
    ['late', events],
    ['near', sent.near],
    ['far', sent.far],
  ] as const) {
    const found = endpointOf(received, name)
    const taken = new NumberSet(found?.bits)
    const numbers = accountFor(
      count,
      () => true,
      number => taken.has(number),
      () => false,
    )
    missing += numbers.missing
    duplicates += found?.duplicates ?? 0
  }
  const peak = peakRssOf(site.app.pid)
  const dead = letters.numbers.length + letters.others
  const right = drained.isOver && missing + duplicates + dead === 0 && phases.mostAnon <= options.megabytes
  result({
    ...{ bench: 'webhooks', engine: 'aldebaran', mode: 'backlog', phase: 'all', durability, memory, partitions },
    n: events + sent.near + sent.far,
    rss_mb: Math.round(phases.mostRss),
    anon_mb: Math.round(phases.mostAnon),
    peak_rss_mb: Math.round(peak),
    anon_limit_mb: options.megabytes,
    disk_mb: megabytesIn(site.folder),
    dead,
    missing,
    duplicates,
    right,
  })
  if (!right) process.exitCode = 1
}

/** Measures what the two others notice, phase by phase. */
class Phases implements Disposable {
  mostRss = 0
  mostAnon = 0
  readonly #site: WebhooksSite
  readonly #options: BacklogOptions
  #sampler: UsageSampler
  #begun = performance.now()

  constructor(site: WebhooksSite, options: BacklogOptions) {
    this.#site = site
    this.#options = options
    this.#sampler = new UsageSampler(site.app.pid)
  }

  /** The two others get events until what it answers is called, which tells how many. */
  async begin(accounts: { near: string; far: string }): Promise<() => Promise<{ near: number; far: number }>> {
    const start = async (account: string) => {
      const load: Program<LoadCalls> = await this.#site.publisher()
      const count = Number.POSITIVE_INFINITY
      const settings = loadOf(this.#site, this.#options, { account, rate: this.#options.others, count })
      const running = load.call('run', settings)
      running.catch(() => {})
      return async () => {
        await load.call('stop', null)
        return (await running).planned
      }
    }
    const near = await start(accounts.near)
    const far = await start(accounts.far)
    this.#begun = performance.now()
    return async () => ({ near: await near(), far: await far() })
  }

  [Symbol.dispose](): void {
    this.#sampler[Symbol.dispose]()
  }

  async end(phase: string, fields: Readonly<Record<string, unknown>>): Promise<void> {
    this.#sampler.sample()
    this.#sampler[Symbol.dispose]()
    const { samples } = this.#sampler
    const [rss, anon] = [Math.max(...samples.map(one => one.rssMb)), Math.max(...samples.map(one => one.anonMb))]
    this.mostRss = Math.max(this.mostRss, rss)
    this.mostAnon = Math.max(this.mostAnon, anon)
    const received = await this.#site.receiver.call('report', true)
    const of = (name: string) => timesOf(received.filter(({ path }) => path === `/fast/${name}`))
    const [near, far] = [of('near'), of('far')]
    result({
      ...{ bench: 'webhooks', engine: 'aldebaran', mode: 'backlog', phase, ...fields },
      seconds: Number(((performance.now() - this.#begun) / 1000).toFixed(2)),
      cpu_s: Number((samples.at(-1)!.cpuSeconds - samples[0]!.cpuSeconds).toFixed(2)),
      machine_cpu_s: Number(this.#sampler.machineCpuSeconds.toFixed(2)),
      rss_mb: Math.round(rss),
      anon_mb: Math.round(anon),
      same_partition_n: near.count,
      ...latencies(near, 'same_partition_'),
      other_partition_n: far.count,
      ...latencies(far, 'other_partition_'),
    })
    this.#sampler = new UsageSampler(this.#site.app.pid)
    this.#begun = performance.now()
  }
}

function loadOf(
  site: WebhooksSite,
  { batch, bytes }: BacklogOptions,
  own: Pick<LoadSettings, 'account' | 'rate' | 'count'>,
): LoadSettings {
  const one = { first: 0, endpoints: 1, tenants: 1, without: [], ahead: Number.POSITIVE_INFINITY }
  return { url: site.url, tick: TICK_MS, batch, bytes, ...one, ...own }
}

/** Until all were taken. `rate`: in the middle of it, a second. */
async function drain(site: WebhooksSite, events: number, limit: number): Promise<{ isOver: boolean; rate: number }> {
  const end = performance.now() + limit * 1000
  const reached: { at: number; taken: number }[] = []
  for (;;) {
    const taken = await takenBy(site, 'late')
    const at = performance.now()
    if (reached.length < 2 && taken >= events * [FROM, TO][reached.length]!) reached.push({ at, taken })
    if (taken >= events || at >= end) {
      const [from, to] = reached
      const seconds = from === undefined || to === undefined ? 0 : (to.at - from.at) / 1000
      return { isOver: taken >= events, rate: seconds === 0 ? 0 : Math.round((to!.taken - from!.taken) / seconds) }
    }
    await Promise.race([setTimeout(POLL_MS), site.app.failed, site.receiver.failed])
  }
}

async function takenBy(site: WebhooksSite, name: string): Promise<number> {
  return await site.receiver.call('takenAt', `/fast/${name}`)
}

function endpointOf(received: readonly Received[], name: string): Received | undefined {
  return received.find(({ path }) => path === `/fast/${name}`)
}

/** Beginnings of names of accounts: with 0 behind it in the partition of this one, and in another one if there are several. */
export function neighbours(account: string, partitions: number): [near: string, far: string] {
  const of = (name: string): number => {
    const bytes = Buffer.from(name)
    return partitionOf(bytes, 0, bytes.length, partitions)
  }
  const own = of(account)
  const names = Array.from({ length: 1000 }, (_, i) => `other-${i}-`)
  const near = names.find(name => of(`${name}0`) === own)!
  const far = names.find(name => name !== near && (partitions === 1 || of(`${name}0`) !== own))!
  return [near, far]
}

function megabytesIn(folder: string): number {
  let bytes = 0
  for (const entry of readdirSync(folder, { withFileTypes: true, recursive: true })) {
    // Blocks: the file of the store has holes.
    if (entry.isFile()) bytes += statSync(join(entry.parentPath, entry.name)).blocks * 512
  }
  return Math.round(bytes / 2 ** 20)
}
