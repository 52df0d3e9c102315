/** What a node leaves that is killed inside a transaction: records that are there, and about which nothing is decided. */
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { partitionOf } from 'aldebaran'
import type { Append } from '../../src/log/contract.ts'
import { Cluster } from '../../src/log/kafka/cluster.ts'
import { highWatermark } from '../../src/log/kafka/offsets.ts'
import { fenceTransactionalId, UnitProducer } from '../../src/log/kafka/unit-producer.ts'
import { addPartitionsToTxn, produce } from '../../src/log/kafka/wire/data-messages.ts'
import { NONE } from '../../src/log/kafka/wire/error-codes.ts'
import type { AnyTopic, Topic } from '../../src/pipeline/topic.ts'
import { recordCountOf } from '../../src/record/batch-header.ts'
import { Outputs } from '../../src/runtime/outputs.ts'
import { ByteWriter } from '../../src/schema/byte-writer.ts'
import { clusterSettings } from './directed-nodes.ts'

const TIMEOUT_MS = 60_000

export class OpenTransaction implements Disposable {
  readonly #cluster: Cluster
  readonly #producer: UnitProducer
  readonly #id: string

  private constructor(cluster: Cluster, producer: UnitProducer, id: string) {
    this.#cluster = cluster
    this.#producer = producer
    this.#id = id
  }

  static async begin(bootstrap: string): Promise<OpenTransaction> {
    const cluster = new Cluster(clusterSettings(bootstrap, 'open-transaction'))
    await cluster.refresh()
    const id = `open-${randomUUID()}`
    const producer = new UnitProducer(cluster, id, TIMEOUT_MS)
    await producer.initialise()
    return new OpenTransaction(cluster, producer, id)
  }

  /** Resolves when the brokers have them. */
  async write<V>(topic: Topic<string, V>, records: readonly (readonly [key: string, value: V])[]): Promise<void> {
    const { id: producerId, epoch: producerEpoch } = this.#producer
    const appends = batchesOf(topic, records)
    const partitions = appends.map(({ partition }) => partition)
    const body = { transactionalId: this.#id, producerId, producerEpoch, topics: [{ name: topic.name, partitions }] }
    const added = await this.#cluster.askCoordinator('transaction', this.#id, addPartitionsToTxn, body, answer =>
      Math.max(...answer.topics.flatMap(one => one.partitions.map(({ errorCode }) => errorCode))),
    )
    assert.ok(added.topics.every(one => one.partitions.every(({ errorCode }) => errorCode === NONE)))
    for (const { partition, batch } of appends) {
      const sequence = this.#producer.sequence(topic.name, partition, recordCountOf(batch, 0))
      const stamped = { batch, producerId, producerEpoch, sequence, transactional: true, compression: 0 }
      const connection = await this.#cluster.connection(this.#cluster.leader(topic.name, partition), 'produce')
      const { topics } = await connection.request(produce, {
        transactionalId: this.#id,
        acks: -1,
        timeoutMs: TIMEOUT_MS,
        topics: [{ name: topic.name, partitions: [{ partition, records: stamped }] }],
      })
      assert.equal(topics[0]!.partitions[0]!.errorCode, NONE)
    }
  }

  /** Offsets of a topic that are taken, by what is committed and what is not; all partitions together. */
  async written({ name, options }: AnyTopic): Promise<number> {
    const ends = Array.from({ length: options.partitions }, (_, partition) =>
      highWatermark(this.#cluster, name, partition),
    )
    return (await Promise.all(ends)).reduce((sum, end) => sum + end, 0)
  }

  /** As who buries the dead does it. */
  async abort(): Promise<void> {
    await fenceTransactionalId(this.#cluster, this.#id)
  }

  [Symbol.dispose](): void {
    this.#cluster.close()
  }
}

function batchesOf<V>(topic: Topic<string, V>, records: readonly (readonly [key: string, value: V])[]): Append[] {
  const outputs = new Outputs()
  for (const [name, value] of records) {
    const key = Buffer.from(name)
    const written = new ByteWriter(256)
    topic.value.encode(value, written)
    const bytes = Buffer.from(written.bytes.subarray(0, written.position))
    const partition = partitionOf(key, 0, key.length, topic.options.partitions)
    outputs.append(topic, partition, Date.now(), key, 0, key.length, bytes, 0, bytes.length, null)
  }
  const appends: Append[] = []
  outputs.finishInto(appends)
  return appends
}
