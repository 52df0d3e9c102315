import { type Cluster, refusal } from '../cluster.ts'
import { fateOfCode, NONE } from '../wire/error-codes.ts'
import { leaveGroup, STREAMS_GROUP_HEARTBEAT_KEY, streamsGroupHeartbeat } from '../wire/group-messages.ts'

const LEAVES = -1
const GROUP_ID_NOT_FOUND = 69
const UNSUPPORTED_VERSION = 35
const BURY_MS = 5000

/**
 * Leaves a group in the name of a member that is taken for dead, so that its tasks go to others now, and not when its
 * session has run out. A wrong guess does no harm: the member is refused from then on, gives everything up, and joins
 * again. @returns false when the group did not know the member (any more)
 */
export async function buryMember(cluster: Cluster, group: string, memberId: string): Promise<boolean> {
  const options = { purpose: `group ${group}`, forMs: BURY_MS }
  const connection = await cluster.any()
  if (connection.supports(STREAMS_GROUP_HEARTBEAT_KEY, 0)) {
    const answer = await cluster.askCoordinator(
      'group',
      group,
      streamsGroupHeartbeat,
      farewell(group, memberId),
      ({ errorCode }) => errorCode,
      options,
    )
    if (answer.errorCode !== GROUP_ID_NOT_FOUND && answer.errorCode !== UNSUPPORTED_VERSION) {
      return isBuried(answer.errorCode, group)
    }
  }
  const body = { groupId: group, members: [{ memberId, groupInstanceId: null, reason: 'taken for dead' }] }
  const answer = await cluster.askCoordinator('group', group, leaveGroup, body, ({ errorCode }) => errorCode, options)
  return isBuried(answer.errorCode === NONE ? (answer.members[0]?.errorCode ?? NONE) : answer.errorCode, group)
}

function isBuried(code: number, group: string): boolean {
  if (code === NONE) return true
  if (fateOfCode(code) === 'fenced' || code === GROUP_ID_NOT_FOUND) return false
  throw refusal(code, `group ${group}`, { group })
}

function farewell(group: string, memberId: string) {
  return {
    groupId: group,
    memberId,
    memberEpoch: LEAVES,
    endpointInformationEpoch: 0,
    instanceId: null,
    rackId: null,
    rebalanceTimeoutMs: -1,
    topology: null,
    activeTasks: null,
    standbyTasks: null,
    warmupTasks: null,
    processId: null,
    userEndpoint: null,
    clientTags: null,
    taskOffsets: null,
    taskEndOffsets: null,
    shutdownApplication: false,
  }
}
