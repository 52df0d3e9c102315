/**
 * What a reset of an application does: where its groups read on, and what state goes.
 *
 * Topics that a pipeline writes for itself (keyBy) are passed over to their end: what is in them would come twice, as it
 * comes again from the topics before them.
 */
import { AldebaranError } from '../errors.ts'
import { pollSoon } from '../http/poll-soon.ts'
import type { Log, PartitionInfo, Position, TopicInfo } from '../log/contract.ts'
import { BatchCursor } from '../record/batch-cursor.ts'

/** ms since 1970: from the first batch that has a timestamp from then on. */
export type ResetTarget = 'earliest' | 'latest' | number

export interface Move {
  group: string
  topic: string
  partition: number
  /** Null: from the start. */
  from: number | null
  to: number
}

export interface ResetPlan {
  groups: string[]
  moves: Move[]
  /** Topics to be deleted; the application makes them anew. */
  changelogs: string[]
  /** Keyspaces of tables on disk that have rows. */
  keyspaces: string[]
}

/** Rows deleted by one commit. */
const ROWS_AT_ONCE = 5000
const POLL_BYTES = 256 * 1024

/**
 * @param pipeline of the application; null: all of them
 * @throws AldebaranError NOT_FOUND when the log knows no such application or pipeline
 */
export async function planReset(
  log: Log,
  application: string,
  pipeline: string | null,
  to: ResetTarget,
  deleteState: boolean,
): Promise<ResetPlan> {
  const isOurs = (name: string): boolean => {
    const parts = name.split('.')
    return parts[0] === application && (pipeline === null || parts[1] === pipeline)
  }
  const topics = new Map((await log.listTopics()).map(info => [info.name, info]))
  const changelogs = [...topics.values()].filter(isChangelog).filter(({ name }) => isOurs(name))
  const positions = (await log.positionsOf(null)).filter(({ group }) => isOurs(group) && group.split('.').length === 2)
  if (positions.length === 0 && changelogs.length === 0) {
    const what = pipeline === null ? `application ${application}` : `pipeline ${pipeline} of application ${application}`
    throw new AldebaranError('NOT_FOUND', `this log has no positions and no state of ${what}`, { application })
  }
  return {
    groups: [...new Set(positions.map(({ group }) => group))].sort(),
    moves: await movesOf(log, positions, topics, to),
    changelogs: deleteState ? changelogs.map(({ name }) => name) : [],
    keyspaces: deleteState && log.capabilities.tables ? await keyspacesOf(log, application, topics, isOurs) : [],
  }
}

/** Positions first: what is done by half is found by the next reset. */
export async function carryOut(log: Log, { moves, changelogs, keyspaces }: ResetPlan): Promise<void> {
  const positions = moves.map(({ group, topic, partition, to }) => ({
    group,
    topic,
    partition,
    offset: to,
    metadata: '',
  }))
  for (const some of Map.groupBy(positions, ({ group }) => group).values()) await log.commit({ positions: some })
  for (const changelog of changelogs) await log.deleteTopic(changelog)
  for (const table of keyspaces) {
    for (;;) {
      const rows = [...log.tableRange(table, undefined, undefined, ROWS_AT_ONCE)]
      if (rows.length === 0) break
      await log.commit({ tables: rows.map(([key]) => ({ table, key, value: null })) })
    }
  }
}

function isChangelog({ name, internal }: TopicInfo): boolean {
  return internal === true && name.endsWith('.changelog')
}

async function movesOf(
  log: Log,
  positions: readonly Position[],
  topics: ReadonlyMap<string, TopicInfo>,
  to: ResetTarget,
): Promise<Move[]> {
  const partitions = await log.partitionsOf([...new Set(positions.map(({ topic }) => topic))])
  const moves: Move[] = []
  for (const [group, ofGroup] of Map.groupBy(positions, one => one.group)) {
    for (const [topic, known] of Map.groupBy(ofGroup, one => one.topic)) {
      // Partitions without a position too.
      for (const [partition, range] of (partitions.get(topic) ?? []).entries()) {
        const from = known.find(one => one.partition === partition)?.offset ?? null
        const isOwn = topics.get(topic)?.internal === true
        moves.push({
          group,
          topic,
          partition,
          from,
          to: await offsetOf(log, topic, partition, range, isOwn ? 'latest' : to),
        })
      }
    }
  }
  return moves.sort((a, b) => compare(a.group, b.group) || compare(a.topic, b.topic) || a.partition - b.partition)
}

async function offsetOf(
  log: Log,
  topic: string,
  partition: number,
  { start, end }: PartitionInfo,
  to: ResetTarget,
): Promise<number> {
  if (typeof to !== 'number') return to === 'earliest' ? start : end
  const reader = await log.openReader(topic, partition, 'earliest')
  try {
    reader.seekToTime(to)
    return reader.position
  } finally {
    reader.close()
  }
}

/** The tables are named by the versions of their rows. */
async function keyspacesOf(
  log: Log,
  application: string,
  topics: ReadonlyMap<string, TopicInfo>,
  isOurs: (name: string) => boolean,
): Promise<string[]> {
  const versions = `${application}.row-versions`
  if (!topics.has(versions)) return []
  const ids = new Set<string>()
  const reader = await log.openReader(versions, 0, 'earliest')
  const cursor = new BatchCursor()
  try {
    while (await pollSoon(reader, reader.end(), POLL_BYTES)) {
      cursor.reset(reader.chunk, 0, reader.size)
      while (cursor.nextBatch()) {
        while (cursor.next()) ids.add(cursor.bytes.toString('utf8', cursor.keyStart, cursor.keyEnd))
      }
    }
  } finally {
    reader.close()
  }
  const partitions = Math.max(...[...topics.values()].map(info => info.partitions))
  const all = [...ids]
    .filter(isOurs)
    .flatMap(id =>
      Array.from({ length: partitions }, (_, partition) => `${id}/${partition}`).flatMap(keyspace => [
        keyspace,
        `${keyspace}#meta`,
        `${keyspace}#timers`,
      ]),
    )
  return all.filter(keyspace => [...log.tableRange(keyspace, undefined, undefined, 1)].length > 0)
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
