import type { AnyTopic } from '../../pipeline/topic.ts'
import type { Database, DatabaseSession, RunQuery } from './database.ts'
import type { PlannedColumn } from './sink-columns.ts'
import type { SinkStatements } from './sink-statements.ts'

/** The rows that are about to be written. */
export interface SinkRows {
  /** Of that column: arrays as PostgreSQL reads them, as `SELECT unnest($1::text::timestamptz[])` takes it. */
  column(name: string): string
}

/** A sink as its settings mean it. */
export interface SinkPlan {
  readonly name: string
  readonly topic: AnyTopic
  readonly table: string
  readonly columns: readonly PlannedColumn[]
  readonly database: Database
  readonly statements: SinkStatements
  readonly from: 'earliest' | 'latest'
  readonly rows: number
  readonly bytes: number
  readonly waitMs: number
  readonly setup: ((session: DatabaseSession) => Promise<void>) | null
  readonly prepare: ((query: RunQuery, rows: SinkRows) => Promise<void>) | null
}
