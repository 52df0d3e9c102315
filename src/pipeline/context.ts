import type { Header } from '../record/headers.ts'
import type { AnyTopic, KeyOf, ValueOf } from './topic.ts'

/** What a handler may know of the record at hand, and where it sends other records. One object, reused. */
export interface Context<K, S extends AnyTopic> {
  readonly key: K
  /** Time of the record, ms since 1970; of a timer: when it fires, by the clock it goes by. */
  readonly timestamp: number
  /** Wall clock, ms since 1970, read once a batch. */
  readonly now: number
  /** Records older than this have all been seen, as far as the sources can tell; ms since 1970. */
  readonly watermark: number
  /** Where the record lies; for a timer: '' and -1. */
  readonly topic: string
  readonly partition: number
  readonly offset: number
  headers(): Header[]
  /** Sends a record to a topic that the pipeline declares in `sends`. It is committed with the state changes. */
  send<T extends S>(topic: T, key: KeyOf<T>, value: ValueOf<T>, options?: SendOptions): void
}

export interface SendOptions {
  /** ms since 1970. Default: the timestamp of the record at hand. */
  timestamp?: number
  headers?: readonly Header[]
}
