/** The metrics of `GET /metrics`; `docs/metrics.md` says what each means. Values are read when they are asked for. */
import { Counter, Gauge, type Metric, Registry } from 'prom-client'
import { BUCKETS_MS } from '../runtime/measures.ts'
import type { Running } from '../runtime/start.ts'
import { lagsOf } from './lag.ts'
import { type Site, sizeOf } from './site.ts'
import { histogramOf, type StatsTaker, totalsOf } from './stats.ts'

export interface HttpMetrics {
  readonly registry: Registry
  /** Records of ingest requests. */
  readonly ingested: Counter<'topic' | 'result'>
  readonly requests: Counter<'method' | 'route' | 'status'>
}

export function makeMetrics(site: Site, stats: StatsTaker): HttpMetrics {
  const registry = new Registry()
  const registers = [registry]
  addCounters(site, registers)
  addGauges(site, registers)
  addHistogram(registry, site, 'aldebaran_commit_seconds', 'From the hand-over of a unit to its durability', 'commit')
  addHistogram(registry, site, 'aldebaran_latency_seconds', 'From the timestamp of a record to its commit', 'latency')
  addProcess(registers, stats)
  return {
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
    ['aldebaran_restarts_total', 'Starts of tasks from their last commit after a failure', 'restarts'],
  ] as const
  for (const [name, help, measure] of single) {
    counter(name, help, [], (running, set) => set({}, totalsOf(running)[measure]))
  }
}

function addGauges(site: Site, registers: Registry[]): void {
  const gauge = (
    name: string,
    help: string,
    labelNames: readonly string[],
    read: (running: Running, set: (labels: Record<string, string | number>, value: number) => void) => void,
  ): void => {
    new Gauge({
      name,
      help,
      labelNames: ['application', ...labelNames],
      registers,
      collect() {
        this.reset()
        for (const running of site.applications) {
          const application = running.application.name
          read(running, (labels, value) => this.set({ ...labels, application }, value))
        }
      },
    })
  }
  gauge('aldebaran_ready', '1: every worker runs its tasks', [], (running, set) => {
    set({}, running.health().ready ? 1 : 0)
  })
  gauge('aldebaran_lag_records', 'Records not processed yet', ['group', 'topic', 'partition'], (running, set) => {
    for (const { group, topic, partition, lag } of lagsOf(running)) set({ group, topic, partition }, lag)
  })
  gauge('aldebaran_table_rows', 'Rows of a table', ['pipeline', 'table'], (running, set) => {
    for (const table of site.tables(running.application.name)) set(labelsOf(table), sizeOf(table).rows)
  })
  gauge('aldebaran_table_bytes', 'Memory of a table', ['pipeline', 'table'], (running, set) => {
    for (const table of site.tables(running.application.name)) set(labelsOf(table), sizeOf(table).bytes)
  })
  gauge('aldebaran_topic_bytes', 'Bytes of the batches of a topic', ['topic'], (running, set) => {
    const { log } = running
    for (const { name, partitions } of log.topics({ internal: true })) {
      let bytes = 0
      for (let partition = 0; partition < partitions; partition++) bytes += log.partition(name, partition).bytes
      set({ topic: name }, bytes)
    }
  })
  gauge('aldebaran_dead_letters_open', 'Dead letters neither replayed nor purged', [], (running, set) => {
    set({}, site.letters(running).counts().open)
  })
  gauge('aldebaran_memory_budget_bytes', 'Memory that tables and buffers may use', [], (running, set) => {
    set({}, running.budget.limit)
  })
  gauge('aldebaran_memory_budget_used_bytes', 'Memory that tables and buffers use', [], (running, set) => {
    set({}, running.budget.used)
  })
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
