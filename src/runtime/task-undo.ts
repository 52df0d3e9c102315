import { AldebaranError } from '../errors.ts'
import type { Outputs } from './outputs.ts'

/** What can go back to its last savepoint: a table. */
export interface Undoable {
  savepoint(): void
  rollback(): void
}

/** Undoing what a task did: its tables and the outputs of its worker, back to one savepoint. */
export class TaskUndo {
  /** Dead letters sent, and times that work was undone and done again carefully; taken by the task's report. */
  deadLetters = 0
  rollbacks = 0
  readonly #parts: readonly Undoable[]
  readonly #outputs: Outputs

  constructor(parts: readonly Undoable[], outputs: Outputs) {
    this.#parts = parts
    this.#outputs = outputs
  }

  savepoint(): void {
    for (const part of this.#parts) part.savepoint()
    this.#outputs.mark()
  }

  rollback(): void {
    for (const part of this.#parts) part.rollback()
    this.#outputs.rewind()
  }

  /**
   * Runs `fast`; if it throws, undoes it and runs `careful`, which sets savepoints of its own. `again` makes ready for
   * another try. What blocks the task is returned, or null: what `careful` did before it stays done.
   */
  guard(fast: () => void, careful: () => void, again: () => void): unknown {
    this.savepoint()
    const { deadLetters } = this
    try {
      fast()
      return null
    } catch (error) {
      this.rollback()
      this.deadLetters = deadLetters
      again()
      if (fateOf(error) === 'corrupted') return error
    }
    this.rollbacks++
    try {
      careful()
      return null
    } catch (error) {
      again()
      if (blocks(error)) return error
      throw error
    }
  }
}

export function fateOf(error: unknown): string {
  return error instanceof AldebaranError ? error.fate : 'terminal'
}

/** It is no fault of the record or timer at hand: the task waits. */
export function blocks(error: unknown): boolean {
  return fateOf(error) === 'retry' || fateOf(error) === 'corrupted'
}
