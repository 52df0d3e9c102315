/** What a crash between two units finds: of positions that several units committed, those of the last one count. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ClusterProxy } from '../../bench/cluster-proxy.ts'
import type { Log } from '../../src/log/contract.ts'
import { openKafka } from '../../src/log/kafka/host.ts'
import { parseKafkaLocation } from '../../src/log/kafka/location.ts'
import { positionsOf } from '../../src/log/kafka/offsets.ts'
import { BatchWriter } from '../../src/record/batch-writer.ts'
import { kafkaCluster } from '../servers/kafka.ts'

const NODE = 'order'
const PARTITIONS = 6
const ROUNDS = 10

function batch(): Uint8Array {
  const writer = new BatchWriter()
  writer.begin()
  writer.append(0, null, -1, -1, Buffer.from('x'), 0, 1, null)
  return writer.finish()
}

/** Commits a record to the partition together with the position. */
function commit(log: Log, partition: number, offset: number): Promise<unknown> {
  const position = { group: 'order', topic: 'order', partition: 0, offset, metadata: '' }
  return log.commit({ appends: [{ topic: 'order', partition, batch: batch() }], positions: [position] })
}

test('a unit whose batches are written sooner than those of the unit before does not lose its positions to it', async t => {
  const proxies: ClusterProxy[] = []
  await using kafka = await kafkaCluster({
    brokers: 2,
    proxied: port => {
      const proxy = new ClusterProxy()
      proxies.push(proxy)
      return proxy.before(port)
    },
  })
  const { bootstrap } = parseKafkaLocation(`kafka://${kafka.addresses.PROXIED}`, {})
  const host = await openKafka({ bootstrap, node: `audit.${NODE}` })
  t.after(async () => {
    await host.close()
    await Promise.all(proxies.map(proxy => proxy.close()))
  })
  const log = host.client()
  await log.createTopic('order', { partitions: PARTITIONS })
  const { cluster } = host
  await cluster.refresh()
  const ledBy = (broker: number) =>
    cluster.topics.get('order')!.partitions.findIndex(partition => partition.leader === broker)
  assert.ok(ledBy(0) >= 0 && ledBy(1) >= 0)
  // Connections are open, and ids are there.
  for (const broker of [0, 1]) await commit(log, ledBy(broker), 1)
  const coordinator = await cluster.coordinator('group', 'order')
  const slow = 1 - coordinator
  for (let round = 1; round <= ROUNDS; round++) {
    proxies[slow]!.delay(NODE, 50)
    const first = commit(log, ledBy(slow), 2 * round)
    const second = commit(log, ledBy(coordinator), 2 * round + 1)
    await Promise.all([first, second])
    proxies[slow]!.heal(NODE)
    // Not by the client: it would hold up this thread, and with it the proxies.
    const [position] = await positionsOf(cluster, 'order', null)
    assert.equal(position?.offset, 2 * round + 1)
  }
})
