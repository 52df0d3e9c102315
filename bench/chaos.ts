/** Breaks an auditor on Kafka in every way, again and again: it goes on after each, and nothing is lost or doubled. */
import { SeededRandom } from '../src/testing/random.ts'
import { kafkaCluster } from '../test/servers/kafka.ts'
import { FAULTS, type Fault, type Scene } from './cluster-faults.ts'
import { ClusterProxy } from './cluster-proxy.ts'
import { AuditRun, isCorrect, type RunOutcome } from './cluster-run.ts'
import { parseOptions, percentiles, result } from './measure.ts'

const OPTIONS = {
  engine: { kind: 'text', default: 'kafka', choices: ['kafka'] },
  times: { kind: 'number', default: 100, min: 1 },
  rate: { kind: 'number', default: 2000, min: 100 },
  nodes: { kind: 'number', default: 3, min: 1, max: 16 },
  standbys: { kind: 'number', default: 1, min: 0 },
  brokers: { kind: 'number', default: 3, min: 1, max: 5 },
  partitions: { kind: 'number', default: 4, min: 1 },
  seed: { kind: 'number', default: 1 },
  /** Only faults whose names have one of these, with commas between them. */
  only: { kind: 'text', default: '' },
  /** Folder for the logs of the nodes. */
  logs: { kind: 'text', default: '' },
} as const

/** Alerts of every partition come all the time. */
const OVERBOUGHT = 0.2
/** Longer than any run: no book is due before the end, so it is known what each must be. */
const DELTA_MS = 6 * 3_600_000
/** The stream goes on this long after a fault, or never. */
const GO_ON_MS = 30_000

export async function bench(args: string[]): Promise<void> {
  const options = parseOptions(args, OPTIONS)
  const { times, only, logs, engine, ...settings } = options
  const chosen = Object.entries<Fault>(FAULTS).filter(([name]) => only.split(',').some(part => name.includes(part)))
  const begun = performance.now()
  const { outcome, counts, waits, rate } = await chaos({ ...settings, faults: chosen, times, logs: logs || null })
  const { samples, ...figures } = outcome
  const { p50, p99, max } = percentiles(Float64Array.from(waits).sort())
  result({
    bench: 'chaos',
    engine,
    guarantee: 'exactly-once',
    nodes: settings.nodes,
    standbys: settings.standbys,
    brokers: settings.brokers,
    partitions: settings.partitions,
    times,
    seconds: Math.round((performance.now() - begun) / 1000),
    asked_rate: settings.rate,
    rate,
    ...figures,
    p50_goes_on_ms: Math.round(p50),
    p99_goes_on_ms: Math.round(p99),
    longest_goes_on_ms: Math.round(max),
    faults: Object.fromEntries(counts),
  })
  for (const sample of samples) process.stderr.write(`${sample}\n`)
  if (!isCorrect(outcome)) process.exitCode = 1
}

export interface ChaosSettings {
  faults: readonly (readonly [name: string, fault: Fault])[]
  times: number
  rate: number
  nodes: number
  standbys: number
  brokers: number
  partitions: number
  seed: number
  logs: string | null
}

export interface ChaosResult {
  outcome: RunOutcome
  /** How often each fault was made. */
  counts: Map<string, number>
  /** From the end of each fault until every partition went on, ms. */
  waits: number[]
  rate: number
}

/** Makes faults in turn. Each begins when the stream goes on after the one before. */
export async function chaos(settings: ChaosSettings): Promise<ChaosResult> {
  const { faults, times, rate, nodes, standbys, brokers, partitions, seed, logs } = settings
  const proxy = new ClusterProxy()
  await using kafka = await kafkaCluster({ brokers, proxied: port => proxy.before(port) })
  const run = await AuditRun.begin({
    brokers: kafka.bootstrap,
    nodeBrokers: kafka.addresses.PROXIED!,
    rate,
    seed,
    overbought: OVERBOUGHT,
    partitions,
    nodes,
    standbys,
    timers: false,
    deltaMs: DELTA_MS,
    logs,
  })
  const counts = new Map<string, number>()
  const waits: number[] = []
  try {
    const scene: Scene = { run, kafka, brokers, proxy, random: new SeededRandom(seed) }
    for (let time = 0; time < times; time++) {
      const [name, fault] = faults[time % faults.length]!
      const begun = performance.now()
      await fault(scene)
      const faultMs = performance.now() - begun
      const wait = await run.load.goesOn(GO_ON_MS).catch(async error => {
        const state = await run.describe().catch(String)
        throw new Error(`after ${name}, fault ${time + 1}: ${error.message}\n${state}`, { cause: error })
      })
      run.check()
      waits.push(wait)
      counts.set(name, (counts.get(name) ?? 0) + 1)
      const ms = `${Math.round(faultMs)} ms, goes on after ${Math.round(wait)} ms`
      process.stderr.write(`${new Date().toISOString()} fault ${time + 1}: ${name}, ${ms}\n`)
    }
    await run.settled()
    return { outcome: await run.finish(GO_ON_MS), counts, waits, rate: run.load.rate }
  } finally {
    await run.close()
    await proxy.close()
  }
}
