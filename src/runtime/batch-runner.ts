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
  }

  #enterRecord(cursor: BatchCursor): void {
    const context = this.#context
    context.keyBytes = cursor.bytes
    context.keyStart = cursor.keyStart
    context.keyEnd = cursor.keyEnd
    context.timestamp = cursor.timestamp
    context.offset = cursor.offset
  }

  /** All records at once: a throw leaves the undoing to the caller. */
  run(input: TaskInput): void {
    this.#enter(input)
    const { cursor, push, schema, position } = input
    const takesNull = input.source.takesNull === true
    while (cursor.next()) {
      if (cursor.offset < position) continue
      this.#enterRecord(cursor)
      if (cursor.valueStart < 0) {
        if (takesNull) {
          push(null)
          continue
        }
        this.#deadLetter(input, new AldebaranError('VALUE_UNDECODABLE', 'the value is null'))
        continue
      }
      let value: unknown
      try {
        value = schema.decode(cursor.bytes, cursor.valueStart, cursor.valueEnd)
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
      if (cursor.offset < position) continue
      this.#enterRecord(cursor)
      this.#undo.savepoint()
      try {
        if (cursor.valueStart < 0 && !takesNull) throw new AldebaranError('VALUE_UNDECODABLE', 'the value is null')
        push(cursor.valueStart < 0 ? null : schema.decode(cursor.bytes, cursor.valueStart, cursor.valueEnd))
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
