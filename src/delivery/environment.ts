/** What a courier is given by its task. */
import type { AnyTopic } from '../pipeline/topic.ts'
import type { Clock } from '../time/clock.ts'
import type { Command } from './commands.ts'
import type { DueEvent } from './due-event.ts'

export interface CourierEnvironment {
  readonly clock: Clock
  /** From 0 to 1. */
  readonly random: () => number
  /** Called from the event loop when a try has ended. */
  readonly wake: () => void
  /** The event is given up. */
  readonly deadLetter: (event: DueEvent, error: Error) => void
  readonly count: (name: CourierCount, amount: number) => void
  /** Of the `counters` of the settings, by its place there. */
  readonly countOwn: (counter: number, amount: number) => void
  /** Writes a record to `attempts` or `notices` of the settings, under the destination. */
  readonly tell: (topic: AnyTopic, destination: string, record: object) => void
  /** Tells all the other tasks of the delivery. */
  readonly tellOthers: (command: Command) => void
}

/** What is counted of a delivery since its tasks began. */
export const DELIVERY_COUNTS = [
  'taken',
  'tries',
  'delivered',
  'failed',
  'retried',
  'dead',
  'inDoubt',
  'duplicates',
] as const
/**
 * How much it has now: events that wait for their turn, for their time, and for a decision; tries under way; destinations,
 * those whose breaker is not closed, and those that are paused.
 */
export const DELIVERY_LEVELS = [
  'waiting',
  'scheduled',
  'doubtful',
  'underWay',
  'destinations',
  'broken',
  'paused',
] as const

export type CourierCount = (typeof DELIVERY_COUNTS)[number] | 'tryMs'
export type Levels = Record<(typeof DELIVERY_LEVELS)[number], number>
