/**
 * Records of a request on their way into a topic. What a request brings is committed as one unit: batches by partition,
 * split at 512 KB. The answer comes when the unit is durable.
 */
import { setImmediate } from 'node:timers/promises'
import { AldebaranError, messageOf } from '../errors.ts'
import type { Append, CommitResult } from '../log/contract.ts'
import { checkRecordSize } from '../pipeline/outlet.ts'
import { recordCountOf } from '../record/batch-header.ts'
import type { Header } from '../record/headers.ts'
import { partitionOf } from '../record/partitioner.ts'
import { BatchRun } from '../runtime/outputs.ts'
import { ByteWriter } from '../schema/byte-writer.ts'
import type { BodyItem } from './body-item.ts'
import { keyFromText } from './codec.ts'
import { readEnvelope } from './envelope.ts'
import type { SiteTopic } from './site-topic.ts'

export interface IngestOptions {
  /** Key of every record, as text; undefined: none was given. */
  key: string | undefined
  /** Partition of every record. */
  partition: number | undefined
  /** The items are `{ key, value, timestamp, headers, partition }`. */
  envelopes: boolean
  /** One error refuses all. */
  atomic: boolean
  /** Timestamp of records that bring none, ms. */
  now: number
}

export interface Refusal {
  index: number
  line: number | null
  code: string
  message: string
  path: string | null
}

export interface IngestResult {
  accepted: number
  rejected: number
  /** Where the records lie, by partition. */
  offsets: { partition: number; first: number; last: number }[]
  /** The first of them. */
  errors: Refusal[]
}

/** Errors told of one request, at most. */
const ERRORS_TOLD = 100
/** Other requests get their turn after this long, ms. */
const TURN_MS = 10
const ITEMS_BETWEEN_LOOKS = 200
/** Batches larger than this are not kept for the next request. */
const LARGEST_KEPT = 1024 * 1024
const MOST_KEPT = 64

export class Ingest {
  readonly #key = new ByteWriter(256)
  readonly #value = new ByteWriter(4096)
  /** Empty runs for the requests to come, by topic and partition. */
  readonly #kept = new Map<string, BatchRun>()
  /** Where records without a key go: one partition a request, the next with the next. */
  #rotation = 0

  /** Throws what is wrong with the request as a whole; what is wrong with single records is in the result. */
  async take(topic: SiteTopic, items: Iterable<BodyItem>, options: IngestOptions): Promise<IngestResult> {
    const result: IngestResult = { accepted: 0, rejected: 0, offsets: [], errors: [] }
    const runs = new Map<number, BatchRun>()
    const writer = this.#recordWriter(topic, options, runs)
    let index = 0
    let turned = performance.now()
    try {
      for (const item of items) {
        try {
          writer(item)
          result.accepted++
        } catch (error) {
          // No fault of the record: a registry is away, for one. The sender does all of it again.
          if (error instanceof AldebaranError && error.fate === 'retry') throw error
          result.rejected++
          if (result.errors.length < ERRORS_TOLD) result.errors.push(refusal(index, item, error))
        }
        index++
        if (index % ITEMS_BETWEEN_LOOKS === 0 && performance.now() - turned > TURN_MS) {
          await setImmediate()
          turned = performance.now()
        }
      }
      if (options.atomic && result.rejected > 0) {
        result.rejected += result.accepted
        result.accepted = 0
      }
      if (result.accepted > 0) result.offsets = await this.#commit(topic, runs)
      return result
    } finally {
      this.#keep(topic, runs)
    }
  }

  #recordWriter(topic: SiteTopic, options: IngestOptions, runs: Map<number, BatchRun>): (item: BodyItem) => void {
    const { partitions } = topic.info
    const keySchema = topic.key
    const valueSchema = topic.value
    const keyOfAll = options.key === undefined ? undefined : keyFromText(keySchema, options.key)
    const partitionOfAll = checkPartition(options.partition, partitions)
    const home = this.#rotation++ % partitions
    const keyOut = this.#key
    const valueOut = this.#value

    return item => {
      if (item.error !== null) throw item.error
      let { json } = item
      let key = keyOfAll
      let partition = partitionOfAll
      let timestamp = options.now
      let headers: Header[] | null = null
      if (options.envelopes) {
        const envelope = readEnvelope(json)
        json = envelope.value
        if (envelope.key !== undefined) key = envelope.key === null ? null : keySchema.fromJson(envelope.key)
        partition = checkPartition(envelope.partition, partitions) ?? partition
        timestamp = envelope.timestamp ?? timestamp
        headers = envelope.headers
      }
      let { bytes: valueBytes, start, end } = item
      const value = valueBytes === null ? valueSchema.fromJson(json) : valueSchema.decode(valueBytes, start, end)
      if (key === undefined) key = topic.keyOf === null ? null : topic.keyOf(value)
      keyOut.position = 0
      if (key !== null) keySchema.encode(key, keyOut)
      if (valueBytes === null) {
        valueOut.position = 0
        valueSchema.encode(value, valueOut)
        valueBytes = valueOut.bytes
        start = 0
        end = valueOut.position
      }
      checkRecordSize(topic.info.name, keyOut.position + end - start, headers)
      partition ??= key === null ? home : partitionOf(keyOut.bytes, 0, keyOut.position, partitions)
      let run = runs.get(partition)
      if (run === undefined) {
        run = this.#run(topic.info.name, partition)
        runs.set(partition, run)
      }
      run.append(timestamp, key === null ? null : keyOut.bytes, 0, keyOut.position, valueBytes, start, end, headers)
    }
  }

  async #commit(topic: SiteTopic, runs: ReadonlyMap<number, BatchRun>): Promise<IngestResult['offsets']> {
    const appends: Append[] = []
    for (const run of runs.values()) run.finishInto(appends)
    const counts = appends.map(({ batch }) => recordCountOf(batch, 0))
    const { offsets }: CommitResult = await topic.log.commit({ appends })
    const told = new Map<number, { partition: number; first: number; last: number }>()
    appends.forEach(({ partition }, i) => {
      const first = offsets[i]!
      const last = first + counts[i]! - 1
      const known = told.get(partition)
      if (known === undefined) told.set(partition, { partition, first, last })
      else known.last = last
    })
    return [...told.values()].sort((a, b) => a.partition - b.partition)
  }

  #run(topic: string, partition: number): BatchRun {
    const id = `${topic}/${partition}`
    const kept = this.#kept.get(id)
    this.#kept.delete(id)
    return kept ?? new BatchRun(topic, partition)
  }

  #keep(topic: SiteTopic, runs: ReadonlyMap<number, BatchRun>): void {
    for (const [partition, run] of runs) {
      if (run.bytes > LARGEST_KEPT || this.#kept.size >= MOST_KEPT) continue
      run.begin()
      this.#kept.set(`${topic.info.name}/${partition}`, run)
    }
  }
}

function checkPartition(partition: number | undefined, partitions: number): number | undefined {
  if (partition === undefined || (Number.isInteger(partition) && partition >= 0 && partition < partitions)) {
    return partition
  }
  throw new AldebaranError('PARTITION_UNKNOWN', `there are partitions 0 to ${partitions - 1}, and not ${partition}`, {
    partition,
  })
}

function refusal(index: number, item: BodyItem, error: unknown): Refusal {
  const known = error instanceof AldebaranError ? error : null
  const path = known?.details.path
  return {
    index,
    line: item.line,
    // Anything else was thrown by code of the user (keyOf) or of a schema library, about this value.
    code: known?.code ?? 'VALUE_INVALID',
    message: messageOf(error),
    path: typeof path === 'string' ? path : null,
  }
}
