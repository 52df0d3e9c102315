/** Kills nodes of the auditor on Kafka under load: how long alerts stay away, and that none is lost or doubled. */
import { setTimeout } from 'node:timers/promises'
import { kafkaCluster } from '../test/servers/kafka.ts'
import { AuditRun, isCorrect } from './cluster-run.ts'
import { figuresOf, type Kill, type KilledRun, type KillLimits, killOne } from './failover-kill.ts'
import { type Options, parseOptions, result } from './measure.ts'
import { PeerRun } from './peer-run.ts'

const OPTIONS = {
  kills: { kind: 'number', default: 30, min: 1 },
  rate: { kind: 'number', default: 50_000, min: 100 },
  nodes: { kind: 'number', default: 3, min: 1, max: 16 },
  /** Of our nodes; a peer's command has its own. */
  standbys: { kind: 'number', default: 1, min: 0 },
  brokers: { kind: 'number', default: 1, min: 1, max: 5 },
  partitions: { kind: 'number', default: 4, min: 1 },
  overbought: { kind: 'number', default: 0.05, min: 0, max: 1 },
  seed: { kind: 'number', default: 1 },
  /** Under load before the first kill, ms. */
  warmup: { kind: 'number', default: 0, min: 0 },
  /**
   * How long books stay, ms; 0: 10 s, with a peer 120 s. Books have their deadlines by the wall clock: while nobody
   * processes a partition for longer, alerts of its books go wrong.
   */
  deltaMs: { kind: 'number', default: 0, min: 0 },
  /** A simple command that does the audit job, instead of our nodes: see `audit-peer.ts` for what it is told and tells. */
  peer: { kind: 'text', default: '' },
  /** The `engine` of its result. */
  peerName: { kind: 'text', default: 'peer' },
  /** Folder for the logs of the nodes. */
  logs: { kind: 'text', default: '' },
} as const

const DELTA_MS = 10_000
const LIMIT_MS = 60_000
/** A consumer of Kafka is missed after 45 s if nobody says otherwise, and has to catch up then. */
const PEER_DELTA_MS = 120_000
const PEER_LIMIT_MS = 180_000
/** No peer says how its tasks lie. One that shares them out again does so within that. */
const PEER_REST_MS = 5000

export async function bench(args: string[]): Promise<void> {
  const options = parseOptions(args, OPTIONS)
  const isPeer = options.peer !== ''
  const deltaMs = options.deltaMs || (isPeer ? PEER_DELTA_MS : DELTA_MS)
  await using cluster = await kafkaCluster({ brokers: options.brokers })
  const { run, labels, ...limits } = await (isPeer ? beginPeer : beginOurs)(options, cluster.bootstrap, deltaMs)
  try {
    await setTimeout(options.warmup)
    const { kills, failure } = await killAll(run, options.kills, limits)
    const { samples, ...counts } = await run.finish(limits.limitMs)
    result({
      bench: 'failover',
      ...labels(),
      nodes: options.nodes,
      brokers: options.brokers,
      partitions: options.partitions,
      kills: kills.length,
      asked_rate: options.rate,
      delta_ms: deltaMs,
      rate: run.load.rate,
      behind_ms: Math.round(run.load.behindMs),
      ...figuresOf(kills),
      ...counts,
      ...(isPeer ? {} : { restored_records: kills.map(kill => kill.restored) }),
      ...(failure === null ? {} : { gave_up: failure.message.split('\n')[0] }),
    })
    for (const sample of samples) process.stderr.write(`${sample}\n`)
    if (failure !== null || !isCorrect({ ...counts, samples })) process.exitCode = 1
  } finally {
    await run.close()
  }
}

/** As many as it can: what does not come back is told with the figures of those before. */
async function killAll(
  run: KilledRun,
  count: number,
  limits: KillLimits,
): Promise<{ kills: Kill[]; failure: Error | null }> {
  const kills: Kill[] = []
  for (let kill = 0; kill < count; kill++) {
    try {
      const measured = await killOne(run, run.nodes[kill % run.nodes.length]!, limits)
      kills.push(measured)
      const { pause, later, restored, settledMs } = measured
      const figures = [pause.gap, pause.delay, later.gap, later.delay, settledMs].map(Math.round).join(' ')
      process.stderr.write(
        `kill ${kill + 1}: gap, delay, later gap, later delay, settled ${figures} ms, ${restored} restored\n`,
      )
    } catch (error) {
      const failure = run.failure ?? (error as Error)
      process.stderr.write(`kill ${kill + 1}: ${failure.message}\n`)
      return { kills, failure }
    }
  }
  return { kills, failure: null }
}

type Settings = Options<typeof OPTIONS>

interface Begun extends KillLimits {
  run: KilledRun
  /** What the result says of those who were killed. */
  labels: () => Record<string, unknown>
}

async function beginOurs(settings: Settings, bootstrap: string, deltaMs: number): Promise<Begun> {
  const { rate, seed, overbought, partitions, nodes, standbys, logs } = settings
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
    deltaMs,
    logs: logs === '' ? null : logs,
  })
  return {
    run,
    labels: () => ({ engine: 'kafka', guarantee: 'exactly-once', standbys }),
    limitMs: LIMIT_MS,
    restMs: 0,
  }
}

async function beginPeer(settings: Settings, bootstrap: string, deltaMs: number): Promise<Begun> {
  const { rate, seed, overbought, partitions, nodes, peer, peerName, logs } = settings
  const run = await PeerRun.begin({
    command: peer,
    brokers: bootstrap,
    rate,
    seed,
    overbought,
    partitions,
    nodes,
    timers: true,
    deltaMs,
    limitMs: PEER_LIMIT_MS,
    logs: logs === '' ? null : logs,
  })
  return {
    run,
    labels: () => ({ engine: peerName, command: peer, settings: run.seen }),
    limitMs: PEER_LIMIT_MS,
    restMs: PEER_REST_MS,
  }
}
