/** The trade audit of 4 million messages: throughput, or with --mode latency the time from message to alert. */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import { buildAudit } from '../apps/audit/app.ts'
import { Workload } from '../apps/audit/workload.ts'
import { embedded, type Running } from '../src/index.ts'
import { start } from '../src/runtime/start.ts'
import { AlertReader } from './audit-alerts.ts'
import { AlertCheck } from './audit-check.ts'
import type { PacerData, PacerResult } from './audit-pacer.ts'
import { cpuSeconds, parseOptions, peakRssMb, percentiles, result } from './measure.ts'
import { committed, processed, round, until } from './running.ts'

const DELTA_MS = 10_000

const OPTIONS = {
  engine: { kind: 'text', default: 'embedded', choices: ['embedded'] },
  mode: { kind: 'text', default: 'throughput', choices: ['throughput', 'latency'] },
  durability: { kind: 'text', default: 'process', choices: ['process', 'disk'] },
  workers: { kind: 'number', default: 1, min: 1, max: 16 },
  messages: { kind: 'number', default: 4_000_000, min: 1000 },
  seed: { kind: 'number', default: 1 },
  rate: { kind: 'number', default: 250_000, min: 1000 },
  seconds: { kind: 'number', default: 20, min: 1 },
  warmup: { kind: 'number', default: 10, min: 0 },
  partitions: { kind: 'number', default: 4, min: 1 },
} as const

type AuditOptions = ReturnType<typeof parseOptions<typeof OPTIONS>>

export async function bench(args: string[]): Promise<void> {
  const options = parseOptions(args, OPTIONS)
  const folder = mkdtempSync(join(tmpdir(), 'aldebaran-bench-'))
  process.env.AUDIT_IDS = 'integer'
  process.env.AUDIT_DELTA_MS = String(DELTA_MS)
  process.env.AUDIT_PARTITIONS = String(options.partitions)
  try {
    if (options.mode === 'throughput') await throughput(folder, options)
    else await latency(folder, options)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

function startAudit(folder: string, { durability, workers }: AuditOptions): Promise<Running> {
  const { application } = buildAudit(settingsOf())
  return start(application, {
    log: embedded(folder, { durability: durability === 'disk' ? 'disk' : 'process', maxSize: '256GB' }),
    workers,
    memory: '4GB',
    entry: new URL('../apps/audit/entry.ts', import.meta.url),
    report: (level, message, details) => {
      if (level !== 'info') process.stderr.write(`${level}: ${message} ${JSON.stringify(details)}\n`)
    },
  })
}

function settingsOf() {
  return { ids: 'integer', deltaMs: DELTA_MS, partitions: Number(process.env.AUDIT_PARTITIONS) } as const
}

async function throughput(folder: string, options: AuditOptions): Promise<void> {
  const { messages, seed, durability, partitions } = options
  const generator = new URL('./audit-generate.ts', import.meta.url).pathname
  const args = [generator, folder, messages, seed, durability, partitions].map(String)
  execFileSync(process.execPath, args, { stdio: ['ignore', 'ignore', 'inherit'] })
  const check = new AlertCheck()
  const work = new Workload(seed, messages, (order, kind) => check.expect(order, kind))
  while (work.next());

  const running = await startAudit(folder, options)
  const cpu = cpuSeconds()
  const begun = await until(running, () => processed(running) > 0, 60_000, 1)
  const group = running.application.topologies.find(one => one.pipeline === 'audit')!
  const finished = await until(running, () => committed(running, 'audit.audit') === messages, 600_000, 2)
  const seconds = (finished - begun) / 1000
  const cpuUsed = cpuSeconds() - cpu
  const rss = peakRssMb()

  const alerts = new AlertReader(running.log, buildAudit(settingsOf()).alerts)
  await until(
    running,
    () => {
      alerts.read((order, kind) => check.see(order, kind))
      return check.missing === 0
    },
    2 * DELTA_MS + 5000,
    20,
  ).catch(() => {})
  // Books that closed are collected Δt later: none may raise another alert until then.
  await setTimeout(1500)
  alerts.read((order, kind) => check.see(order, kind))
  await running.stop()
  result({
    bench: 'audit',
    engine: 'embedded',
    guarantee: `exactly-once, ${durability}`,
    workers: options.workers,
    partitions: group.parts[0]!.partitions,
    n: messages,
    seconds: round(seconds, 3),
    rate: Math.round(messages / seconds),
    cpu_s: round(cpuUsed, 2),
    rss_mb: Math.round(rss),
    alerts: check.seen,
    missing: check.missing,
    duplicates: check.duplicates,
    unexpected: check.unexpected,
  })
  if (!check.correct) process.exitCode = 1
}

async function latency(folder: string, options: AuditOptions): Promise<void> {
  const { rate, warmup, seconds, seed, partitions, durability } = options
  const running = await startAudit(folder, options)
  await running.ready()
  const address = running.address()
  const data: PacerData = { address, rate, seconds: warmup + seconds, seed, partitions }
  const cpu = cpuSeconds()
  const pacer = new Worker(new URL('./audit-pacer.ts', import.meta.url), {
    workerData: data,
    transferList: [...address.transfer],
  })
  let ended: PacerResult | null = null
  let failure: unknown = null
  pacer.on('message', (message: PacerResult) => {
    ended = message
  })
  pacer.on('error', error => {
    failure = error
  })
  const alerts = new AlertReader(running.log, buildAudit(settingsOf()).alerts)
  const seen: [number, 'OVERBOUGHT' | 'NO_REQUEST'][] = []
  const samples: number[] = []
  const begun = performance.now()
  const deadline = begun + (warmup + seconds) * 1000 + 60_000
  let drained = 0
  while (performance.now() < deadline && failure === null) {
    const now = (performance.timeOrigin + performance.now()) * 1000
    alerts.read((order, kind, ts) => {
      seen.push([order, kind])
      if (kind === 'OVERBOUGHT' && performance.now() - begun > warmup * 1000) samples.push((now - ts) / 1000)
    })
    if (ended !== null && drained === 0) drained = performance.now()
    if (ended !== null && performance.now() - drained > DELTA_MS + 2000) break
    await running.log.changed(100)
  }
  const cpuUsed = cpuSeconds() - cpu
  await running.stop()
  if (failure !== null || ended === null) throw failure ?? new Error('the pacer did not end')
  const { sent, behindMs, expected } = ended as PacerResult
  const check = new AlertCheck()
  for (const [order, kind] of expected) check.expect(order, kind)
  for (const [order, kind] of seen) check.see(order, kind)
  const { p50, p99, max, count } = percentiles(Float64Array.from(samples).sort())
  result({
    bench: 'audit-latency',
    engine: 'embedded',
    guarantee: `exactly-once, ${durability}`,
    workers: options.workers,
    n: sent,
    seconds,
    asked_rate: rate,
    cpu_s: round(cpuUsed, 2),
    rss_mb: Math.round(peakRssMb()),
    p50_ms: round(p50, 2),
    p99_ms: round(p99, 2),
    max_ms: round(max, 2),
    samples: count,
    behind_ms: round(behindMs, 1),
    missing: check.missing,
    duplicates: check.duplicates,
    unexpected: check.unexpected,
  })
  if (!check.correct) process.exitCode = 1
}
