import { AldebaranError } from '../errors.ts'
import type { MemoryBudget } from '../state/memory-budget.ts'
import type { Clock } from '../time/clock.ts'
import type { Measures } from './measures.ts'
import type { TaskState } from './task-state.ts'

/** Share of the memory budget from which on nothing more is read. */
const PRESSURE_LIMIT = 0.9
/** Between two looks at the tables for memory to give back, ms. */
const SHRINK_MS = 1000

export interface MemoryEnvironment {
  clock: Clock
  measures: Measures
  budget: MemoryBudget
  report: (level: 'info' | 'warn' | 'error', message: string, details: Record<string, unknown>) => void
}

/** What a worker takes of the memory budget, and what it does when that is nearly used up. */
export class WorkerMemory {
  /** Nothing more may be read. */
  isShort = false
  readonly #environment: MemoryEnvironment
  #buffers = 0
  #shrinkAgainAt = 0

  constructor(environment: MemoryEnvironment) {
    this.#environment = environment
  }

  charge(bytes: number, always = false): void {
    this.#environment.budget.charge(bytes, always)
    this.#environment.measures.add('chargedBytes', bytes)
  }

  /** Buffers are there already when they are counted, so they are never refused. `bytes`: of all of them now. */
  chargeBuffers(bytes: number): void {
    this.charge(bytes - this.#buffers, true)
    this.#buffers = bytes
  }

  /** `buffers`: their bytes now. */
  look(states: () => Iterable<TaskState>, buffers: () => number): void {
    const { budget, report } = this.#environment
    let isShort = budget.pressure() >= PRESSURE_LIMIT
    if (isShort) {
      this.chargeBuffers(buffers())
      let spare = 0
      for (const { table } of states()) spare += table.spareBytes
      isShort = budget.used - spare >= PRESSURE_LIMIT * budget.limit
    }
    if (isShort === this.isShort) return
    this.isShort = isShort
    report(isShort ? 'warn' : 'info', isShort ? 'memory budget nearly used up: reading stops' : 'reading goes on', {
      used: budget.used,
      limit: budget.limit,
    })
  }

  /** Before the next try of what found no memory: what rows do not need any more may be all that it takes. */
  makeRoom(states: Iterable<TaskState>): void {
    const { clock } = this.#environment
    if (clock.monotonic() < this.#shrinkAgainAt) return
    this.#shrinkAgainAt = clock.monotonic() + SHRINK_MS
    for (const { table } of states) table.shrink()
  }

  /** Why nothing is read; `before`: the problem told last. */
  problem(before: Error | null): Error | null {
    if (!this.isShort) return null
    if (isOfMemory(before)) return before
    const { used, limit } = this.#environment.budget
    const message = `Reading stopped: ${used} of the ${limit} bytes of the memory budget are in use`
    return new AldebaranError('MEMORY_BUDGET', message, { used, limit })
  }
}

export function isOfMemory(error: Error | null): boolean {
  return error instanceof AldebaranError && error.code === 'MEMORY_BUDGET'
}
