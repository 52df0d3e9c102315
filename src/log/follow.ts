/**
 * The work of the log thread for a process that only reads: publishes what another process commits. It looks when the
 * data file changes, shortly after (the file changes just before the commit can be seen), and once a second in any case.
 */
import { type FSWatcher, watch } from 'node:fs'
import type { EndsTable } from './ends.ts'
import type { KeyValueReader } from './key-value.ts'
import { bounds, idOf } from './keys.ts'
import { PartitionState } from './partition.ts'
import { readTopics } from './topics.ts'

const CHECK_MS = 1000
const SHORTLY_MS = [0, 2, 20]

export class Follower {
  readonly #store: KeyValueReader
  readonly #ends: EndsTable
  /** Rings every client whose bit is set in either half. */
  readonly #ring: (low: number, high: number) => void
  readonly #onError: (error: unknown) => void
  readonly #watcher: FSWatcher
  readonly #timer: NodeJS.Timeout
  readonly #shortly = new Set<NodeJS.Timeout>()
  /** What was published last, by partition id. */
  #states = new Map<number, PartitionState>()

  constructor(
    store: KeyValueReader,
    file: string,
    ends: EndsTable,
    rings: (low: number, high: number) => void,
    onError: (error: unknown) => void,
  ) {
    this.#store = store
    this.#ends = ends
    this.#ring = rings
    this.#onError = onError
    this.look()
    this.#watcher = watch(file, () => this.#lookShortly())
    this.#timer = setInterval(() => this.#tryLook(), CHECK_MS)
  }

  /** Publishes what is committed now. */
  look(): void {
    this.#store.refresh()
    const topics = readTopics(this.#store)
    const stored = new Map<number, Buffer>()
    for (const [key, value] of this.#store.range(...bounds('M'), { limit: Number.MAX_SAFE_INTEGER })) {
      stored.set(idOf(key), value)
    }
    this.#store.refresh()
    const states = new Map<number, PartitionState>()
    for (const topic of topics.values()) {
      for (let index = 0; index < topic.info.partitions; index++) {
        const state = new PartitionState(topic.firstId + index, topic.info.name, index)
        const bytes = stored.get(state.id)
        if (bytes !== undefined) state.decode(bytes)
        states.set(state.id, state)
      }
    }
    this.#publish(states)
  }

  close(): void {
    this.#watcher.close()
    clearInterval(this.#timer)
    for (const timer of this.#shortly) clearTimeout(timer)
  }

  #publish(states: Map<number, PartitionState>): void {
    const before = this.#states
    this.#states = states
    let owners = false
    this.#ends.beginPublish()
    for (const state of states.values()) this.#ends.publish(state.id, state.start, state.end, state.bytes)
    for (const id of new Set([...states.keys(), ...before.keys()])) {
      if (states.get(id)?.topic === before.get(id)?.topic) continue
      this.#ends.publishEpoch(id)
      owners = true
    }
    if (owners) this.#ends.publishTopics()
    this.#ends.endPublish()
    let low = owners ? -1 : 0
    let high = owners ? -1 : 0
    for (const state of states.values()) {
      if (state.end === before.get(state.id)?.end) continue
      low |= this.#ends.interest(state.id, 0)
      high |= this.#ends.interest(state.id, 1)
    }
    if (low !== 0 || high !== 0) this.#ring(low, high)
  }

  #lookShortly(): void {
    if (this.#shortly.size > 0) return
    for (const ms of SHORTLY_MS) {
      const timer = setTimeout(() => {
        this.#shortly.delete(timer)
        this.#tryLook()
      }, ms)
      this.#shortly.add(timer)
    }
  }

  #tryLook(): void {
    try {
      this.look()
    } catch (error) {
      this.#onError(error)
    }
  }
}
