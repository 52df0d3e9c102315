import type { Schema } from '../schema/schema.ts'
import type { Node, TableNode } from './node.ts'

/** The pipeline a stream belongs to, as far as its streams need it. */
export interface StreamOwner {
  readonly name: string
  /** Refuses a name that is taken or malformed. */
  claim(name: string): void
  /** A table that an operator keeps. */
  addTable(node: TableNode): void
}

/** Where a stream stands in the graph: what operators are put behind. */
export interface StreamEnd {
  readonly owner: StreamOwner
  readonly node: Node
  readonly key: Schema<unknown>
}
