/**
 * The topics and partition states of a store, in memory; creating and deleting them. For the thread that commits.
 *
 * Deleting a topic takes its name at once and its data bit by bit: its ids stay taken ("a grave") until nothing is left.
 */
import { AldebaranError } from '../errors.ts'
import type { TopicOptions } from './contract.ts'
import type { EndsTable } from './ends.ts'
import { type KeyValueStore, WriteList } from './key-value.ts'
import { batchKey, bounds, graveKey, idOf, partitionKey, positionKey, timeKey, topicKey } from './keys.ts'
import { PartitionState } from './partition.ts'
import { readPositions } from './positions.ts'
import {
  checkTopic,
  encodeTopic,
  freeIds,
  type IdRun,
  idIn,
  readTopics,
  sameOptions,
  type Topic,
  unknownTopic,
} from './topics.ts'

/** More of a grave is looked at in one go when there is nothing to delete in it. */
const PARTITIONS_AT_ONCE = 64

interface Grave extends IdRun {
  /** Partitions at its front that are empty by now. */
  emptied: number
}

export class Catalog {
  readonly topics: Map<string, Topic>
  readonly #states = new Map<number, PartitionState>()
  readonly #store: KeyValueStore
  readonly #ends: EndsTable
  #graves: Grave[] = []

  constructor(store: KeyValueStore, ends: EndsTable) {
    this.#store = store
    this.#ends = ends
    this.topics = readTopics(store)
    ends.beginPublish()
    for (const topic of this.topics.values()) {
      for (let index = 0; index < topic.info.partitions; index++) {
        this.#add(topic, index, store.get(partitionKey(topic.firstId + index)))
      }
    }
    ends.publishTopics()
    ends.endPublish()
    for (const [key, value] of store.range(...bounds('G'), { limit: Number.MAX_SAFE_INTEGER })) {
      this.#graves.push({ firstId: idOf(key), count: value.readUInt32BE(0), emptied: 0 })
    }
  }

  #add(topic: Topic, index: number, stored: Buffer | undefined): void {
    const state = new PartitionState(topic.firstId + index, topic.info.name, index)
    if (stored !== undefined) state.decode(stored)
    this.#states.set(state.id, state)
    this.#ends.publish(state.id, state.start, state.end, state.bytes)
    this.#ends.publishEpoch(state.id)
  }

  topic(name: string): Topic {
    const topic = this.topics.get(name)
    if (topic === undefined) throw unknownTopic(name)
    return topic
  }

  state(topic: string, partition: number): PartitionState {
    return this.#states.get(idIn(this.topics, topic, partition))!
  }

  states(topic: Topic): PartitionState[] {
    return Array.from({ length: topic.info.partitions }, (_, index) => this.#states.get(topic.firstId + index)!)
  }

  /** Partitions that something may have to be deleted from, those of `first` before the others. */
  retained(first: ReadonlySet<PartitionState>): PartitionState[] {
    const found = new Set(first)
    for (const topic of this.topics.values()) {
      if (topic.info.retentionMs === undefined && topic.info.retentionBytes === undefined) continue
      for (const state of this.states(topic)) found.add(state)
    }
    return [...found]
  }

  /** Partitions that were trimmed further than their batches were deleted. */
  unfinished(): PartitionState[] {
    return [...this.#states.values()].filter(state => state.start > state.floor)
  }

  /** The topic as it would be created or changed, or null when it is there already and alike. */
  plan(name: string, options: TopicOptions): Topic | null {
    checkTopic(name, options)
    const existing = this.topics.get(name)
    if (existing === undefined) {
      const runs = [...this.topics.values()].map(topic => ({ firstId: topic.firstId, count: topic.info.partitions }))
      return { firstId: freeIds([...runs, ...this.#graves], options.partitions), info: { ...options, name } }
    }
    if (existing.info.partitions === options.partitions) {
      return sameOptions(existing.info, options) ? null : { firstId: existing.firstId, info: { ...options, name } }
    }
    throw new AldebaranError(
      'TOPIC_EXISTS',
      `Topic ${name} exists with ${existing.info.partitions} partitions, not ${options.partitions}`,
      { topic: name, partitions: existing.info.partitions },
    )
  }

  createWrites(topic: Topic): WriteList {
    const writes = new WriteList()
    writes.put(topicKey(topic.info.name), encodeTopic(topic))
    return writes
  }

  /** It was created or changed. */
  created(topic: Topic): void {
    const isNew = !this.topics.has(topic.info.name)
    this.#ends.beginPublish()
    this.topics.set(topic.info.name, topic)
    for (let index = 0; isNew && index < topic.info.partitions; index++) this.#add(topic, index, undefined)
    this.#ends.publishTopics()
    this.#ends.endPublish()
  }

  deleteWrites(topic: Topic): WriteList {
    const writes = new WriteList()
    writes.delete(topicKey(topic.info.name))
    const count = Buffer.allocUnsafe(4)
    count.writeUInt32BE(topic.info.partitions)
    writes.put(graveKey(topic.firstId), count)
    this.#store.refresh()
    for (const position of readPositions(this.#store)) {
      if (position.topic !== topic.info.name) continue
      writes.delete(positionKey(position.group, position.topic, position.partition))
    }
    return writes
  }

  deleted(topic: Topic): void {
    this.#ends.beginPublish()
    this.topics.delete(topic.info.name)
    this.#graves.push({ firstId: topic.firstId, count: topic.info.partitions, emptied: 0 })
    for (const state of this.states(topic)) {
      this.#states.delete(state.id)
      this.#ends.publish(state.id, 0, 0, 0)
      this.#ends.publishEpoch(state.id)
    }
    this.#ends.publishTopics()
    this.#ends.endPublish()
  }

  get graves(): number {
    return this.#graves.length
  }

  /** Deletes up to `steps` batches of deleted topics. Hand what it returns to `buried` once that is committed. */
  bury(steps: number, writes: WriteList): Grave | null {
    const grave = this.#graves[0]
    if (grave === undefined) return null
    const next = { ...grave }
    let left = steps
    for (let looked = 0; looked < PARTITIONS_AT_ONCE && next.emptied < next.count; looked++) {
      const id = next.firstId + next.emptied
      left -= this.#deleteSome(batchKey(id, 0), batchKey(id + 1, 0), left, writes)
      if (left > 0) left -= this.#deleteSome(timeKey(id, 0), timeKey(id + 1, 0), left, writes)
      if (left <= 0) return next
      writes.delete(partitionKey(id))
      next.emptied++
    }
    if (next.emptied === next.count) writes.delete(graveKey(next.firstId))
    return next
  }

  buried(grave: Grave): void {
    if (grave.emptied === grave.count) this.#graves.shift()
    else this.#graves[0] = grave
  }

  #deleteSome(from: Buffer, to: Buffer, limit: number, writes: WriteList): number {
    const found = this.#store.range(from, to, { limit, keysOnly: true })
    for (const [key] of found) writes.delete(key)
    return found.length
  }
}
