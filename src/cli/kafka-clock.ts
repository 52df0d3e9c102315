import { randomUUID } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import { messageOf } from '../errors.ts'
import { type Cluster, refusal } from '../log/kafka/cluster.ts'
import { createTopics, deleteTopics } from '../log/kafka/wire/admin-messages.ts'
import { produce } from '../log/kafka/wire/data-messages.ts'
import { NONE } from '../log/kafka/wire/error-codes.ts'
import { NO_UUID } from '../log/kafka/wire/types.ts'
import { BatchWriter } from '../record/batch-writer.ts'
import { type Finding, remedyOf } from './checks.ts'

const LARGEST_SKEW_MS = 2000
const TIMEOUT_MS = 5000
const TRIES = 50

/** Writes a record to a topic of its own that gets the broker's time, and deletes the topic. */
export async function checkKafkaClock(cluster: Cluster): Promise<Finding[]> {
  const topic = `aldebaran.doctor.${randomUUID().slice(0, 8)}`
  const check = 'kafka clock'
  try {
    await create(cluster, topic)
    try {
      const skew = await skewOf(cluster, topic)
      const found = `${Math.abs(skew)} ms ${skew < 0 ? 'behind' : 'ahead of'} this machine`
      const written: Finding = { check: 'kafka write', ok: true, found: 'a topic was made, written to and deleted' }
      if (Math.abs(skew) <= LARGEST_SKEW_MS) return [{ check, ok: true, found }, written]
      const remedy = 'Keep the clocks of brokers and nodes with NTP: retention and timers go by them.'
      return [{ check, ok: false, found, remedy }, written]
    } finally {
      const connection = await cluster.any()
      await connection.request(deleteTopics, { topics: [{ name: topic, topicId: NO_UUID }], timeoutMs: TIMEOUT_MS })
    }
  } catch (error) {
    return [{ check: 'kafka write', ok: false, found: messageOf(error), remedy: remedyOf(error) }]
  }
}

async function create(cluster: Cluster, topic: string): Promise<void> {
  const connection = await cluster.any()
  const configs = [{ name: 'message.timestamp.type', value: 'LogAppendTime' }]
  const { topics } = await connection.request(createTopics, {
    topics: [{ name: topic, partitions: 1, replicationFactor: -1, assignments: [], configs }],
    timeoutMs: TIMEOUT_MS,
    validateOnly: false,
  })
  const { errorCode, errorMessage } = topics[0]!
  if (errorCode !== NONE) throw refusal(errorCode, `making topic ${topic}`, { topic }, errorMessage)
  for (let tries = 0; tries < TRIES; tries++) {
    if (((await cluster.look(topic))?.partitions[0]?.leader ?? -1) >= 0) return
    await pause(100)
  }
}

/** How far the clock of the broker is ahead, ms; as exact as half the time of a request. */
async function skewOf(cluster: Cluster, topic: string): Promise<number> {
  const writer = new BatchWriter()
  writer.begin()
  writer.append(Date.now(), null, -1, -1, null, -1, -1)
  const records = {
    batch: writer.finish(),
    producerId: -1,
    producerEpoch: -1,
    sequence: -1,
    transactional: false,
    compression: 0,
  }
  const connection = await cluster.connection(cluster.leader(topic, 0), 'control')
  for (let tries = 0; ; tries++) {
    const before = Date.now()
    const answer = await connection.request(produce, {
      transactionalId: null,
      acks: -1,
      timeoutMs: TIMEOUT_MS,
      topics: [{ name: topic, partitions: [{ partition: 0, records }] }],
    })
    const { errorCode, errorMessage, logAppendTimeMs } = answer.topics[0]!.partitions[0]!
    if (errorCode === NONE) return Math.round(logAppendTimeMs - (before + Date.now()) / 2)
    if (tries >= TRIES) throw refusal(errorCode, `writing to topic ${topic}`, { topic }, errorMessage)
    await pause(100)
  }
}
