/** The tables of a delivery's task. */
import { type ObjectOf, t } from '../schema/field-types.ts'
import { bytes, text } from '../schema/primitives.ts'
import type { Row, TableDefinition } from '../state/contract.ts'

const dueFields = {
  tenant: t.string,
  id: t.string,
  lane: t.string,
  recordKey: t.optional(t.bytes),
  value: t.bytes,
  headers: t.array(t.record('DeliveryHeader', { key: t.string, value: t.optional(t.bytes) })),
  offset: t.long,
  timestamp: t.long,
  since: t.long,
  tries: t.int,
  /** Not before, ms since 1970; the timer is set only where nothing else waits for it. */
  notBefore: t.long,
  error: t.string,
}

export type EventFields = ObjectOf<typeof dueFields>

/** Events that wait on the disk, and what is known of those that are under way: see due-event.ts for its keys. */
export const DUE: TableDefinition = {
  name: 'due',
  key: text(),
  fields: dueFields,
  timers: { due: 'processing' },
  store: 'disk',
  maxRows: Number.MAX_SAFE_INTEGER,
  cacheRows: 2048,
} as unknown as TableDefinition

export type DueRow = Row<string, typeof dueFields, { due: 'processing' }>

const destinationFields = {
  tenant: t.string,
  /** Rows in `due`, by what they wait for. */
  waiting: t.int,
  scheduled: t.int,
  inDoubt: t.int,
  /** '': it is not paused. */
  paused: t.string,
  breaker: t.enum(['closed', 'open', 'half-open'], 'BreakerState'),
  opened: t.int,
  /** Nothing before, ms since 1970. */
  until: t.long,
  throttledUntil: t.long,
  /** '': as the settings say. */
  rate: t.string,
  /** 0: as the settings say. */
  concurrency: t.int,
  error: t.string,
  failedAt: t.long,
  failingSince: t.long,
  /** An operator purges it, and that is not done yet. */
  purging: t.boolean,
}

/** Destinations of which something is to be remembered. */
export const DESTINATIONS: TableDefinition = {
  name: 'destinations',
  key: text(),
  fields: destinationFields,
  timers: {},
  store: 'disk',
  maxRows: Number.MAX_SAFE_INTEGER,
} as unknown as TableDefinition

export type DestinationRow = Row<string, typeof destinationFields, Record<never, never>>

const latestFields = { value: t.bytes }

/** Of a topic that the delivery reads: its last value of each key. */
export function latestTable(topic: string): TableDefinition {
  return {
    name: `latest.${topic}`,
    key: bytes(),
    fields: latestFields,
    timers: {},
    store: 'disk',
    maxRows: Number.MAX_SAFE_INTEGER,
  } as unknown as TableDefinition
}

export type LatestRow = Row<Buffer, typeof latestFields, Record<never, never>>

/** Ids that were taken in. */
export const SEEN: TableDefinition = {
  name: 'seen',
  key: text(),
  fields: {},
  timers: { forget: 'processing' },
  store: 'disk',
  maxRows: Number.MAX_SAFE_INTEGER,
  // Hardly any is met again.
  cacheRows: 4096,
} as unknown as TableDefinition

export type SeenRow = Row<string, Record<never, never>, { forget: 'processing' }>
