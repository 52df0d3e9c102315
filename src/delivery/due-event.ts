/** An event in memory, and as a row. */
import { AldebaranError } from '../errors.ts'
import type { Header } from '../record/headers.ts'
import type { DueRow, EventFields } from './tables.ts'

/**
 * The first letter of a row's key says what it waits for:
 * q: its turn · r: its time · i: it is under way, at-most-once · d: somebody's decision
 */
export type RowKind = 'q' | 'r' | 'i' | 'd'

export interface DueEvent {
  readonly destination: string
  readonly tenant: string
  readonly id: string
  /** '': none. */
  readonly lane: string
  /** Of one destination those with the least go first, as text; no two have the same. */
  readonly order: string
  readonly key: Buffer | null
  readonly value: Buffer
  readonly headers: readonly Header[]
  readonly offset: number
  readonly timestamp: number
  /** When it was taken in, ms since 1970. */
  readonly since: number
  tries: number
  /** Not before, ms since 1970. */
  notBefore: number
  error: string
  /** What kind of row it has; null: none. */
  stored: RowKind | null
}

const SEPARATOR = '\0'
const OFFSET_DIGITS = 14
const LEAST_PRIORITY = 9
const MOST_CHARACTERS = 200

export function orderOf(priority: number, offset: number): string {
  return `${LEAST_PRIORITY - priority}${offset.toString(16).padStart(OFFSET_DIGITS, '0')}`
}

export function rowKey(kind: RowKind, destination: string, order: string): string {
  return `${kind}${SEPARATOR}${destination}${SEPARATOR}${order}`
}

/** What a key is made of. */
export function partsOfKey(key: string): { kind: RowKind; destination: string; order: string } {
  const end = key.lastIndexOf(SEPARATOR)
  return { kind: key[0] as RowKind, destination: key.slice(2, end), order: key.slice(end + 1) }
}

/** The first key of a destination, or of a kind, and the first one behind all of them. */
export function keyRange(kind: RowKind, destination?: string): { from: Buffer; to: Buffer } {
  const prefix = destination === undefined ? kind : `${kind}${SEPARATOR}${destination}`
  return { from: Buffer.from(`${prefix}${SEPARATOR}`), to: Buffer.from(`${prefix}\x01`) }
}

/** Bytes that it takes in memory, about. */
export function sizeOf(event: DueEvent): number {
  return 400 + event.value.length + (event.key?.length ?? 0)
}

export function writeEvent(event: DueEvent, row: DueRow): void {
  row.tenant = event.tenant
  row.id = event.id
  row.lane = event.lane
  row.recordKey = event.key
  row.value = event.value
  row.headers = event.headers.map(({ key, value }) => ({ key, value }))
  row.offset = event.offset
  row.timestamp = event.timestamp
  row.since = event.since
  row.tries = event.tries
  row.error = event.error
  row.notBefore = event.notBefore
}

/** A copy of a row, whose bytes may be used again afterwards. */
export function readEvent(rowKey: string, row: EventFields): DueEvent {
  const { kind, destination, order } = partsOfKey(rowKey)
  return {
    destination,
    order,
    tenant: row.tenant,
    id: row.id,
    lane: row.lane,
    key: row.recordKey === null ? null : Buffer.from(row.recordKey),
    value: Buffer.from(row.value),
    headers: row.headers.map(({ key, value }) => ({ key, value: value === null ? null : Buffer.from(value) })),
    offset: row.offset,
    timestamp: row.timestamp,
    since: row.since,
    tries: row.tries,
    notBefore: row.notBefore,
    error: row.error,
    stored: kind,
  }
}

/**
 * What keys of rows are made of.
 * @throws AldebaranError VALUE_INVALID
 */
export function checkName(field: string, text: string, least: number): void {
  if (typeof text === 'string' && text.length >= least && text.length <= MOST_CHARACTERS && !hasSeparator(text)) return
  throw new AldebaranError(
    'VALUE_INVALID',
    `${field} is a text of ${least} to ${MOST_CHARACTERS} characters, none of them 0 or 1`,
    { path: field },
  )
}

/** Keys of rows are put together with those. */
function hasSeparator(text: string): boolean {
  return text.includes('\0') || text.includes('\u0001')
}
