import type { Log } from '../log/contract.ts'
import type { AnyTopic } from '../pipeline/topic.ts'
import type { Application } from '../runtime/application.ts'
import { allRows } from '../runtime/queries.ts'
import type { RowCopy } from '../state/contract.ts'
import type { Outside, SentTry } from './outside.ts'
import { type DeadLetter, type ReadRecord, readDeadLetters, readTopic } from './read-topic.ts'
import type { World } from './simulation-world.ts'

/** What there is at the end of a simulation, for a scenario to check. */
export class SimulationEnd {
  readonly #world: World
  readonly #application: Application
  readonly #outside: Outside
  readonly #log: Log

  constructor(world: World, outside: Outside) {
    this.#world = world
    this.#application = outside.application
    this.#outside = outside
    this.#log = world.log.client()
  }

  records(topic: AnyTopic): ReadRecord[] {
    return readTopic(this.#log, topic)
  }

  deadLetters(): DeadLetter[] {
    return readDeadLetters(this.#log, this.#application.deadLetters)
  }

  /** Every try of a delivery, in the order they began. */
  sent(delivery: string): SentTry[] {
    return this.#outside.ledger.filter(entry => entry.delivery === delivery)
  }

  /** When the process, a worker or what it had in memory was lost last; as `SentTry.lostAt`. 0: never. */
  get lastLossAt(): number {
    return this.#outside.lastLossAt
  }

  /** Rows of a table, of all partitions. */
  rows(pipeline: string, table: string): RowCopy[] {
    return this.#world.workers.flatMap(worker => allRows(worker, pipeline, table))
  }
}
