import type { PartitionState } from './partition.ts'

/**
 * The partitions that a transaction changes, and what they were before. Cleared and filled again with every commit, so
 * it keeps its arrays and copies: a Map that is cleared leaves its old table pointing to its new one, and once one of
 * them has grown old the collector takes all that follow for alive (measured: pauses of 30 ms in the log thread).
 */
export class Touched {
  readonly states: PartitionState[] = []
  readonly #before: PartitionState[] = []

  has(state: PartitionState): boolean {
    return this.states.includes(state)
  }

  /** Remembers what the state is now; a second call for it changes nothing. */
  add(state: PartitionState): void {
    if (this.has(state)) return
    const copy = this.#before[this.states.length]
    this.states.push(state)
    if (copy === undefined) this.#before.push(state.clone())
    else copy.copyFrom(state)
  }

  /** Forgets the state that was added last. */
  pop(): void {
    this.states.pop()
  }

  /** What the n-th state was. */
  before(n: number): PartitionState {
    return this.#before[n]!
  }

  clear(): void {
    this.states.length = 0
  }
}
