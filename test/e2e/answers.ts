/**
 * The fields that tests look at in what the HTTP API and the commands answer. One type has those of all answers, for a test
 * knows what it asked for: a field that an answer lacks is undefined, and what is asserted of it fails.
 */
import type { ClusterNode } from '../../src/http/cluster-shape.ts'
import type { DestinationView, EventView } from '../../src/http/delivery-shape.ts'
import type { DeliveryView, Stats } from '../../src/http/stats-shape.ts'

/** A value as tests of these applications write it. */
interface Value {
  i: number
  client: string
  amount: number
  orderId: string
  kind: string
  purchased: number
}

interface RecordAnswer {
  partition: number
  offset: number
  timestamp: number
  key: unknown
  value: Value
  valueBase64: string
  valueError: { code: string }
  headers: Record<string, unknown>
}

interface LetterAnswer extends RecordAnswer {
  key: number
  time: number
  state: string
  code: string
  message: string
  source: { topic: string; offset: number; timestamp: number }
  timer: string
  notReplayable: string
}

interface TopicAnswer {
  name: string
  partitions: number
  records: number
  bytes: number
  key: { format: string }
  value: { format: string; definition: string }
}

interface RowAnswer {
  key: number
  fields: Record<string, unknown>
}

interface LagAnswer {
  group: string
  topic: string
  partition: number
  position: number
  end: number
  lag: number
}

interface TableAnswer {
  table: string
  rows: number
  timers: Record<string, string>
  fields: { name: string; type: string }[]
}

type Shown = Pick<RowAnswer, 'fields'> & Pick<TopicAnswer, 'key' | 'value'> & Pick<Stats, 'applications'>

/** The body of an answer of the HTTP API. */
export interface BodyAnswer extends Shown {
  error: { code: string; remedy: string; bodyLimit: number }
  accepted: number
  rejected: number
  offsets: unknown[]
  errors: { index: number; line: number; code: string; path: string | null }[]
  topics: TopicAnswer[]
  partitionList: { partition: number; start: number }[]
  records: RecordAnswer[]
  open: number
  letters: LetterAnswer[]
  before: number | null
  changed: number
  skipped: unknown[]
  failed: { offset: number; code: string }[]
  tables: TableAnswer[]
  rows: RowAnswer[]
  deliveries: DeliveryView[]
  destinations: DestinationView[]
  events: EventView[]
  lag: LagAnswer[]
  total: number
  next: string
  complete: boolean
  paths: Record<string, Record<string, { requestBody: { content: object } }>>
}

/** A server-sent event: a record, or the stats. */
export type EventAnswer = RecordAnswer & Stats

/** A line that a command prints. */
export interface LineAnswer extends Omit<ClusterNode, 'state'>, Pick<RecordAnswer, 'offset' | 'value' | 'headers'> {
  state: string
  fields: Record<string, unknown>
  group: string
  lag: number
  to: number
  changelog: string
  records: number
  check: string
  ok: boolean
  found: string
  remedy: string
}
