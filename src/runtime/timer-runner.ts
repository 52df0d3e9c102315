import type { TimerHandler } from '../pipeline/compile.ts'
import type { TaskContext } from '../pipeline/task-context.ts'
import { ByteWriter } from '../schema/byte-writer.ts'
import type { TimerKind } from '../state/contract.ts'
import { sendDeadLetter } from './dead-letters.ts'
import type { Outputs } from './outputs.ts'
import type { TaskPlan } from './task-plan.ts'
import type { TaskState } from './task-state.ts'
import { blocks, type TaskUndo } from './task-undo.ts'

/** Timers run between two savepoints, at most. */
const TIMERS_AT_ONCE = 1000

const NOTHING = Buffer.alloc(0)
const nothingToRepeat = (): void => {}

export type TimerHandlers = ReadonlyMap<TaskState, ReadonlyMap<string, TimerHandler>>

/** Runs the timers of a task that are due, some at a time. */
export class TimerRunner {
  /** Timers run; taken by the task's report. */
  fired = 0
  readonly #plan: TaskPlan
  readonly #context: TaskContext
  readonly #undo: TaskUndo
  readonly #outputs: Outputs
  readonly #handlers: TimerHandlers
  readonly #key = new ByteWriter(64)
  /** Whose timer is at hand. */
  #state: TaskState | null = null
  /** Run since the last savepoint of a round. */
  #count = 0

  constructor(plan: TaskPlan, context: TaskContext, undo: TaskUndo, outputs: Outputs, handlers: TimerHandlers) {
    this.#plan = plan
    this.#context = context
    this.#undo = undo
    this.#outputs = outputs
    this.#handlers = handlers
  }

  /** Runs what is due at `now`, and what that makes due. What blocks the task is returned, or null. */
  fire(kind: TimerKind, now: number): unknown {
    for (;;) {
      const before = this.fired
      const error = this.#fireTables(kind, now)
      if (error !== null) return error
      // The wall clock goes on: what a handler sets for now is due with the next look.
      if (kind === 'processing' || this.fired === before) return null
    }
  }

  #fireTables(kind: TimerKind, now: number): unknown {
    for (const state of this.#handlers.keys()) {
      // Most of the time nothing is, and a savepoint of all tables is not free.
      if (state.table.nextDeadline(kind) > now) continue
      do {
        this.#count = 0
        const error = this.#undo.guard(
          () => this.#fireSome(state, kind, now),
          () => this.#fireCarefully(state, kind, now),
          nothingToRepeat,
        )
        this.fired += this.#count
        if (error !== null) return error
      } while (this.#count === TIMERS_AT_ONCE)
    }
    return null
  }

  #fireSome(state: TaskState, kind: TimerKind, now: number): void {
    const handlers = this.#handlers.get(state)!
    const { table } = state
    let count = 0
    while (count < TIMERS_AT_ONCE && table.nextDue(kind, now)) {
      this.#enterTimer(state, now)
      handlers.get(table.dueTimer)!(table.row)
      count++
    }
    this.#count = count
  }

  #fireCarefully(state: TaskState, kind: TimerKind, now: number): void {
    const handlers = this.#handlers.get(state)!
    const { table } = state
    for (; this.#count < TIMERS_AT_ONCE; this.#count++) {
      this.#undo.savepoint()
      if (!table.nextDue(kind, now)) break
      this.#enterTimer(state, now)
      try {
        handlers.get(table.dueTimer)!(table.row)
      } catch (error) {
        this.#undo.rollback()
        if (blocks(error)) throw error
        // Taken again, it is cleared, and not run.
        table.nextDue(kind, now)
        this.#enterTimer(state, now)
        this.#timerDeadLetter(state, table.dueTimer, error)
        this.#abandon(handlers.get(table.dueTimer)!)
      }
    }
  }

  #abandon({ abandon }: TimerHandler): void {
    if (abandon === undefined) return
    this.#undo.savepoint()
    try {
      abandon()
    } catch (error) {
      this.#undo.rollback()
      if (blocks(error)) throw error
    }
  }

  #enterTimer(state: TaskState, now: number): void {
    const context = this.#context
    const key = this.#key
    key.position = 0
    state.table.copyKey(key)
    this.#state = state
    context.topic = ''
    context.offset = -1
    context.cursor = null
    context.timestamp = now
    context.keySchema = state.node.definition.key
    context.keyBytes = key.bytes
    context.keyStart = 0
    context.keyEnd = key.position
  }

  /** Makes a dead letter of what the timer at hand gave. */
  refuse(error: unknown): void {
    this.#timerDeadLetter(this.#state!, this.#state!.table.dueTimer, error)
  }

  #timerDeadLetter(state: TaskState, timer: string, error: unknown): void {
    const plan = this.#plan
    const context = this.#context
    const copy = state.table.get(context.keyBytes, context.keyStart, context.keyEnd)
    const value = copy === undefined ? NOTHING : Buffer.from(JSON.stringify(copy.fields, bigintAsText))
    this.#undo.deadLetters++
    sendDeadLetter(
      this.#outputs,
      plan.deadLetters,
      {
        pipeline: plan.part.pipeline,
        topic: '',
        partition: plan.partition,
        offset: -1,
        timestamp: context.timestamp,
        timer: `${state.node.definition.name}/${timer}`,
      },
      {
        key: context.keyBytes,
        keyStart: context.keyStart,
        keyEnd: context.keyEnd,
        value,
        valueStart: 0,
        valueEnd: value.length,
        headers: [],
      },
      error,
      context.now,
    )
  }
}

function bigintAsText(_name: string, value: unknown): unknown {
  return typeof value === 'bigint' ? String(value) : value
}
