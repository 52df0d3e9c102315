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
