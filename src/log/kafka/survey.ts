/** Answers of many partitions and groups at once, for tools: one round of requests to each broker, whatever there is. */
import type { PartitionInfo, Position } from '../contract.ts'
import { type Cluster, isPassing } from './cluster.ts'
import { EARLIEST, groupsOf, LATEST, lastPositionsOf, READ_COMMITTED, rangeOf, sizeOf } from './offsets.ts'
import { describeLogDirs } from './wire/admin-messages.ts'
import { listOffsets } from './wire/data-messages.ts'
import { NONE } from './wire/error-codes.ts'

type Found = Map<string, Partial<PartitionInfo>>
interface Place {
  readonly name: string
  readonly partitions: number[]
}

/** Topics that do not exist are left out. */
export async function surveyPartitions(
  cluster: Cluster,
  topics: readonly string[],
): Promise<Map<string, PartitionInfo[]>> {
  const names = new Set<string>()
  for (const name of topics) {
    if (cluster.topics.has(name) || (await cluster.look(name)) !== undefined) names.add(name)
  }
  const found: Found = new Map()
  await Promise.all([...byLeader(cluster, names)].map(([broker, places]) => askBroker(cluster, broker, places, found)))
  const survey = new Map<string, PartitionInfo[]>()
  for (const name of names) {
    const { length } = cluster.topics.get(name)?.partitions ?? []
    const infos = Array.from({ length }, (_, partition) => complete(cluster, name, partition, found))
    survey.set(name, await Promise.all(infos))
  }
  return survey
}

/** Groups that these credentials may not look at are left out where all are asked for. */
export async function surveyPositions(cluster: Cluster, groups: readonly string[] | null): Promise<Position[]> {
  const names = groups ?? (await groupsOf(cluster))
  const all = names.map(async group => {
    try {
      return await lastPositionsOf(cluster, group)
    } catch (error) {
      if (groups === null && !isPassing(error)) return []
      throw error
    }
  })
  return (await Promise.all(all)).flat()
}

function byLeader(cluster: Cluster, names: ReadonlySet<string>): Map<number, Place[]> {
  const leaders = new Map<number, Place[]>()
  for (const name of names) {
    cluster.topics.get(name)?.partitions.forEach(({ leader }, partition) => {
      if (leader < 0) return
      const places = leaders.get(leader) ?? []
      leaders.set(leader, places)
      const last = places.at(-1)
      if (last?.name === name) last.partitions.push(partition)
      else places.push({ name, partitions: [partition] })
    })
  }
  return leaders
}

/** What the broker does not answer, or leads no more, is asked for one by one afterwards. */
async function askBroker(cluster: Cluster, broker: number, places: readonly Place[], found: Found): Promise<void> {
  const entry = (name: string, partition: number): Partial<PartitionInfo> => {
    const id = `${name}/${partition}`
    const known = found.get(id) ?? {}
    found.set(id, known)
    return known
  }
  try {
    const connection = await cluster.connection(broker, 'control')
    const offsets = async (property: 'start' | 'end', timestamp: number): Promise<void> => {
      const { topics } = await connection.request(listOffsets, {
        replicaId: -1,
        isolationLevel: READ_COMMITTED,
        topics: places.map(({ name, partitions }) => ({
          name,
          partitions: partitions.map(partition => ({ partition, currentLeaderEpoch: -1, timestamp })),
        })),
      })
      for (const { name, partitions } of topics) {
        for (const { partition, errorCode, offset } of partitions) {
          if (errorCode === NONE) entry(name, partition)[property] = offset
        }
      }
    }
    const sizes = async (): Promise<void> => {
      const topics = places.map(({ name, partitions }) => ({ name, partitions }))
      const { errorCode, results } = await connection.request(describeLogDirs, { topics })
      // Not allowed, for one: the offsets are worth more.
      if (errorCode !== NONE)
        for (const { name, partitions } of places) for (const one of partitions) entry(name, one).bytes = 0
      for (const { topics } of results) {
        for (const { name, partitions } of topics)
          for (const { partition, size } of partitions) entry(name, partition).bytes = size
      }
    }
    await Promise.all([offsets('start', EARLIEST), offsets('end', LATEST), sizes()])
  } catch (error) {
    if (!isPassing(error)) throw error
  }
}

async function complete(cluster: Cluster, name: string, partition: number, found: Found): Promise<PartitionInfo> {
  const { start, end, bytes } = found.get(`${name}/${partition}`) ?? {}
  const range = start === undefined || end === undefined ? await rangeOf(cluster, name, partition) : { start, end }
  const size = bytes ?? (await sizeOf(cluster, name, partition))
  const isEmpty = range.end <= range.start
  return { start: range.start, end: Math.max(range.start, range.end), bytes: isEmpty ? 0 : size }
}
