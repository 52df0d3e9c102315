/** What a task is given by its worker. */
import type { Log } from '../log/contract.ts'
import type { Clock } from '../time/clock.ts'
import type { Measures } from './measures.ts'
import type { Outputs } from './outputs.ts'

export interface TaskEnvironment {
  log: Log
  outputs: Outputs
  clock: Clock
  measures: Measures
  random: () => number
}
