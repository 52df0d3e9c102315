/** Adds nodes to the auditor on Kafka under load, and takes some away: how long alerts stay away, and that none is lost. */
import { setTimeout } from 'node:timers/promises'
import { kafkaCluster } from '../test/servers/kafka.ts'
import { now } from './cluster-load.ts'
import { pauseOf } from './cluster-pause.ts'
import { AuditRun, isCorrect } from './cluster-run.ts'
import { parseOptions, result } from './measure.ts'

const OPTIONS = {
  rate: { kind: 'number', default: 50_000, min: 100 },
  standbys: { kind: 'number', default: 1, min: 0 },
  brokers: { kind: 'number', default: 1, min: 1, max: 5 },
  partitions: { kind: 'number', default: 4, min: 1 },
  overbought: { kind: 'number', default: 0.05, min: 0, max: 1 },
  seed: { kind: 'number', default: 1 },
  /** Under load before the first change, so that there is state to move, ms. */
  warmup: { kind: 'number', default: 10_000, min: 0 },
  /** Folder for the logs of the nodes. */
  logs: { kind: 'text', default: '' },
} as const

/** The numbers of nodes, one after the other. */
const SIZES = [1, 3, 2] as const
/** After a size is settled. */
const REST_MS = 3000
const DELTA_MS = 10_000
const FINISH_MS = 60_000

export async function bench(args: string[]): Promise<void> {
  const { warmup, logs, ...options } = parseOptions(args, OPTIONS)
  await using cluster = await kafkaCluster({ brokers: options.brokers })
  const run = await AuditRun.begin({
    ...options,
    brokers: cluster.bootstrap,
    nodeBrokers: cluster.bootstrap,
    nodes: SIZES[0],
    timers: true,
    deltaMs: DELTA_MS,
    logs: logs === '' ? null : logs,
  })
  try {
    await setTimeout(warmup)
    const steps: Record<string, unknown>[] = []
    for (const size of SIZES.slice(1)) steps.push(await changeTo(run, size))
    const outcome = await run.finish(FINISH_MS)
    const { samples, ...counts } = outcome
    result({
      bench: 'rescale',
      engine: 'kafka',
      guarantee: 'exactly-once',
      nodes: SIZES.join(' -> '),
      standbys: options.standbys,
      brokers: options.brokers,
      partitions: options.partitions,
      asked_rate: options.rate,
      rate: run.load.rate,
      behind_ms: Math.round(run.load.behindMs),
      ...counts,
      steps,
    })
    for (const sample of samples) process.stderr.write(`${sample}\n`)
    if (!isCorrect(outcome)) process.exitCode = 1
  } finally {
    await run.close()
  }
}

/** Starts nodes, or stops the first ones, until there are so many. */
async function changeTo(run: AuditRun, size: number): Promise<Record<string, unknown>> {
  const at = now()
  const running = run.nodes.filter(node => node.isRunning)
  for (let i = running.length; i < size; i++) run.addNode()
  await Promise.all(running.slice(0, Math.max(0, running.length - size)).map(node => node.stop()))
  await Promise.all(run.nodes.filter(node => node.isRunning).map(node => node.ready))
  await run.settled()
  const settled = now() - at
  await setTimeout(REST_MS)
  await run.load.goesOn(FINISH_MS)
  const { gap, delay } = pauseOf(run.load.arrivals, at, now())
  return {
    nodes: size,
    settled_ms: Math.round(settled),
    longest_pause_ms: Math.round(gap),
    longest_delay_ms: Math.round(delay),
  }
}
