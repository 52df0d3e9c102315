/**
 * `webhooks --mode quarter`: what the application delivers a second on a quarter of a core, receiver and publisher outside
 * it: first as fast as it goes with a bounded backlog, then for as long at a share of that, whatever happens.
 */
import { setTimeout } from 'node:timers/promises'
import { type OptionSpec, type Options, parseOptions, result } from './measure.ts'
import { accountFor, NumberSet } from './webhooks-ledger.ts'
import type { LoadCalls, LoadSettings } from './webhooks-load.ts'
import type { Program } from './webhooks-process.ts'
import { limitCpu } from './webhooks-quota.ts'
import { flagsOf, latencies, timesOf, WebhooksSite } from './webhooks-site.ts'
import { peakRssOf, UsageSampler } from './webhooks-usage.ts'

const OPTIONS = {
  cores: { kind: 'number', default: 0.25, min: 0.01, max: 1 },
  by: { kind: 'text', default: 'auto', choices: ['auto', 'stop'] },
  megabytes: { kind: 'number', default: 500, min: 1 },
  seconds: { kind: 'number', default: 60, min: 1 },
  settle: { kind: 'number', default: 10, min: 0 },
  share: { kind: 'number', default: 0.9, min: 0.01, max: 1 },
  ahead: { kind: 'number', default: 2000, min: 1 },
  batch: { kind: 'number', default: 50, min: 1, max: 1000 },
  tenants: { kind: 'number', default: 10, min: 1 },
  endpoints: { kind: 'number', default: 100, min: 1 },
  bytes: { kind: 'number', default: 1024, min: 128 },
  durability: { kind: 'text', default: 'disk', choices: ['process', 'disk'] },
  memory: { kind: 'text', default: '128MB' },
  flags: { kind: 'text', default: '' },
  limit: { kind: 'number', default: 120, min: 1 },
} as const satisfies Record<string, OptionSpec>

type QuarterOptions = Options<typeof OPTIONS>

const TELL_MS = 50
/** Between two batches of a tenant when the rate is given, ms. */
const TICK_MS = 100

export async function measureQuarter(args: string[]): Promise<void> {
  const options = parseOptions(args, OPTIONS)
  const { cores, endpoints, tenants, durability, memory, settle, seconds, share } = options
  await using site = await WebhooksSite.start({
    durability: durability === 'disk' ? 'disk' : 'process',
    memory,
    flags: flagsOf(options.flags),
    webhooks: {},
    receiver: { stride: endpoints },
  })
  await site.endpoints(endpoints, tenants, () => 'fast')
  const load = await site.publisher()
  const quota = limitCpu(site.app.pid, cores, options.by)
  try {
    const place = { site, load, options, by: quota.by }
    // Code is compiled, and the quota felt, before anything is measured.
    const warm = await measure(place, 'settle', 0, 0, settle)
    const most = await measure(place, 'most', warm.next, 0, seconds)
    await measure(place, 'paced', most.next, Math.max(1, Math.floor(most.rate * share)), seconds)
  } finally {
    await quota.end()
  }
}

interface Place {
  site: WebhooksSite
  load: Program<LoadCalls>
  options: QuarterOptions
  by: string
}

/** @param rate 0: as fast as it goes. @returns what was delivered a second, and where the next numbers may begin */
async function measure(
  { site, load, options, by }: Place,
  part: 'settle' | 'most' | 'paced',
  first: number,
  rate: number,
  seconds: number,
): Promise<{ rate: number; next: number }> {
  const { endpoints, tenants, ahead, batch, bytes, limit, durability, memory, cores, megabytes } = options
  const count = rate === 0 ? Number.POSITIVE_INFINITY : rate * seconds
  const settings: LoadSettings = {
    ...{ url: site.url, account: 't', rate, ahead, first, count, endpoints, tenants, without: [], tick: TICK_MS },
    ...{ batch, bytes },
  }
  const before = await site.receiver.call('taken', null)
  await site.receiver.call('report', true)
  using sampler = new UsageSampler(site.app.pid)
  const begun = performance.now()
  const running = load.call('run', settings)
  running.catch(() => {})
  let delivered = 0
  for (let elapsed = 0; elapsed < seconds; elapsed = (performance.now() - begun) / 1000) {
    await Promise.race([setTimeout(TELL_MS), running])
    delivered = (await site.receiver.call('taken', null)) - before
    await load.call('delivered', delivered)
  }
  const wall = (performance.now() - begun) / 1000
  const cpu = sampler.sample().cpuSeconds - sampler.samples[0]!.cpuSeconds
  const machine = sampler.machineCpuSeconds
  await load.call('stop', null)
  const told = await running
  const stopped = performance.now()
  const isDrained = await site.until(
    async () => (await site.receiver.call('taken', null)) - before >= told.planned,
    limit,
  )
  const next = Math.ceil((first + told.planned) / endpoints) * endpoints
  const sustained = delivered / wall
  if (part === 'settle') return { rate: sustained, next }
  const received = await site.receiver.call('report', false)
  const taken = new Map(received.map(({ path, bits }) => [Number(path.slice('/fast/e'.length)), new NumberSet(bits)]))
  const isTaken = (number: number): boolean =>
    taken.get(number % endpoints)?.has(Math.floor(number / endpoints)) ?? false
  const account = accountFor(
    told.planned,
    () => true,
    number => isTaken(first + number),
    () => false,
  )
  const duplicates = received.reduce((sum, one) => sum + one.duplicates, 0)
  const anon = Math.max(...sampler.samples.map(({ anonMb }) => anonMb))
  const right = isDrained && account.missing + duplicates === 0 && anon <= megabytes
  result({
    ...{ bench: 'webhooks', engine: 'aldebaran', mode: 'quarter', part, by, cores, durability, memory, batch },
    n: account.meant,
    seconds: Number(wall.toFixed(2)),
    rate: Math.round(sustained),
    ...(rate === 0 ? { ahead } : { planned_rate: rate, undelivered_at_end: told.planned - delivered }),
    drain_s: Number(((performance.now() - stopped) / 1000).toFixed(2)),
    cpu_s: Number(cpu.toFixed(2)),
    cpu_share: Number((cpu / wall).toFixed(3)),
    machine_cpu_s: Number(machine.toFixed(2)),
    rss_mb: Math.round(Math.max(...sampler.samples.map(({ rssMb }) => rssMb))),
    anon_mb: Math.round(anon),
    peak_rss_mb: Math.round(peakRssOf(site.app.pid)),
    anon_limit_mb: megabytes,
    ...latencies(timesOf(received)),
    delivered: account.delivered,
    missing: account.missing,
    duplicates,
    goal: 700,
    right,
  })
  if (!right) process.exitCode = 1
  return { rate: sustained, next }
}
