/**
 * One sub-topology on one partition: its inputs, its tables, its timers.
 *
 * Invariants
 * 1. A batch is processed as a whole or undone as a whole: a savepoint stands before it. When something throws, the
 *    batch is done again record by record, and the record that throws becomes a dead letter with all it did undone.
 * 2. Of several inputs, the batch with the oldest first timestamp goes first, so catching up keeps them together. What a
 *    delivery looks things up in goes before all else as far as it was there when the task began: clocks of writers differ.
 * 3. An error whose fate is `retry` (a full table, the memory budget) blocks reading, not the record: what was done
 *    before it stays, and it is tried again later. Timers go on, for they may make room.
 * 4. Bytes that are damaged stop the task, and no other: nothing after them is read, and no timer runs, for what it
 *    would have waited for may lie behind them. It looks again now and then: the partition may have been trimmed.
 * 5. Timers due now are run before the next batch; a timer that throws becomes a dead letter and is cleared. While event timers
 *    are held up, by a full table that their results go to, nothing is read.
 */
import type { Courier } from '../delivery/courier.ts'
import { isDeliveryPart } from '../delivery/delivery.ts'
import { AldebaranError, messageOf } from '../errors.ts'
import { compileSource, compileTimer, makeOutlets } from '../pipeline/compile.ts'
import type { TableNode } from '../pipeline/node.ts'
import { TaskContext } from '../pipeline/task-context.ts'
import type { TaskTable, TimerKind } from '../state/contract.ts'
import { BatchRunner } from './batch-runner.ts'
import { taskDelivery } from './task-delivery.ts'
import type { TaskEnvironment } from './task-environment.ts'
import { TaskInput } from './task-input.ts'
import type { TaskPlan } from './task-plan.ts'
import type { TaskState } from './task-state.ts'
import { TaskTime } from './task-time.ts'
import { fateOf, TaskUndo } from './task-undo.ts'
import { TimerRunner } from './timer-runner.ts'

/** Time to the next try of what failed with a `retry` error, and of bytes that are damaged, ms. */
const RETRY_MS = 100
const DAMAGED_RETRY_MS = 1000
/** Between two looks at how much a delivery has of what, ms. */
const LEVELS_MS = 500

interface Block {
  error: Error
  /** Tried again from that time, monotonic ms. */
  until: number
}

export class Task {
  readonly plan: TaskPlan
  readonly inputs: readonly TaskInput[]
  readonly states: readonly TaskState[]
  readonly #environment: TaskEnvironment
  readonly #context: TaskContext
  readonly #undo: TaskUndo
  readonly #batches: BatchRunner
  readonly #timers: TimerRunner
  readonly #time: TaskTime
  /** Of a delivery: what it sends. */
  readonly courier: Courier | null
  /** Inputs that go first, each to where its partition ended when the task began. */
  #first: readonly { readonly input: TaskInput; readonly end: number }[]
  #levelsAt = 0
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
    const { outputs, clock } = environment
    const compilePlan = {
      context: this.#context,
      tables,
      outlets,
      repartitions: plan.repartitions,
      operators: new Map(),
      refuse: (error: Error) => (this.#context.cursor === null ? this.#timers : this.#batches).refuse(error),
    }
    const delivered = isDeliveryPart(plan.part)
      ? taskDelivery(plan, plan.part, states, environment, this.#context)
      : null
    this.courier = delivered?.courier ?? null
    this.inputs = plan.part.sources.map(source => {
      const push = delivered?.pushOf(source) ?? compileSource(source, compilePlan)
      return new TaskInput(environment.log, plan.group, source, plan.partition, push)
    })
    this.#first = this.inputs
      .filter(({ source }) => isDeliveryPart(plan.part) && plan.part.delivery.reads.includes(source.topic))
      .map(input => ({ input, end: environment.log.partition(input.source.topic.name, plan.partition).end }))
    const handlers = new Map(
      states.map(state => [
        state,
        delivered?.timersOf(state) ??
          new Map(state.node.timers.map(node => [node.timer, compileTimer(node, compilePlan)])),
      ]),
    )
    this.#undo = new TaskUndo(
      [this.#context, ...states.map(({ table }) => table), ...(delivered === null ? [] : [delivered.courier])],
      outputs,
    )
    this.#batches = new BatchRunner(plan, this.#context, this.#undo, outputs, clock)
    this.#timers = new TimerRunner(plan, this.#context, this.#undo, outputs, handlers)
    this.#time = new TaskTime(plan, this.inputs, states, this.#context, outputs, watermark =>
      this.#fire('event', watermark),
    )
  }

  /** What it cannot go on for, or null. */
  get blocked(): Error | null {
    return this.#readingBlock?.error ?? this.#timerBlock?.error ?? null
  }

  /** Processes at most one batch. False: there is none now, or the task is blocked. */
  step(): boolean {
    if (!this.#isOver(this.#readingBlock) || this.courier?.holdsReading === true) return false
    if (this.#timerBlock !== null && !this.#time.isSettled) return false
    const input = this.#nextInput()
    if (input === null) {
      this.courier?.caughtUp()
      this.lastBaseTimestamp = Number.POSITIVE_INFINITY
      return this.#readingBlock === null && this.#passQuietly()
    }
    const { measures } = this.#environment
    const { cursor } = input
    const first = Math.max(input.position, cursor.baseOffset)
    const error = this.#undo.guard(
      () => this.#batches.run(input),
      () => this.#batches.runCarefully(input),
      () => input.again(),
    )
    this.#readingBlock = error === null ? null : this.#block(error)
    if (error === null) {
      measures.add('bytesIn', cursor.batchEnd - cursor.batchStart)
      input.done()
      this.#time.pass(this.#context.now)
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
    const before = this.#timers.fired
    this.#fire('processing', now)
    this.#time.settle()
    return this.#timers.fired > before
  }

  /** Of a delivery: begins what may begin, and sees to what has ended. Returns whether there was something. */
  deliver(): boolean {
    if (this.courier === null || this.#isStopped) return false
    this.#reportDelivery()
    return this.courier.advance()
  }

  /** Bytes of the buffers it reads into. */
  get bufferBytes(): number {
    let sum = 0
    for (const input of this.inputs) sum += input.reader.chunk.length
    return sum
  }

  /** When the next timer of the wall clock may be due, ms; Infinity: none, or none may run now. */
  nextDeadline(): number {
    let earliest = Number.POSITIVE_INFINITY
    if (this.#isStopped || this.#timerBlock !== null) return earliest
    for (const state of this.states) earliest = Math.min(earliest, state.table.nextDeadline('processing'))
    earliest = Math.min(earliest, this.#time.next(this.#environment.clock.now()))
    if (this.courier !== null) earliest = Math.min(earliest, this.#environment.clock.now() + this.courier.idleMs())
    return earliest
  }

  /** Dead letters, roll-backs and timers since the last call, into the measures. */
  report(): void {
    const { measures } = this.#environment
    measures.add('deadLetters', this.#undo.deadLetters)
    measures.add('rollbacks', this.#undo.rollbacks)
    measures.add('timersFired', this.#timers.fired)
    measures.add('lateRecords', this.#context.lateRecords)
    this.#context.lateRecords = 0
    this.#undo.deadLetters = 0
    this.#undo.rollbacks = 0
    this.#timers.fired = 0
    for (const state of this.states) measures.setTable(state.index, state.table.rows, state.table.bytes)
  }

  /** Once in a while: it looks at every destination. */
  #reportDelivery(): void {
    const { clock, measures } = this.#environment
    if (this.courier === null || clock.monotonic() < this.#levelsAt) return
    this.#levelsAt = clock.monotonic() + LEVELS_MS
    measures.setDelivery(this.plan.deliveryIndex, this.courier.levels())
  }

  close(): void {
    this.courier?.close()
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
      for (const input of this.#inputsNow()) {
        if (!input.ready()) {
          // Where the others always have something, no look finds nothing in all of them.
          if (this.inputs.length > 1) this.#time.silent(input, this.#environment.clock.now())
          continue
        }
        this.#time.active(input)
        if (first === null || input.cursor.baseTimestamp < first.cursor.baseTimestamp) first = input
      }
    } catch (error) {
      if (!isOfBytes(error)) throw error
      this.#readingBlock = this.#block(error)
      return null
    }
    this.#readingBlock = null
    return first
  }

  #inputsNow(): readonly TaskInput[] {
    if (this.#first.length === 0) return this.inputs
    // What it is at is known only after it was looked for.
    for (const { input } of this.#first) input.ready()
    this.#first = this.#first.filter(({ input, end }) => !input.isAt(end))
    return this.#first.length === 0 ? this.inputs : this.#first.map(({ input }) => input)
  }

  /** What is kept of event time with the position of that input. */
  timeOf(input: TaskInput): string {
    return input.timeText(input === this.inputs[0] ? this.#time.stored : Number.NEGATIVE_INFINITY)
  }

  /** Returns whether anything was done. */
  #passQuietly(): boolean {
    const now = this.#environment.clock.now()
    this.#context.now = now
    const before = this.#timers.fired
    return this.#time.passQuietly(now) || this.#timers.fired > before
  }

  /** Returns whether all that was due has run. */
  #fire(kind: TimerKind, now: number): boolean {
    const error = this.#timers.fire(kind, now)
    if (error !== null) this.#timerBlock = this.#block(error)
    return error === null
  }
}

/** Bytes of the log that are damaged, or that no reader here understands. */
function isOfBytes(error: unknown): boolean {
  return error instanceof AldebaranError && (error.fate === 'corrupted' || error.code === 'BATCH_UNSUPPORTED')
}
