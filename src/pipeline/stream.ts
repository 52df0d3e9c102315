import { AldebaranError } from '../errors.ts'
import type { Fields } from '../schema/field-types.ts'
import type { Schema } from '../schema/schema.ts'
import type { Row, Timers } from '../state/contract.ts'
import type { AggregateSpec, ResultOf } from './aggregates/aggregate.ts'
import type { Context } from './context.ts'
import { type Change, type LatestSettings, type LatestTable, latestTable } from './joins/latest-table.ts'
import { type JoinSettings, type LateSide, streamJoin } from './joins/stream-join.ts'
import { type Joiner, type JoinKind, streamTableJoin, tableTableJoin } from './joins/table-joins.ts'
import type { Node, OperatorNode, TableNode } from './node.ts'
import type { StreamEnd, StreamOwner } from './stream-owner.ts'
import type { AnyTopic, Topic } from './topic.ts'
import type { SessionWindow, TrailingWindow, Window } from './windows/window.ts'
import {
  planWindows,
  type Replacing,
  type WindowPlan,
  type WindowResult,
  type WindowSettings,
  type WithValue,
  windowNode,
} from './windows/window-node.ts'

export type { StreamOwner } from './stream-owner.ts'

/** What goes on of what a handler returns. */
// biome-ignore lint/suspicious/noConfusingVoidType: a handler without a return value has the type void.
export type Emitted<R> = Exclude<R, undefined | void>

/** A table as `into` takes it (`Pipeline.table` makes them). */
export interface KeyedTable<K, F extends Fields, T extends Timers> {
  readonly node: TableNode
  /** The type of its rows; never there at run time. */
  readonly row: Row<K, F, T>
}

/** Values of type V under keys of type K, from wherever they come. Every operator gives a new stream. */
export class Stream<K, V, S extends AnyTopic> {
  readonly #owner: StreamOwner
  readonly #node: Node
  readonly #key: Schema<K>

  constructor(owner: StreamOwner, node: Node, key: Schema<K>) {
    this.#owner = owner
    this.#node = node
    this.#key = key
  }

  /** Keeps the values that pass the test. */
  filter<W extends V>(test: (value: V, context: Context<K, S>) => value is W): Stream<K, W, S>
  filter(test: (value: V, context: Context<K, S>) => boolean): Stream<K, V, S>
  filter(test: (value: V, context: Context<K, S>) => boolean): Stream<K, V, S> {
    return this.#then({ kind: 'filter', next: [], test: test as (value: unknown, context: unknown) => boolean })
  }

  /** Changes each value; the key stays. */
  map<W>(change: (value: V, context: Context<K, S>) => W): Stream<K, W, S> {
    return this.#then({ kind: 'map', next: [], change: change as (value: unknown, context: unknown) => unknown })
  }

  /** Gives any number of values for each; the key stays. */
  flatMap<W>(change: (value: V, context: Context<K, S>) => Iterable<W>): Stream<K, W, S> {
    return this.#then({
      kind: 'flatMap',
      next: [],
      change: change as (value: unknown, context: unknown) => Iterable<unknown>,
    })
  }

  /** Splits by name: each value goes to the first branch whose test it passes, or to none. */
  branch<B extends Record<string, (value: V, context: Context<K, S>) => boolean>>(
    tests: B,
  ): { [Name in keyof B]: Stream<K, V, S> } {
    const branches: Node[] = Object.keys(tests).map(() => ({ kind: 'pass', next: [] }))
    this.#node.next.push({
      kind: 'branch',
      next: [],
      tests: Object.values(tests) as ((value: unknown, context: unknown) => boolean)[],
      branches,
    })
    return Object.fromEntries(
      Object.keys(tests).map((name, i) => [name, new Stream<K, V, S>(this.#owner, branches[i]!, this.#key)]),
    ) as { [Name in keyof B]: Stream<K, V, S> }
  }

  /** This stream and the others as one. Their topics need equal partition counts. */
  merge<W>(...others: Stream<K, W, S>[]): Stream<K, V | W, S> {
    const node: Node = { kind: 'pass', next: [] }
    for (const stream of [this, ...others]) {
      if (stream.#owner !== this.#owner) {
        throw new AldebaranError(
          'PIPELINE_INVALID',
          `merge joins streams of one pipeline, not of '${this.#owner.name}' and '${stream.#owner.name}'`,
        )
      }
      stream.#node.next.push(node)
    }
    return new Stream(this.#owner, node, this.#key)
  }

  /**
   * Gives each value a new key and moves it to the partition of that key, through a topic of the pipeline's own.
   * `name` names that topic: it must stay the same over releases.
   */
  keyBy<K2>(
    name: string,
    keyOf: (value: V, context: Context<K, S>) => K2,
    settings: { key: Schema<K2>; value: Schema<V>; partitions?: number },
  ): Stream<K2, V, S> {
    this.#owner.claim(name)
    const node: Node = {
      kind: 'repartition',
      next: [],
      name,
      keyOf: keyOf as (value: unknown, context: unknown) => unknown,
      key: settings.key as Schema<unknown>,
      value: settings.value as Schema<unknown>,
      partitions: settings.partitions ?? 0,
    }
    this.#node.next.push(node)
    return new Stream(this.#owner, node, settings.key)
  }

  /**
   * Hands each value to the row of its key. A value returned goes on as a stream under the same key; undefined ends
   * there. The handler is synchronous; if it throws, all it did to this record is undone and the record goes to the
   * dead letters.
   */
  into<F extends Fields, T extends Timers, R = void>(
    table: KeyedTable<K, F, T>,
    handle: (value: V, row: Row<K, F, T>, context: Context<K, S>) => R,
  ): Stream<K, Emitted<R>, S> {
    return this.#then({
      kind: 'into',
      next: [],
      table: table.node,
      key: this.#key as Schema<unknown>,
      handle: handle as (value: unknown, row: unknown, context: unknown) => unknown,
    })
  }

  /** Cuts the values of each key in time. `name` names its tables: it must stay the same over releases. */
  window(name: string, window: SessionWindow, settings?: WindowSettings<V>): WindowedStream<K, V, Replacing, S>
  window<W extends V>(
    name: string,
    window: TrailingWindow,
    settings: WindowSettings<W> & { value: Schema<W> },
  ): WindowedStream<K, V, WithValue<V>, S>
  window(name: string, window: Window, settings?: WindowSettings<V>): WindowedStream<K, V, unknown, S>
  window(name: string, window: Window, settings: WindowSettings<V> = {}): WindowedStream<K, V, unknown, S> {
    return new WindowedStream(this.#owner, planWindows(this.#end, name, window, settings as WindowSettings<never>))
  }

  /** The latest value of each key, by timestamp; null deletes. `name` names the table: it must stay the same over releases. */
  toTable(name: string, settings: LatestSettings<NonNullable<V>>): KTable<K, NonNullable<V>, S> {
    return new KTable(latestTable(this.#end, name, settings as LatestSettings<unknown>))
  }

  /** Each value with the row of its key, as the table is when the value is read; without a row it ends there. */
  join<T, R>(
    table: KTable<K, T, S>,
    joiner: (value: V, other: T, context: Context<K, S>) => R,
  ): Stream<K, Emitted<R>, S>
  /**
   * Each pair of values of a key that lie within a time of each other. The timestamp of a result is the later of both.
   * `name` names the tables in which values wait: it must stay the same over releases.
   */
  join<W, R>(
    right: Stream<K, W, S>,
    name: string,
    settings: JoinSettings<V, W>,
    joiner: (left: V, right: W, context: Context<K, S>) => R,
  ): JoinedStream<K, Emitted<R>, V, W, S>
  join(...given: JoinArguments<K, S>): unknown {
    return this.#join('inner', given)
  }

  /** As `join`; a value without a row goes on with null. */
  leftJoin<T, R>(
    table: KTable<K, T, S>,
    joiner: (value: V, other: T | null, context: Context<K, S>) => R,
  ): Stream<K, Emitted<R>, S>
  /** As `join`; a left value that met none goes on with null, when it can meet none any more. */
  leftJoin<W, R>(
    right: Stream<K, W, S>,
    name: string,
    settings: JoinSettings<V, W>,
    joiner: (left: V, right: W | null, context: Context<K, S>) => R,
  ): JoinedStream<K, Emitted<R>, V, W, S>
  leftJoin(...given: JoinArguments<K, S>): unknown {
    return this.#join('left', given)
  }

  /** As `join`; a value of either side that met none goes on with null, when it can meet none any more. One side is never null. */
  outerJoin<W, R>(
    right: Stream<K, W, S>,
    name: string,
    settings: JoinSettings<V, W>,
    joiner: (left: V | null, right: W | null, context: Context<K, S>) => R,
  ): JoinedStream<K, Emitted<R>, V, W, S> {
    const node = streamJoin(this.#end, right.#end, name, settings as AnyJoin, 'outer', joiner as Joiner)
    return new JoinedStream(this.#owner, node, this.#key)
  }

  /** Calls the handler with each value, for what it sends with `context.send`. */
  each(handle: (value: V, context: Context<K, S>) => void): void {
    this.#then({ kind: 'map', next: [], change: handle as (value: unknown, context: unknown) => unknown })
  }

  /** Writes each value to a topic, under the key it has. */
  to(topic: Topic<K, V>): void {
    this.#node.next.push({ kind: 'sink', next: [], topic, key: this.#key as Schema<unknown> })
  }

  #join(kind: 'inner' | 'left', given: JoinArguments<K, S>): unknown {
    if (given.length === 2) {
      const [table, joiner] = given
      return new Stream(this.#owner, streamTableJoin(this.#end, table.latest, kind, joiner as Joiner), this.#key)
    }
    const [right, name, settings, joiner] = given
    const node = streamJoin(this.#end, right.#end, name, settings, kind, joiner as Joiner)
    return new JoinedStream(this.#owner, node, this.#key)
  }

  get #end(): StreamEnd {
    return { owner: this.#owner, node: this.#node, key: this.#key as Schema<unknown> }
  }

  #then<W>(node: Node): Stream<K, W, S> {
    this.#node.next.push(node)
    return new Stream(this.#owner, node, this.#key)
  }
}

// biome-ignore lint/suspicious/noExplicitAny: variance: joiners take what both sides give
type AnyJoin = JoinSettings<any, any>
type JoinArguments<K, S extends AnyTopic> =
  // biome-ignore lint/suspicious/noExplicitAny: as above
  | [table: KTable<K, any, S>, joiner: unknown]
  // biome-ignore lint/suspicious/noExplicitAny: as above
  | [right: Stream<K, any, S>, name: string, settings: AnyJoin, joiner: unknown]

/** A stream cut into windows. `X`: what its results have beside aggregates. */
export class WindowedStream<K, V, X, S extends AnyTopic> {
  readonly #owner: StreamOwner
  readonly #plan: WindowPlan

  constructor(owner: StreamOwner, plan: WindowPlan) {
    this.#owner = owner
    this.#plan = plan
  }

  /** Values that came too late for their window. When nobody reads them they become dead letters (LATE_RECORD). */
  get late(): Stream<K, V, S> {
    const node: Node = { kind: 'pass', next: [] }
    this.#plan.late.push(node)
    return new Stream(this.#owner, node, this.#plan.from.key as Schema<K>)
  }

  /** One result for each window of a key, under that key. */
  aggregate<const A extends AggregateSpec<V>>(aggregates: A): Stream<K, WindowResult<ResultOf<A> & X>, S> {
    const node = windowNode(this.#plan, aggregates as AggregateSpec<never>)
    return new Stream(this.#owner, node, this.#plan.from.key as Schema<K>)
  }
}

/** Results of a join of two streams. */
export class JoinedStream<K, V, L, R, S extends AnyTopic> extends Stream<K, V, S> {
  readonly #owner: StreamOwner
  readonly #late: Node[]
  readonly #key: Schema<K>

  constructor(owner: StreamOwner, node: OperatorNode, key: Schema<K>) {
    super(owner, node, key)
    this.#owner = owner
    this.#late = node.late
    this.#key = key
  }

  /** Records that came too late to meet any. When nobody reads them they become dead letters (LATE_RECORD). */
  get late(): Stream<K, LateSide<L, R>, S> {
    const node: Node = { kind: 'pass', next: [] }
    this.#late.push(node)
    return new Stream(this.#owner, node, this.#key)
  }
}

/** Changes of a table or of a join of tables. */
export class KTableChanges<K, V, S extends AnyTopic> {
  readonly #owner: StreamOwner
  readonly #node: Node
  readonly #key: Schema<K>

  constructor(owner: StreamOwner, node: Node, key: Schema<K>) {
    this.#owner = owner
    this.#node = node
    this.#key = key
  }

  /** Each change: the new value of its key, or null when it is gone. */
  toStream(): Stream<K, V | null, S> {
    const node: Node = { kind: 'map', next: [], change: change => (change as Change).value }
    this.#node.next.push(node)
    return new Stream(this.#owner, node, this.#key)
  }

  /** Writes each change to a compacted topic; what is gone as a null value, which deletes its key there. */
  to(topic: Topic<K, V>): void {
    if (topic.options.compacted !== true) {
      throw new AldebaranError(
        'PIPELINE_INVALID',
        `topic '${topic.name}' gets the changes of a table, so it has to be compacted; or use toStream()`,
        { pipeline: this.#owner.name, topic: topic.name },
      )
    }
    this.toStream().to(topic as Topic<K, V | null>)
  }
}

/** The latest value of each key. */
export class KTable<K, V, S extends AnyTopic> extends KTableChanges<K, V, S> {
  readonly latest: LatestTable

  constructor(latest: LatestTable) {
    super(latest.owner, latest.node, latest.key as Schema<K>)
    this.latest = latest
  }

  /** Results of keys that both tables have; a change of either gives a new one. */
  join<W, R>(other: KTable<K, W, S>, joiner: (left: V, right: W, context: Context<K, S>) => R): KTableChanges<K, R, S> {
    return this.#join(other, 'inner', joiner as Joiner)
  }

  /** Results of keys that this table has. */
  leftJoin<W, R>(
    other: KTable<K, W, S>,
    joiner: (left: V, right: W | null, context: Context<K, S>) => R,
  ): KTableChanges<K, R, S> {
    return this.#join(other, 'left', joiner as Joiner)
  }

  /** Results of keys that either table has: one side is never null. */
  outerJoin<W, R>(
    other: KTable<K, W, S>,
    joiner: (left: V | null, right: W | null, context: Context<K, S>) => R,
  ): KTableChanges<K, R, S> {
    return this.#join(other, 'outer', joiner as Joiner)
  }

  #join<W, R>(other: KTable<K, W, S>, kind: JoinKind, joiner: Joiner): KTableChanges<K, R, S> {
    const { owner, key } = this.latest
    return new KTableChanges(owner, tableTableJoin(this.latest, other.latest, kind, joiner), key as Schema<K>)
  }
}
