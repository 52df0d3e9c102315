/** What a client asks the network thread beside its units, as messages of a port; each is answered once, by its id. */
import type { From, PartitionInfo, Position, TopicInfo, TopicOptions } from '../contract.ts'

export type Ask =
  | { kind: 'subscribe'; topic: string; partition: number; from: From; ring: SharedArrayBuffer }
  | { kind: 'range'; topic: string; partition: number }
  | { kind: 'partition'; topic: string; partition: number }
  | { kind: 'partitions'; topics: readonly string[] }
  | { kind: 'time'; topic: string; partition: number; ms: number }
  | { kind: 'position'; group: string; topic: string; partition: number }
  | { kind: 'positions'; group: string | null }
  | { kind: 'committed'; groups: readonly string[] | null }
  | { kind: 'topics' }
  | { kind: 'topic'; name: string }
  /** What tells the topic from every other of its name, on any cluster. */
  | { kind: 'identity'; topic: string }
  | { kind: 'create'; name: string; options: TopicOptions }
  | { kind: 'delete'; name: string }

export interface Answers {
  subscribe: { id: number; position: number; end: number }
  range: { start: number; end: number }
  partition: PartitionInfo
  partitions: Map<string, PartitionInfo[]>
  time: number
  position: Position | null
  positions: Position[]
  committed: Position[]
  topics: TopicInfo[]
  topic: TopicInfo | null
  identity: string | null
  create: null
  delete: null
}

export type FromClient = { id: number; ask: Ask } | { unsubscribe: number }

export interface FromNetwork {
  id: number
  answer?: unknown
  error?: { code: string; message: string; details: Record<string, string | number | boolean | null> }
}
