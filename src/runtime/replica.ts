/**
 * The tables of one task as its changelogs have them, and nothing that runs: a standby, or a task that is restored,
 * which is a standby that was promoted at once.
 *
 *     following ── promote ──► restoring ── all was read that was in the changelogs then ──► complete ── take ──► a Task
 *         ▲ ▲ ◄──── demote ───────┘                                                                                │
 *         │ └────────────────────── the task left, and all that it did is committed ───────────────────────────────┘
 *         └ a changelog was trimmed past what was read of it: that table begins anew, empty
 *
 * 1. The tables hold only what is committed, so a failed unit does not concern them.
 * 2. A restored task has every record up to the ends of the changelogs as of the promotion: nobody else writes to them
 *    then. What a reader knew of the end before is too old, and that a poll gives nothing tells nothing.
 * 3. Disk tables without a changelog are made by `take`: until then others change their rows.
 * 4. A disk table with a changelog has its rows on this machine already, up to some offset: only the rest is read.
 */
import { AldebaranError } from '../errors.ts'
import type { PartitionReader } from '../log/contract.ts'
import type { TableNode } from '../pipeline/node.ts'
import { BatchCursor } from '../record/batch-cursor.ts'
import { changelogOf } from './application.ts'
import { learnRowVersions, tableId } from './row-versions.ts'
import type { TaskPlan } from './task-plan.ts'
import { hasChangelog, openState, type StateEnvironment, type TaskState } from './task-state.ts'

const POLL_BYTES = 512 * 1024

/** A table that follows its changelog. */
interface Followed {
  state: TaskState
  reader: PartitionReader
  /** Where the changelog ended when the task was promoted; Infinity: it is not. */
  goal: number
  /** The reader was made or sought just now: it knows where the changelog ends. */
  isFresh: boolean
}

export class Replica {
  readonly plan: TaskPlan
  readonly #environment: StateEnvironment
  readonly #followed = new Map<TableNode, Followed>()
  readonly #cursor = new BatchCursor({ verified: true })
  #isPromoted = false

  /** `states`: of a task that ran here, whose units are all committed; what is not used of them is released. */
  constructor(plan: TaskPlan, environment: StateEnvironment, states: readonly TaskState[] = []) {
    this.plan = plan
    this.#environment = environment
    const left = new Map(states.map(state => [state.node, state]))
    try {
      for (const node of plan.part.tables) {
        if (!hasChangelog(environment.log, node.definition.store)) continue
        const state = left.get(node)
        left.delete(node)
        this.#followed.set(node, this.#open(node, state))
      }
    } catch (error) {
      this.release()
      throw error
    } finally {
      for (const state of left.values()) state.release()
    }
  }

  get isPromoted(): boolean {
    return this.#isPromoted
  }

  /** It was promoted, and its tables are as they were committed last. */
  get isComplete(): boolean {
    return this.#isPromoted && this.#every(isReached)
  }

  /** Records that are still to be read, about: of other engines some offsets have none. */
  get lag(): number {
    let lag = 0
    for (const { reader } of this.#followed.values()) lag += Math.max(0, reader.end() - reader.position)
    return lag
  }

  /** Bytes of the buffers it reads into. */
  get bufferBytes(): number {
    let sum = 0
    for (const { reader } of this.#followed.values()) sum += reader.chunk.length
    return sum
  }

  get states(): TaskState[] {
    return Array.from(this.#followed.values(), followed => followed.state)
  }

  /** Shall become a task: the changelogs are read up to where they end now. */
  promote(): void {
    if (this.#isPromoted) return
    this.#isPromoted = true
    for (const followed of this.#followed.values()) {
      if (!followed.isFresh) this.#reading(followed, reader => reader.seek(reader.position))
      followed.goal = followed.reader.end()
    }
  }

  /** Shall be a standby. */
  demote(): void {
    this.#isPromoted = false
    for (const followed of this.#followed.values()) {
      followed.goal = Number.POSITIVE_INFINITY
      followed.isFresh = false
    }
  }

  /** Reads the changelogs on, about `maxBytes` at most; returns how many. 0: there is nothing now. */
  advance(maxBytes: number): number {
    const { clock, measures } = this.#environment
    const begun = clock.monotonic()
    let read = 0
    for (const followed of this.#followed.values()) {
      while (read < maxBytes && !isReached(followed)) {
        const { position } = followed.reader
        const bytes = this.#advance(followed, Math.min(POLL_BYTES, maxBytes - read))
        if (bytes === 0) break
        read += bytes
        if (this.#isPromoted) measures.add('restoredRecords', Math.max(0, followed.reader.position - position))
      }
    }
    if (this.#isPromoted) measures.add('restoreMs', clock.monotonic() - begun)
    return read
  }

  /** Gives the tables to a task, in the order of the plan, when it is complete. Nothing follows any more. */
  take(): TaskState[] {
    const { plan } = this
    const taken: TaskState[] = []
    try {
      for (const node of plan.part.tables) {
        const followed = this.#followed.get(node)
        if (followed === undefined) {
          taken.push(openState(plan, node, this.#environment))
          continue
        }
        const { state, reader } = followed
        state.trimmed = this.#environment.log.partition(reader.topic, reader.partition).start
        reader.close()
        this.#followed.delete(node)
        taken.push(state)
      }
      return taken
    } catch (error) {
      for (const state of taken) state.release()
      this.release()
      throw error
    }
  }

  /** Gives everything up. */
  release(): void {
    for (const { state, reader } of this.#followed.values()) {
      reader.close()
      state.release()
    }
    this.#followed.clear()
  }

  #every(test: (followed: Followed) => boolean): boolean {
    for (const followed of this.#followed.values()) if (!test(followed)) return false
    return true
  }

  /** Begins after what the table has, or with an empty one. */
  #open(node: TableNode, known?: TaskState): Followed {
    const { plan } = this
    const { log } = this.#environment
    const topic = changelogOf(plan.application, plan.part.pipeline, node.definition.name)
    const isLocal = node.definition.store === 'disk'
    let state = known ?? null
    let reader: PartitionReader | null = null
    try {
      if (isLocal) state ??= this.#openLearning(node)
      const end = state?.table.changelogEnd ?? 0
      if (end > 0) reader = readerFrom(end, at => log.reader(topic, plan.partition, at))
      if (reader === null) {
        if (!isLocal || end > 0) {
          state?.release()
          state = null
        }
        // Before the table, so that what it has room for is all that there is to read.
        reader = log.reader(topic, plan.partition, 'earliest')
      }
      state ??= openState(plan, node, this.#environment, isLocal)
      return { state, reader, goal: Number.POSITIVE_INFINITY, isFresh: true }
    } catch (error) {
      reader?.close()
      state?.release()
      throw error
    }
  }

  /** The store may have rows of a version that this thread has not met yet. */
  #openLearning(node: TableNode): TaskState {
    try {
      return openState(this.plan, node, this.#environment)
    } catch (error) {
      if (!this.#learn(node, error)) throw error
      return openState(this.plan, node, this.#environment)
    }
  }

  #advance(followed: Followed, maxBytes: number): number {
    let isThere = false
    const isInRange = this.#reading(followed, reader => {
      isThere = reader.poll(maxBytes)
    })
    if (!isInRange) return 1
    if (!isThere) return 0
    this.#apply(followed)
    return followed.reader.size
  }

  /** Does something with the reader; false: the changelog was trimmed past it, and the table begins anew. */
  #reading(followed: Followed, work: (reader: PartitionReader) => void): boolean {
    const { reader, state } = followed
    try {
      work(reader)
      return true
    } catch (error) {
      if (!isOutOfRange(error)) throw error
      // It was too slow: what it has not read may have been the last word on some rows.
      reader.close()
      state.release()
      Object.assign(followed, this.#open(state.node))
      if (this.#isPromoted) followed.goal = followed.reader.end()
      return false
    }
  }

  #apply({ state, reader }: Followed): void {
    const cursor = this.#cursor
    for (;;) {
      cursor.reset(reader.chunk, 0, reader.size)
      try {
        state.table.restore(cursor)
        return
      } catch (error) {
        if (!this.#learn(state.node, error)) throw located(error, reader, cursor.offset)
      }
    }
  }

  /** Rows of a version that another process brought in since: true when it is known now. */
  #learn(node: TableNode, error: unknown): boolean {
    if (!(error instanceof AldebaranError) || error.code !== 'SCHEMA_INCOMPATIBLE') return false
    const { schemaId } = error.details
    if (typeof schemaId !== 'number') return false
    const { application, part } = this.plan
    const { log, versions } = this.#environment
    learnRowVersions(log, application, versions)
    const id = tableId(application, part.pipeline, node.definition.name)
    return versions.get(id)!.definitions.has(schemaId)
  }
}

function isReached({ reader, goal }: Followed): boolean {
  return reader.position >= goal
}

/** Null: the offset is not in the partition any more. */
function readerFrom(offset: number, make: (offset: number) => PartitionReader): PartitionReader | null {
  try {
    return make(offset)
  } catch (error) {
    if (isOutOfRange(error)) return null
    throw error
  }
}

function isOutOfRange(error: unknown): boolean {
  return error instanceof AldebaranError && error.code === 'OFFSET_OUT_OF_RANGE'
}

/** What is wrong with a stored row, with the place where it lies. */
function located(error: unknown, { topic, partition }: PartitionReader, offset: number): unknown {
  if (!(error instanceof AldebaranError) || error.fate !== 'corrupted') return error
  const details = { ...error.details, topic, partition, offset }
  return new AldebaranError(
    error.code,
    `${error.message}, at offset ${offset} of ${topic}/${partition}`,
    details,
    error,
  )
}
