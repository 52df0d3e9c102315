/** Requests about topics, groups and transactions as a whole, and those of SASL. */
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
  oldArray,
  oldString,
  plain,
  string,
  struct,
  uuid,
} from './types.ts'

const throttleTimeMs = int32
const errorCode = int16
const errorMessage = nullableString

export const createTopics = api(
  'CreateTopics',
  19,
  7,
  struct({
    topics: array(
      struct({
        name: string,
        /** −1: the broker's default; so for the replication. */
        partitions: int32,
        replicationFactor: int16,
        assignments: array(struct({ partition: int32, brokers: array(int32) })),
        configs: array(struct({ name: string, value: nullableString })),
      }),
    ),
    timeoutMs: int32,
    validateOnly: bool,
  }),
  struct({
    throttleTimeMs,
    topics: array(
      struct({
        name: string,
        topicId: uuid,
        errorCode,
        errorMessage,
        partitions: int32,
        replicationFactor: int16,
        configs: nullableArray(
          struct({ name: string, value: nullableString, readOnly: bool, source: int8, sensitive: bool }),
        ),
      }),
    ),
  }),
)

export const deleteTopics = api(
  'DeleteTopics',
  20,
  6,
  struct({ topics: array(struct({ name: nullableString, topicId: uuid })), timeoutMs: int32 }),
  struct({
    throttleTimeMs,
    topics: array(struct({ name: nullableString, topicId: uuid, errorCode, errorMessage })),
  }),
)

export const deleteRecords = api(
  'DeleteRecords',
  21,
  2,
  struct({
    topics: array(struct({ name: string, partitions: array(struct({ partition: int32, offset: int64 })) })),
    timeoutMs: int32,
  }),
  struct({
    throttleTimeMs,
    topics: array(
      struct({ name: string, partitions: array(struct({ partition: int32, lowWatermark: int64, errorCode })) }),
    ),
  }),
)

export const TOPIC_RESOURCE = 2
export const BROKER_RESOURCE = 4
export const GROUP_RESOURCE = 32

export const describeConfigs = api(
  'DescribeConfigs',
  32,
  4,
  struct({
    resources: array(struct({ type: int8, name: string, keys: nullableArray(string) })),
    includeSynonyms: bool,
    includeDocumentation: bool,
  }),
  struct({
    throttleTimeMs,
    results: array(
      struct({
        errorCode,
        errorMessage,
        type: int8,
        name: string,
        configs: array(
          struct({
            name: string,
            value: nullableString,
            readOnly: bool,
            /** 1: set for this topic; others are defaults of the broker. */
            source: int8,
            sensitive: bool,
            synonyms: array(struct({ name: string, value: nullableString, source: int8 })),
            configType: int8,
            documentation: nullableString,
          }),
        ),
      }),
    ),
  }),
)

export const incrementalAlterConfigs = api(
  'IncrementalAlterConfigs',
  44,
  1,
  struct({
    resources: array(
      struct({
        type: int8,
        name: string,
        /** Operation 0 sets, 1 deletes. */
        configs: array(struct({ name: string, operation: int8, value: nullableString })),
      }),
    ),
    validateOnly: bool,
  }),
  struct({ throttleTimeMs, results: array(struct({ errorCode, errorMessage, type: int8, name: string })) }),
)

/** What these credentials may do to a resource: a bit for each, numbered so. */
export const OPERATION_BITS = {
  read: 3,
  write: 4,
  create: 5,
  delete: 6,
  describe: 8,
  describeConfigs: 10,
  alterConfigs: 11,
} as const

export const describeCluster = api(
  'DescribeCluster',
  60,
  0,
  struct({ includeClusterAuthorizedOperations: bool }),
  struct({
    throttleTimeMs,
    errorCode,
    errorMessage,
    clusterId: string,
    controllerId: int32,
    brokers: array(struct({ brokerId: int32, host: string, port: int32, rack: nullableString })),
    authorizedOperations: int32,
  }),
)

export const describeLogDirs = api(
  'DescribeLogDirs',
  35,
  4,
  struct({ topics: nullableArray(struct({ name: string, partitions: array(int32) })) }),
  struct({
    throttleTimeMs,
    errorCode,
    results: array(
      struct({
        errorCode,
        logDir: string,
        topics: array(
          struct({
            name: string,
            partitions: array(struct({ partition: int32, size: int64, offsetLag: int64, isFutureKey: bool })),
          }),
        ),
        totalBytes: int64,
        usableBytes: int64,
      }),
    ),
  }),
)

export const listGroups = api(
  'ListGroups',
  16,
  4,
  struct({ statesFilter: array(string) }),
  struct({
    throttleTimeMs,
    errorCode,
    groups: array(struct({ groupId: string, protocolType: string, state: string })),
  }),
)

export const deleteGroups = api(
  'DeleteGroups',
  42,
  2,
  struct({ groups: array(string) }),
  struct({ throttleTimeMs, results: array(struct({ groupId: string, errorCode })) }),
)

export const listTransactions = api(
  'ListTransactions',
  66,
  0,
  struct({ stateFilters: array(string), producerIdFilters: array(int64) }),
  struct({
    throttleTimeMs,
    errorCode,
    unknownStateFilters: array(string),
    transactions: array(struct({ transactionalId: string, producerId: int64, state: string })),
  }),
)

export const saslHandshake = api(
  'SaslHandshake',
  17,
  1,
  plain({ mechanism: oldString }),
  plain({ errorCode, mechanisms: oldArray(oldString) }),
  false,
)

export const saslAuthenticate = api(
  'SaslAuthenticate',
  36,
  2,
  struct({ authBytes: bytes }),
  struct({ errorCode, errorMessage, authBytes: bytes, sessionLifetimeMs: int64 }),
)
