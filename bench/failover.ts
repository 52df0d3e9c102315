/** Kills nodes of the auditor on Kafka under load: how long alerts stay away, and that none is lost or doubled. */
import { setTimeout } from 'node:timers/promises'
import { kafkaCluster } from '../test/servers/kafka.ts'
import { now } from './cluster-load.ts'
import { type Pause, pauseOf } from './cluster-pause.ts'
import { AuditRun, isCorrect } from './cluster-run.ts'
import { parseOptions, percentiles, result } from './measure.ts'

const OPTIONS = {
  kills: { kind: 'number', default: 30, min: 1 },
  rate: { kind: 'number', default: 50_000, min: 100 },
  nodes: { kind: 'number', default: 3, min: 1, max: 16 },
  standbys: { kind: 'number', default: 1, min: 0 },
  brokers: { kind: 'number', default: 1, min: 1, max: 5 },
  partitions: { kind: 'number', default: 4, min: 1 },
  overbought: { kind: 'number', default: 0.05, min: 0, max: 1 },
  seed: { kind: 'number', default: 1 },
  /** Folder for the logs of the nodes. */
  logs: { kind: 'text', default: '' },
} as const

/** A pause is looked for so long after a kill. */
const WINDOW_MS = 5000
/** A supervisor starts a process again after about that time. */
const RESTART_MS = 1000
const DELTA_MS = 10_000
const FINISH_MS = 60_000

export async function bench(args: string[]): Promise<void> {
  const options = parseOptions(args, OPTIONS)
  await using cluster = await kafkaCluster({ brokers: options.brokers })
  const { bootstrap } = cluster
  const { rate, seed, overbought, partitions, nodes, standbys, brokers } = options
  const run = await AuditRun.begin({
    brokers: bootstrap,
    nodeBrokers: bootstrap,
    rate,
    seed,
    overbought,
    partitions,
    nodes,
    standbys,
    timers: true,
    deltaMs: DELTA_MS,
    logs: options.logs === '' ? null : options.logs,
  })
  try {
    const kills: Kill[] = []
    for (let kill = 0; kill < options.kills; kill++) {
      kills.push(await killOne(run, kill))
      const { pause, later, restored, settledMs } = kills.at(-1)!
      const figures = [pause.gap, pause.delay, later.gap, later.delay, settledMs].map(Math.round).join(' ')
      process.stderr.write(
        `kill ${kill + 1}: gap, delay, later gap, later delay, settled ${figures} ms, ${restored} restored\n`,
      )
    }
    const outcome = await run.finish(FINISH_MS)
    const { samples, ...counts } = outcome
    result({
      bench: 'failover',
      engine: 'kafka',
      guarantee: 'exactly-once',
      nodes,
      standbys,
      brokers,
      partitions,
      kills: options.kills,
      asked_rate: rate,
      rate: run.load.rate,
      behind_ms: Math.round(run.load.behindMs),
      ...figures(
        'pause',
        kills.map(kill => kill.pause.gap),
      ),
      ...figures(
        'delay',
        kills.map(kill => kill.pause.delay),
      ),
      ...figures(
        'return_pause',
        kills.map(kill => kill.later.gap),
      ),
      ...figures(
        'settled',
        kills.map(kill => kill.settledMs),
      ),
      ...counts,
      restored_records: kills.map(kill => kill.restored),
    })
    for (const sample of samples) process.stderr.write(`${sample}\n`)
    if (!isCorrect(outcome)) process.exitCode = 1
  } finally {
    await run.close()
  }
}

interface Kill {
  pause: Pause
  /** While the node came back and took its tasks over again. */
  later: Pause
  /** Records that the others read to go on in its place. */
  restored: number
  settledMs: number
}

async function killOne(run: AuditRun, kill: number): Promise<Kill> {
  const node = run.nodes[kill % run.nodes.length]!
  const before = await run.restored()
  const at = now()
  await node.kill()
  await setTimeout(RESTART_MS)
  node.start()
  await setTimeout(WINDOW_MS - RESTART_MS)
  const after = await run.restored()
  await node.ready
  await run.settled()
  const settledMs = now() - at
  await run.load.goesOn(FINISH_MS)
  let restored = 0
  for (const [name, records] of after) if (name !== node.name) restored += records - (before.get(name) ?? 0)
  const { arrivals } = run.load
  const end = now()
  return {
    pause: pauseOf(arrivals, at, at + WINDOW_MS),
    later: pauseOf(arrivals, at + WINDOW_MS, Math.max(end, at + WINDOW_MS + 1)),
    restored,
    settledMs,
  }
}

function figures(name: string, values: readonly number[]): Record<string, number> {
  const { p50, p99, max } = percentiles(Float64Array.from(values).sort())
  return {
    [`p50_${name}_ms`]: Math.round(p50),
    [`p99_${name}_ms`]: Math.round(p99),
    [`longest_${name}_ms`]: Math.round(max),
  }
}
