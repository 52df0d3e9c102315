/**
 * Event time of a task: when it goes on, which timers run then, and who is told.
 *
 * 1. It goes on after a batch, and after a look that found none.
 * 2. The watermark follows the target when all timers before that have run: what they send is so in time for what lies behind
 *    them. Both are committed with what they did. Until it has followed nothing more is read: some windows may have been told
 *    for which a record would still not be late.
 * 3. While event time goes on with the wall clock and something waits for it, it is committed once in a while: a process that is
 *    started again now and then would otherwise never get there.
 */
import type { TaskContext } from '../pipeline/task-context.ts'
import { EventTime } from '../time/event-time.ts'
import type { Outputs } from './outputs.ts'
import type { TaskInput } from './task-input.ts'
import type { TaskPlan } from './task-plan.ts'
import type { TaskState } from './task-state.ts'
import { WatermarkRelay } from './watermark-relay.ts'

/** Of event time that goes on with the wall clock, at most so much is lost with the process, ms. */
const KEPT_EACH_MS = 10_000

export class TaskTime {
  readonly #isUsed: boolean
  readonly #hasTimers: boolean
  readonly #inputs: readonly TaskInput[]
  readonly #states: readonly TaskState[]
  readonly #context: TaskContext
  readonly #fire: (watermark: number) => boolean
  readonly #time: EventTime
  readonly #relay: WatermarkRelay
  /** Up to where timers are to run. */
  #target: number

  /** `fire` runs the event timers up to a watermark; false: it could not run them all. */
  constructor(
    { part, partition }: TaskPlan,
    inputs: readonly TaskInput[],
    states: readonly TaskState[],
    context: TaskContext,
    outputs: Outputs,
    fire: (watermark: number) => boolean,
  ) {
    this.#isUsed = part.usesEventTime
    this.#hasTimers = states.some(state => Object.values(state.node.definition.timers).includes('event'))
    this.#inputs = inputs
    this.#states = states
    this.#context = context
    this.#fire = fire
    this.#relay = new WatermarkRelay(part.relays, partition, outputs)
    this.#time = new EventTime(inputs, Math.max(...inputs.map(input => input.storedWatermark)))
    this.#target = this.#time.target(Number.NEGATIVE_INFINITY)
    // Where event time is not used nothing is stored of it: it is what was read.
    if (!this.#isUsed) this.#time.watermark = this.#target
    context.watermark = this.#time.watermark
  }

  /** To be kept with the position of the first input; −Infinity: nothing is. */
  get stored(): number {
    return this.#isUsed ? this.#time.watermark : Number.NEGATIVE_INFINITY
  }

  /** Something was found in it. */
  active(input: TaskInput): void {
    this.#time.active(input)
  }

  /** A look found nothing in it, while there may be something in others. */
  silent(input: TaskInput, now: number): void {
    if (this.#isUsed) this.#time.silent(input, now)
  }

  /** All timers up to the target have run. */
  get isSettled(): boolean {
    return this.#time.watermark === this.#target
  }

  /** After a batch. */
  pass(now: number): void {
    this.#target = this.#time.target(now)
    this.settle()
    this.#relay.tell(this.#time.watermark, false, now)
  }

  /** After a look that found nothing. Returns whether anything was sent, or should be committed. */
  passQuietly(now: number): boolean {
    if (!this.#isUsed) return false
    const time = this.#time
    for (const input of this.#inputs) time.silent(input, now)
    const isIdle = time.isIdle(now)
    const target = time.target(now)
    const before = time.watermark
    const deadline = this.#nextDeadline()
    const isToBeKept = isIdle && deadline !== Number.POSITIVE_INFINITY && target - before >= KEPT_EACH_MS
    // While time goes on with the wall clock, it does so for what is due: each commit is worth something.
    const isWorth = !isIdle || deadline <= target || this.#relay.dueAt(isIdle, now) <= now || isToBeKept
    if (isWorth && target > this.#target) {
      this.#target = target
      this.settle()
    }
    const isTold = this.#relay.tell(time.watermark, isIdle, now)
    return isTold || (isToBeKept && time.watermark > before)
  }

  /** Runs the timers up to the target; then the watermark is there. */
  settle(): void {
    if (this.#hasTimers && !this.#fire(this.#target)) return
    this.#time.watermark = this.#target
    this.#context.watermark = this.#target
  }

  /** When it may go on by the wall clock alone, ms; Infinity: it will not. */
  next(now: number): number {
    if (!this.#isUsed) return Number.POSITIVE_INFINITY
    const { watermark } = this.#time
    const isIdle = this.#time.isIdle(now)
    const deadline = this.#nextDeadline()
    const keptAt = deadline === Number.POSITIVE_INFINITY ? deadline : Math.max(watermark, 0) + KEPT_EACH_MS
    const next = this.#time.wakeAt(Math.min(deadline, keptAt), now)
    const newsAt = this.#relay.hasNews(watermark, isIdle) ? now : this.#time.wakeAt(watermark + 1, now)
    return Math.min(next, Math.max(newsAt, this.#relay.dueAt(isIdle, now)))
  }

  #nextDeadline(): number {
    let earliest = Number.POSITIVE_INFINITY
    for (const state of this.#states) earliest = Math.min(earliest, state.table.nextDeadline('event'))
    return earliest
  }
}
