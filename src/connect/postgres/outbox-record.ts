import type { Header } from '../../record/headers.ts'

/** What a row becomes. */
export interface OutboxRecord<K, V> {
  /** null: no key. */
  key: K | null
  value: V
  headers?: readonly Header[]
  /** ms since 1970. Default: now. */
  timestamp?: number
}

/** A row as `pg` reads it: bigint as text, jsonb as what it holds, timestamptz as a Date. */
export type OutboxRow = Readonly<Record<string, unknown>>
