/** Destinations and events of deliveries, as the API shows them. */

export type DestinationState = 'paused' | 'open' | 'half-open' | 'throttled' | 'active'

export interface DestinationView {
  readonly destination: string
  readonly tenant: string
  /** Of the tasks that know it, the most severe; `states` counts the tasks by theirs. */
  readonly state: DestinationState
  readonly states: Readonly<Partial<Record<DestinationState, number>>>
  /** Why it is paused; '': it is not. */
  readonly reason: string
  /** Nothing before, ms since 1970; 0: now. */
  readonly notBefore: number
  readonly waiting: number
  readonly scheduled: number
  readonly inDoubt: number
  readonly underWay: number
  /** Since the tasks began. */
  readonly delivered: number
  readonly failed: number
  readonly dead: number
  /** Of each task; '': as the settings say. */
  readonly rate: string
  readonly concurrency: number
  /** The last one of all tasks, and when; ms since 1970. */
  readonly error: string
  readonly failedAt: number
  readonly partitions: readonly number[]
}

export type EventState = 'in-doubt' | 'waiting' | 'scheduled'

export interface EventView {
  /** Names it in commands. */
  readonly event: string
  readonly id: string
  readonly destination: string
  readonly tenant: string
  readonly state: EventState
  readonly tries: number
  /** ms since 1970; `due` 0: when its turn comes. */
  readonly since: number
  readonly due: number
  readonly error: string
  readonly topic: string
  readonly partition: number
  readonly offset: number
  readonly value: unknown
}

/** `not-known`: it is nowhere that was looked at, and no try says how it ended. */
export type StoryState = EventState | 'under-way' | 'delivered' | 'dead' | 'not-known'

/** What an operator can do about an event: `send` and `drop` are commands, the others are of its dead letter. */
export type StoryAction = 'send' | 'drop' | 'replay' | 'purge'

export interface AttemptView {
  readonly number: number
  /** When it ended, ms since 1970, and how long it took, ms. */
  readonly at: number
  readonly ms: number
  readonly outcome: 'delivered' | 'retry' | 'throttle' | 'reject' | 'disable' | 'unknown'
  readonly error: string
  readonly detail: unknown
}

/** The dead letter that an event became. */
export interface StoryLetter {
  readonly offset: number
  /** When it became one, and when it was replayed or purged; ms since 1970. */
  readonly time: number
  readonly stateTime: number | null
  readonly state: 'open' | 'replayed' | 'purged'
  readonly message: string
  /** Null: it can be replayed. Else why not. */
  readonly notReplayable: string | null
}

/** An event at one of its destinations. */
export interface StoryPlace {
  readonly destination: string
  readonly tenant: string
  readonly state: StoryState
  /** When it was taken in, ms since 1970; null: not known any more. */
  readonly since: number | null
  readonly tries: number
  /** Of its last try that failed; '': none did. */
  readonly error: string
  /** What it waits for; null: it does not. `at` null: no time is set. */
  readonly next: { readonly at: number | null; readonly why: string } | null
  /** Names it in commands; null: there is nothing to command. */
  readonly event: string | null
  readonly letter: StoryLetter | null
  readonly actions: readonly StoryAction[]
  /** The newest first. */
  readonly attempts: readonly AttemptView[]
}

/** The record that the event was made of. */
export interface StoryRecord {
  readonly topic: string
  readonly partition: number
  readonly offset: number
  readonly timestamp: number
  readonly key: unknown
  readonly value: unknown
  /** Of a value that is bytes: the text that they are, if they are one. */
  readonly text?: string
  /** The bytes of a value that cannot be decoded, which is null then. */
  readonly valueBase64?: string
  /** Several of one name as an array. */
  readonly headers: Readonly<Record<string, string | null | (string | null)[]>>
}

export interface EventStory {
  readonly application: string
  readonly delivery: string
  readonly id: string
  /** Null: it is not known any more. */
  readonly record: StoryRecord | null
  readonly destinations: readonly StoryPlace[]
  /** False: a search ended at its bound, and there may be more. */
  readonly complete: boolean
  /** Which one. */
  readonly notSearched: readonly ('attempts' | 'dead-letters' | 'backlog')[]
  /** Tries before that time, ms since 1970, were not all looked at; null: all were. */
  readonly searchedBackTo: number | null
  /** False: the delivery has no topic `attempts`. */
  readonly recordsAttempts: boolean
}
