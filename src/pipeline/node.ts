import type { Schema } from '../schema/schema.ts'
import type { TableDefinition } from '../state/contract.ts'
import type { AnyTopic } from './topic.ts'

/**
 * The graph a pipeline is written as. Values flow from sources along `next`; what a node does to them is its `kind`.
 * Functions are held untyped here: the typed DSL (`stream.ts`) is the only one that makes nodes.
 */
export type Node =
  | SourceNode
  | { kind: 'filter'; next: Node[]; test: (value: unknown, context: unknown) => boolean }
  | { kind: 'map'; next: Node[]; change: (value: unknown, context: unknown) => unknown }
  | { kind: 'flatMap'; next: Node[]; change: (value: unknown, context: unknown) => Iterable<unknown> }
  | { kind: 'branch'; next: Node[]; tests: ((value: unknown, context: unknown) => boolean)[]; branches: Node[] }
  | { kind: 'pass'; next: Node[] }
  | IntoNode
  | TimerNode
  | RepartitionNode
  | { kind: 'sink'; next: Node[]; topic: AnyTopic; key: Schema<unknown> }

export interface SourceNode {
  kind: 'source'
  next: Node[]
  topic: AnyTopic
  /** How far behind the newest timestamp the watermark stays, in ms. */
  outOfOrderness: number
  /** A null value goes on as null; else it makes a dead letter. Default: false. */
  takesNull?: boolean
}

export interface IntoNode {
  kind: 'into'
  next: Node[]
  table: TableNode
  key: Schema<unknown>
  handle: (value: unknown, row: unknown, context: unknown) => unknown
}

export interface TimerNode {
  kind: 'timer'
  next: Node[]
  table: TableNode
  timer: string
  handle: (row: unknown, context: unknown) => unknown
}

export interface RepartitionNode {
  kind: 'repartition'
  next: Node[]
  name: string
  keyOf: (value: unknown, context: unknown) => unknown
  key: Schema<unknown>
  value: Schema<unknown>
  /** 0: as many as the topics it comes from. */
  partitions: number
}

export interface TableNode {
  definition: TableDefinition
  timers: TimerNode[]
}
