import { AldebaranError } from '../errors.ts'
import type { TopicOptions } from '../log/contract.ts'
import type { Schema } from '../schema/schema.ts'
import { parseDuration, parseSize } from './units.ts'

/** A topic as the code knows it: its name and the types of its keys and values. */
export interface Topic<K, V> {
  readonly name: string
  readonly key: Schema<K>
  readonly value: Schema<V>
  readonly options: TopicOptions
  /** Must exist already: it is never created by the application. */
  readonly external: boolean
  /** Gives the key of a value that arrives without one (HTTP, CLI). */
  readonly keyOf: ((value: V) => K) | null
}

export interface TopicSettings<K, V> {
  key: Schema<K>
  value: Schema<V>
  /** Default 4. */
  partitions?: number
  /** Delete the oldest records beyond this size of a partition ('1GB' or bytes). Default: never. */
  retentionSize?: string | number
  /** Delete records older than this ('7d' or ms). Default: never. */
  retentionTime?: string | number
  /** Keeps the last record of each key only; a null value deletes the key. What a delivery `reads` is such. Default false. */
  compacted?: boolean
  /** Default false: the application creates the topic at its start. */
  external?: boolean
  keyOf?: (value: NoInfer<V>) => NoInfer<K>
}

// biome-ignore lint/suspicious/noExplicitAny: variance: a topic both takes and gives its types
export type AnyTopic = Topic<any, any>

/** The type of the keys and of the values of a topic. */
export type KeyOf<T> = T extends Topic<infer K, infer _> ? K : never
export type ValueOf<T> = T extends Topic<infer _, infer V> ? V : never

export function topic<K, V>(name: string, settings: TopicSettings<K, V>): Topic<K, V> {
  if (!/^[a-zA-Z0-9._-]{1,249}$/.test(name) || name === '.' || name === '..') {
    throw new AldebaranError('TOPIC_INVALID', `'${name}' is not a topic name`, { topic: name })
  }
  const partitions = settings.partitions ?? 4
  if (!Number.isInteger(partitions) || partitions < 1 || partitions > 10_000) {
    throw new AldebaranError('TOPIC_INVALID', `topic '${name}' cannot have ${partitions} partitions`, { topic: name })
  }
  const options: TopicOptions = {
    partitions,
    key: { format: settings.key.format, definition: settings.key.definition },
    value: { format: settings.value.format, definition: settings.value.definition },
  }
  if (settings.retentionSize !== undefined) options.retentionBytes = parseSize(settings.retentionSize, 'retentionSize')
  if (settings.retentionTime !== undefined) options.retentionMs = parseDuration(settings.retentionTime, 'retentionTime')
  if (settings.compacted === true) options.compacted = true
  return {
    name,
    key: settings.key,
    value: settings.value,
    options,
    external: settings.external ?? false,
    keyOf: settings.keyOf ?? null,
  }
}
