/**
 * Deliveries: what happens outside because a record was committed.
 *
 * Words: an *event* is a record on its way to one destination; a record may have several. A *try* is one call of the
 * user's `send`. A *destination* has its own queue, limits and breaker; a *tenant* is who several destinations belong to.
 *
 *     taken in ──► waiting ──► under way ──► delivered
 *        │            ▲ ▲          │  ├────► dead: given up, a dead letter
 *        │  delayed   │ │          │  └────► in doubt (at-most-once): whether it was delivered is not known
 *        └──────► scheduled ◄──────┘ failed, and is tried again
 */
import type { Context } from '../pipeline/context.ts'
import type { AnyTopic, KeyOf, Topic, ValueOf } from '../pipeline/topic.ts'
import type { Header } from '../record/headers.ts'
import type { BreakerSettings } from './breaker.ts'
import type { DeliveryFate } from './delivery-error.ts'
import type { LatestOf } from './latest.ts'
import type { RetrySettings } from './retry.ts'
import type { Rate } from './token-bucket.ts'

/** Where an event goes. */
export interface Route {
  /** Up to 200 characters. */
  readonly destination: string
  /** Who it belongs to. Turns are shared out among tenants, then among the destinations of each. Default: none. */
  readonly tenant?: string
  /** Stays the same over tries and restarts, and is what `deduplicate` looks at. Default: topic, partition and offset. */
  readonly id?: string
  /** Events of one destination with the same text are delivered one after the other, in the order they came. Default: none. */
  readonly order?: string
  /** 0 to 9: of one destination the highest goes first. Default 4. */
  readonly priority?: number
  /** Not before so long after it was taken in. */
  readonly delay?: string | number
}

/** One try, as `send` is told of it. */
export interface Attempt {
  readonly id: string
  readonly destination: string
  readonly tenant: string
  /** 1 for the first. */
  readonly number: number
  /** When the event was taken in, and when this try began; ms since 1970. */
  readonly since: number
  readonly startedAt: number
  /** The timestamp and the headers of the record, and its key as it is in the log. */
  readonly timestamp: number
  readonly headers: readonly Header[]
  readonly key: Buffer | null
  /** The last value of a key of a topic in `reads`, as of now. */
  readonly latest: LatestOf
  /**
   * Counts something of the application's own, by one of `counters` of the settings: a metric, since the process began.
   * @throws AldebaranError OPTION_INVALID it is none of them
   */
  readonly count: (counter: string, amount?: number) => void
  /** Its time is over, the event was given up, or the task goes elsewhere: what was begun should end. */
  readonly signal: AbortSignal
}

/**
 * `at-least-once`: sent, then noted as done; after a crash it may be sent again, with the same id. `at-most-once`: the
 * intent is committed, then it is sent; of what is not known to have failed nothing is sent again: it is in doubt.
 */
export type DeliveryGuarantee = 'at-least-once' | 'at-most-once'

export interface Limits {
  rate?: Rate
  /** Under way at once. */
  concurrency?: number
}

/** What a try came to: a record of the topic `attempts`, under the destination as its key. */
export interface AttemptRecord {
  readonly id: string
  readonly destination: string
  readonly tenant: string
  readonly number: number
  /** When it ended, ms since 1970, and how long it took, ms. */
  readonly at: number
  readonly ms: number
  readonly outcome: 'delivered' | DeliveryFate
  /** '' if it was delivered. */
  readonly error: string
  /** What `send` returned, or the `detail` of its error; null: nothing. */
  readonly detail: unknown
}

/** What the owner of a destination should know: a record of the topic `notices`, under the destination as its key. */
export interface DeliveryNotice {
  readonly destination: string
  readonly tenant: string
  /** It gets nothing until it is resumed. */
  readonly what: 'paused'
  readonly reason: string
  /** ms since 1970 */
  readonly at: number
}

/** What a route may know of its record. */
export interface RouteContext<T extends AnyTopic> extends Omit<Context<KeyOf<T>, AnyTopic>, 'send'> {
  /** The last value of a key of a topic in `reads`. */
  readonly latest: LatestOf
}

export interface DeliverySettings<T extends AnyTopic = AnyTopic> {
  /** Its records, each partition in order. */
  from: T
  /**
   * Where the record goes: a destination, a route, several, or undefined: nowhere. It is synchronous; if it throws, the
   * record goes to the dead letters. Default: everything goes to one destination, named as the delivery.
   */
  route?: (value: ValueOf<T>, context: RouteContext<T>) => string | Route | readonly Route[] | undefined
  /**
   * Does it. What it returns goes to `attempts`, what it throws says what becomes of the event: see `DeliveryError`.
   * It should end soon after the signal is aborted.
   */
  send: (value: ValueOf<T>, attempt: Attempt) => unknown
  /** Gives back what `send` keeps open, such as connections: called in each worker thread when it ends in order. */
  close?: () => unknown
  /** Default 'at-least-once'. */
  guarantee?: DeliveryGuarantee
  retry?: RetrySettings
  /** Longest time of one try. Default '30s'. */
  timeout?: string | number
  /**
   * Of each task (default: 1024 under way), of each tenant (default: none), and of each destination (default: 64 under
   * way), for all alike or by name.
   * While a task has more than half of its own under way, tenants and destinations get equal shares of it.
   */
  limits?: { total?: Limits; tenant?: Limits; destination?: Limits | ((destination: string) => Limits) }
  /** False: destinations are tried whatever happens. */
  breaker?: BreakerSettings | false
  /** A destination whose tries have all failed for so long is paused. Default: never. */
  disableAfter?: string | number
  /**
   * Topics with the same keys and partitions as `from`, to look things up in: the last value of each key is kept, a null
   * value deletes.
   */
  reads?: readonly AnyTopic[]
  /** Gets a record of each try. */
  attempts?: Topic<string, AttemptRecord>
  /** Gets a record when a destination is paused by itself. */
  notices?: Topic<string, DeliveryNotice>
  /** An event with an id that was taken in within that time is passed over. Default: none is. */
  deduplicate?: string | number
  /** Names of what `count` of a try counts: letters, digits and _. Default: none. */
  counters?: readonly string[]
  /** What the events of a task that wait in memory may take; the others wait on the disk. Default '16MB'. */
  memory?: string | number
}
