/** What the answers of a streams group say, in tasks. */
import type { StreamsHeartbeatRequest, StreamsHeartbeatResponse } from '../wire/group-messages.ts'
import { type GroupPart, type GroupPeer, type OwnedTasks, sameTasks, taskOf } from './member.ts'

type WirePeers = NonNullable<StreamsHeartbeatResponse['partitionsByUserEndpoint']>
type WirePartitions = WirePeers[number]['activePartitions']
type WireOffsets = NonNullable<StreamsHeartbeatRequest['taskOffsets']>

/** The broker tells partitions of sources, for each member: here tasks, for each node. */
export function streamsPeers(told: WirePeers, parts: readonly GroupPart[]): GroupPeer[] {
  const partOf = new Map(parts.flatMap(part => part.sources.map(source => [source, part.id] as const)))
  const tasksOf = (partitions: WirePartitions): string[] =>
    partitions.flatMap(({ topic, partitions }) => {
      const part = partOf.get(topic)
      return part === undefined ? [] : partitions.map(partition => taskOf(part, partition))
    })
  const peers = new Map<string, GroupPeer>()
  for (const { userEndpoint, activePartitions, standbyPartitions } of told) {
    const name = `${userEndpoint.host}:${userEndpoint.port}`
    const before = peers.get(name)
    peers.set(name, {
      endpoint: userEndpoint,
      active: [...new Set([...(before?.active ?? []), ...tasksOf(activePartitions)])],
      standby: [...new Set([...(before?.standby ?? []), ...tasksOf(standbyPartitions)])],
    })
  }
  return [...peers.values()]
}

export function samePeers(a: readonly GroupPeer[], b: readonly GroupPeer[]): boolean {
  if (a.length !== b.length) return false
  return a.every(one => {
    const other = b.find(({ endpoint }) => endpoint.host === one.endpoint.host && endpoint.port === one.endpoint.port)
    return other !== undefined && sameTasks(one.active, other.active) && sameTasks(one.standby, other.standby)
  })
}

/** Progress of the tasks that follow, as the broker wants it. */
export function progressOf(owned: OwnedTasks, field: 'offset' | 'end'): WireOffsets {
  return owned.offsets.map(progress => {
    const slash = progress.task.lastIndexOf('/')
    return {
      subtopologyId: progress.task.slice(0, slash),
      partition: Number(progress.task.slice(slash + 1)),
      offset: progress[field],
    }
  })
}
