import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { test } from 'node:test'
import { connectLog } from '../../src/log/client.ts'
import type { CommitUnit, Log } from '../../src/log/contract.ts'
import { type KafkaHost, openKafka } from '../../src/log/kafka/host.ts'
import { parseKafkaLocation } from '../../src/log/kafka/location.ts'
import { batchOf, readAll, until, withCode } from '../contract/log-data.ts'
import { kafkaBroker } from '../servers/kafka.ts'
import { namespaced } from './namespaced-log.ts'

const { bootstrap } = parseKafkaLocation(`kafka://${(await kafkaBroker()).bootstrap}`, {})

async function onKafka(
  guarantee: 'exactly-once' | 'at-least-once',
  work: (log: Log, host: KafkaHost, topic: string) => Promise<void>,
): Promise<void> {
  const topic = `units-${randomUUID()}`
  const host = await openKafka({ bootstrap, guarantee, node: `units-${randomUUID()}`, giveUpMs: 5000 })
  const log = host.client()
  try {
    await log.createTopic(topic, { partitions: 2 })
    await work(log, host, topic)
  } finally {
    await log.deleteTopic(topic).catch(() => {})
    await host.close()
  }
}

function unitOf(topic: string, n: number): CommitUnit {
  return {
    appends: [0, 1].map(partition => ({ topic, partition, batch: batchOf([`${n}`]) })),
    positions: [{ group: `${topic}.g`, topic, partition: 0, offset: n, metadata: String(n) }],
  }
}

for (const guarantee of ['exactly-once', 'at-least-once'] as const) {
  test(`units submitted at once are committed in their order, ${guarantee}`, async () => {
    await onKafka(guarantee, async (log, _, topic) => {
      const told: string[] = []
      for (let n = 1; n <= 300; n++) {
        log.submit(unitOf(topic, n), error => told.push(error === null ? String(n) : error.message))
      }
      await until(log, () => {
        log.pump()
        return told.length === 300
      })
      const wanted = Array.from({ length: 300 }, (_, i) => String(i + 1))
      assert.deepEqual(told, wanted)
      const patient = namespaced(log, '')
      for (const partition of [0, 1]) {
        const found = readAll(patient.reader(topic, partition, 'earliest'))
        assert.deepEqual(
          found.map(line => line.slice(line.indexOf(':') + 1)),
          wanted,
        )
      }
      assert.equal(log.position(`${topic}.g`, topic, 0)?.metadata, '300')
    })
  })

  test(`positions of a member that the group does not know are refused, with all of the unit, ${guarantee}`, async () => {
    await onKafka(guarantee, async (log, host, topic) => {
      await log.commit(unitOf(topic, 1))
      const group = `${topic}.g`
      const stranger = connectLog(host.workerAddress(0))
      host.setMembership(0, group, { memberId: randomUUID(), epoch: 3 })
      await assert.rejects(stranger.commit(unitOf(topic, 2)), withCode('FENCED'))
      assert.equal(log.position(group, topic, 0)?.metadata, '1')
      if (guarantee === 'exactly-once') {
        const found = readAll(namespaced(log, '').reader(topic, 0, 'earliest'))
        assert.deepEqual(
          found.map(line => line.split(':')[1]),
          ['1'],
        )
      }
      await stranger.close()
    })
  })
}

test('a worker ends what its predecessor left open, before it is told a position', async () => {
  const topic = `units-${randomUUID()}`
  const node = `units-${randomUUID()}`
  const first = await openKafka({ bootstrap, node })
  const log = first.client()
  await log.createTopic(topic, { partitions: 2 })
  const dying = connectLog(first.workerAddress(0))
  await dying.commit(unitOf(topic, 1))
  for (let n = 2; n < 40; n++) dying.submit(unitOf(topic, n), () => {})
  // Another process of that name: what the first has under way is ended, one way or the other.
  const second = await openKafka({ bootstrap, node })
  const successor = connectLog(second.workerAddress(0))
  const position = Number(successor.position(`${topic}.g`, topic, 0)?.metadata)
  const result = await successor.commit(unitOf(topic, 1000))
  assert.ok(position >= 1 && position < 40)
  assert.equal(result.offsets.length, 2)
  await successor.close()
  await dying.close()
  const found = readAll(namespaced(log, '').reader(topic, 0, 'earliest')).map(line => Number(line.split(':')[1]))
  assert.equal(new Set(found).size, found.length)
  await log.deleteTopic(topic)
  await first.close()
  await second.close()
})
