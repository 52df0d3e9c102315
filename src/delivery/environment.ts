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
  /** Writes a record to `attempts` or `notices` of the settings, under the destination. */
  readonly tell: (topic: AnyTopic, destination: string, record: object) => void
  /** Tells all the other tasks of the delivery. */
  readonly tellOthers: (command: Command) => void
}

export type CourierCount = 'tries' | 'delivered' | 'retried' | 'dead' | 'inDoubt' | 'duplicates' | 'tryMs'
