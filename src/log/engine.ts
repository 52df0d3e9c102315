/**
 * The embedded log over an ordered key-value store: offsets, commits, trims, retention and budget. Synchronous, and
 * for one thread; reading is done beside it (`reader.ts`).
 *
 * Invariants
 * 1. A group of units is one transaction of the store. A unit that cannot be done fails alone; the others go on.
 * 2. The states in memory are those of the last transaction: when one fails they are put back.
 * 3. Ends are published after the transaction, all of a group together.
 * 4. What only deletes (trims, retention, positions) is never refused for lack of room.
 * 5. Whatever deletes does so in bounded steps; `maintain` goes on with the rest, and with compaction.
 */
import { AldebaranError } from '../errors.ts'
import { LAST_OFFSET_DELTA, readInt32 } from '../record/layout.ts'
import type { Clock } from '../time/clock.ts'
import { Catalog } from './catalog.ts'
import { Compactor } from './compaction.ts'
import type { CommitUnit, TopicOptions, Trim } from './contract.ts'
import { EndsTable } from './ends.ts'
import { fail, followsFailure, type GroupUnit } from './group.ts'
import { type KeyValueStore, WriteList } from './key-value.ts'
import { partitionKey, positionKey, tableKey } from './keys.ts'
import type { PartitionState } from './partition.ts'
import { encodePosition } from './positions.ts'
import { retain } from './retention.ts'
import { Touched } from './touched.ts'
import { appendBatch, checkUnit, unitPages } from './unit.ts'

/** The steps of a commit, in their order; a simulation may throw at any of them. */
export type Step = 'received' | 'appended' | 'committed' | 'published' | 'answered'

export interface EngineOptions {
  clock: Clock
  /** Bytes that the store may use. Default: no limit. */
  maxBytes?: number
  onStep?: ((step: Step) => void) | null
  /** Where ends are published. Default: an own table. */
  ends?: EndsTable
}

/** Batches deleted with one commit of a partition, and in one step of `maintain`. */
const STEPS_PER_COMMIT = 32
const STEPS_PER_MAINTENANCE = 256
const MAINTENANCE_MS = 1000

/** Room that appends leave: for deleting, which copies pages before it frees any. */
const RESERVE = 1 << 20

export class LogEngine {
  readonly ends: EndsTable
  readonly catalog: Catalog
  readonly #store: KeyValueStore
  readonly #clock: Clock
  readonly #maxBytes: number
  readonly #onStep: ((step: Step) => void) | null
  readonly #writes = new WriteList()
  readonly #touched = new Touched()
  /** Partitions that have more to delete than one commit may. */
  readonly #behind = new Set<PartitionState>()
  readonly #compactor = new Compactor()
  /** Partitions that are to be compacted: one step of one of them at a time. */
  readonly #compacting = new Set<PartitionState>()
  #maintainedAt: number
  /** Who is to be woken for what was published last: bits of clients 0–31 and 32–63. */
  interestLow = 0
  interestHigh = 0

  constructor(store: KeyValueStore, options: EngineOptions) {
    this.#store = store
    this.#clock = options.clock
    this.#maxBytes = options.maxBytes ?? Number.POSITIVE_INFINITY
    this.#onStep = options.onStep ?? null
    this.ends = options.ends ?? new EndsTable()
    this.catalog = new Catalog(store, this.ends)
    this.#maintainedAt = options.clock.monotonic()
    for (const state of this.catalog.unfinished()) this.#behind.add(state)
  }

  /** Commits the units in their order; every entry has its offsets or its error afterwards. */
  commitGroup(group: readonly GroupUnit[]): void {
    this.#onStep?.('received')
    const full = this.#tryGroup(group, null)
    if (full === null) return
    // The disk is full: what needs no room may still be done.
    const again = this.#tryGroup(group, full)
    if (again === null) return
    for (const entry of group) if (!followsFailure(entry)) fail(entry, again)
  }

  createTopic(name: string, options: TopicOptions): void {
    const topic = this.catalog.plan(name, options)
    if (topic === null) return
    this.#store.transact(this.catalog.createWrites(topic))
    this.catalog.created(topic)
  }

  deleteTopic(name: string): void {
    const topic = this.catalog.topic(name)
    for (const state of this.catalog.states(topic)) {
      this.#behind.delete(state)
      this.#giveUp(state)
    }
    this.#store.transact(this.catalog.deleteWrites(topic))
    this.catalog.deleted(topic)
  }

  /**
   * Applies retention, goes on with what is left to delete, and compacts. Call it when there is nothing else to do, and
   * at least once a second. Returns true when there is more to do at once.
   */
  maintain(): boolean {
    const now = this.#clock.now()
    this.#begin()
    const due = this.#clock.monotonic() - this.#maintainedAt >= MAINTENANCE_MS
    let steps = STEPS_PER_MAINTENANCE
    for (const state of due ? this.catalog.retained(this.#behind) : [...this.#behind]) {
      if (steps <= 0) break
      steps -= this.#retain(state, now, steps)
    }
    if (due && steps > 0) this.#maintainedAt = this.#clock.monotonic()
    const graves = steps > 0 ? this.catalog.bury(steps, this.#writes) : null
    if (due) this.#findCompactions(now)
    const compacting = steps > 0 ? this.#compact(now) : null
    try {
      this.#finish()
    } catch (error) {
      this.#restore()
      if (compacting !== null) this.#giveUp(compacting)
      throw error
    }
    if (graves !== null) this.catalog.buried(graves)
    return this.#isBusy()
  }

  /** Milliseconds until `maintain` has something to do. */
  maintenanceDue(): number {
    if (this.#isBusy()) return 0
    return Math.max(0, this.#maintainedAt + MAINTENANCE_MS - this.#clock.monotonic())
  }

  answered(): void {
    this.#onStep?.('answered')
  }

  /**
   * Null, or the error of a transaction that found no room; nothing has happened then. With `noRoom`, that error is
   * given to every unit that needs room.
   */
  #tryGroup(group: readonly GroupUnit[], noRoom: AldebaranError | null): AldebaranError | null {
    this.#begin()
    const failuresBefore = group.map(entry => entry.source.failures)
    let room = this.#room()
    const now = this.#clock.now()
    let done = 0
    for (const entry of group) {
      if (followsFailure(entry)) continue
      const pages = unitPages(entry.unit)
      try {
        checkUnit(entry.unit, this.catalog.topics, (topic, partition) => this.#endOf(entry.unit, topic, partition))
        if (pages > 0 && noRoom !== null) throw noRoom
        if (pages > 0 && pages > room) throw storeFull(this.#maxBytes)
      } catch (error) {
        if (!(error instanceof AldebaranError)) throw error
        fail(entry, error)
        continue
      }
      room -= pages
      entry.offsets = this.#apply(entry.unit)
      done++
    }
    if (done === 0) return null
    for (const state of [...this.#touched.states]) this.#retain(state, now, STEPS_PER_COMMIT)
    this.#onStep?.('appended')
    try {
      this.#finish()
      return null
    } catch (error) {
      this.#restore()
      if (!(error instanceof AldebaranError) || error.code !== 'DISK_FULL') throw error
      for (let i = 0; i < group.length; i++) {
        group[i]!.source.failures = failuresBefore[i]!
        group[i]!.error = null
      }
      return error
    }
  }

  #room(): number {
    if (this.#maxBytes === Number.POSITIVE_INFINITY) return this.#maxBytes
    return this.#maxBytes - Math.min(RESERVE, this.#maxBytes / 8) - this.#store.usedBytes()
  }

  #apply(unit: CommitUnit): number[] {
    const offsets: number[] = []
    for (const append of unit.appends ?? []) {
      const state = this.#touch(append.topic, append.partition)
      offsets.push(appendBatch(state, append.batch, this.#writes))
    }
    for (const position of unit.positions ?? []) {
      const key = positionKey(position.group, position.topic, position.partition)
      this.#writes.put(key, encodePosition(position))
    }
    for (const write of unit.tables ?? []) {
      const key = tableKey(write.table, write.key)
      if (write.value === null) this.#writes.delete(key)
      else this.#writes.put(key, write.value)
    }
    for (const trim of unit.trims ?? []) this.#trim(trim)
    return offsets
  }

  #trim(trim: Trim): void {
    const state = this.#touch(trim.topic, trim.partition)
    state.start = Math.max(state.start, trim.before)
  }

  /** The end that a partition will have after the appends of the unit: how far it may be trimmed. */
  #endOf(unit: CommitUnit, topic: string, partition: number): number {
    let end = this.catalog.state(topic, partition).end
    for (const append of unit.appends ?? []) {
      if (append.topic !== topic || append.partition !== partition) continue
      end += 1 + readInt32(append.batch, LAST_OFFSET_DELTA)
    }
    return end
  }

  #touch(topic: string, partition: number): PartitionState {
    const state = this.catalog.state(topic, partition)
    this.#touched.add(state)
    return state
  }

  #retain(state: PartitionState, now: number, steps: number): number {
    const isNew = !this.#touched.has(state)
    this.#touched.add(state)
    const done = retain(this.#store, state, this.catalog.topic(state.topic).info, now, steps, this.#writes)
    if (done === 0 && isNew) this.#touched.pop()
    if (done === steps) this.#behind.add(state)
    else this.#behind.delete(state)
    return done
  }

  #isBusy(): boolean {
    return this.#behind.size > 0 || this.catalog.graves > 0 || this.#compacting.size > 0
  }

  #findCompactions(now: number): void {
    for (const topic of this.catalog.topics.values()) {
      if (topic.info.compacted !== true) continue
      for (const state of this.catalog.states(topic)) {
        if (this.#compactor.isDue(this.#store, state, now)) this.#compacting.add(state)
      }
    }
  }

  /** A step for the partition that waits longest, which is returned; null: none waits. */
  #compact(now: number): PartitionState | null {
    for (const state of this.#compacting) {
      const { info } = this.catalog.topic(state.topic)
      if (info.compacted !== true) {
        this.#giveUp(state)
        continue
      }
      this.#touched.add(state)
      if (!this.#compactor.step(this.#store, state, info, now, this.#writes)) this.#compacting.delete(state)
      return state
    }
    return null
  }

  #giveUp(state: PartitionState): void {
    this.#compacting.delete(state)
    this.#compactor.forget(state)
  }

  #begin(): void {
    this.#writes.clear()
    this.#touched.clear()
    this.interestLow = 0
    this.interestHigh = 0
    this.#store.refresh()
  }

  /** Commits what was written, and publishes it. */
  #finish(): void {
    for (const state of this.#touched.states) this.#writes.put(partitionKey(state.id), state.encode())
    if (this.#writes.length === 0) return
    this.#store.transact(this.#writes)
    this.#onStep?.('committed')
    this.#publish()
    this.#onStep?.('published')
    this.#touched.clear()
  }

  #publish(): void {
    this.ends.beginPublish()
    const { states } = this.#touched
    for (const state of states) this.ends.publish(state.id, state.start, state.end, state.bytes)
    this.ends.endPublish()
    for (let n = 0; n < states.length; n++) {
      const state = states[n]!
      if (state.end === this.#touched.before(n).end) continue
      this.interestLow |= this.ends.interest(state.id, 0)
      this.interestHigh |= this.ends.interest(state.id, 1)
    }
  }

  #restore(): void {
    const { states } = this.#touched
    for (let n = 0; n < states.length; n++) {
      const state = states[n]!
      state.copyFrom(this.#touched.before(n))
      this.#behind.add(state)
    }
    this.#touched.clear()
  }
}

function storeFull(maxBytes: number): AldebaranError {
  return new AldebaranError('STORE_FULL', `The store has no room for the unit within its ${maxBytes} bytes`, {
    maxBytes,
  })
}
