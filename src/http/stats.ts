/**
 * What the console shows, taken once a second for all who look. Rates are differences between two looks.
 */
import { monitorEventLoopDelay } from 'node:perf_hooks'
import type { PartitionInfo } from '../log/contract.ts'
import type { AnyTopic } from '../pipeline/topic.ts'
import { BUCKETS_MS, type MeasureName } from '../runtime/measures.ts'
import type { Running } from '../runtime/start.ts'
import { DeliverySite } from './delivery-site.ts'
import { drawApplication } from './graph.ts'
import { lagsOf, type PartitionLag } from './lag.ts'
import { quantilesOf } from './quantiles.ts'
import { type Site, type SiteTable, sizeOf } from './site.ts'
import type {
  ApplicationStats,
  Counters,
  DeliveryStats,
  Graph,
  GroupStats,
  Quantiles,
  Stats,
  TopicStats,
} from './stats-shape.ts'

const COUNTERS = [
  'recordsIn',
  'recordsOut',
  'bytesIn',
  'bytesOut',
  'commits',
  'timersFired',
  'lateRecords',
  'deadLetters',
  'rollbacks',
  'restarts',
] as const satisfies readonly (MeasureName & keyof Counters)[]

/** What the last look saw, to take differences from. */
interface Look {
  at: number
  cpu: number
  values: Map<string, number>
  histograms: Map<string, Float64Array>
}

interface Survey {
  readonly running: Running
  readonly partitions: ReadonlyMap<string, readonly PartitionInfo[]>
  readonly lags: readonly PartitionLag[]
  readonly deadLetters: ApplicationStats['deadLetters']
}

export class StatsTaker {
  readonly #site: Site
  readonly #graphs: ReadonlyMap<Running, Graph>
  readonly #tables: ReadonlyMap<Running, readonly SiteTable[]>
  readonly #deliveries: readonly DeliverySite[]
  readonly #delay = monitorEventLoopDelay({ resolution: 10 })
  #last: Look = { at: performance.now(), cpu: cpuMs(), values: new Map(), histograms: new Map() }
  #now: Look = this.#last

  constructor(site: Site) {
    this.#site = site
    this.#graphs = new Map(site.applications.map(running => [running, drawApplication(running.application)]))
    this.#tables = new Map(
      site.applications.map(running => [running, site.tables().filter(table => table.running === running)]),
    )
    this.#deliveries = DeliverySite.all(site, undefined)
    this.#delay.enable()
  }

  /** Of the thread that serves, since the last look; ms. */
  get eventLoopDelayMs(): { p50: number; p99: number; max: number } {
    const ms = (ns: number) => Math.max(0, ns / 1e6 - 10)
    return { p50: ms(this.#delay.percentile(50)), p99: ms(this.#delay.percentile(99)), max: ms(this.#delay.max) }
  }

  /** Called when the one before has ended. */
  async take(): Promise<Stats> {
    const surveys = await Promise.all(this.#site.applications.map(running => this.#survey(running)))
    this.#now = { at: performance.now(), cpu: cpuMs(), values: new Map(), histograms: new Map() }
    const intervalMs = Math.max(1, this.#now.at - this.#last.at)
    const applications = surveys.map(survey => this.#application(survey))
    const { rss, heapUsed } = process.memoryUsage()
    const stats: Stats = {
      time: Date.now(),
      intervalMs,
      status: applications.every(one => one.status === 'ok') ? 'ok' : 'failing',
      ready: applications.every(one => one.ready),
      process: {
        uptimeMs: process.uptime() * 1000,
        rssBytes: rss,
        heapBytes: heapUsed,
        cpu: (this.#now.cpu - this.#last.cpu) / intervalMs,
        eventLoopDelayMs: this.eventLoopDelayMs,
      },
      applications,
    }
    this.#delay.reset()
    this.#last = this.#now
    return stats
  }

  stop(): void {
    this.#delay.disable()
  }

  /** What the log has to be asked for. */
  async #survey(running: Running): Promise<Survey> {
    const topics = await this.#site.topicsOf(running)
    const [partitions, lags, deadLetters] = await Promise.all([
      running.log.partitionsOf(shownTopics(running).map(topic => topic.name)),
      lagsOf(running, topics, false),
      this.#site.letters(running).counts(),
    ])
    return { running, partitions, lags, deadLetters }
  }

  #application({ running, partitions, lags, deadLetters }: Survey): ApplicationStats {
    const { application, workers, budget } = running
    const { name } = application
    const { status, ready, problems } = running.health()
    const totals = totalsOf(running)
    const rates = { ...totals }
    for (const counter of COUNTERS) rates[counter] = this.#rate(`${name} ${counter}`, totals[counter])
    return {
      name,
      startedAt: running.startedAt,
      status,
      ready,
      problems,
      graph: this.#graphs.get(running)!,
      topics: this.#topics(running, partitions),
      groups: this.#groups(running, lags),
      tables: this.#tables.get(running)!.map(table => ({
        pipeline: table.pipeline,
        table: table.node.definition.name,
        store: table.node.definition.store,
        ...sizeOf(table),
      })),
      deliveries: this.#deliveries.filter(one => one.application === name).map(one => this.#delivery(one)),
      sources: running.sources.map(source => {
        const state = source.state()
        const recordsPerSecond = this.#rate(`${name} source ${source.name}`, state.records)
        return { source: source.name, ...state, recordsPerSecond }
      }),
      workers: workers.map((worker, i) => ({
        worker: i,
        state: worker.state,
        problem: worker.problem?.message ?? null,
        tasks: worker.owned.active.length + worker.owned.restoring.length,
        recordsPerSecond: this.#rate(`${name} worker ${i}`, worker.measures.get('recordsIn')),
        restarts: worker.measures.get('restarts'),
      })),
      rates,
      totals,
      latencyMs: this.#quantiles(running, 'latency'),
      commitMs: this.#quantiles(running, 'commit'),
      deadLetters,
      memory: { used: budget.used, limit: budget.limit },
    }
  }

  #topics(running: Running, partitions: Survey['partitions']): TopicStats[] {
    return shownTopics(running).map(topic => {
      const infos = partitions.get(topic.name) ?? []
      const records = sum(infos.map(({ start, end }) => end - start))
      const bytes = sum(infos.map(info => info.bytes))
      const ends = sum(infos.map(({ end }) => end))
      return {
        name: topic.name,
        internal: topic.options.internal === true,
        partitions: infos.length,
        records,
        bytes,
        recordsPerSecond: this.#rate(`${running.application.name} topic ${topic.name}`, ends),
      }
    })
  }

  #groups(running: Running, lags: readonly PartitionLag[]): GroupStats[] {
    const known = lags.filter(lag => lag.pipeline !== null)
    return [...Map.groupBy(known, lag => lag.group)].map(([group, parts]) => ({
      group,
      pipeline: parts[0]!.pipeline!,
      lag: sum(parts.map(part => part.lag)),
      topics: [...Map.groupBy(parts, part => part.topic)].map(([topic, ofTopic]) => {
        const watermarks = ofTopic.flatMap(part => (part.watermark === null ? [] : [part.watermark]))
        return {
          topic,
          lag: sum(ofTopic.map(part => part.lag)),
          recordsPerSecond: this.#rate(
            `${running.application.name} group ${group} ${topic}`,
            sum(ofTopic.map(part => part.position ?? 0)),
          ),
          watermark: watermarks.length === 0 ? null : Math.min(...watermarks),
        }
      }),
    }))
  }

  #delivery(site: DeliverySite): DeliveryStats {
    const view = site.describe()
    const rate = (name: keyof DeliveryStats['rates']): number =>
      this.#rate(`${view.application} delivery ${view.delivery} ${name}`, view[name])
    return {
      ...view,
      rates: {
        tries: rate('tries'),
        delivered: rate('delivered'),
        retried: rate('retried'),
        dead: rate('dead'),
      },
    }
  }

  /** A second, since the last look; 0 at the first. */
  #rate(id: string, value: number): number {
    this.#now.values.set(id, value)
    const before = this.#last.values.get(id)
    if (before === undefined) return 0
    return (Math.max(0, value - before) * 1000) / Math.max(1, this.#now.at - this.#last.at)
  }

  #quantiles(running: Running, name: 'commit' | 'latency'): Quantiles | null {
    const id = `${running.application.name} ${name}`
    const now = histogramOf(running, name)
    this.#now.histograms.set(id, now)
    const before = this.#last.histograms.get(id)
    return quantilesOf(before === undefined ? now : now.map((count, i) => count - before[i]!))
  }
}

/** Topics of the pipelines: what the code names, and what was made for it, but no changelogs. */
function shownTopics({ application }: Running): AnyTopic[] {
  return [...new Set([...application.topics, ...application.topologies.flatMap(one => one.topics)])]
}

export function totalsOf(running: Running): Counters {
  const totals = {} as Counters
  for (const counter of COUNTERS) totals[counter] = sum(running.workers.map(worker => worker.measures.get(counter)))
  return totals
}

/** Counts a bucket, of all workers. */
export function histogramOf(running: Running, name: 'commit' | 'latency'): Float64Array {
  const total = new Float64Array(BUCKETS_MS.length + 1)
  for (const worker of running.workers) {
    const counts = worker.measures.histogram(name)
    for (let i = 0; i < total.length; i++) total[i] = total[i]! + counts[i]!
  }
  return total
}

function sum(values: readonly number[]): number {
  let total = 0
  for (const value of values) total += value
  return total
}

function cpuMs(): number {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1000
}
