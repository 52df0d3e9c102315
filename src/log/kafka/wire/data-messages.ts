/** Requests of the data path: metadata, records, offsets, transactions. Field names follow Kafka's protocol guide. */
import { stampedBatch } from './stamped-batch.ts'
import {
  api,
  array,
  bool,
  bytes,
  int8,
  int16,
  int32,
  int64,
  nullableArray,
  nullableString,
  string,
  struct,
  uuid,
  type ValueOf,
  type WireType,
} from './types.ts'

const throttleTimeMs = int32
const errorCode = int16

export interface BrokerVersions {
  errorCode: number
  apiKeys: { apiKey: number; minVersion: number; maxVersion: number }[]
  /** Level of each feature that the cluster has agreed on, as transaction.version. */
  features: Map<string, number>
}

const FINALIZED_FEATURES = 2
const finalizedFeatures = array(struct({ name: string, maxLevel: int16, minLevel: int16 }))
const apiKeys = array(struct({ apiKey: int16, minVersion: int16, maxVersion: int16 }))

/** The one answer whose tagged fields matter. */
const brokerVersions: WireType<BrokerVersions> = {
  write() {
    throw new Error('only brokers write this')
  },
  read(from) {
    const code = from.int16()
    // Who does not know our version answers in the oldest one.
    if (code !== 0) return { errorCode: code, apiKeys: [], features: new Map() }
    const versions: BrokerVersions = { errorCode: code, apiKeys: apiKeys.read(from), features: new Map() }
    from.int32()
    for (let left = from.uvarint(); left > 0; left--) {
      const tag = from.uvarint()
      const end = from.uvarint() + from.at
      if (tag === FINALIZED_FEATURES) {
        for (const { name, maxLevel } of finalizedFeatures.read(from)) versions.features.set(name, maxLevel)
      }
      from.raw(end - from.at)
    }
    return versions
  },
}

export const apiVersions = api(
  'ApiVersions',
  18,
  3,
  struct({ clientSoftwareName: string, clientSoftwareVersion: string }),
  brokerVersions,
)

const metadataPartition = struct({
  errorCode,
  partition: int32,
  leader: int32,
  leaderEpoch: int32,
  replicas: array(int32),
  isr: array(int32),
  offline: array(int32),
})

export const metadata = api(
  'Metadata',
  3,
  12,
  struct({
    /** Null: all. */
    topics: nullableArray(struct({ topicId: uuid, name: nullableString })),
    allowAutoTopicCreation: bool,
    includeTopicAuthorizedOperations: bool,
  }),
  struct({
    throttleTimeMs,
    brokers: array(struct({ nodeId: int32, host: string, port: int32, rack: nullableString })),
    clusterId: nullableString,
    controllerId: int32,
    topics: array(
      struct({
        errorCode,
        name: nullableString,
        topicId: uuid,
        isInternal: bool,
        partitions: array(metadataPartition),
        authorizedOperations: int32,
      }),
    ),
  }),
)

/** From 12 on the broker adds partitions to the transaction by itself. */
export const PRODUCE_KEY = 0
export const produce = api(
  'Produce',
  PRODUCE_KEY,
  9,
  struct({
    transactionalId: nullableString,
    acks: int16,
    timeoutMs: int32,
    topics: array(struct({ name: string, partitions: array(struct({ partition: int32, records: stampedBatch })) })),
  }),
  struct({
    topics: array(
      struct({
        name: string,
        partitions: array(
          struct({
            partition: int32,
            errorCode,
            baseOffset: int64,
            logAppendTimeMs: int64,
            logStartOffset: int64,
            recordErrors: array(struct({ batchIndex: int32, message: nullableString })),
            errorMessage: nullableString,
          }),
        ),
      }),
    ),
    throttleTimeMs,
  }),
)

export const fetch = api(
  'Fetch',
  1,
  12,
  struct({
    replicaId: int32,
    maxWaitMs: int32,
    minBytes: int32,
    maxBytes: int32,
    isolationLevel: int8,
    sessionId: int32,
    sessionEpoch: int32,
    topics: array(
      struct({
        name: string,
        partitions: array(
          struct({
            partition: int32,
            currentLeaderEpoch: int32,
            fetchOffset: int64,
            lastFetchedEpoch: int32,
            logStartOffset: int64,
            partitionMaxBytes: int32,
          }),
        ),
      }),
    ),
    forgotten: array(struct({ name: string, partitions: array(int32) })),
    rackId: string,
  }),
  struct({
    throttleTimeMs,
    errorCode,
    sessionId: int32,
    topics: array(
      struct({
        name: string,
        partitions: array(
          struct({
            partition: int32,
            errorCode,
            highWatermark: int64,
            lastStableOffset: int64,
            logStartOffset: int64,
            aborted: nullableArray(struct({ producerId: int64, firstOffset: int64 })),
            preferredReadReplica: int32,
            records: bytes,
          }),
        ),
      }),
    ),
  }),
)
export type FetchedPartition = ValueOf<typeof fetch.response>['topics'][number]['partitions'][number]

export const listOffsets = api(
  'ListOffsets',
  2,
  7,
  struct({
    replicaId: int32,
    isolationLevel: int8,
    topics: array(
      struct({
        name: string,
        partitions: array(struct({ partition: int32, currentLeaderEpoch: int32, timestamp: int64 })),
      }),
    ),
  }),
  struct({
    throttleTimeMs,
    topics: array(
      struct({
        name: string,
        partitions: array(struct({ partition: int32, errorCode, timestamp: int64, offset: int64, leaderEpoch: int32 })),
      }),
    ),
  }),
)

export const findCoordinator = api(
  'FindCoordinator',
  10,
  4,
  struct({ keyType: int8, keys: array(string) }),
  struct({
    throttleTimeMs,
    coordinators: array(
      struct({ key: string, nodeId: int32, host: string, port: int32, errorCode, errorMessage: nullableString }),
    ),
  }),
)

export const initProducerId = api(
  'InitProducerId',
  22,
  4,
  struct({ transactionalId: nullableString, transactionTimeoutMs: int32, producerId: int64, producerEpoch: int16 }),
  struct({ throttleTimeMs, errorCode, producerId: int64, producerEpoch: int16 }),
)

export const addPartitionsToTxn = api(
  'AddPartitionsToTxn',
  24,
  3,
  struct({
    transactionalId: string,
    producerId: int64,
    producerEpoch: int16,
    topics: array(struct({ name: string, partitions: array(int32) })),
  }),
  struct({
    throttleTimeMs,
    topics: array(struct({ name: string, partitions: array(struct({ partition: int32, errorCode })) })),
  }),
)

export const addOffsetsToTxn = api(
  'AddOffsetsToTxn',
  25,
  3,
  struct({ transactionalId: string, producerId: int64, producerEpoch: int16, groupId: string }),
  struct({ throttleTimeMs, errorCode }),
)

const committedOffsets = array(
  struct({
    name: string,
    partitions: array(struct({ partition: int32, offset: int64, leaderEpoch: int32, metadata: nullableString })),
  }),
)
const commitErrors = array(struct({ name: string, partitions: array(struct({ partition: int32, errorCode })) }))

/** From 5 on the broker adds the group to the transaction by itself. */
export const TXN_OFFSET_COMMIT_KEY = 28
export const txnOffsetCommit = api(
  'TxnOffsetCommit',
  TXN_OFFSET_COMMIT_KEY,
  3,
  struct({
    transactionalId: string,
    groupId: string,
    producerId: int64,
    producerEpoch: int16,
    generationId: int32,
    memberId: string,
    groupInstanceId: nullableString,
    topics: committedOffsets,
  }),
  struct({ throttleTimeMs, topics: commitErrors }),
)

const endTxnRequest = struct({
  transactionalId: string,
  producerId: int64,
  producerEpoch: int16,
  committed: bool,
})
export const END_TXN_KEY = 26
export const endTxn = api('EndTxn', END_TXN_KEY, 3, endTxnRequest, struct({ throttleTimeMs, errorCode }))
/** The second transaction protocol: each transaction has an epoch of its own, and the answer names the next. */
export const endTxnBumping = api(
  'EndTxn',
  END_TXN_KEY,
  5,
  endTxnRequest,
  struct({ throttleTimeMs, errorCode, producerId: int64, producerEpoch: int16 }),
)

/** From 9 on `generationId` may be the epoch of a member of a streams group. */
export const offsetCommit = api(
  'OffsetCommit',
  8,
  8,
  struct({
    groupId: string,
    generationId: int32,
    memberId: string,
    groupInstanceId: nullableString,
    topics: committedOffsets,
  }),
  struct({ throttleTimeMs, topics: commitErrors }),
)

export const offsetFetch = api(
  'OffsetFetch',
  9,
  8,
  struct({
    groups: array(
      struct({
        groupId: string,
        /** Null: all of the group. */
        topics: nullableArray(struct({ name: string, partitions: array(int32) })),
      }),
    ),
    requireStable: bool,
  }),
  struct({
    throttleTimeMs,
    groups: array(
      struct({
        groupId: string,
        topics: array(
          struct({
            name: string,
            partitions: array(
              struct({ partition: int32, offset: int64, leaderEpoch: int32, metadata: nullableString, errorCode }),
            ),
          }),
        ),
        errorCode,
      }),
    ),
  }),
)
