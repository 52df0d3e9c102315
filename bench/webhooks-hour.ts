/**
 * `webhooks --mode hour`: an hour of a billion events a month, compressed, to endpoints of which some are bad; and the same
 * without the bad ones before it.
 *
 * 1. Every event is of one endpoint. Those of bad endpoints are left out of the first run, all else is the same.
 * 2. Waits of retries and breakers and the timeout are divided by `compress`, as the time is.
 * 3. When the healthy ones have all, what waits is counted; then the bad endpoints are disabled, as their owner would: what
 *    waits for them goes to the dead letters, and each event is accounted for by its number.
 */
import { setTimeout } from 'node:timers/promises'
import { type OptionSpec, type Options, parseOptions, result } from './measure.ts'
import { accountFor, type Histogram, NumberSet } from './webhooks-ledger.ts'
import { type Endpoint, flagsOf, latencies, timesOf, WebhooksSite } from './webhooks-site.ts'
import { peakRssOf, trendOf, UsageSampler } from './webhooks-usage.ts'

const OPTIONS = {
  minutes: { kind: 'number', default: 60, min: 0.1 },
  compress: { kind: 'number', default: 10, min: 1 },
  rate: { kind: 'number', default: 386, min: 1 },
  endpoints: { kind: 'number', default: 1000, min: 1, max: 100_000 },
  tenants: { kind: 'number', default: 100, min: 1 },
  failing: { kind: 'number', default: 0.05, min: 0, max: 1 },
  hanging: { kind: 'number', default: 0.02, min: 0, max: 1 },
  dead: { kind: 'number', default: 0.01, min: 0, max: 1 },
  bytes: { kind: 'number', default: 1024, min: 128 },
  tick: { kind: 'number', default: 100, min: 10 },
  /** Seconds at the beginning whose latencies are left out: code is being compiled, connections are being made. */
  settle: { kind: 'number', default: 5, min: 0 },
  durability: { kind: 'text', default: 'disk', choices: ['process', 'disk'] },
  memory: { kind: 'text', default: '256MB' },
  flags: { kind: 'text', default: '' },
  limit: { kind: 'number', default: 120, min: 1 },
} as const satisfies Record<string, OptionSpec>

type HourOptions = Options<typeof OPTIONS>

/** Six tries over eight and a half minutes, before they are compressed. */
const SCHEDULE_S = [5, 30, 60, 120, 300]
const TIMEOUT_S = 20
const OPEN_S = 30
const LONGEST_OPEN_S = 1800

export async function measureHour(args: string[]): Promise<void> {
  const options = parseOptions(args, OPTIONS)
  const alone = await hour(options, false)
  const together = await hour(options, true)
  const ratio = (share: number): number => {
    const [one, other] = [alone.percentile(share), together.percentile(share)]
    return Number((other / one).toFixed(3))
  }
  if (alone.count === 0 || together.count === 0) return
  const ratios = { p50_ratio: ratio(0.5), p99_ratio: ratio(0.99) }
  const max = { max_ratio: Number((together.max / alone.max).toFixed(3)) }
  result({
    bench: 'webhooks',
    engine: 'aldebaran',
    mode: 'hour',
    with: 'ratio',
    ...ratios,
    ...max,
    goal_p99_ratio: 1.5,
  })
}

/** How an endpoint behaves: bad ones are spread over the tenants. */
export function faultOf(
  number: number,
  endpoints: number,
  { failing, hanging, dead }: Pick<HourOptions, 'failing' | 'hanging' | 'dead'>,
): 'fail' | 'hang' | 'refuse' | 'fast' {
  // A step that has no factor in common with the count meets every place once.
  const place = (number * 7919) % endpoints
  const ends = [failing, failing + hanging, failing + hanging + dead].map(share => Math.round(share * endpoints))
  if (place < ends[0]!) return 'fail'
  if (place < ends[1]!) return 'hang'
  return place < ends[2]! ? 'refuse' : 'fast'
}

async function hour(options: HourOptions, withBad: boolean): Promise<Histogram> {
  const { minutes, compress, endpoints, tenants, bytes, tick, durability, memory, limit } = options
  const s = (seconds: number): string => `${Math.max(1, Math.round((seconds * 1000) / compress))}ms`
  await using site = await WebhooksSite.start({
    durability: durability === 'disk' ? 'disk' : 'process',
    memory,
    flags: flagsOf(options.flags),
    webhooks: {
      retry: { schedule: SCHEDULE_S.map(s) },
      timeout: s(TIMEOUT_S),
      breaker: { openFor: s(OPEN_S), longest: s(LONGEST_OPEN_S) },
    },
    receiver: { stride: endpoints },
  })
  const faults = Array.from({ length: endpoints }, (_, number) => faultOf(number, endpoints, options))
  const bad = faults.flatMap((fault, number) => (fault === 'fast' ? [] : [number]))
  const made = await site.endpoints(endpoints, tenants, number => faults[number]!)
  const rate = options.rate * compress
  const count = Math.round((rate * minutes * 60) / compress)
  const load = await site.publisher()
  using sampler = new UsageSampler(site.app.pid)
  const cpu = [site.app.pid, site.receiver.pid, load.pid].map(pid => new UsageSampler(pid, 2 ** 30))
  const running = load.call('run', {
    url: site.url,
    account: 't',
    rate,
    ahead: Number.POSITIVE_INFINITY,
    first: 0,
    count,
    endpoints,
    tenants,
    without: withBad ? [] : bad,
    tick,
    batch: 0,
    bytes,
  })
  await Promise.race([setTimeout(options.settle * 1000), running, site.app.failed])
  await site.receiver.call('report', true)
  const told = await running
  const healthy = told.taken - (withBad ? numbersOf(bad, count, endpoints) : 0)
  const begun = performance.now()
  const isDrained = await site.until(async () => (await site.receiver.call('taken', null)) >= healthy, limit)
  const drainSeconds = (performance.now() - begun) / 1000
  const cpuSeconds = cpu.map(one => one.sample().cpuSeconds - one.samples[0]!.cpuSeconds)
  const machine = sampler.machineCpuSeconds
  for (const one of cpu) one[Symbol.dispose]()
  sampler.sample()
  const { samples } = sampler
  sampler[Symbol.dispose]()
  // What waits is told a moment later than it happens, and not all at once.
  let then = await site.counts()
  const isCounted = await site.until(async () => {
    then = await site.counts()
    return then.delivered + then.dead + then.waiting + then.scheduled + then.underWay === told.taken
  }, limit)
  const { waiting, scheduled, underWay } = then
  const isOver =
    !withBad ||
    (await giveUp(
      site,
      bad.map(number => made[number]!),
      told.taken,
      limit,
    ))
  const received = await site.receiver.call('report', false)
  const taken = new Map(received.map(({ path, bits }) => [Number(path.slice('/fast/e'.length)), new NumberSet(bits)]))
  // They are counted a moment before they are committed.
  let letters = await site.letters()
  await site.until(async () => {
    letters = await site.letters()
    return letters.numbers.length + letters.others >= (await site.counts()).dead
  }, limit)
  const dead = new NumberSet()
  let letterDuplicates = 0
  for (const number of letters.numbers) if (!dead.add(number)) letterDuplicates++
  const isBad = new Set(bad)
  const account = accountFor(
    told.planned,
    number => withBad || !isBad.has(number % endpoints),
    number => taken.get(number % endpoints)?.has(Math.floor(number / endpoints)) ?? false,
    number => dead.has(number),
  )
  const times = timesOf(received)
  const duplicates = received.reduce((sum, one) => sum + one.duplicates, 0) + letterDuplicates
  const [rss, anon] = [trendOf(samples, 'rssMb'), trendOf(samples, 'anonMb')]
  const right = account.missing + account.both + account.unexpected + duplicates + letters.others === 0
  result({
    bench: 'webhooks',
    engine: 'aldebaran',
    mode: 'hour',
    with: withBad ? 'bad endpoints' : 'healthy endpoints',
    durability,
    endpoints,
    tenants,
    bad: withBad ? bad.length : 0,
    n: account.meant,
    seconds: Number(told.seconds.toFixed(2)),
    rate: Math.round(told.taken / told.seconds),
    behind_ms: Math.round(told.behindMs),
    again: told.again,
    settle_s: options.settle,
    drain_s: Number(drainSeconds.toFixed(2)),
    ...latencies(times),
    cpu_s: Number(cpuSeconds[0]!.toFixed(2)),
    receiver_cpu_s: Number(cpuSeconds[1]!.toFixed(2)),
    publisher_cpu_s: Number(cpuSeconds[2]!.toFixed(2)),
    machine_cpu_s: Number(machine.toFixed(2)),
    rss_mb: Math.round(rss.max),
    peak_rss_mb: Math.round(peakRssOf(site.app.pid)),
    ...megabytes('rss', rss),
    ...megabytes('anon', anon),
    tries: then.tries,
    retried: then.retried,
    broken: then.broken,
    accounted: isCounted,
    before_giving_up: { delivered: then.delivered, dead: then.dead, waiting, scheduled, under_way: underWay },
    delivered: account.delivered,
    dead: account.dead,
    missing: account.missing,
    both: account.both,
    unexpected: account.unexpected,
    duplicates,
    samples: account.samples,
    right: right && isDrained && isCounted && isOver,
  })
  if (!(right && isDrained && isCounted && isOver)) process.exitCode = 1
  return times
}

function megabytes(name: string, { first, last, slopePerMinute }: ReturnType<typeof trendOf>): Record<string, number> {
  return {
    [`${name}_first_mb`]: Math.round(first),
    [`${name}_last_mb`]: Math.round(last),
    [`${name}_mb_per_minute`]: Number(slopePerMinute.toFixed(1)),
  }
}

/** Numbers below `count` that are of these endpoints. */
function numbersOf(some: readonly number[], count: number, endpoints: number): number {
  return some.reduce((sum, number) => sum + Math.max(0, Math.ceil((count - number) / endpoints)), 0)
}

/** Their owners disable them. True: every event has ended. */
async function giveUp(
  site: WebhooksSite,
  endpoints: readonly Endpoint[],
  events: number,
  limit: number,
): Promise<boolean> {
  for (const { account, id } of endpoints)
    await site.ask('POST', `/webhooks/accounts/${account}/endpoints/${id}/disable`)
  return await site.until(async () => {
    const { delivered, dead } = await site.counts()
    return delivered + dead >= events
  }, limit)
}
