import type { Log } from '../log/contract.ts'
import type { Ingest } from './ingest.ts'
import type { HttpMetrics } from './metrics.ts'
import type { CompiledHttpSettings } from './settings.ts'
import type { Site } from './site.ts'
import type { StatsStreams } from './stats-streams.ts'
import type { TailHub } from './tail.ts'

/** What the routes share. */
export interface HttpContext {
  readonly site: Site
  readonly settings: CompiledHttpSettings
  readonly ingest: Ingest
  readonly metrics: HttpMetrics
  readonly stats: StatsStreams
  tails(log: Log): TailHub
}
