/** Requests of group membership: the streams group protocol (KIP-1071), and the classic one. */
import {
  api,
  array,
  bool,
  bytes,
  int8,
  int16,
  int32,
  int64,
  nullable,
  nullableArray,
  nullableString,
  string,
  struct,
  type ValueOf,
  type WireType,
} from './types.ts'

const throttleTimeMs = int32
const errorCode = int16
const errorMessage = nullableString

const uint16: WireType<number> = {
  write: (to, value) => to.int16(value > 32_767 ? value - 65_536 : value),
  read: from => from.int16() & 0xffff,
}

const keyValue = struct({ key: string, value: string })
const topicInfo = struct({ name: string, partitions: int32, replicationFactor: int16, configs: array(keyValue) })
const taskIds = struct({ subtopologyId: string, partitions: array(int32) })
const endpoint = struct({ host: string, port: uint16 })
const taskOffset = struct({ subtopologyId: string, partition: int32, offset: int64 })
const topicPartitions = struct({ topic: string, partitions: array(int32) })

const subtopology = struct({
  subtopologyId: string,
  sourceTopics: array(string),
  sourceTopicRegex: array(string),
  changelogTopics: array(topicInfo),
  repartitionSinkTopics: array(string),
  repartitionSourceTopics: array(topicInfo),
  /** Numbers within the lists of the sub-topology. */
  copartitionGroups: array(
    struct({ sourceTopics: array(int16), sourceTopicRegex: array(int16), repartitionSourceTopics: array(int16) }),
  ),
})

export const STREAMS_GROUP_HEARTBEAT_KEY = 88
/** What is null (or −1: the rebalance time-out) is as it was when it was last sent. */
export const streamsGroupHeartbeat = api(
  'StreamsGroupHeartbeat',
  STREAMS_GROUP_HEARTBEAT_KEY,
  0,
  struct({
    groupId: string,
    memberId: string,
    /** 0: joins; −1: leaves. */
    memberEpoch: int32,
    endpointInformationEpoch: int32,
    instanceId: nullableString,
    rackId: nullableString,
    rebalanceTimeoutMs: int32,
    topology: nullable(struct({ epoch: int32, subtopologies: array(subtopology) })),
    activeTasks: nullableArray(taskIds),
    standbyTasks: nullableArray(taskIds),
    warmupTasks: nullableArray(taskIds),
    processId: nullableString,
    userEndpoint: nullable(endpoint),
    clientTags: nullableArray(keyValue),
    taskOffsets: nullableArray(taskOffset),
    taskEndOffsets: nullableArray(taskOffset),
    shutdownApplication: bool,
  }),
  struct({
    throttleTimeMs,
    errorCode,
    errorMessage,
    memberId: string,
    memberEpoch: int32,
    heartbeatIntervalMs: int32,
    acceptableRecoveryLag: int32,
    taskOffsetIntervalMs: int32,
    status: nullableArray(struct({ code: int8, detail: string })),
    activeTasks: nullableArray(taskIds),
    standbyTasks: nullableArray(taskIds),
    warmupTasks: nullableArray(taskIds),
    endpointInformationEpoch: int32,
    partitionsByUserEndpoint: nullableArray(
      struct({
        userEndpoint: endpoint,
        activePartitions: array(topicPartitions),
        standbyPartitions: array(topicPartitions),
      }),
    ),
  }),
)
export type StreamsHeartbeatRequest = ValueOf<typeof streamsGroupHeartbeat.request>
export type StreamsHeartbeatResponse = ValueOf<typeof streamsGroupHeartbeat.response>
export type WireTaskIds = ValueOf<typeof taskIds>
export type WireSubtopology = ValueOf<typeof subtopology>

const memberTasks = struct({
  activeTasks: array(taskIds),
  standbyTasks: array(taskIds),
  warmupTasks: array(taskIds),
})

export const streamsGroupDescribe = api(
  'StreamsGroupDescribe',
  89,
  0,
  struct({ groupIds: array(string), includeAuthorizedOperations: bool }),
  struct({
    throttleTimeMs,
    groups: array(
      struct({
        errorCode,
        errorMessage,
        groupId: string,
        groupState: string,
        groupEpoch: int32,
        assignmentEpoch: int32,
        topology: nullable(
          struct({
            epoch: int32,
            subtopologies: nullableArray(
              struct({
                subtopologyId: string,
                sourceTopics: array(string),
                repartitionSinkTopics: array(string),
                changelogTopics: array(topicInfo),
                repartitionSourceTopics: array(topicInfo),
              }),
            ),
          }),
        ),
        members: array(
          struct({
            memberId: string,
            memberEpoch: int32,
            instanceId: nullableString,
            rackId: nullableString,
            clientId: string,
            clientHost: string,
            topologyEpoch: int32,
            processId: string,
            userEndpoint: nullable(endpoint),
            clientTags: array(keyValue),
            taskOffsets: array(taskOffset),
            taskEndOffsets: array(taskOffset),
            assignment: memberTasks,
            targetAssignment: memberTasks,
            isClassic: bool,
          }),
        ),
        authorizedOperations: int32,
      }),
    ),
  }),
)

export const joinGroup = api(
  'JoinGroup',
  11,
  9,
  struct({
    groupId: string,
    sessionTimeoutMs: int32,
    rebalanceTimeoutMs: int32,
    /** '': the broker gives one. */
    memberId: string,
    groupInstanceId: nullableString,
    protocolType: string,
    protocols: array(struct({ name: string, metadata: bytes })),
    reason: nullableString,
  }),
  struct({
    throttleTimeMs,
    errorCode,
    generationId: int32,
    protocolType: nullableString,
    protocolName: nullableString,
    leader: string,
    skipAssignment: bool,
    memberId: string,
    /** Told to the leader alone. */
    members: array(struct({ memberId: string, groupInstanceId: nullableString, metadata: bytes })),
  }),
)

export const syncGroup = api(
  'SyncGroup',
  14,
  5,
  struct({
    groupId: string,
    generationId: int32,
    memberId: string,
    groupInstanceId: nullableString,
    protocolType: nullableString,
    protocolName: nullableString,
    assignments: array(struct({ memberId: string, assignment: bytes })),
  }),
  struct({
    throttleTimeMs,
    errorCode,
    protocolType: nullableString,
    protocolName: nullableString,
    assignment: bytes,
  }),
)

export const classicHeartbeat = api(
  'Heartbeat',
  12,
  4,
  struct({ groupId: string, generationId: int32, memberId: string, groupInstanceId: nullableString }),
  struct({ throttleTimeMs, errorCode }),
)

export const leaveGroup = api(
  'LeaveGroup',
  13,
  5,
  struct({
    groupId: string,
    members: array(struct({ memberId: string, groupInstanceId: nullableString, reason: nullableString })),
  }),
  struct({
    throttleTimeMs,
    errorCode,
    members: array(struct({ memberId: string, groupInstanceId: nullableString, errorCode })),
  }),
)
