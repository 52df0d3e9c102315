import { AldebaranError } from '../errors.ts'
import type { Fields } from '../schema/field-types.ts'
import type { Schema } from '../schema/schema.ts'
import type { Row, Timers } from '../state/contract.ts'
import type { Context } from './context.ts'
import type { Node, TableNode } from './node.ts'
import type { AnyTopic, Topic } from './topic.ts'

/** The pipeline a stream belongs to, as far as its streams need it. */
export interface StreamOwner {
  readonly name: string
  /** Refuses a name that is taken or malformed. */
  claim(name: string): void
}

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

  /** Calls the handler with each value, for what it sends with `context.send`. */
  each(handle: (value: V, context: Context<K, S>) => void): void {
    this.#then({ kind: 'map', next: [], change: handle as (value: unknown, context: unknown) => unknown })
  }

  /** Writes each value to a topic, under the key it has. */
  to(topic: Topic<K, V>): void {
    this.#node.next.push({ kind: 'sink', next: [], topic, key: this.#key as Schema<unknown> })
  }

  #then<W>(node: Node): Stream<K, W, S> {
    this.#node.next.push(node)
    return new Stream(this.#owner, node, this.#key)
  }
}
