/** What the HTTP API answers, as far as the commands read it. `docs/http.md` has it whole. */
import type { RecordView } from '../http/record-view.ts'

export interface Topic {
  name: string
  partitions: number
  records: number
  bytes: number
  /** Null: bytes. */
  key: StoredSchema | null
  value: StoredSchema | null
}

export interface StoredSchema {
  format: string
  definition: string | null
}

export interface RecordsPage {
  records: RecordView[]
  /** Where to read on. */
  next: string
  complete: boolean
}

export interface Ingested {
  accepted: number
  rejected: number
  errors?: { index: number; line: number | null; code: string; message: string; path: string | null }[]
}

export interface TableInfo {
  application?: string
  pipeline: string
  table: string
  rows: number
  bytes: number
}

export interface TableRow {
  key: unknown
  fields: Record<string, unknown>
  timers: Record<string, number>
}

export interface Letter {
  offset: number
  time: number
  state: 'open' | 'replayed' | 'purged'
  code: string
  message: string
  pipeline: string
  source: { topic: string; partition: number; offset: number; timestamp: number } | null
  timer: string | null
}

export interface Changed {
  changed: number
  skipped: { offset: number; state: string }[]
  failed: { offset: number; code: string; message: string }[]
}
