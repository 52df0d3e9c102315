/**
 * The shape of a pipeline as a streams group keeps it: its parts, a topic that tells how many partitions each has, and
 * whether it has state.
 *
 * Brokers up to 4.3 refuse every change of it, even of a group without members. So as little as can be is told: one of
 * the sources, and one of the changelogs; all others have as many partitions, which the runtime sees to itself. A group
 * that has a shape which gives the same tasks keeps it. With other parts the group has to begin anew, which it may when
 * it has no members: as a classic group for a moment, it forgets the shape, and keeps the positions.
 */
import { type Cluster, refusal } from '../cluster.ts'
import type { Connection } from '../wire/connection.ts'
import { NONE } from '../wire/error-codes.ts'
import {
  joinGroup,
  leaveGroup,
  type StreamsHeartbeatRequest,
  streamsGroupDescribe,
  type WireSubtopology,
} from '../wire/group-messages.ts'
import type { GroupPart } from './member.ts'

type WireTopology = NonNullable<StreamsHeartbeatRequest['topology']>
type Described = Awaited<ReturnType<typeof describeGroup>>
type OldSubtopology = NonNullable<NonNullable<NonNullable<Described>['topology']>['subtopologies']>[number]

const INCONSISTENT_GROUP_PROTOCOL = 23
const UNKNOWN_MEMBER_ID = 25
const MEMBER_ID_REQUIRED = 79
const GROUP_ID_NOT_FOUND = 69
const CLASSIC_TYPE = 'aldebaran-reset'

/** The group as the coordinator has it; null: there is no streams group of this name. */
export async function describeGroup(connection: Connection, group: string) {
  const answer = await connection.request(streamsGroupDescribe, {
    groupIds: [group],
    includeAuthorizedOperations: false,
  })
  const found = answer.groups[0]
  if (found === undefined || found.errorCode === GROUP_ID_NOT_FOUND) return null
  if (found.errorCode !== NONE) throw refusal(found.errorCode, `group ${group}`, { group }, found.errorMessage)
  return found
}

/**
 * The topology to join with; 'wait': nodes of another version of the pipeline are members, and the parts differ.
 * @throws AldebaranError as the coordinator refuses
 */
export async function chooseTopology(
  cluster: Cluster,
  connection: Connection,
  group: string,
  parts: readonly GroupPart[],
): Promise<WireTopology | 'wait'> {
  const described = await describeGroup(connection, group)
  const own: WireTopology = { epoch: 0, subtopologies: parts.map(subtopologyOf) }
  const there = described?.topology ?? null
  if (described === null || there === null) return own
  const old = there.subtopologies ?? []
  if (givesSameTasks(cluster, old, parts)) return { epoch: there.epoch, subtopologies: old.map(asDeclared) }
  if (described.members.length > 0 || !(await forgetTopology(connection, group))) return 'wait'
  return own
}

function subtopologyOf({ id, sources, changelogs }: GroupPart): WireSubtopology {
  return {
    subtopologyId: id,
    sourceTopics: sources.slice(0, 1),
    sourceTopicRegex: [],
    changelogTopics: changelogs.slice(0, 1).map(asChangelog),
    repartitionSinkTopics: [],
    repartitionSourceTopics: [],
    copartitionGroups: [],
  }
}

function asChangelog(name: string): WireSubtopology['changelogTopics'][number] {
  return { name, partitions: 0, replicationFactor: -1, configs: [] }
}

/** What is described has the partitions that were found, where none had been declared. */
function asDeclared({ subtopologyId, sourceTopics, changelogTopics }: OldSubtopology): WireSubtopology {
  return subtopologyOf({
    id: subtopologyId,
    sources: sourceTopics,
    partitions: 0,
    changelogs: changelogTopics.map(({ name }) => name),
  })
}

function givesSameTasks(cluster: Cluster, old: readonly OldSubtopology[], parts: readonly GroupPart[]): boolean {
  if (old.length !== parts.length) return false
  return parts.every(part => {
    const same = old.find(({ subtopologyId }) => subtopologyId === part.id)
    if (same === undefined) return false
    const source = same.sourceTopics[0]
    const count = source === undefined ? undefined : cluster.topics.get(source)?.partitions.length
    const changelogs = same.changelogTopics.map(({ name }) => name)
    return count === part.partitions && changelogs.every(name => cluster.topics.has(name))
  })
}

/** False: another node does so at the same time. */
async function forgetTopology(connection: Connection, group: string): Promise<boolean> {
  let memberId = ''
  for (let tries = 0; tries < 2; tries++) {
    const joined = await connection.request(joinGroup, {
      groupId: group,
      sessionTimeoutMs: 10_000,
      rebalanceTimeoutMs: 10_000,
      memberId,
      groupInstanceId: null,
      protocolType: CLASSIC_TYPE,
      protocols: [{ name: CLASSIC_TYPE, metadata: new Uint8Array(0) }],
      reason: 'another topology',
    })
    memberId = joined.memberId
    if (joined.errorCode === NONE) break
    if (isRace(joined.errorCode)) return false
    if (joined.errorCode !== MEMBER_ID_REQUIRED) throw refusal(joined.errorCode, `group ${group}`, { group })
  }
  const left = await connection.request(leaveGroup, {
    groupId: group,
    members: [{ memberId, groupInstanceId: null, reason: null }],
  })
  const code = left.errorCode === NONE ? (left.members[0]?.errorCode ?? NONE) : left.errorCode
  if (isRace(code)) return false
  if (code !== NONE) throw refusal(code, `group ${group}`, { group })
  return true
}

function isRace(code: number): boolean {
  return code === UNKNOWN_MEMBER_ID || code === INCONSISTENT_GROUP_PROTOCOL || code === GROUP_ID_NOT_FOUND
}
