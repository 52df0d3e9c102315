import { AldebaranError } from '../errors.ts'
import type { Fields } from '../schema/field-types.ts'
import type { Schema } from '../schema/schema.ts'
import type { Timers } from '../state/contract.ts'
import type { LatestSettings } from './joins/latest-table.ts'
import type { PassNode, SourceNode, TableNode } from './node.ts'
import { type SourceSettings, timeRules } from './source-time.ts'
import { type KTable, Stream, type StreamOwner } from './stream.ts'
import { Table, type TableSettings } from './table.ts'
import type { AnyTopic, KeyOf, ValueOf } from './topic.ts'

/** A typed graph of streams and tables, from topics to topics. */
export class Pipeline<S extends AnyTopic = AnyTopic> implements StreamOwner {
  readonly name: string
  readonly sources: SourceNode[] = []
  readonly tables: TableNode[] = []
  readonly sends: readonly AnyTopic[]
  readonly #names = new Set<string>()
  readonly #settings = new Map<SourceNode, SourceSettings[]>()

  constructor(name: string, sends: readonly AnyTopic[]) {
    checkName(name, 'pipeline')
    this.name = name
    this.sends = sends
  }

  /** The records of one topic, or of several with keys of one type and equal partition counts. */
  from<T extends AnyTopic>(
    topics: T | readonly T[],
    settings: SourceSettings<KeyOf<T>, ValueOf<T>> = {},
  ): Stream<KeyOf<T>, ValueOf<T>, S> {
    const list = (Array.isArray(topics) ? topics : [topics]) as readonly T[]
    const first = list[0]
    if (first === undefined)
      throw new AldebaranError('PIPELINE_INVALID', `pipeline '${this.name}': from() needs a topic`)
    const sources = list.map(topic => this.#source(topic, settings as SourceSettings))
    const node: PassNode = { kind: 'pass', next: [], sources }
    for (const source of sources) source.next.push(node)
    return new Stream(this, node, first.key as Schema<KeyOf<T>>)
  }

  table<K, F extends Fields, const T extends Timers = Record<never, never>>(
    name: string,
    settings: TableSettings<K, F, T>,
  ): Table<K, F, T, S> {
    this.claim(name)
    const table = new Table<K, F, T, S>(this, name, settings)
    this.tables.push(table.node)
    return table
  }

  addTable(node: TableNode): void {
    this.tables.push(node)
  }

  /** The latest value of each key of a topic; null values delete. `name` names the table: the topic's name by default. */
  tableOf<T extends AnyTopic>(
    topic: T,
    name = topic.name.replace(/[^a-zA-Z0-9_-]/g, '-'),
    settings: SourceSettings<KeyOf<T>, ValueOf<T>> & Partial<LatestSettings<NonNullable<ValueOf<T>>>> = {},
  ): KTable<KeyOf<T>, NonNullable<ValueOf<T>>, S> {
    return this.from(topic, settings).toTable(name, { value: topic.value, ...settings })
  }

  claim(name: string): void {
    checkName(name, `part of pipeline '${this.name}'`)
    if (this.#names.has(name)) {
      throw new AldebaranError('NAME_TAKEN', `pipeline '${this.name}' has two parts named '${name}'`, {
        pipeline: this.name,
        name,
      })
    }
    this.#names.add(name)
  }

  /** One source a topic, however often `from` names it: its records are read once. */
  #source(topic: AnyTopic, settings: SourceSettings): SourceNode {
    const known = this.sources.find(source => source.topic.name === topic.name)
    if (known !== undefined) {
      if (known.topic !== topic) {
        throw new AldebaranError(
          'NAME_TAKEN',
          `pipeline '${this.name}' reads two definitions of topic '${topic.name}'`,
          {
            topic: topic.name,
          },
        )
      }
      return this.#timed(known, settings)
    }
    const source: SourceNode = { kind: 'source', next: [], topic, time: timeRules([]), timestampOf: null, writers: 0 }
    this.sources.push(source)
    return this.#timed(source, settings)
  }

  #timed(source: SourceNode, settings: SourceSettings): SourceNode {
    const all = [...(this.#settings.get(source) ?? []), settings]
    this.#settings.set(source, all)
    source.time = timeRules(all)
    if (settings.timestamp === undefined) return source
    if (source.timestampOf !== null && source.timestampOf !== settings.timestamp) {
      throw new AldebaranError(
        'PIPELINE_INVALID',
        `pipeline '${this.name}' takes the time of records of topic '${source.topic.name}' from two functions`,
        { topic: source.topic.name },
      )
    }
    source.timestampOf = settings.timestamp as (value: unknown, context: unknown) => number
    return source
  }
}

export interface PipelineSettings<S extends readonly AnyTopic[]> {
  /** Topics that handlers send to with `context.send`. */
  sends?: S
}

export function pipeline<const S extends readonly AnyTopic[] = readonly never[]>(
  name: string,
  settings: PipelineSettings<S> = {},
): Pipeline<S[number]> {
  return new Pipeline<S[number]>(name, settings.sends ?? [])
}

export function checkName(name: string, what: string): void {
  if (!/^[a-zA-Z][a-zA-Z0-9_-]{0,99}$/.test(name)) {
    throw new AldebaranError('NAME_INVALID', `'${name}' is not a name for a ${what}`, { name })
  }
}
