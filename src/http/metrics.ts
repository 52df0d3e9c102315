/** The metrics of `GET /metrics`; `docs/metrics.md` says what each means. Values are read when they are asked for. */
import { Counter, Gauge, type Metric, Registry } from 'prom-client'
import type { TopicInfo } from '../log/contract.ts'
import { BUCKETS_MS } from '../runtime/measures.ts'
import type { Running } from '../runtime/start.ts'
import { addApplicationMetrics, type HttpMetric } from './application-metrics.ts'
import { addDeliveries } from './delivery-metrics.ts'
import { lagsOf } from './lag.ts'
import { type Site, sizeOf } from './site.ts'
import { histogramOf, type StatsTaker, totalsOf } from './stats.ts'

export interface HttpMetrics {
  readonly registry: Registry
  /** Records of ingest requests. */
  readonly ingested: Counter<'topic' | 'result'>
  readonly requests: Counter<'method' | 'route' | 'status'>
}

/** @throws AldebaranError OPTION_INVALID: `own` has a name that cannot be */
export function makeMetrics(site: Site, stats: StatsTaker, own: readonly HttpMetric[]): HttpMetrics {
  const registry = new Registry()
  const registers = [registry]
  addCounters(site, registers)
  addGauges(site, registers)
  addHistogram(registry, site, 'aldebaran_commit_seconds', 'From the hand-over of a unit to its durability', 'commit')
  addHistogram(registry, site, 'aldebaran_latency_seconds', 'From the timestamp of a record to its commit', 'latency')
  addDeliveries(site, registry)
  addProcess(registers, stats)
  const metrics: HttpMetrics = {
    registry,
    ingested: new Counter({
      name: 'aldebaran_http_ingested_records_total',
      help: 'Records that came over HTTP',
      labelNames: ['topic', 'result'],
      registers,
    }),
    requests: new Counter({
      name: 'aldebaran_http_requests_total',
      help: 'Requests answered',
      labelNames: ['method', 'route', 'status'],
      registers,
    }),
  }
  // Last: their names must be none of the others.
  addApplicationMetrics(site, registry, own)
  return metrics
}

function addCounters(site: Site, registers: Registry[]): void {
  const counter = <L extends string>(
    name: string,
    help: string,
    labelNames: readonly L[],
    read: (running: Running, set: (labels: Record<L, string>, value: number) => void) => void,
  ): void => {
    new Counter<L | 'application'>({
      name,
      help,
      labelNames: ['application', ...labelNames],
      registers,
      collect() {
        this.reset()
        for (const running of site.applications) {
          const application = running.application.name
          read(running, (labels, value) =>
            this.inc({ ...labels, application } as Record<L | 'application', string>, value),
          )
        }
      },
    })
  }
  counter('aldebaran_records_total', 'Records read and written by tasks', ['direction'], (running, set) => {
    const { recordsIn, recordsOut } = totalsOf(running)
    set({ direction: 'in' }, recordsIn)
    set({ direction: 'out' }, recordsOut)
  })
  counter('aldebaran_bytes_total', 'Bytes of batches read and written by tasks', ['direction'], (running, set) => {
    const { bytesIn, bytesOut } = totalsOf(running)
    set({ direction: 'in' }, bytesIn)
    set({ direction: 'out' }, bytesOut)
  })
  const single = [
    ['aldebaran_commits_total', 'Units committed', 'commits'],
    ['aldebaran_dead_letters_total', 'Records and timers that became dead letters', 'deadLetters'],
    ['aldebaran_rollbacks_total', 'Batches undone and done again record by record', 'rollbacks'],
    ['aldebaran_timers_total', 'Timers that fired', 'timersFired'],
    ['aldebaran_late_records_total', 'Values that came too late for a window or join', 'lateRecords'],
    ['aldebaran_restarts_total', 'Starts of tasks from their last commit after a failure', 'restarts'],
  ] as const
  const ofEngine = [
    ['aldebaran_kafka_connection_failures_total', 'Connections lost, or not made', 'connectionFailures'],
    ['aldebaran_kafka_recoveries_total', 'Times that units under way were given up and sent again', 'recoveries'],
    ['aldebaran_nodes_buried_total', 'Nodes that this one took for dead', 'buried'],
  ] as const
  for (const [name, help, measure] of ofEngine) {
    counter(name, help, [], (running, set) => {
      const counters = running.counters()
      if (counters !== null) set({}, counters[measure])
    })
  }
  counter('aldebaran_kafka_requests_total', 'Requests sent to brokers', ['api'], (running, set) => {
    for (const [api, count] of running.counters()?.requests ?? []) set({ api }, count)
  })
  counter('aldebaran_source_records_total', 'Records that a source wrote', ['source'], (running, set) => {
    for (const { name, state } of running.sources) set({ source: name }, state().records)
  })
  counter('aldebaran_source_rejected_total', 'What a source put aside', ['source'], (running, set) => {
    for (const { name, state } of running.sources) set({ source: name }, state().rejected)
  })
  for (const [name, help, measure] of single) {
    counter(name, help, [], (running, set) => set({}, totalsOf(running)[measure]))
  }
}

/** A log that cannot be asked now leaves its metrics out, and not all of them. */
function addGauges(site: Site, registers: Registry[]): void {
  type Labels = Record<string, string | number>
  const gauge = (
    name: string,
    help: string,
    labelNames: readonly string[],
    read: (running: Running, set: (labels: Labels, value: number) => void) => void | Promise<void>,
  ): void => {
    new Gauge({
      name,
      help,
      labelNames: ['application', ...labelNames],
      registers,
      async collect() {
        const values: [Labels, number][] = []
        for (const running of site.applications) {
          const application = running.application.name
          const set = (labels: Labels, value: number) => void values.push([{ ...labels, application }, value])
          await Promise.resolve(read(running, set)).catch(() => {})
        }
        // At once, for several may ask at the same time.
        this.reset()
        for (const [labels, value] of values) this.set(labels, value)
      },
    })
  }
  gauge('aldebaran_ready', '1: every worker runs its tasks', [], (running, set) => {
    set({}, running.health().ready ? 1 : 0)
  })
  gauge('aldebaran_source_up', '1: a source reaches its system', ['source'], (running, set) => {
    for (const { name, state } of running.sources) set({ source: name }, state().status === 'waiting' ? 0 : 1)
  })
  gauge('aldebaran_source_oldest_seconds', 'Age of the oldest that waits', ['source'], (running, set) => {
    for (const { name, state } of running.sources) {
      const { oldestAgeMs } = state()
      if (oldestAgeMs !== null) set({ source: name }, oldestAgeMs / 1000)
    }
  })
  gauge('aldebaran_source_lag_records', 'Records that a sink has not written yet', ['source'], (running, set) => {
    for (const { name, state } of running.sources) {
      const { lag = null } = state()
      if (lag !== null) set({ source: name }, lag)
    }
  })
  const lags = onceAScrape(async (running: Running) => await lagsOf(running, await site.topicsOf(running), true))
  const ofPartition = ['group', 'topic', 'partition'] as const
  gauge('aldebaran_lag_records', 'Records not processed yet', ofPartition, async (running, set) => {
    for (const { group, topic, partition, lag } of await lags(running)) set({ group, topic, partition }, lag)
  })
  gauge('aldebaran_watermark_seconds', 'Event time of a reader', ofPartition, async (running, set) => {
    for (const { group, topic, partition, watermark } of await lags(running)) {
      if (watermark !== null) set({ group, topic, partition }, watermark / 1000)
    }
  })
  gauge('aldebaran_table_rows', 'Rows of a table', ['pipeline', 'table'], (running, set) => {
    for (const table of site.tables(running.application.name)) set(labelsOf(table), sizeOf(table).rows)
  })
  gauge('aldebaran_table_bytes', 'Memory of a table', ['pipeline', 'table'], (running, set) => {
    for (const table of site.tables(running.application.name)) set(labelsOf(table), sizeOf(table).bytes)
  })
  gauge('aldebaran_topic_bytes', 'Bytes of the batches of a topic', ['topic'], async (running, set) => {
    const partitions = await running.log.partitionsOf(ownTopics(running, await site.topicsOf(running)))
    for (const [topic, infos] of partitions) {
      set(
        { topic },
        infos.reduce((sum, { bytes }) => sum + bytes, 0),
      )
    }
  })
  gauge('aldebaran_dead_letters_open', 'Dead letters neither replayed nor purged', [], async (running, set) => {
    set({}, (await site.letters(running).counts()).open)
  })
  gauge('aldebaran_tasks', 'Tasks of this node', ['kind'], ({ workers }, set) => {
    for (const kind of ['active', 'restoring', 'closing', 'standby'] as const) {
      set(
        { kind },
        workers.reduce((sum, { owned }) => sum + owned[kind].length, 0),
      )
    }
  })
  gauge('aldebaran_standby_lag_records', 'Records of changelogs that standbys have to read', [], (running, set) => {
    const standbys = running.workers.flatMap(({ owned }) => owned.standby)
    set(
      {},
      standbys.reduce((sum, { lag }) => sum + lag, 0),
    )
  })
  gauge('aldebaran_nodes', 'Nodes of the application', ['state'], (running, set) => {
    const counts = new Map<string, number>()
    for (const { state } of running.nodes()) counts.set(state, (counts.get(state) ?? 0) + 1)
    for (const [state, count] of counts) set({ state }, count)
  })
  gauge('aldebaran_kafka_connections', 'Connections to brokers for records', [], (running, set) => {
    const counters = running.counters()
    if (counters !== null) set({}, counters.connections)
  })
  gauge('aldebaran_kafka_member_epoch', 'The epoch of a worker in its group', ['group', 'worker'], (running, set) => {
    for (const { group, worker, epoch } of running.counters()?.memberships ?? []) set({ group, worker }, epoch)
  })
  gauge('aldebaran_memory_budget_bytes', 'Memory that tables and buffers may use', [], (running, set) => {
    set({}, running.budget.limit)
  })
  gauge('aldebaran_memory_budget_used_bytes', 'Memory that tables and buffers use', [], (running, set) => {
    set({}, running.budget.used)
  })
}

/** On a log that others use too: what the code names, and what the runtime made for it. */
function ownTopics({ application }: Running, topics: ReadonlyMap<string, TopicInfo>): string[] {
  const named = new Set(application.topics.map(topic => topic.name))
  return [...topics.keys()].filter(name => named.has(name) || name.startsWith(`${application.name}.`))
}

function labelsOf(table: { pipeline: string; node: { definition: { name: string } } }): Record<string, string> {
  return { pipeline: table.pipeline, table: table.node.definition.name }
}

/** The library's own histogram takes single values; ours are counted in the workers. */
function addHistogram(registry: Registry, site: Site, name: string, help: string, measure: 'commit' | 'latency'): void {
  const metric = {
    name,
    help,
    type: 'histogram',
    aggregator: 'sum',
    get: async () => ({ name, help, type: 'histogram', aggregator: 'sum', values: site.applications.flatMap(values) }),
    reset: () => {},
  }
  const values = (running: Running) => {
    const application = running.application.name
    const counts = histogramOf(running, measure)
    let cumulated = 0
    const buckets = Array.from(counts, (count, i) => {
      cumulated += count
      const le = i < BUCKETS_MS.length ? String(BUCKETS_MS[i]! / 1000) : '+Inf'
      return { metricName: `${name}_bucket`, labels: { le, application }, value: cumulated }
    })
    const ms = running.workers.map(worker => worker.measures.get(measure === 'commit' ? 'commitMs' : 'latencyMs'))
    return [
      ...buckets,
      { metricName: `${name}_sum`, labels: { application }, value: ms.reduce((a, b) => a + b, 0) / 1000 },
      { metricName: `${name}_count`, labels: { application }, value: cumulated },
    ]
  }
  registry.registerMetric(metric as unknown as Metric)
}

function addProcess(registers: Registry[], stats: StatsTaker): void {
  const gauge = (name: string, help: string, read: () => number): void => {
    new Gauge({
      name,
      help,
      registers,
      collect() {
        this.set(read())
      },
    })
  }
  gauge('process_resident_memory_bytes', 'Resident memory', () => process.memoryUsage.rss())
  gauge('process_heap_bytes', 'Heap in use by the thread that serves', () => process.memoryUsage().heapUsed)
  gauge('process_start_time_seconds', 'When the process started, seconds since 1970', () =>
    Math.round(Date.now() / 1000 - process.uptime()),
  )
  gauge('aldebaran_event_loop_delay_p99_seconds', 'Of the thread that serves', () => stats.eventLoopDelayMs.p99 / 1000)
  gauge('aldebaran_event_loop_delay_max_seconds', 'Of the thread that serves', () => stats.eventLoopDelayMs.max / 1000)
  new Counter({
    name: 'process_cpu_seconds_total',
    help: 'CPU time of all threads',
    registers,
    collect() {
      const { user, system } = process.cpuUsage()
      this.reset()
      this.inc((user + system) / 1e6)
    },
  })
}

/** Metrics of a scrape are collected at the same time: what several of them show is asked for once. */
function onceAScrape<T>(ask: (running: Running) => Promise<T>): (running: Running) => Promise<T> {
  const underWay = new Map<Running, Promise<T>>()
  return running => {
    const known = underWay.get(running)
    if (known !== undefined) return known
    const asked = ask(running).finally(() => underWay.delete(running))
    underWay.set(running, asked)
    return asked
  }
}
