import type { Schema } from '../schema/schema.ts'
import type { TableDefinition, TaskTable } from '../state/contract.ts'
import type { TimeRules } from '../time/input-time.ts'
import type { TaskContext } from './task-context.ts'
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
  | PassNode
  | IntoNode
  | TimerNode
  | OperatorNode
  | OperatorInputNode
  | RepartitionNode
  | { kind: 'sink'; next: Node[]; topic: AnyTopic; key: Schema<unknown> }

export interface SourceNode {
  kind: 'source'
  next: Node[]
  topic: AnyTopic
  time: TimeRules
  /** Of a record, instead of its own timestamp, ms since 1970. */
  timestampOf: ((value: unknown, context: unknown) => number) | null
  /** Tasks of the pipeline that write the topic, each telling its watermark; 0: others write it. */
  writers: number
  /** A null value goes on as null; else it makes a dead letter. Default: false. */
  takesNull?: boolean
  /** Tables of a pipeline that null values go to, and nothing else: they delete. */
  nullNext?: Node[]
}

export interface PassNode {
  kind: 'pass'
  next: Node[]
  /** The sources it stands right behind, and nothing else. */
  sources?: SourceNode[]
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
  /** The table is of this operator, which is handed the timer instead of `handle`. */
  operator?: OperatorNode
}

/** An operator with tables of its own: a window, a join. */
export interface OperatorNode {
  kind: 'operator'
  next: Node[]
  /** What it is called where the pipeline is drawn. Default: as its first table. */
  label?: string
  /** Takes values that came too late; nothing behind it: they become dead letters. */
  late: Node[]
  tables: readonly TableNode[]
  /** Called once a task. */
  make: (parts: OperatorParts) => Operator
}

/** What an operator works with. */
export interface OperatorParts {
  readonly context: TaskContext
  /** Its tables, in their order. */
  readonly tables: readonly TaskTable[]
  /** Hands a result on, under the key and timestamp that stand in the context. */
  readonly emit: (value: unknown) => void
  /** Hands on the value at hand, which came too late. */
  readonly tooLate: (value: unknown) => void
}

export interface Operator {
  /** `input`: which of its inputs the value comes from, where it has several. */
  push(value: unknown, input: number): void
  /** A timer of one of its tables, whose row is at hand. The context has the bytes of the row's key. */
  timer(table: TableNode, timer: string): void
  /** Its `timer` threw, and was undone: what it kept for that is put away, and nothing told. The context is as for `timer`. */
  abandon?(table: TableNode, timer: string): void
}

/** The way into an operator that has several inputs. */
export interface OperatorInputNode {
  kind: 'operatorInput'
  next: Node[]
  operator: OperatorNode
  input: number
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
  /** Its rows are kept by timestamp: one far ahead of the clock would keep its key as it is. Default: false. */
  comparesTime?: boolean
  timers: TimerNode[]
}
