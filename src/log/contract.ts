/**
 * The log: topics of partitions of record batches, and one atomic commit. Both engines and the simulated log keep
 * this contract; `test/contract/` is its conformance suite.
 *
 * Words: an *offset* numbers the records of a partition from 0. The *end* of a partition is the offset of its next
 * record, the *start* that of its oldest. A *position* is the next offset a group will read. A *unit* is what one
 * commit makes durable: all of it, or nothing.
 *
 * Invariants
 * 1. A unit becomes visible to readers as a whole, after it is durable as far as `durability` says.
 * 2. Units of one client are committed in the order of their submission. After one fails, every later one of that
 *    client that was submitted before the failure was reported fails too, with LOG_STOPPED.
 * 3. Offsets of a partition grow by one a record in the embedded engine; other engines may leave gaps, and compaction does.
 * 4. A reader sees whole batches in offset order, each exactly as written but for its base offset, and for the records
 *    that compaction took out of it.
 * 5. Nothing here waits, but `wait` and the promises: a worker's loop is poll → process → submit → wait.
 */

export interface TopicOptions {
  partitions: number
  /** Delete the oldest batches once the partition holds more than this. Default: never. */
  retentionBytes?: number
  /** Delete batches whose newest record is older than this, in ms. Default: never. */
  retentionMs?: number
  /** Key and value schema, as `format` and `definition` of Schema: told by tools. Taken over at each start. */
  key?: StoredSchema
  value?: StoredSchema
  /** Made by the runtime (changelog, repartition): hidden from lists unless asked for. */
  internal?: boolean
  /**
   * Keeps the last record of each key; older ones may be deleted, which leaves gaps between the offsets. A null value
   * deletes the key, and is deleted itself after `tombstoneMs`. Records without a key are kept. Default: false.
   */
  compacted?: boolean
  /** With `compacted`: how long a null value stays, in ms from its timestamp. Default: a day. */
  tombstoneMs?: number
}

export interface StoredSchema {
  format: string
  definition: string | null
}

export interface TopicInfo extends TopicOptions {
  name: string
}

export interface PartitionInfo {
  start: number
  end: number
  /** Bytes of its batches now; 0 where these credentials may not ask. */
  bytes: number
}

/** Where a reader begins: an offset, or a word. An offset before the start or after the end throws OFFSET_OUT_OF_RANGE. */
export type From = number | 'earliest' | 'latest'

/** Reads one partition forward. Belongs to the thread that made it. */
export interface PartitionReader {
  readonly topic: string
  readonly partition: number
  /**
   * The next offset to be read: everything before it was returned by `poll` (or skipped by a seek). Passes over offsets
   * without a record, so that it gets to `end()` where those are the last.
   */
  readonly position: number
  /**
   * Gets whole batches that follow `position`: at least one if there is one, then as many as fit in `maxBytes`.
   * They are `chunk[0, size)` and valid until the next call. The first batch may begin before `position`
   * (after a seek into its middle): skip records before it. Returns false when there is nothing here now: other engines
   * may have more on its way, so the end is reached when `position` is `end()`.
   * @throws AldebaranError OFFSET_OUT_OF_RANGE when the start of the partition has moved past `position`.
   */
  poll(maxBytes: number): boolean
  readonly chunk: Buffer
  readonly size: number
  /** The offset of the first record wanted in the chunk (the value of `position` before the poll). */
  readonly from: number
  /**
   * The committed end of the partition as known now: not less than it was when the reader was made or sought last. What
   * another client was told then to be committed lies before it.
   */
  end(): number
  seek(from: From): void
  /** Seeks to the first record whose batch holds a timestamp ≥ ms, or to the end. */
  seekToTime(ms: number): void
  close(): void
}

/** One batch to append: a finished RecordBatch v2 (`BatchWriter.finish`), whose base offset the log sets. */
export interface Append {
  topic: string
  partition: number
  batch: Uint8Array
}

/** The next offset `group` will read, with a small text (event time …) kept beside it. */
export interface Position {
  group: string
  topic: string
  partition: number
  offset: number
  metadata: string
}

/** A write to a disk table: `value` null deletes. */
export interface TableWrite {
  /** Name of the keyspace: application, table and partition. */
  table: string
  key: Uint8Array
  value: Uint8Array | null
}

export interface Trim {
  topic: string
  partition: number
  /** Records before this offset are no longer wanted. */
  before: number
}

export interface CommitUnit {
  appends?: readonly Append[]
  positions?: readonly Position[]
  tables?: readonly TableWrite[]
  trims?: readonly Trim[]
}

export interface CommitResult {
  /** The base offset given to each append, in their order. */
  offsets: number[]
}

export interface LogCapabilities {
  /** Every offset follows the one before it, but in compacted topics. */
  denseOffsets: boolean
  /** Units may carry disk-table writes. */
  tables: boolean
  /** Survives what: the process, or power loss. */
  durability: 'process' | 'disk'
  /**
   * How a writer is kept out whose tasks others have by now. 'positions': a unit fails when it carries a position of a
   * group that this client does not own any more. 'none': whoever starts a client sees to it that there is no such writer.
   */
  fencing: 'positions' | 'none'
}

/**
 * The rows of one partition of a disk table, beside a log whose units cannot carry them: what its changelog says up to
 * `end`. Belongs to the thread that opened it; others may have the same store open.
 */
export interface LocalTable extends Pick<Log, 'tableGet' | 'tableRange'> {
  /** Everything of the changelog before this offset is in it. 0: nothing. Inside `update`: as of now. */
  readonly end: number
  /** Why it is empty although there was a store; null: there was none, or it was kept. */
  readonly reason: string | null
  /** One transaction: what `write` and `reach` are told by `work` happens as a whole, or not at all when that throws. */
  update(work: () => void): void
  write(table: string, key: Uint8Array, value: Uint8Array | null): void
  /** `end` is now that offset; what follows it in the changelog was written at `asOf` or later, ms since 1970. */
  reach(end: number, asOf: number): void
  /** It is not used any more, for now. */
  release(): void
}

/** Keeps disk tables on this machine, for a log whose units cannot carry them. */
export interface LocalTables {
  /**
   * Opens the table with this changelog, which has that `range`; null: it cannot be continued, and begins anew. It is
   * empty too when what was stored is of another changelog, was written in another `form`, lies before the changelog, is
   * so old that deletions may have been missed, or is damaged.
   */
  open(
    changelog: string,
    partition: number,
    form: string,
    range: Pick<PartitionInfo, 'start' | 'end'> | null,
  ): LocalTable
  close(): Promise<void>
}

/** What tools show of a log, asked of many things at once and without blocking the thread that asks. */
export interface LogSurvey {
  /** Internal ones too. */
  listTopics(): Promise<TopicInfo[]>
  /** By topic; one that does not exist is left out. */
  partitionsOf(topics: readonly string[]): Promise<Map<string, PartitionInfo[]>>
  /** Every position of these groups, or of all (null), as committed last: what is being committed now does not count. */
  positionsOf(groups: readonly string[] | null): Promise<Position[]>
  /** As `Log.reader`. */
  openReader(topic: string, partition: number, from: From): Promise<PartitionReader>
}

/** One thread's access to the log. */
export interface Log extends LogSurvey {
  readonly capabilities: LogCapabilities
  /** Where disk tables lie when units cannot carry them; undefined: nowhere. */
  readonly localTables?: LocalTables | undefined

  topics(options?: { internal?: boolean }): TopicInfo[]
  topic(name: string): TopicInfo | undefined
  partition(topic: string, partition: number): PartitionInfo
  /**
   * Creates the topic. One that exists takes over retention and schemas, and keeps its records; with other partitions:
   * TOPIC_EXISTS.
   */
  createTopic(name: string, options: TopicOptions): Promise<void>
  deleteTopic(name: string): Promise<void>

  reader(topic: string, partition: number, from: From): PartitionReader
  position(group: string, topic: string, partition: number): Position | undefined
  /** Every position of a group, or of all groups. */
  positions(group?: string): Position[]

  /** A value of a disk table, as of the last commit. */
  tableGet(table: string, key: Uint8Array): Buffer | undefined
  /** Entries of a disk table by ascending key, from `from` (included) to `to` (excluded). */
  tableRange(table: string, from?: Uint8Array, to?: Uint8Array, limit?: number): Iterable<[key: Buffer, value: Buffer]>

  /**
   * Submits a unit; its bytes may be reused when this returns. `done` is called once, from `pump` or from the
   * event loop, with the result or the error. Never throws.
   */
  submit(unit: CommitUnit, done: (error: Error | null, result: CommitResult | null) => void): void
  /** `submit` as a promise, for callers with an event loop. */
  commit(unit: CommitUnit): Promise<CommitResult>

  /** Calls what is due: `done` of submitted units. For threads that never return to their event loop. */
  pump(): void
  /**
   * Blocks this thread until a partition it reads grows, a unit is done, `wake` is called, or `ms` have passed.
   * Returns at once when something happened since the last call.
   */
  wait(ms: number): void
  /** As `wait`, without blocking the thread. */
  changed(ms: number, signal?: AbortSignal): Promise<void>
  /** Wakes this client's `wait` or `changed`; from any thread through `LogAddress` where the engine has one. */
  wake(): void

  close(): Promise<void>
}
