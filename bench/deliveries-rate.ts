/** Measures deliveries over HTTP: a burst against a plain client in the same run, then publish to received at a pace. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { embedded, type LogLocation } from '../src/index.ts'
import type { Running } from '../src/runtime/start.ts'
import { ceilingOf, ReceiverProcess } from './deliveries-outside.ts'
import { cpuSeconds, type OptionSpec, type Options, peakRssMb, percentiles, result } from './measure.ts'

export const RATE_OPTIONS = {
  events: { kind: 'number', default: 10_000, min: 1 },
  receiver: { kind: 'text', default: '0ms' },
  bytes: { kind: 'number', default: 1024, min: 64 },
  durability: { kind: 'text', default: 'disk', choices: ['process', 'disk'] },
  pace: { kind: 'number', default: 50, min: 1 },
  seconds: { kind: 'number', default: 5, min: 1 },
} as const satisfies Record<string, OptionSpec>

export type RateOptions = Options<typeof RATE_OPTIONS>

/** What delivers to the receiver: all of it with CONNECTIONS at once. */
export interface MeasuredSite {
  readonly running: Running
  /** `lat`: to be timed, by the JSON that it is; `hook`: to be counted. */
  send(kind: 'hook' | 'lat', body: Buffer): void
  flush(): Promise<unknown>
}

export const CONNECTIONS = 64
const WARM_UP = 30_000
const UNIT = 500

/** `begin`: starts what is measured, which sends to the receiver of that address, by its paths /hook and /lat. */
export async function measureDeliveries(
  bench: string,
  options: RateOptions,
  begin: (receiver: string, log: LogLocation) => Promise<MeasuredSite>,
): Promise<void> {
  const { events, receiver, bytes, durability, pace, seconds } = options
  const folder = mkdtempSync(join(tmpdir(), 'aldebaran-deliveries-'))
  try {
    await using outside = await ReceiverProcess.start(Number.parseFloat(receiver))
    const body = Buffer.from(JSON.stringify(['x'.repeat(bytes - 4)]))
    const ceiling = await ceilingOf(outside.url, events, body, CONNECTIONS)
    const log = embedded(folder, { durability: durability === 'disk' ? 'disk' : 'process', maxSize: '4GB' })
    const site = await begin(outside.url, log)
    try {
      await site.running.ready()
      await burst(site, WARM_UP, body)
      await outside.ask('reset')
      const cpu = cpuSeconds()
      const took = await burst(site, events, body)
      const used = cpuSeconds() - cpu
      const { count, cpuSeconds: receiverCpu } = await outside.ask('stats')
      result({
        bench,
        receiver,
        engine: 'embedded',
        durability,
        n: events,
        bytes,
        received: count,
        rate: Math.round(events / took),
        ceiling: Math.round(ceiling),
        share: Number((events / took / ceiling).toFixed(3)),
        cpu_us: Number(((used / events) * 1e6).toFixed(1)),
        receiver_cpu_us: Number(((receiverCpu / events) * 1e6).toFixed(1)),
        peak_rss_mb: Math.round(peakRssMb()),
      })
      await outside.ask('reset')
      await atPace(site, pace, seconds, bytes)
      await delivered(site, WARM_UP + events + pace * seconds)
      const { latencies } = await outside.ask('stats')
      const { p50, p99, max } = percentiles(Float64Array.from(latencies))
      const ms = (value: number) => Number(value.toFixed(2))
      const times = { p50_ms: ms(p50), p99_ms: ms(p99), max_ms: ms(max) }
      result({ bench, receiver, durability, pace, n: latencies.length, ...times })
      if (count !== events || latencies.length !== pace * seconds) process.exitCode = 1
    } finally {
      await site.running.stop()
    }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** Publishes and waits until all are delivered: seconds. */
async function burst(site: MeasuredSite, count: number, body: Buffer): Promise<number> {
  const end = deliveredBy(site) + count
  const begun = performance.now()
  for (let sent = 0; sent < count; ) {
    const unit = Math.min(UNIT, count - sent)
    for (let i = 0; i < unit; i++) site.send('hook', body)
    sent += unit
    await site.flush()
  }
  await delivered(site, end)
  return (performance.now() - begun) / 1000
}

async function atPace(site: MeasuredSite, pace: number, seconds: number, bytes: number): Promise<void> {
  const begun = performance.now()
  for (let n = 0; n < pace * seconds; n++) {
    await setTimeout(Math.max(0, begun + (n * 1000) / pace - performance.now()))
    const t = performance.timeOrigin + performance.now()
    site.send('lat', Buffer.from(JSON.stringify({ t, pad: 'x'.repeat(bytes - 40) })))
    await site.flush()
  }
}

async function delivered(site: MeasuredSite, count: number): Promise<void> {
  while (deliveredBy(site) < count) await setTimeout(2)
}

function deliveredBy({ running }: MeasuredSite): number {
  const tasks = running.plans.filter(plan => plan.deliveryIndex >= 0)
  return running.workers.reduce(
    (sum, { measures }) => tasks.reduce((all, plan) => all + measures.delivery(plan.deliveryIndex, 'delivered'), sum),
    0,
  )
}
