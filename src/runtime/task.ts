/**
 * One sub-topology on one partition: its inputs, its tables, its timers.
 *
 * Invariants
 * 1. A batch is processed as a whole or undone as a whole: a savepoint stands before it. When something throws, the
 *    batch is done again record by record, and the record that throws becomes a dead letter with all it did undone.
 * 2. Of several inputs, the batch with the oldest first timestamp goes first, so catching up keeps them together.
 * 3. An error whose fate is `retry` (a full table, the memory budget) blocks reading, not the record: what was done
 *    before it stays, and it is tried again later. Timers go on, for they may make room.
 * 4. Bytes that are damaged stop the task, and no other: nothing after them is read, and no timer runs, for what it
 *    would have waited for may lie behind them. It looks again now and then: the partition may have been trimmed.
 * 5. Timers due now are run before the next batch; a timer that throws becomes a dead letter and is cleared.
 */
import { AldebaranError, messageOf } from '../errors.ts'
import type { Log } from '../log/contract.ts'
import { compileSource, compileTimer, makeOutlets } from '../pipeline/compile.ts'
import type { TableNode } from '../pipeline/node.ts'
import { TaskContext } from '../pipeline/task-context.ts'
import { ByteWriter } from '../schema/byte-writer.ts'
import type { TaskTable, TimerKind } from '../state/contract.ts'
import type { Clock } from '../time/clock.ts'
import { sendDeadLetter } from './dead-letters.ts'
import type { Measures } from './measures.ts'
import type { Outputs } from './outputs.ts'
import { TaskInput } from './task-input.ts'
import type { TaskPlan } from './task-plan.ts'
import type { TaskState } from './task-state.ts'

/** Timers run between two savepoints, at most. */
const TIMERS_AT_ONCE = 1000

/** Time to the next try of what failed with a `retry` error, and of bytes that are damaged, ms. */
const RETRY_MS = 100
const DAMAGED_RETRY_MS = 1000

const NOTHING = Buffer.alloc(0)

interface Block {
  error: Error
  /** Tried again from that time, monotonic ms. */
  until: number
}

export interface TaskEnvironment {
  log: Log
  outputs: Outputs
  clock: Clock
  measures: Measures
}

export class Task {
  readonly plan: TaskPlan
  readonly inputs: readonly TaskInput[]
  readonly states: readonly TaskState[]
  readonly #environment: TaskEnvironment
  readonly #context: TaskContext
  readonly #timers: ReadonlyMap<TaskState, ReadonlyMap<string, (row: unknown) => void>>
  readonly #hasEventTimers: boolean
  readonly #timerKey = new ByteWriter(64)
  #deadLetters = 0
  #rollbacks = 0
  #timersFired = 0
  /** Timers run since the last savepoint of a round. */
  #dueTimers = 0
  #readingBlock: Block | null = null
  #timerBlock: Block | null = null
  /** First timestamp of the batch that `step` processed last, ms. */
  lastBaseTimestamp = Number.POSITIVE_INFINITY

  constructor(plan: TaskPlan, states: readonly TaskState[], environment: TaskEnvironment) {
    this.plan = plan
    this.states = states
    this.#environment = environment
    const outlets = makeOutlets(plan.topics, environment.outputs, plan.partition)
    this.#context = new TaskContext(plan.partition, plan.part.sources[0]!.topic.key, outlets)
    const tables = new Map<TableNode, TaskTable>(states.map(state => [state.node, state.table]))
    const compilePlan = { context: this.#context, tables, outlets, repartitions: plan.repartitions }
    this.inputs = plan.part.sources.map(
      source => new TaskInput(environment.log, plan.group, source, plan.partition, compileSource(source, compilePlan)),
    )
    this.#timers = new Map(
      states.map(state => [
        state,
        new Map(state.node.timers.map(node => [node.timer, compileTimer(node, compilePlan)])),
      ]),
    )
    this.#hasEventTimers = states.some(state => Object.values(state.node.definition.timers).includes('event'))
    this.#context.watermark = this.#watermark()
  }

  /** What it cannot go on for, or null. */
  get blocked(): Error | null {
    return this.#readingBlock?.error ?? this.#timerBlock?.error ?? null
  }

  /** Processes at most one batch. False: there is none now, or the task is blocked. */
  step(): boolean {
    if (!this.#isOver(this.#readingBlock)) return false
    const input = this.#nextInput()
    if (input === null) return false
    const { measures } = this.#environment
    const { cursor } = input
    const first = Math.max(input.position, cursor.baseOffset)
    const error = this.#guard(
      input,
      () => this.#runBatch(input),
      () => this.#runBatchCarefully(input),
    )
    this.#readingBlock = error === null ? null : this.#block(error)
    if (error === null) {
      measures.add('bytesIn', cursor.batchEnd - cursor.batchStart)
      input.done()
      this.#advanceWatermark()
    }
    this.lastBaseTimestamp = cursor.baseTimestamp
    measures.add('recordsIn', Math.max(0, input.position - first))
    return input.position > first
  }

  /** Runs every timer that is due. Returns whether any was. */
  fireTimers(): boolean {
    if (this.states.length === 0 || this.#isStopped || !this.#isOver(this.#timerBlock)) return false
    this.#timerBlock = null
    const now = this.#environment.clock.now()
    this.#context.now = now
    let fired = this.#fire('processing', now)
    if (this.#hasEventTimers && this.#fire('event', this.#context.watermark)) fired = true
    return fired
  }

  /** When the next timer of the wall clock may be due, ms; Infinity: none, or none may run now. */
  nextDeadline(): number {
    let earliest = Number.POSITIVE_INFINITY
    if (this.#isStopped || this.#timerBlock !== null) return earliest
    for (const state of this.states) earliest = Math.min(earliest, state.table.nextDeadline('processing'))
    return earliest
  }

  /** Dead letters, roll-backs and timers since the last call, into the measures. */
  report(): void {
    const { measures } = this.#environment
    measures.add('deadLetters', this.#deadLetters)
    measures.add('rollbacks', this.#rollbacks)
    measures.add('timersFired', this.#timersFired)
    this.#deadLetters = 0
    this.#rollbacks = 0
    this.#timersFired = 0
    for (const state of this.states) measures.setTable(state.index, state.table.rows, state.table.bytes)
  }

  close(): void {
    for (const input of this.inputs) input.close()
  }

  #isOver(block: Block | null): boolean {
    return block === null || this.#environment.clock.monotonic() >= block.until
  }

  /** Something it read is damaged. */
  get #isStopped(): boolean {
    return this.#readingBlock !== null && fateOf(this.#readingBlock.error) !== 'retry'
  }

  #block(error: unknown): Block {
    const wait = fateOf(error) === 'retry' ? RETRY_MS : DAMAGED_RETRY_MS
    return {
      error: error instanceof Error ? error : new Error(messageOf(error)),
      until: this.#environment.clock.monotonic() + wait,
    }
  }

  #nextInput(): TaskInput | null {
    let first: TaskInput | null = null
    try {
      for (const input of this.inputs) {
        if (input.ready() && (first === null || input.cursor.baseTimestamp < first.cursor.baseTimestamp)) first = input
      }
    } catch (error) {
      if (!isOfBytes(error)) throw error
      this.#readingBlock = this.#block(error)
      return null
    }
    this.#readingBlock = null
    return first
  }

  /**
   * Runs `fast`; if it throws, undoes it and runs `careful`. What blocks the task is returned: what `careful` did before
   * it stays done, and `position` stands on the record at hand.
   */
  #guard(input: TaskInput | null, fast: () => void, careful: () => void): unknown {
    this.#savepoint()
    const deadLetters = this.#deadLetters
    try {
      fast()
      return null
    } catch (error) {
      this.#undo(input, deadLetters)
      if (fateOf(error) === 'corrupted') return error
    }
    this.#rollbacks++
    try {
      careful()
      return null
    } catch (error) {
      input?.again()
      if (fateOf(error) === 'retry' || fateOf(error) === 'corrupted') return error
      throw error
    }
  }

  #savepoint(): void {
    for (const state of this.states) state.table.savepoint()
    this.#environment.outputs.mark()
  }

  #rollback(): void {
    for (const state of this.states) state.table.rollback()
    this.#environment.outputs.rewind()
  }

  #undo(input: TaskInput | null, deadLetters: number): void {
    this.#rollback()
    this.#deadLetters = deadLetters
    input?.again()
  }

  #enter(input: TaskInput): void {
    const context = this.#context
    context.topic = input.source.topic.name
    context.keySchema = input.source.topic.key
    context.cursor = input.cursor
    context.now = this.#environment.clock.now()
  }

  #runBatch(input: TaskInput): void {
    this.#enter(input)
    const { cursor, push, schema, position } = input
    const context = this.#context
    while (cursor.next()) {
      if (cursor.offset < position) continue
      context.keyBytes = cursor.bytes
      context.keyStart = cursor.keyStart
      context.keyEnd = cursor.keyEnd
      context.timestamp = cursor.timestamp
      context.offset = cursor.offset
      if (cursor.valueStart < 0) {
        this.#deadLetter(input, new AldebaranError('VALUE_UNDECODABLE', 'the value is null'))
        continue
      }
      let value: unknown
      try {
        value = schema.decode(cursor.bytes, cursor.valueStart, cursor.valueEnd)
      } catch (error) {
        this.#deadLetter(input, error)
        continue
      }
      push(value)
    }
  }

  /** The same with a savepoint before each record. */
  #runBatchCarefully(input: TaskInput): void {
    this.#enter(input)
    const { cursor, push, schema, position } = input
    const context = this.#context
    while (cursor.next()) {
      if (cursor.offset < position) continue
      context.keyBytes = cursor.bytes
      context.keyStart = cursor.keyStart
      context.keyEnd = cursor.keyEnd
      context.timestamp = cursor.timestamp
      context.offset = cursor.offset
      this.#savepoint()
      try {
        if (cursor.valueStart < 0) throw new AldebaranError('VALUE_UNDECODABLE', 'the value is null')
        push(schema.decode(cursor.bytes, cursor.valueStart, cursor.valueEnd))
      } catch (error) {
        this.#rollback()
        if (fateOf(error) === 'retry' || fateOf(error) === 'corrupted') throw error
        this.#deadLetter(input, error)
      }
      input.position = cursor.offset + 1
    }
  }

  #deadLetter(input: TaskInput, error: unknown): void {
    const { cursor, source } = input
    const { plan } = this
    this.#deadLetters++
    sendDeadLetter(
      this.#environment.outputs,
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

  #watermark(): number {
    let lowest = Number.POSITIVE_INFINITY
    for (const input of this.inputs) lowest = Math.min(lowest, input.watermark)
    return lowest
  }

  #advanceWatermark(): void {
    const watermark = this.#watermark()
    if (watermark <= this.#context.watermark) return
    this.#context.watermark = watermark
    if (this.#hasEventTimers) this.#fire('event', watermark)
  }

  #fire(kind: TimerKind, now: number): boolean {
    let fired = false
    for (const state of this.states) {
      for (;;) {
        this.#dueTimers = 0
        const error = this.#guard(
          null,
          () => this.#fireSome(state, kind, now),
          () => this.#fireCarefully(state, kind, now),
        )
        this.#timersFired += this.#dueTimers
        if (this.#dueTimers > 0) fired = true
        if (error !== null) {
          this.#timerBlock = this.#block(error)
          return fired
        }
        if (this.#dueTimers < TIMERS_AT_ONCE) break
      }
    }
    return fired
  }

  #fireSome(state: TaskState, kind: TimerKind, now: number): void {
    const handlers = this.#timers.get(state)!
    const { table } = state
    let count = 0
    while (count < TIMERS_AT_ONCE && table.nextDue(kind, now)) {
      this.#enterTimer(state, now)
      handlers.get(table.dueTimer)!(table.row)
      count++
    }
    this.#dueTimers = count
  }

  #fireCarefully(state: TaskState, kind: TimerKind, now: number): void {
    const handlers = this.#timers.get(state)!
    const { table } = state
    for (; this.#dueTimers < TIMERS_AT_ONCE; this.#dueTimers++) {
      this.#savepoint()
      if (!table.nextDue(kind, now)) break
      this.#enterTimer(state, now)
      try {
        handlers.get(table.dueTimer)!(table.row)
      } catch (error) {
        this.#rollback()
        if (fateOf(error) === 'retry' || fateOf(error) === 'corrupted') throw error
        // Taken again, it is cleared, and not run.
        table.nextDue(kind, now)
        this.#enterTimer(state, now)
        this.#timerDeadLetter(state, table.dueTimer, error)
      }
    }
  }

  #enterTimer(state: TaskState, now: number): void {
    const context = this.#context
    const key = this.#timerKey
    key.position = 0
    state.node.definition.key.encode(state.table.row.key, key)
    context.topic = ''
    context.offset = -1
    context.cursor = null
    context.timestamp = now
    context.keySchema = state.node.definition.key
    context.keyBytes = key.bytes
    context.keyStart = 0
    context.keyEnd = key.position
  }

  #timerDeadLetter(state: TaskState, timer: string, error: unknown): void {
    const { plan } = this
    const context = this.#context
    const copy = state.table.get(context.keyBytes, context.keyStart, context.keyEnd)
    const value = copy === undefined ? NOTHING : Buffer.from(JSON.stringify(copy.fields, bigintAsText))
    this.#deadLetters++
    sendDeadLetter(
      this.#environment.outputs,
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

function fateOf(error: unknown): string {
  return error instanceof AldebaranError ? error.fate : 'terminal'
}

/** Bytes of the log that are damaged, or that no reader here understands. */
function isOfBytes(error: unknown): boolean {
  return error instanceof AldebaranError && (error.fate === 'corrupted' || error.code === 'BATCH_UNSUPPORTED')
}

function bigintAsText(_name: string, value: unknown): unknown {
  return typeof value === 'bigint' ? String(value) : value
}
