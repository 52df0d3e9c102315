/**
 * The reading half of a client: everything that is answered from the store and from shared memory, without asking the
 * thread that commits.
 */
import { AldebaranError } from '../errors.ts'
import type { From, LogCapabilities, PartitionInfo, PartitionReader, Position, TopicInfo } from './contract.ts'
import { type EndsTable, INTEREST_BITS } from './ends.ts'
import type { KeyValueReader } from './key-value.ts'
import { tableEnd, tableKey } from './keys.ts'
import { checkGroup, readPosition, readPositions } from './positions.ts'
import { StoreReader } from './reader.ts'
import { idIn, readTopics, type Topic } from './topics.ts'

const NOTHING = Buffer.alloc(0)
const FIRST_PAGE = 100
const LARGEST_PAGE = 10_000

export abstract class LogView {
  readonly capabilities: LogCapabilities
  protected readonly store: KeyValueReader
  protected readonly ends: EndsTable
  protected closed = false
  /** The bit that stands for this client in the interest of partitions. */
  readonly #bit: number
  /** Open readers by partition id. */
  readonly #readers = new Map<number, Set<StoreReader>>()
  #topics: ReadonlyMap<string, Topic> = new Map()
  #topicsVersion = -1

  constructor(store: KeyValueReader, ends: EndsTable, client: number, capabilities: LogCapabilities) {
    this.store = store
    this.ends = ends
    this.capabilities = capabilities
    this.#bit = Math.min(client, INTEREST_BITS - 1)
  }

  topics(options: { internal?: boolean } = {}): TopicInfo[] {
    const all = [...this.#known().values()].map(topic => ({ ...topic.info }))
    return options.internal === true ? all : all.filter(info => info.internal !== true)
  }

  topic(name: string): TopicInfo | undefined {
    const topic = this.#known().get(name)
    return topic === undefined ? undefined : { ...topic.info }
  }

  partition(topic: string, partition: number): PartitionInfo {
    this.ends.read(idIn(this.#known(), topic, partition))
    return { start: this.ends.start, end: this.ends.end, bytes: this.ends.bytes }
  }

  reader(topic: string, partition: number, from: From): PartitionReader {
    const id = idIn(this.#known(), topic, partition)
    const readers = this.#readers.get(id) ?? new Set()
    this.#readers.set(id, readers)
    this.ends.addInterest(id, this.#bit)
    const reader: StoreReader = new StoreReader(topic, partition, id, this.store, this.ends, () =>
      this.#release(id, reader),
    )
    readers.add(reader)
    try {
      reader.seek(from)
    } catch (error) {
      reader.close()
      throw error
    }
    return reader
  }

  position(group: string, topic: string, partition: number): Position | undefined {
    this.checkOpen()
    checkGroup(group)
    this.store.refresh()
    const found = readPosition(this.store, group, topic, partition)
    this.store.refresh()
    return found
  }

  positions(group?: string): Position[] {
    this.checkOpen()
    if (group !== undefined) checkGroup(group)
    this.store.refresh()
    const found = readPositions(this.store, group)
    this.store.refresh()
    return found
  }

  async listTopics(): Promise<TopicInfo[]> {
    return this.topics({ internal: true })
  }

  async partitionsOf(topics: readonly string[]): Promise<Map<string, PartitionInfo[]>> {
    const known = topics.flatMap(name => this.topic(name) ?? [])
    return new Map(
      known.map(({ name, partitions }) => [
        name,
        Array.from({ length: partitions }, (_, partition) => this.partition(name, partition)),
      ]),
    )
  }

  async positionsOf(groups: readonly string[] | null): Promise<Position[]> {
    return groups === null ? this.positions() : groups.flatMap(group => this.positions(group))
  }

  async openReader(topic: string, partition: number, from: From): Promise<PartitionReader> {
    return this.reader(topic, partition, from)
  }

  tableGet(table: string, key: Uint8Array): Buffer | undefined {
    this.checkOpen()
    this.store.refresh()
    const value = this.store.get(tableKey(table, key))
    const copy = value === undefined ? undefined : Buffer.allocUnsafe(value.length)
    if (copy !== undefined) value!.copy(copy, 0, 0, copy.length)
    this.store.refresh()
    return copy
  }

  /** Goes through the store page by page: a commit in between is seen by the pages after it. */
  *tableRange(
    table: string,
    from: Uint8Array = NOTHING,
    to?: Uint8Array,
    limit: number = Number.POSITIVE_INFINITY,
  ): Generator<[key: Buffer, value: Buffer]> {
    const prefix = tableKey(table, NOTHING).length
    const end = to === undefined ? tableEnd(table) : tableKey(table, to)
    let at = tableKey(table, from)
    let left = limit
    for (let size = FIRST_PAGE; left > 0; size = Math.min(size * 4, LARGEST_PAGE)) {
      this.checkOpen()
      this.store.refresh()
      const page = this.store.range(at, end, { limit: Math.min(left, size) })
      this.store.refresh()
      for (const [key, value] of page) yield [key.subarray(prefix), value]
      if (page.length < size) return
      left -= page.length
      at = Buffer.concat([page[page.length - 1]![0], Buffer.alloc(1)])
    }
  }

  protected checkOpen(): void {
    if (this.closed) throw new AldebaranError('LOG_CLOSED', 'The log was closed')
  }

  /** Forgets the interest of this client; its readers throw LOG_CLOSED from now on. */
  protected closeView(): void {
    this.closed = true
    for (const readers of [...this.#readers.values()]) for (const reader of readers) reader.close()
  }

  #known(): ReadonlyMap<string, Topic> {
    this.checkOpen()
    const version = this.ends.topicsVersion()
    if (version !== this.#topicsVersion) {
      this.store.refresh()
      this.#topics = readTopics(this.store)
      this.store.refresh()
      this.#topicsVersion = version
    }
    return this.#topics
  }

  #release(id: number, reader: StoreReader): void {
    const readers = this.#readers.get(id)
    if (readers === undefined || !readers.delete(reader) || readers.size > 0) return
    this.#readers.delete(id)
    this.ends.removeInterest(id, this.#bit)
  }
}
