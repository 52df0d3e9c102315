import { AldebaranError } from '../errors.ts'
import type { Fields } from '../schema/field-types.ts'
import type { Schema } from '../schema/schema.ts'
import type { Row, Timers } from '../state/contract.ts'
import type { Context } from './context.ts'
import type { TableNode } from './node.ts'
import { type Emitted, Stream, type StreamOwner } from './stream.ts'
import type { AnyTopic } from './topic.ts'

export interface TableSettings<K, F extends Fields, T extends Timers> {
  key: Schema<K>
  row: F
  /** Timers are columns of the row: a deadline in ms, 0 for none. Default: no timers. */
  timers?: T
  /** `memory` (default): all rows in memory, durable by a changelog. `disk`: larger than memory. */
  store?: 'memory' | 'disk'
  /** Rows of one partition, at most; a write beyond is refused with TABLE_FULL. Default 100 million. */
  maxRows?: number
}

/** Keyed state of a pipeline: one row a key, each partition with the rows of its keys. */
export class Table<K, F extends Fields, T extends Timers, S extends AnyTopic> {
  readonly node: TableNode
  readonly #owner: StreamOwner
  declare readonly row: Row<K, F, T>

  constructor(owner: StreamOwner, name: string, settings: TableSettings<K, F, T>) {
    this.#owner = owner
    this.node = {
      definition: {
        name,
        key: settings.key as Schema<unknown>,
        fields: settings.row,
        timers: settings.timers ?? {},
        store: settings.store ?? 'memory',
        maxRows: settings.maxRows ?? 100_000_000,
      },
      timers: [],
    }
  }

  /** What to do when a timer of a row comes due. A value returned goes on as a stream, under the key of the row. */
  on<R = void>(
    timer: keyof T & string,
    handle: (row: Row<K, F, T>, context: Context<K, S>) => R,
  ): Stream<K, Emitted<R>, S> {
    if (this.node.definition.timers[timer] === undefined) {
      throw new AldebaranError('PIPELINE_INVALID', `table '${this.node.definition.name}' has no timer '${timer}'`, {
        table: this.node.definition.name,
      })
    }
    if (this.node.timers.some(other => other.timer === timer)) {
      throw new AldebaranError(
        'NAME_TAKEN',
        `table '${this.node.definition.name}' already has a handler of timer '${timer}'`,
        { table: this.node.definition.name },
      )
    }
    const node = {
      kind: 'timer' as const,
      next: [],
      table: this.node,
      timer,
      handle: handle as (row: unknown, context: unknown) => unknown,
    }
    this.node.timers.push(node)
    return new Stream(this.#owner, node, this.node.definition.key as Schema<K>)
  }
}
