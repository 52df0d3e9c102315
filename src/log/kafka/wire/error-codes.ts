/**
 * What Kafka's error codes mean for us.
 *
 * - `metadata`: the leader moved or is not known: look again, then the same request;
 * - `coordinator`: so for the coordinator of a group or transactional id;
 * - `retry`: the same request, a little later;
 * - `fenced`: someone else owns what was to be written;
 * - `stale`: an epoch changed, or what came before is missing: abort, and the same again with what holds now;
 * - `position`: the offset is not there;
 * - `size`: the batch is too large for the topic;
 * - `denied`: these credentials may not do that;
 * - `fatal`: the same request will fail again.
 */
export type KafkaFate =
  | 'metadata'
  | 'coordinator'
  | 'retry'
  | 'fenced'
  | 'stale'
  | 'position'
  | 'size'
  | 'denied'
  | 'fatal'

// biome-ignore format: a table, one line each
const CODES: Readonly<Record<number, readonly [name: string, fate: KafkaFate]>> = {
  [-1]: ['UNKNOWN_SERVER_ERROR', 'retry'],
  1: ['OFFSET_OUT_OF_RANGE', 'position'],
  2: ['CORRUPT_MESSAGE', 'retry'],
  3: ['UNKNOWN_TOPIC_OR_PARTITION', 'metadata'],
  4: ['INVALID_FETCH_SIZE', 'fatal'],
  5: ['LEADER_NOT_AVAILABLE', 'metadata'],
  6: ['NOT_LEADER_OR_FOLLOWER', 'metadata'],
  7: ['REQUEST_TIMED_OUT', 'retry'],
  8: ['BROKER_NOT_AVAILABLE', 'metadata'],
  9: ['REPLICA_NOT_AVAILABLE', 'metadata'],
  10: ['MESSAGE_TOO_LARGE', 'size'],
  12: ['OFFSET_METADATA_TOO_LARGE', 'fatal'],
  13: ['NETWORK_EXCEPTION', 'metadata'],
  14: ['COORDINATOR_LOAD_IN_PROGRESS', 'retry'],
  15: ['COORDINATOR_NOT_AVAILABLE', 'coordinator'],
  16: ['NOT_COORDINATOR', 'coordinator'],
  17: ['INVALID_TOPIC_EXCEPTION', 'fatal'],
  18: ['RECORD_LIST_TOO_LARGE', 'size'],
  19: ['NOT_ENOUGH_REPLICAS', 'retry'],
  20: ['NOT_ENOUGH_REPLICAS_AFTER_APPEND', 'retry'],
  21: ['INVALID_REQUIRED_ACKS', 'fatal'],
  22: ['ILLEGAL_GENERATION', 'stale'],
  23: ['INCONSISTENT_GROUP_PROTOCOL', 'fatal'],
  24: ['INVALID_GROUP_ID', 'fatal'],
  25: ['UNKNOWN_MEMBER_ID', 'fenced'],
  26: ['INVALID_SESSION_TIMEOUT', 'fatal'],
  27: ['REBALANCE_IN_PROGRESS', 'stale'],
  28: ['INVALID_COMMIT_OFFSET_SIZE', 'fatal'],
  29: ['TOPIC_AUTHORIZATION_FAILED', 'denied'],
  30: ['GROUP_AUTHORIZATION_FAILED', 'denied'],
  31: ['CLUSTER_AUTHORIZATION_FAILED', 'denied'],
  32: ['INVALID_TIMESTAMP', 'fatal'],
  33: ['UNSUPPORTED_SASL_MECHANISM', 'denied'],
  34: ['ILLEGAL_SASL_STATE', 'denied'],
  35: ['UNSUPPORTED_VERSION', 'fatal'],
  36: ['TOPIC_ALREADY_EXISTS', 'fatal'],
  37: ['INVALID_PARTITIONS', 'fatal'],
  38: ['INVALID_REPLICATION_FACTOR', 'fatal'],
  39: ['INVALID_REPLICA_ASSIGNMENT', 'fatal'],
  40: ['INVALID_CONFIG', 'fatal'],
  41: ['NOT_CONTROLLER', 'metadata'],
  42: ['INVALID_REQUEST', 'fatal'],
  43: ['UNSUPPORTED_FOR_MESSAGE_FORMAT', 'fatal'],
  44: ['POLICY_VIOLATION', 'fatal'],
  45: ['OUT_OF_ORDER_SEQUENCE_NUMBER', 'stale'],
  46: ['DUPLICATE_SEQUENCE_NUMBER', 'retry'],
  47: ['INVALID_PRODUCER_EPOCH', 'stale'],
  48: ['INVALID_TXN_STATE', 'fenced'],
  49: ['INVALID_PRODUCER_ID_MAPPING', 'fenced'],
  50: ['INVALID_TRANSACTION_TIMEOUT', 'fatal'],
  51: ['CONCURRENT_TRANSACTIONS', 'retry'],
  52: ['TRANSACTION_COORDINATOR_FENCED', 'fenced'],
  53: ['TRANSACTIONAL_ID_AUTHORIZATION_FAILED', 'denied'],
  54: ['SECURITY_DISABLED', 'fatal'],
  55: ['OPERATION_NOT_ATTEMPTED', 'retry'],
  56: ['KAFKA_STORAGE_ERROR', 'metadata'],
  58: ['SASL_AUTHENTICATION_FAILED', 'denied'],
  59: ['UNKNOWN_PRODUCER_ID', 'stale'],
  65: ['DELEGATION_TOKEN_AUTHORIZATION_FAILED', 'denied'],
  66: ['DELEGATION_TOKEN_EXPIRED', 'denied'],
  68: ['NON_EMPTY_GROUP', 'fatal'],
  69: ['GROUP_ID_NOT_FOUND', 'fatal'],
  70: ['FETCH_SESSION_ID_NOT_FOUND', 'retry'],
  71: ['INVALID_FETCH_SESSION_EPOCH', 'retry'],
  72: ['LISTENER_NOT_FOUND', 'metadata'],
  73: ['TOPIC_DELETION_DISABLED', 'fatal'],
  74: ['FENCED_LEADER_EPOCH', 'metadata'],
  75: ['UNKNOWN_LEADER_EPOCH', 'metadata'],
  76: ['UNSUPPORTED_COMPRESSION_TYPE', 'fatal'],
  77: ['STALE_BROKER_EPOCH', 'metadata'],
  78: ['OFFSET_NOT_AVAILABLE', 'retry'],
  79: ['MEMBER_ID_REQUIRED', 'retry'],
  80: ['PREFERRED_LEADER_NOT_AVAILABLE', 'metadata'],
  81: ['GROUP_MAX_SIZE_REACHED', 'fatal'],
  82: ['FENCED_INSTANCE_ID', 'fenced'],
  87: ['INVALID_RECORD', 'fatal'],
  88: ['UNSTABLE_OFFSET_COMMIT', 'retry'],
  89: ['THROTTLING_QUOTA_EXCEEDED', 'retry'],
  90: ['PRODUCER_FENCED', 'fenced'],
  98: ['SNAPSHOT_NOT_FOUND', 'metadata'],
  100: ['UNKNOWN_TOPIC_ID', 'metadata'],
  103: ['INCONSISTENT_TOPIC_ID', 'metadata'],
  105: ['TRANSACTIONAL_ID_NOT_FOUND', 'fenced'],
  106: ['FETCH_SESSION_TOPIC_ID_ERROR', 'retry'],
  109: ['OFFSET_MOVED_TO_TIERED_STORAGE', 'position'],
  110: ['FENCED_MEMBER_EPOCH', 'fenced'],
  111: ['UNRELEASED_INSTANCE_ID', 'retry'],
  112: ['UNSUPPORTED_ASSIGNOR', 'fatal'],
  113: ['STALE_MEMBER_EPOCH', 'stale'],
  114: ['MISMATCHED_ENDPOINT_TYPE', 'fatal'],
  115: ['UNSUPPORTED_ENDPOINT_TYPE', 'fatal'],
  120: ['TRANSACTION_ABORTABLE', 'stale'],
  128: ['INVALID_REGULAR_EXPRESSION', 'fatal'],
  129: ['REBOOTSTRAP_REQUIRED', 'metadata'],
  130: ['STREAMS_INVALID_TOPOLOGY', 'fatal'],
  131: ['STREAMS_INVALID_TOPOLOGY_EPOCH', 'fatal'],
  132: ['STREAMS_TOPOLOGY_FENCED', 'fenced'],
}

export const NONE = 0
export const UNKNOWN_TOPIC_OR_PARTITION = 3
export const TOPIC_ALREADY_EXISTS = 36
export const OUT_OF_ORDER_SEQUENCE_NUMBER = 45
export const DUPLICATE_SEQUENCE_NUMBER = 46

export function nameOfCode(code: number): string {
  return CODES[code]?.[0] ?? `error ${code}`
}

export function fateOfCode(code: number): KafkaFate {
  return CODES[code]?.[1] ?? 'fatal'
}
