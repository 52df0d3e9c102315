/**
 * What Kafka does not keep about a topic: its schemas, and whether the runtime made it. A compacted topic holds the last
 * word on each: name → JSON. Every node reads it, and whoever creates a topic writes to it.
 */
import { BatchCursor } from '../../record/batch-cursor.ts'
import { BatchWriter } from '../../record/batch-writer.ts'
import type { StoredSchema } from '../contract.ts'
import { groupUnit } from '../group.ts'
import type { Cluster } from './cluster.ts'
import { committedRuns } from './committed.ts'
import { askLeader } from './offsets.ts'
import type { UnitPipeline } from './unit-pipeline.ts'
import { fetch } from './wire/data-messages.ts'

export const CATALOG_TOPIC = 'aldebaran.catalog'

export interface CatalogEntry {
  internal?: boolean
  /** Only said of topics that the runtime made. */
  compacted?: boolean
  key?: StoredSchema
  value?: StoredSchema
}

const FETCH_BYTES = 4 * 1024 * 1024

export class Catalog {
  readonly #cluster: Cluster
  readonly #pipeline: UnitPipeline
  readonly #entries = new Map<string, CatalogEntry>()
  #position = 0

  constructor(cluster: Cluster, pipeline: UnitPipeline) {
    this.#cluster = cluster
    this.#pipeline = pipeline
  }

  get(topic: string): CatalogEntry {
    return this.#entries.get(topic) ?? {}
  }

  /** Writes what is known of a topic, where it is something new; null: the topic is gone. */
  async put(topic: string, entry: CatalogEntry | null): Promise<void> {
    await this.read()
    const text = entry === null || Object.keys(entry).length === 0 ? null : JSON.stringify(entry)
    const known = this.#entries.get(topic)
    if ((known === undefined ? null : JSON.stringify(known)) === text) return
    const writer = new BatchWriter()
    const key = Buffer.from(topic)
    const value = text === null ? null : Buffer.from(text)
    writer.append(Date.now(), key, 0, key.length, value, value === null ? -1 : 0, value === null ? -1 : value.length)
    const unit = groupUnit({ appends: [{ topic: CATALOG_TOPIC, partition: 0, batch: writer.finish() }] }, NOBODY, 0)
    await new Promise<void>((resolve, reject) => {
      this.#pipeline.submit(unit, () => (unit.error === null ? resolve() : reject(unit.error)))
    })
    await this.read()
  }

  /** Reads what was written since the last time. */
  async read(): Promise<void> {
    if (!this.#cluster.topics.has(CATALOG_TOPIC) && (await this.#cluster.look(CATALOG_TOPIC)) === undefined) return
    for (;;) {
      const before = this.#position
      const answer = await askLeader(
        this.#cluster,
        CATALOG_TOPIC,
        0,
        connection =>
          connection.request(fetch, {
            replicaId: -1,
            maxWaitMs: 0,
            minBytes: 0,
            maxBytes: FETCH_BYTES,
            isolationLevel: 1,
            sessionId: 0,
            sessionEpoch: -1,
            topics: [{ name: CATALOG_TOPIC, partitions: [partitionAt(before)] }],
            forgotten: [],
            rackId: '',
          }),
        one => one.topics[0]?.partitions[0]?.errorCode ?? one.errorCode,
      )
      const found = answer.topics[0]!.partitions[0]!
      this.#apply(found.records as Buffer)
      const { next } = committedRuns(found.records as Buffer, found.aborted, before)
      this.#position = next
      if (next === before || next >= found.lastStableOffset) return
    }
  }

  #apply(records: Buffer): void {
    const { runs } = committedRuns(records, null, this.#position)
    const cursor = new BatchCursor({ verified: true })
    for (const { start, end } of runs) {
      cursor.reset(records, start, end)
      while (cursor.nextBatch()) {
        while (cursor.next()) {
          if (cursor.offset < this.#position) continue
          const topic = cursor.bytes.toString('utf8', cursor.keyStart, cursor.keyEnd)
          if (cursor.valueStart < 0) this.#entries.delete(topic)
          else {
            const text = cursor.bytes.toString('utf8', cursor.valueStart, cursor.valueEnd)
            this.#entries.set(topic, JSON.parse(text) as CatalogEntry)
          }
        }
      }
    }
  }
}

const NOBODY = { failures: 0 }

function partitionAt(offset: number) {
  return {
    partition: 0,
    currentLeaderEpoch: -1,
    fetchOffset: offset,
    lastFetchedEpoch: -1,
    logStartOffset: -1,
    partitionMaxBytes: FETCH_BYTES,
  }
}
