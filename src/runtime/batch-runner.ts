import { AldebaranError } from '../errors.ts'
import type { TaskContext } from '../pipeline/task-context.ts'
import type { BatchCursor } from '../record/batch-cursor.ts'
import type { Clock } from '../time/clock.ts'
import { sendDeadLetter } from './dead-letters.ts'
import type { Outputs } from './outputs.ts'
import type { TaskInput } from './task-input.ts'
import type { TaskPlan } from './task-plan.ts'
import { blocks, type TaskUndo } from './task-undo.ts'

/** Takes the records of a batch through the operators of a task. */
export class BatchRunner {
  readonly #plan: TaskPlan
  readonly #context: TaskContext
  readonly #undo: TaskUndo
  readonly #outputs: Outputs
  readonly #clock: Clock
  #input: TaskInput | null = null
  /** The record at hand. */
  #isRefused = false

  constructor(plan: TaskPlan, context: TaskContext, undo: TaskUndo, outputs: Outputs, clock: Clock) {
    this.#plan = plan
    this.#context = context
    this.#undo = undo
    this.#outputs = outputs
    this.#clock = clock
  }

  #enter(input: TaskInput): void {
    const context = this.#context
    context.topic = input.source.topic.name
    context.keySchema = input.source.topic.key
    context.cursor = input.cursor
    context.now = this.#clock.now()
    input.begin(context.now)
    this.#input = input
  }

  /** Makes a dead letter of the record at hand, whatever else is done with it. Once, however many operators refuse it. */
  refuse(error: unknown): void {
    const input = this.#input!
    if (this.#isRefused) return
    this.#isRefused = true
    this.#deadLetter(input, error)
  }

  /** @throws AldebaranError TIMESTAMP_AHEAD, VALUE_INVALID, and what the function throws */
  #time(input: TaskInput, value: unknown): void {
    const context = this.#context
    const { timestampOf } = input.source
    // A null has no time of its own but that of its record.
    if (timestampOf !== null && value !== null) {
      const timestamp = timestampOf(value, context)
      if (!Number.isSafeInteger(timestamp)) {
        throw new AldebaranError('VALUE_INVALID', `the time of a record is ms since 1970, not ${timestamp}`)
      }
      context.timestamp = timestamp
    }
    input.saw(context.timestamp, context.now)
  }

  #enterRecord(cursor: BatchCursor): void {
    const context = this.#context
    context.keyBytes = cursor.bytes
    context.keyStart = cursor.keyStart
    context.keyEnd = cursor.keyEnd
    context.timestamp = cursor.timestamp
    context.offset = cursor.offset
    this.#isRefused = false
  }

  /** All records at once: a throw leaves the undoing to the caller. */
  run(input: TaskInput): void {
    this.#enter(input)
    const { cursor, push, schema, position } = input
    const takesNull = input.source.takesNull === true
    const { isTimed } = input
    while (cursor.next()) {
      if (cursor.offset < position) {
        input.heard()
        continue
      }
      this.#enterRecord(cursor)
      let value: unknown = null
      try {
        if (cursor.valueStart >= 0) value = schema.decode(cursor.bytes, cursor.valueStart, cursor.valueEnd)
        else if (input.heard()) continue
        else if (!takesNull) throw new AldebaranError('VALUE_UNDECODABLE', 'the value is null')
        if (isTimed) this.#time(input, value)
      } catch (error) {
        if (blocks(error)) throw error
        this.#deadLetter(input, error)
        continue
      }
      push(value)
    }
  }

  /** The same with a savepoint before each record: one that throws becomes a dead letter. */
  runCarefully(input: TaskInput): void {
    this.#enter(input)
    const { cursor, push, schema, position } = input
    const takesNull = input.source.takesNull === true
    while (cursor.next()) {
      if (cursor.offset < position) {
        input.heard()
        continue
      }
      this.#enterRecord(cursor)
      this.#undo.savepoint()
      try {
        if (!input.heard()) {
          if (cursor.valueStart < 0 && !takesNull) throw new AldebaranError('VALUE_UNDECODABLE', 'the value is null')
          const value = cursor.valueStart < 0 ? null : schema.decode(cursor.bytes, cursor.valueStart, cursor.valueEnd)
          if (input.isTimed) this.#time(input, value)
          push(value)
        }
      } catch (error) {
        this.#undo.rollback()
        if (blocks(error)) throw error
        this.#deadLetter(input, error)
      }
      input.position = cursor.offset + 1
    }
  }

  #deadLetter(input: TaskInput, error: unknown): void {
    const { cursor, source } = input
    const plan = this.#plan
    this.#undo.deadLetters++
    sendDeadLetter(
      this.#outputs,
      plan.deadLetters,
      {
        pipeline: plan.part.pipeline,
        topic: source.topic.name,
        partition: plan.partition,
        offset: cursor.offset,
        timestamp: cursor.timestamp,
        timer: null,
      },
      {
        key: cursor.keyStart < 0 ? null : cursor.bytes,
        keyStart: cursor.keyStart,
        keyEnd: cursor.keyEnd,
        value: cursor.bytes,
        valueStart: cursor.valueStart,
        valueEnd: cursor.valueEnd,
        headers: cursor.headers(),
      },
      error,
      this.#context.now,
    )
  }
}
