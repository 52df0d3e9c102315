/**
 * Fetches what a client reads: one loop for each broker and lane.
 *
 * Partitions that were read to their end wait together in the lane `tail`, in one long poll: a record that is written is
 * here as soon as it can be. Those that are behind are in the lane `behind`, where nothing is waited for; one that gets
 * to its end stays there until the long poll is asked anew. So neither holds up the other.
 */
import type { AldebaranError } from '../../errors.ts'
import { unknownTopic } from '../topics.ts'
import { backOff } from './back-off.ts'
import { type Cluster, isPassing, refusal } from './cluster.ts'
import type { FetchedPartition } from './fetched-partition.ts'
import type { Connection } from './wire/connection.ts'
import { fetch } from './wire/data-messages.ts'
import { fateOfCode, NONE } from './wire/error-codes.ts'

/** A broker answers at the latest after this when nothing is written, ms. */
const TAIL_WAIT_MS = 500
/** So in the lane `behind`, for those that wait for the other lane. */
const BEHIND_WAIT_MS = 10
const PARTITION_BYTES = 1024 * 1024
const ANSWER_BYTES = 4 * 1024 * 1024
const READ_COMMITTED = 1
/** Between an answer and the next question of the lane `tail`, ms. */
const REST_MS = 1
/** A topic that no broker knows so many times is gone. */
const GONE_TRIES = 8
const LANES = ['tail', 'behind'] as const
type Lane = (typeof LANES)[number]

export class Fetcher {
  readonly #cluster: Cluster
  readonly #purpose: string
  readonly #onData: () => void
  readonly #partitions = new Set<FetchedPartition>()
  /** In which lane a partition waits. */
  readonly #tail = new Set<FetchedPartition>()
  readonly #busy = new Set<string>()
  #retry: NodeJS.Timeout | null = null
  #refreshing = false
  #closed = false

  /** `onData` is called when a ring has something new. */
  constructor(cluster: Cluster, purpose: string, onData: () => void) {
    this.#cluster = cluster
    this.#purpose = purpose
    this.#onData = onData
  }

  add(partition: FetchedPartition): void {
    this.#partitions.add(partition)
    this.run()
  }

  remove(partition: FetchedPartition): void {
    this.#partitions.delete(partition)
    this.#tail.delete(partition)
  }

  close(): void {
    this.#closed = true
    if (this.#retry !== null) clearTimeout(this.#retry)
    this.#partitions.clear()
    this.#tail.clear()
  }

  /** Asks wherever something is wanted and nothing is under way. Called when rings have room again, too. */
  run(): void {
    if (this.#closed) return
    let moved = false
    let missing = false
    const brokers = new Set<number>()
    for (const partition of this.#partitions) {
      if (partition.flush()) moved = true
      const leader = this.#cluster.leader(partition.topic, partition.partition)
      if (leader < 0) missing = true
      else brokers.add(leader)
    }
    if (moved) this.#onData()
    if (missing) this.#refresh()
    for (const broker of brokers) for (const lane of LANES) this.#ask(broker, lane)
  }

  #ask(broker: number, lane: Lane): void {
    const key = `${lane} ${broker}`
    if (this.#busy.has(key)) return
    const wanted = this.#wanted(broker, lane)
    if (wanted.size === 0) return
    this.#busy.add(key)
    const purpose = `${this.#purpose} ${lane}`
    const open = this.#cluster.opened(broker, purpose)
    if (open !== null) this.#send(open, key, lane, wanted)
    else {
      this.#cluster.connection(broker, purpose).then(
        connection => this.#send(connection, key, lane, wanted),
        (error: AldebaranError) => this.#failed(key, wanted, error),
      )
    }
  }

  #wanted(broker: number, lane: Lane): Map<FetchedPartition, number> {
    const wanted = new Map<FetchedPartition, number>()
    const names = new Set<string>()
    const now = performance.now()
    for (const partition of [...this.#partitions]) {
      if (this.#cluster.leader(partition.topic, partition.partition) !== broker) continue
      if (lane === 'tail' && partition.atEnd) this.#tail.add(partition)
      if (this.#tail.has(partition) !== (lane === 'tail')) continue
      if (partition.notBefore > now) {
        this.#later(partition.notBefore - now)
        continue
      }
      // A request may name a partition once: a second reader of it has its turn next.
      const name = `${partition.topic}/${partition.partition}`
      if (names.has(name)) continue
      const bytes = partition.wanted
      if (bytes === 0) continue
      names.add(name)
      wanted.set(partition, Math.min(bytes, PARTITION_BYTES))
      this.#partitions.delete(partition)
      this.#partitions.add(partition)
    }
    return wanted
  }

  #send(connection: Connection, key: string, lane: Lane, wanted: Map<FetchedPartition, number>): void {
    if (this.#closed) return
    const topics = new Map<string, { partition: number; bytes: number; offset: number }[]>()
    const asked = new Map<string, FetchedPartition>()
    let waits = true
    for (const [partition, bytes] of wanted) {
      const list = topics.get(partition.topic) ?? []
      topics.set(partition.topic, list)
      list.push({ partition: partition.partition, bytes, offset: partition.position })
      asked.set(`${partition.topic}/${partition.partition}`, partition)
      if (!partition.atEnd) waits = false
    }
    const body = {
      replicaId: -1,
      maxWaitMs: waits ? (lane === 'tail' && !this.#isCrowded(wanted) ? TAIL_WAIT_MS : BEHIND_WAIT_MS) : 0,
      minBytes: 1,
      maxBytes: ANSWER_BYTES,
      isolationLevel: READ_COMMITTED,
      sessionId: 0,
      sessionEpoch: -1,
      topics: [...topics].map(([name, partitions]) => ({
        name,
        partitions: partitions.map(({ partition, bytes, offset }) => ({
          partition,
          currentLeaderEpoch: -1,
          fetchOffset: offset,
          lastFetchedEpoch: -1,
          logStartOffset: -1,
          partitionMaxBytes: bytes,
        })),
      })),
      forgotten: [],
      rackId: '',
    }
    connection.send(fetch, body, (error, answer) => {
      if (error !== null) return this.#failed(key, wanted, error)
      this.#busy.delete(key)
      if (this.#closed) return
      if (answer!.errorCode !== NONE) return this.#failed(key, wanted, refusal(answer!.errorCode, 'a fetch'))
      let fresh = false
      for (const { name, partitions } of answer!.topics) {
        for (const one of partitions) {
          const partition = asked.get(`${name}/${one.partition}`)
          if (partition === undefined || !this.#partitions.has(partition)) continue
          fresh = this.#take(partition, one) || fresh
        }
      }
      if (fresh) this.#onData()
      if (lane === 'tail') this.#rest(key)
      else this.run()
    })
  }

  /** What is written meanwhile comes with the next answer: half as many requests, for little time. */
  #rest(key: string): void {
    this.#busy.add(key)
    setTimeout(() => {
      this.#busy.delete(key)
      this.run()
    }, REST_MS)
  }

  /** Other partitions of the lane wait for their turn, or for room. */
  #isCrowded(wanted: ReadonlyMap<FetchedPartition, number>): boolean {
    for (const partition of this.#tail) if (!wanted.has(partition) && !partition.failed) return true
    return false
  }

  #take(partition: FetchedPartition, answer: Parameters<FetchedPartition['take']>[0]): boolean {
    if (answer.errorCode === NONE) {
      try {
        const fresh = partition.take(answer)
        if (!partition.atEnd) this.#tail.delete(partition)
        return fresh
      } catch (error) {
        partition.fail(error as AldebaranError)
        return true
      }
    }
    const { topic } = partition
    const what = `reading ${topic}/${partition.partition} at ${partition.position}`
    const error = refusal(answer.errorCode, what, { topic, partition: partition.partition, offset: partition.position })
    const fate = fateOfCode(answer.errorCode)
    if (fate === 'metadata' || fate === 'retry') {
      this.#put(partition)
      this.#refresh()
      return false
    }
    partition.fail(error)
    return true
  }

  #failed(key: string, wanted: Map<FetchedPartition, number>, error: AldebaranError): void {
    this.#busy.delete(key)
    if (this.#closed) return
    for (const partition of wanted.keys()) {
      if (isPassing(error)) this.#put(partition)
      else partition.fail(error)
    }
    if (isPassing(error)) this.#refresh()
    else this.#onData()
  }

  /** Not again before a while. */
  #put(partition: FetchedPartition): void {
    const wait = backOff(partition.tries++, 250)
    partition.notBefore = performance.now() + wait
    this.#later(wait)
  }

  #refresh(): void {
    if (this.#refreshing) return
    this.#refreshing = true
    this.#cluster
      .refresh()
      .then(
        () => this.#later(1),
        () => this.#later(100),
      )
      .finally(() => {
        this.#refreshing = false
        this.#failGone()
      })
  }

  /** A topic that was deleted is not waited for. */
  #failGone(): void {
    for (const partition of this.#partitions) {
      if (this.#cluster.topics.size === 0 || this.#cluster.topics.has(partition.topic) || partition.failed) continue
      // Brokers hear of a new topic one after the other.
      if (partition.tries++ < GONE_TRIES) continue
      partition.fail(unknownTopic(partition.topic))
      this.#onData()
    }
  }

  #later(ms: number): void {
    if (this.#retry !== null || this.#closed) return
    this.#retry = setTimeout(() => {
      this.#retry = null
      this.run()
    }, ms)
  }
}
