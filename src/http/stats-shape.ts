import type { SourceState } from '../runtime/source-state.ts'

/** What `GET /stats` answers and `/stats/stream` sends once a second. Times in ms since 1970, durations in ms. */
export interface Stats {
  time: number
  /** What the rates are taken over. */
  intervalMs: number
  status: 'ok' | 'failing'
  ready: boolean
  process: ProcessStats
  applications: ApplicationStats[]
}

export interface ProcessStats {
  uptimeMs: number
  rssBytes: number
  heapBytes: number
  /** Cores in use, by all threads: 1.5 is one and a half. */
  cpu: number
  /** Of the thread that serves this. */
  eventLoopDelayMs: { p50: number; p99: number; max: number }
}

export interface ApplicationStats {
  name: string
  startedAt: number
  status: 'ok' | 'failing'
  ready: boolean
  problems: { worker: number | null; code: string | null; message: string }[]
  graph: Graph
  topics: TopicStats[]
  groups: GroupStats[]
  tables: TableStats[]
  deliveries: DeliveryStats[]
  /** What brings records in from outside, in this process. */
  sources: SourceStats[]
  workers: WorkerStats[]
  /** A second, over the interval. */
  rates: Counters
  /** Since the start. */
  totals: Counters
  /** From the timestamp of a record to the commit of what came of it; null: nothing was committed in the interval. */
  latencyMs: Quantiles | null
  /** From the hand-over of a unit to its durability. */
  commitMs: Quantiles | null
  deadLetters: { topic: string; open: number; total: number }
  memory: { used: number; limit: number }
}

/** Estimated from histogram buckets; `max` is the upper bound of the highest bucket hit. */
export interface Quantiles {
  count: number
  p50: number
  p99: number
  max: number
}

export interface Counters {
  recordsIn: number
  recordsOut: number
  bytesIn: number
  bytesOut: number
  commits: number
  timersFired: number
  lateRecords: number
  deadLetters: number
  rollbacks: number
  restarts: number
}

export interface TopicStats {
  name: string
  /** Made by the runtime: a repartition topic. */
  internal: boolean
  partitions: number
  /** In the log now. */
  records: number
  bytes: number
  /** Records appended a second. */
  recordsPerSecond: number
}

export interface GroupStats {
  group: string
  pipeline: string
  /** Records not processed yet. */
  lag: number
  topics: { topic: string; lag: number; recordsPerSecond: number; watermark: number | null }[]
}

export interface TableStats {
  pipeline: string
  table: string
  store: 'memory' | 'disk'
  rows: number
  bytes: number
}

/** What is counted of a delivery, by the workers of this process. */
export interface DeliveryView {
  application: string
  delivery: string
  topic: string
  guarantee: 'at-least-once' | 'at-most-once'
  partitions: number
  /** Since the start: events taken in, tries of them that were begun, that ended well, and that failed in any way. */
  taken: number
  tries: number
  delivered: number
  failed: number
  /** Tries that failed, and are followed by another one. */
  retried: number
  /** Events that became dead letters. */
  dead: number
  inDoubt: number
  /** Events that were passed over, for they had been taken in before. */
  duplicates: number
  /** Now: events that wait for their turn, for their time, for somebody's decision, and those that are being tried. */
  waiting: number
  scheduled: number
  doubtful: number
  underWay: number
  /** Destinations: all that are known, those with a breaker that is not closed, and those that are paused. */
  destinations: number
  broken: number
  paused: number
}

export interface DeliveryStats extends DeliveryView {
  /** A second, over the interval. */
  rates: { tries: number; delivered: number; retried: number; dead: number }
}

export interface SourceStats extends SourceState {
  source: string
  /** A second, over the interval. */
  recordsPerSecond: number
}

export interface WorkerStats {
  worker: number
  state: string
  problem: string | null
  tasks: number
  recordsPerSecond: number
  restarts: number
}

/** The pipelines of an application as a drawing. Ids are unique in it and the same in every message. */
export interface Graph {
  nodes: GraphNode[]
  edges: GraphEdge[]
}

export interface GraphNode {
  /** `topic:NAME`, `table:PIPELINE/TABLE` or `operator:PIPELINE/NUMBER`. */
  id: string
  kind: 'topic' | 'operator' | 'table'
  /** Topic or table: its name. Operator: filter, map, flatMap, branch, each, into, timer, keyBy or delivery. */
  name: string
  /** What to write on it. */
  label: string
  /** Of operators and tables. */
  pipeline: string | null
  internal: boolean
}

export interface GraphEdge {
  from: string
  to: string
  /** `records` flow on; `state`: rows of a table are changed or read; `timer`: a timer of a row comes due. */
  kind: 'records' | 'state' | 'timer'
}
