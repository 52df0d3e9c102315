/** Units of which brokers refuse some requests for now: they are committed in their order, each once. */
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import type { CommitUnit } from '../../src/log/contract.ts'
import { groupUnit } from '../../src/log/group.ts'
import { Cluster, type ClusterSettings } from '../../src/log/kafka/cluster.ts'
import { openKafka } from '../../src/log/kafka/host.ts'
import { parseKafkaLocation } from '../../src/log/kafka/location.ts'
import { positionsOf } from '../../src/log/kafka/offsets.ts'
import { UnitPipeline } from '../../src/log/kafka/unit-pipeline.ts'
import type { Connection } from '../../src/log/kafka/wire/connection.ts'
import { produce, txnOffsetCommit } from '../../src/log/kafka/wire/data-messages.ts'
import type { Api } from '../../src/log/kafka/wire/types.ts'
import { SeededRandom } from '../../src/testing/random.ts'
import { batchOf, readAll } from '../contract/log-data.ts'
import { kafkaCluster } from '../servers/kafka.ts'
import { clusterSettings } from './directed-nodes.ts'
import { namespaced } from './namespaced-log.ts'

const CONCURRENT_TRANSACTIONS = 51
const UNITS = 60

type Done<S> = (error: null, answer: S) => void
type Named = { topics: { name: string; partitions: { partition: number }[] }[] }

/** A busy broker: it refuses a share of the requests of transactions, as one does that still ends the one before. */
class BusyCluster extends Cluster {
  refused = 0
  readonly #random: SeededRandom

  constructor(settings: ClusterSettings, seed: number) {
    super(settings)
    this.#random = new SeededRandom(seed)
  }

  override opened(broker: number, purpose: string): Connection | null {
    const connection = super.opened(broker, purpose)
    if (connection === null) return null
    const send = <Q, S>(api: Api<Q, S>, body: Q, done: Done<S>): void => {
      const isOfUnit = api.key === produce.key || api.key === txnOffsetCommit.key
      if (!isOfUnit || this.#random.below(4) > 0) {
        connection.send(api, body, done as Parameters<Connection['send']>[2] as never)
        return
      }
      this.refused++
      const topics = (body as Named).topics.map(({ name, partitions }) => ({
        name,
        partitions: partitions.map(({ partition }) => ({
          partition,
          errorCode: CONCURRENT_TRANSACTIONS,
          baseOffset: -1,
          errorMessage: null,
        })),
      }))
      setImmediate(() => done(null, { topics } as S))
    }
    const busy: Pick<Connection, 'send' | 'supports' | 'features'> = {
      send: send as Connection['send'],
      supports: (key, version) => connection.supports(key, version),
      features: connection.features,
    }
    return busy as Connection
  }
}

for (const sole of [false, true]) {
  test(`in their order, ${sole ? 'of a sole writer, one by one' : 'several under way'}`, async t => {
    // Of a unit's requests each broker may refuse its own.
    const kafka = await kafkaCluster({ brokers: 2 })
    const { bootstrap } = kafka
    const id = `busy-${randomUUID()}`
    const host = await openKafka({ bootstrap: parseKafkaLocation(`kafka://${bootstrap}`, {}).bootstrap, node: id })
    const log = host.client()
    const cluster = new BusyCluster(clusterSettings(bootstrap, id), sole ? 1 : 2)
    t.after(async () => {
      await log.deleteTopic(id).catch(() => {})
      await host.close()
      cluster.close()
      await kafka.end()
    })
    await log.createTopic(id, { partitions: 2 })
    await cluster.refresh()
    const pipeline = new UnitPipeline(cluster, {
      purpose: id,
      guarantee: 'exactly-once',
      transactionalIds: sole ? [id] : [`${id}.0`, `${id}.1`],
      sole,
      transactionTimeoutMs: 10_000,
      compression: 0,
      giveUpMs: 60_000,
      membership: () => undefined,
    })
    const told: string[] = []
    const source = { failures: 0 }
    for (let n = 1; n <= UNITS; n++) {
      const unit: CommitUnit = {
        // What follows a unit waits for each of its requests that was refused.
        appends: [0, 1, 0].map((partition, i) => ({ topic: id, partition, batch: batchOf([`${n}${'abc'[i]}`]) })),
        positions: [{ group: `${id}.g`, topic: id, partition: 0, offset: n, metadata: '' }],
      }
      const entry = groupUnit(unit, source as Parameters<typeof groupUnit>[1], 0)
      pipeline.submit(entry, () => told.push(entry.error === null ? String(n) : entry.error.message))
      // The next one comes while requests of this one wait to be sent again.
      await (sole || n % 2 === 0 ? pipeline.settled() : pause(n % 20))
    }
    await pipeline.settled()
    const wanted = Array.from({ length: UNITS }, (_, i) => String(i + 1))
    assert.deepEqual(told, wanted)
    assert.ok(cluster.refused > 0)
    for (const [partition, names] of [['a', 'c'], ['b']].entries()) {
      const found = readAll(namespaced(log, '').reader(id, partition, 'earliest'))
      assert.deepEqual(
        found.map(line => line.slice(line.indexOf(':') + 1)),
        wanted.flatMap(n => names.map(name => n + name)),
      )
    }
    const [position] = await positionsOf(host.cluster, `${id}.g`, null)
    assert.equal(position?.offset, UNITS)
  })
}
