import type { BatchCursor } from '../record/batch-cursor.ts'
import type { Header } from '../record/headers.ts'
import { show } from './codec.ts'
import type { SiteTopic } from './site-topic.ts'

/** A record as HTTP shows it. */
export interface RecordView {
  partition: number
  offset: number
  /** ms since 1970. */
  timestamp: number
  key: unknown
  value: unknown
  /** The bytes of a key or value that cannot be decoded, and why; the key or value is null then. */
  keyBase64?: string
  keyError?: { code: string; message: string }
  valueBase64?: string
  valueError?: { code: string; message: string }
  headers: Record<string, HeaderView | HeaderView[]>
}

type HeaderView = string | null

/** The record the cursor is at. */
export function viewRecord(topic: SiteTopic, partition: number, cursor: BatchCursor): RecordView {
  const { bytes } = cursor
  const key = show(topic.key, bytes, cursor.keyStart, cursor.keyEnd)
  const value = show(topic.value, bytes, cursor.valueStart, cursor.valueEnd)
  const view: RecordView = {
    partition,
    offset: cursor.offset,
    timestamp: cursor.timestamp,
    key: key.value,
    value: value.value,
    headers: viewHeaders(cursor.headers()),
  }
  if (key.base64 !== undefined && key.error !== undefined) {
    view.keyBase64 = key.base64
    view.keyError = key.error
  }
  if (value.base64 !== undefined && value.error !== undefined) {
    view.valueBase64 = value.base64
    view.valueError = value.error
  }
  return view
}

/** Values are shown as UTF-8; several of one name as an array. */
export function viewHeaders(headers: readonly Header[]): RecordView['headers'] {
  const byName = new Map<string, HeaderView[]>()
  for (const { key, value } of headers) {
    const text = value === null ? null : Buffer.from(value.buffer, value.byteOffset, value.length).toString('utf8')
    const known = byName.get(key)
    if (known === undefined) byName.set(key, [text])
    else known.push(text)
  }
  return Object.fromEntries(
    [...byName].map(([name, values]) => [name, values.length === 1 ? (values[0] ?? null) : values]),
  )
}
