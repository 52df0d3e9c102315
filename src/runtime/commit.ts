/**
 * The only file that commits.
 *
 * Invariants
 * 1. A unit carries everything its tasks did since the last one: outputs, table changes, positions. So it either all
 *    happened or none of it did.
 * 2. Units are submitted in order and several may be under way; each table hears of its changelog offsets in order.
 * 3. After a unit has failed nothing more is submitted: the state in memory is ahead of the log, and the worker must
 *    start again from what the log says.
 * 4. Where the log fences by positions, the position of every input of a task goes with whatever the task did, moved or
 *    not. Timers change rows and send records without moving any: a worker that others took a task from, and that has
 *    not heard of it, would commit them.
 */
import { messageOf } from '../errors.ts'
import type { Append, CommitResult, CommitUnit, Log, Position, TableWrite, Trim } from '../log/contract.ts'
import type { Clock } from '../time/clock.ts'
import type { Measures } from './measures.ts'
import type { Outputs } from './outputs.ts'
import type { Task } from './task.ts'
import type { TaskState } from './task-state.ts'

export class Committer {
  readonly #log: Log
  readonly #outputs: Outputs
  readonly #clock: Clock
  readonly #measures: Measures
  readonly #trimStep: number
  readonly #fencesByPositions: boolean
  /** Units submitted, and answered. They are answered in their order. */
  submitted = 0
  answered = 0
  /** The error of the first unit that failed. */
  failure: Error | null = null

  /** Changelogs and the topics of keyBy are trimmed in steps of `trimStep` records. */
  constructor(log: Log, outputs: Outputs, clock: Clock, measures: Measures, trimStep: number) {
    this.#log = log
    this.#outputs = outputs
    this.#clock = clock
    this.#measures = measures
    this.#trimStep = trimStep
    this.#fencesByPositions = log.capabilities.fencing === 'positions'
  }

  /** Bytes of the batches in those units. */
  bytesUnderWay = 0

  /** Units submitted whose outcome is not known yet. */
  get underWay(): number {
    return this.submitted - this.answered
  }

  /** Submits what the tasks did. `oldestTimestamp`: of the records in it, ms, to measure the latency. */
  submit(tasks: readonly Task[], oldestTimestamp: number): void {
    const appends: Append[] = []
    const positions: Position[] = []
    const tables: TableWrite[] = []
    const trims: Trim[] = []
    /** Who hears which append's offset; −1: not in the changelog. */
    const told: { state: TaskState; append: number }[] = []
    const couriers = tasks.flatMap(task => task.courier ?? [])
    for (const courier of couriers) courier.collecting()
    this.#outputs.finishInto(appends)
    this.#measures.add('recordsOut', this.#outputs.count)
    this.#measures.add('bytesOut', this.#outputs.bytes)
    for (const task of tasks) {
      const withAll = this.#fencesByPositions && hasWorked(task)
      for (const state of task.states) this.#collect(state, appends, tables, trims, told)
      for (const input of task.inputs) {
        const time = task.timeOf(input)
        if (input.position === input.submitted && time === input.submittedTime && !withAll) continue
        input.submitted = input.position
        input.submittedTime = time
        positions.push({
          group: task.plan.group,
          topic: input.source.topic.name,
          partition: task.plan.partition,
          offset: input.position,
          metadata: time,
        })
        const { topic } = input.source
        if (topic.options.internal !== true || input.position < input.trimmed + this.#trimStep) continue
        input.trimmed = input.position
        trims.push({ topic: topic.name, partition: task.plan.partition, before: input.position })
      }
      task.report()
    }
    const unit: CommitUnit = { appends, positions, tables, trims }
    const bytes = appends.reduce((sum, append) => sum + append.batch.length, 0)
    this.bytesUnderWay += bytes
    this.submitted++
    const submitted = this.#clock.monotonic()
    this.#log.submit(unit, (error, result) => {
      this.answered++
      this.bytesUnderWay -= bytes
      if (error !== null) this.failure ??= error
      if (error !== null || this.failure !== null) return
      try {
        this.#committed(told, result!)
        for (const courier of couriers) courier.committed()
      } catch (cause) {
        // A table on this machine could not take it: the log has it, and what it lacks is read from there.
        this.failure = cause instanceof Error ? cause : new Error(messageOf(cause))
        return
      }
      this.#measures.commit(this.#clock.monotonic() - submitted)
      if (Number.isFinite(oldestTimestamp)) this.#measures.latency(Math.max(0, this.#clock.now() - oldestTimestamp))
    })
    this.#outputs.begin()
    for (const task of tasks) for (const state of task.states) state.changelog?.begin()
  }

  #collect(
    state: TaskState,
    appends: Append[],
    tables: TableWrite[],
    trims: Trim[],
    told: { state: TaskState; append: number }[],
  ): void {
    const { table, changelog } = state
    if (!table.changed) return
    if (changelog === null) {
      table.collect(NO_CHANGELOG, tables)
      told.push({ state, append: -1 })
      return
    }
    const written = table.collect(changelog, tables)
    if (written === 0) return
    told.push({ state, append: appends.length })
    changelog.finishInto(appends)
    const before = table.trimBefore
    if (before >= state.trimmed + this.#trimStep) {
      state.trimmed = before
      trims.push({ topic: changelog.topic, partition: changelog.partition, before })
    }
  }

  #committed(told: readonly { state: TaskState; append: number }[], result: CommitResult): void {
    for (const { state, append } of told) state.table.committed(append < 0 ? 0 : result.offsets[append]!)
  }
}

/** What it sent alone does not count: only a record or a timer makes it send, which moves a position, time or a row. */
function hasWorked(task: Task): boolean {
  const { states, inputs } = task
  return (
    states.some(state => state.table.changed) ||
    inputs.some(input => input.position !== input.submitted || task.timeOf(input) !== input.submittedTime)
  )
}

const NO_CHANGELOG = {
  append(): void {
    throw new Error('a table without a changelog wrote to one')
  },
}
