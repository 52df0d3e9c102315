/** Deliveries over HTTP on the embedded log: a burst against a plain client, publish to received at a pace, kills. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { embedded, Producer } from '../src/index.ts'
import { type Running, start } from '../src/runtime/start.ts'
import { CONNECTIONS, events as topic } from './deliveries-app.ts'
import { crashDeliveries } from './deliveries-crash.ts'
import { ceilingOf, ReceiverProcess } from './deliveries-outside.ts'
import { cpuSeconds, parseOptions, peakRssMb, percentiles, result } from './measure.ts'

const OPTIONS = {
  mode: { kind: 'text', default: 'rate', choices: ['rate', 'crash'] },
  events: { kind: 'number', default: 10_000, min: 1 },
  receiver: { kind: 'text', default: '0ms' },
  bytes: { kind: 'number', default: 1024, min: 64 },
  durability: { kind: 'text', default: 'disk', choices: ['process', 'disk'] },
  pace: { kind: 'number', default: 50, min: 1 },
  seconds: { kind: 'number', default: 5, min: 1 },
  kills: { kind: 'number', default: 200, min: 0 },
  seed: { kind: 'number', default: 1 },
} as const

const ENTRY = new URL('./deliveries-app.ts', import.meta.url)
const WARM_UP = 3000
const UNIT = 500

type Settings = ReturnType<typeof parseOptions<typeof OPTIONS>>

export async function bench(args: string[]): Promise<void> {
  const options = parseOptions(args, OPTIONS)
  const folder = mkdtempSync(join(tmpdir(), 'aldebaran-deliveries-'))
  try {
    if (options.mode === 'crash') await crash(folder, options)
    else await rate(folder, options)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

async function crash(folder: string, { kills, seed }: Settings): Promise<void> {
  const begun = performance.now()
  const verdict = await crashDeliveries({ folder, kills, seed })
  const { samples, isCorrect, ...counts } = verdict
  result({
    bench: 'deliveries',
    mode: 'crash',
    kills,
    seconds: Number(((performance.now() - begun) / 1000).toFixed(1)),
    ...counts,
  })
  for (const sample of samples) process.stderr.write(`${sample}\n`)
  if (!isCorrect) process.exitCode = 1
}

async function rate(folder: string, options: Settings): Promise<void> {
  const { events, receiver, bytes, durability, pace, seconds } = options
  await using outside = await ReceiverProcess.start(Number.parseFloat(receiver))
  const body = Buffer.from(JSON.stringify(['x'.repeat(bytes - 4)]))
  const ceiling = await ceilingOf(outside.url, events, body, CONNECTIONS)
  process.env.DELIVERIES_URL = outside.url
  // It reads its environment when it is loaded, here and in the worker.
  const { hooksApp } = (await import(`${ENTRY.href}?measured`)) as typeof import('./deliveries-app.ts')
  const running = await start(hooksApp, {
    log: embedded(folder, { durability: durability === 'disk' ? 'disk' : 'process', maxSize: '4GB' }),
    workers: 1,
    entry: ENTRY,
  })
  try {
    await running.ready()
    const producer = new Producer(running.log)
    await burst(running, producer, WARM_UP, body)
    await outside.ask('reset')
    const cpu = cpuSeconds()
    const took = await burst(running, producer, events, body)
    const used = cpuSeconds() - cpu
    const { count, cpuSeconds: receiverCpu } = await outside.ask('stats')
    result({
      bench: 'deliveries',
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
    await atPace(producer, pace, seconds, bytes)
    await delivered(running, WARM_UP + events + pace * seconds)
    const { latencies } = await outside.ask('stats')
    const { p50, p99, max } = percentiles(Float64Array.from(latencies))
    const ms = (value: number) => Number(value.toFixed(2))
    result({
      bench: 'deliveries',
      receiver,
      durability,
      pace,
      n: latencies.length,
      p50_ms: ms(p50),
      p99_ms: ms(p99),
      max_ms: ms(max),
    })
    if (count !== events || latencies.length !== pace * seconds) process.exitCode = 1
  } finally {
    await running.stop()
  }
}

/** Publishes and waits until all are delivered: seconds. */
async function burst(running: Running, producer: Producer, count: number, body: Buffer): Promise<number> {
  const end = deliveredBy(running) + count
  const begun = performance.now()
  for (let sent = 0; sent < count; ) {
    const unit = Math.min(UNIT, count - sent)
    for (let i = 0; i < unit; i++) producer.sendBytes(topic, null, body)
    sent += unit
    await producer.flush()
  }
  await delivered(running, end)
  return (performance.now() - begun) / 1000
}

async function atPace(producer: Producer, pace: number, seconds: number, bytes: number): Promise<void> {
  const begun = performance.now()
  for (let n = 0; n < pace * seconds; n++) {
    await setTimeout(Math.max(0, begun + (n * 1000) / pace - performance.now()))
    const t = performance.timeOrigin + performance.now()
    producer.sendBytes(topic, null, Buffer.from(JSON.stringify({ t, pad: 'x'.repeat(bytes - 40) })))
    await producer.flush()
  }
}

async function delivered(running: Running, count: number): Promise<void> {
  while (deliveredBy(running) < count) await setTimeout(2)
}

function deliveredBy({ workers }: Running): number {
  return workers.reduce((sum, { measures }) => sum + measures.delivery(0, 'delivered'), 0)
}
