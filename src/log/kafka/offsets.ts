/** Questions about offsets: where partitions begin and end, how large they are, and the positions of groups. */
import { setTimeout as pause } from 'node:timers/promises'
import { AldebaranError } from '../../errors.ts'
import type { Position } from '../contract.ts'
import { unknownTopic } from '../topics.ts'
import { backOff } from './back-off.ts'
import { type Cluster, isPassing, refusal } from './cluster.ts'
import { describeLogDirs, listGroups } from './wire/admin-messages.ts'
import type { Connection } from './wire/connection.ts'
import { listOffsets, offsetFetch } from './wire/data-messages.ts'
import { fateOfCode, NONE } from './wire/error-codes.ts'

export const LATEST = -1
export const EARLIEST = -2
export const READ_COMMITTED = 1
const READ_UNCOMMITTED = 0

/** Throws TOPIC_UNKNOWN or PARTITION_UNKNOWN; asks the brokers before it says that a topic is not there. */
export async function checkPartition(cluster: Cluster, topic: string, partition: number): Promise<void> {
  const known = cluster.topics.get(topic) ?? (await cluster.look(topic))
  if (known === undefined) throw unknownTopic(topic)
  if (Number.isInteger(partition) && partition >= 0 && partition < known.partitions.length) return
  throw new AldebaranError(
    'PARTITION_UNKNOWN',
    `Topic ${topic} has ${known.partitions.length} partitions, and no partition ${partition}`,
    { topic, partition },
  )
}

/** Asks the leader of a partition, again as long as that may help. */
export async function askLeader<S>(
  cluster: Cluster,
  topic: string,
  partition: number,
  ask: (connection: Connection) => Promise<S>,
  codeOf: (answer: S) => number,
): Promise<S> {
  await checkPartition(cluster, topic, partition)
  const until = performance.now() + cluster.settings.requestTimeoutMs
  for (let tries = 0; ; tries++) {
    let problem: AldebaranError
    try {
      const leader = cluster.leader(topic, partition)
      if (leader < 0) throw new AldebaranError('KAFKA_UNREACHABLE', `${topic}/${partition} has no leader now`)
      const answer = await ask(await cluster.connection(leader, 'control'))
      const code = codeOf(answer)
      if (code === NONE) return answer
      problem = refusal(code, `${topic}/${partition}`, { topic, partition })
      const fate = fateOfCode(code)
      if (fate !== 'metadata' && fate !== 'retry') throw problem
    } catch (error) {
      if (!isPassing(error)) throw error
      problem = error as AldebaranError
    }
    if (performance.now() > until) throw problem
    await cluster.refresh().catch(() => {})
    if (tries > 2 && (await cluster.look(topic).catch(() => null)) === undefined) throw unknownTopic(topic)
    await pause(backOff(tries, 250))
  }
}

/** The offset at a time in ms, or LATEST (the end of what is committed), or EARLIEST; −1: nothing is that late. */
export async function offsetAt(
  cluster: Cluster,
  topic: string,
  partition: number,
  time: number,
  isolationLevel = READ_COMMITTED,
): Promise<number> {
  const answer = await askLeader(
    cluster,
    topic,
    partition,
    connection =>
      connection.request(listOffsets, {
        replicaId: -1,
        isolationLevel,
        topics: [{ name: topic, partitions: [{ partition, currentLeaderEpoch: -1, timestamp: time }] }],
      }),
    one => one.topics[0]!.partitions[0]!.errorCode,
  )
  return answer.topics[0]!.partitions[0]!.offset
}

/**
 * The end of everything that was written. What is committed already may lie beyond `offsetAt(LATEST)`: the marker of its
 * transaction may be on its way.
 */
export function highWatermark(cluster: Cluster, topic: string, partition: number): Promise<number> {
  return offsetAt(cluster, topic, partition, LATEST, READ_UNCOMMITTED)
}

export async function rangeOf(
  cluster: Cluster,
  topic: string,
  partition: number,
): Promise<{ start: number; end: number }> {
  const [start, end] = await Promise.all([
    offsetAt(cluster, topic, partition, EARLIEST),
    offsetAt(cluster, topic, partition, LATEST),
  ])
  return { start, end: Math.max(start, end) }
}

/** Bytes of a partition on the disk of its leader; 0 where these credentials may not ask. */
export async function sizeOf(cluster: Cluster, topic: string, partition: number): Promise<number> {
  const answer = await askLeader(
    cluster,
    topic,
    partition,
    connection => connection.request(describeLogDirs, { topics: [{ name: topic, partitions: [partition] }] }),
    one => (fateOfCode(one.errorCode) === 'denied' ? NONE : one.errorCode),
  )
  let bytes = 0
  for (const { topics } of answer.results)
    for (const one of topics) for (const { size } of one.partitions) bytes += size
  return bytes
}

/**
 * Positions of a group, of some partitions or of all. Waits for transactions that are being ended: what they say counts.
 */
export function positionsOf(
  cluster: Cluster,
  group: string,
  topics: { name: string; partitions: number[] }[] | null,
  forMs?: number,
): Promise<Position[]> {
  return fetchPositions(cluster, group, topics, true, forMs)
}

/** Every position of a group as committed last: transactions that are open are not waited for. */
export function lastPositionsOf(cluster: Cluster, group: string): Promise<Position[]> {
  return fetchPositions(cluster, group, null, false)
}

async function fetchPositions(
  cluster: Cluster,
  group: string,
  topics: { name: string; partitions: number[] }[] | null,
  requireStable: boolean,
  forMs?: number,
): Promise<Position[]> {
  type Answer = ReturnType<typeof offsetFetch.response.read>
  const codeOf = (one: Answer): number => {
    const found = one.groups[0]!
    if (found.errorCode !== NONE) return found.errorCode
    for (const { partitions } of found.topics) {
      for (const { errorCode } of partitions) if (errorCode !== NONE) return errorCode
    }
    return NONE
  }
  const body = { groups: [{ groupId: group, topics }], requireStable }
  const options = forMs === undefined ? {} : { forMs }
  const answer = await cluster.askCoordinator('group', group, offsetFetch, body, codeOf, options)
  const code = codeOf(answer)
  if (code !== NONE && fateOfCode(code) !== 'fatal') throw refusal(code, `positions of group ${group}`, { group })
  const found: Position[] = []
  for (const { name, partitions } of answer.groups[0]!.topics) {
    for (const { partition, offset, metadata } of partitions) {
      if (offset >= 0) found.push({ group, topic: name, partition, offset, metadata: metadata ?? '' })
    }
  }
  return found
}

/** Every group that any broker coordinates. */
export async function groupsOf(cluster: Cluster): Promise<string[]> {
  return [...(await groupStates(cluster)).keys()].sort()
}

/** Their states, as Kafka names them: 'Empty' has no members. */
export async function groupStates(cluster: Cluster): Promise<Map<string, string>> {
  await cluster.refresh()
  const asked = [...cluster.brokers.keys()].map(async broker => {
    const connection = await cluster.connection(broker, 'control')
    return await connection.request(listGroups, { statesFilter: [] })
  })
  const groups = (await Promise.all(asked)).flatMap(answer => answer.groups)
  return new Map(groups.map(({ groupId, state }) => [groupId, state]))
}
