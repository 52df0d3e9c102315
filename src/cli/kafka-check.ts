/** What `aldebaran doctor` looks at on a Kafka cluster. Nothing is written unless that is asked for. */
import { messageOf } from '../errors.ts'
import { CATALOG_TOPIC } from '../log/kafka/catalog.ts'
import { Cluster, type TopicMetadata } from '../log/kafka/cluster.ts'
import { describeCluster, describeConfigs, OPERATION_BITS, TOPIC_RESOURCE } from '../log/kafka/wire/admin-messages.ts'
import { metadata } from '../log/kafka/wire/data-messages.ts'
import { NONE } from '../log/kafka/wire/error-codes.ts'
import { STREAMS_GROUP_HEARTBEAT_KEY } from '../log/kafka/wire/group-messages.ts'
import { NO_UUID } from '../log/kafka/wire/types.ts'
import type { KafkaLogLocation } from '../runtime/log-location.ts'
import { type Finding, remedyOf } from './checks.ts'
import { checkKafkaClock } from './kafka-clock.ts'

type Operation = keyof typeof OPERATION_BITS

const TIMEOUT_MS = 5000
/** Kept by Kafka for itself: transactions and positions are no safer than these. */
const KAFKA_TOPICS = ['__consumer_offsets', '__transaction_state']
const TOPIC_RIGHTS: readonly Operation[] = ['read', 'write', 'describe', 'delete', 'describeConfigs', 'alterConfigs']
const ROWS = '.row-versions'

/** @param write make a topic, write to it, and delete it */
export async function checkKafka({ location, description }: KafkaLogLocation, write: boolean): Promise<Finding[]> {
  const cluster = new Cluster({
    bootstrap: location.bootstrap,
    clientId: 'aldebaran-doctor',
    security: location.security,
    connectTimeoutMs: TIMEOUT_MS,
    requestTimeoutMs: TIMEOUT_MS,
  })
  const check = `kafka ${description}`
  try {
    await cluster.refresh()
    const findings = [await checkBrokers(check, cluster), await checkVersions(cluster)]
    const ours = topicsOfApplications(cluster)
    findings.push(...(await checkTopics(cluster, ours)), await checkRights(cluster, ours))
    if (write) findings.push(...(await checkKafkaClock(cluster)))
    return findings
  } catch (error) {
    return [{ check, ok: false, found: messageOf(error), remedy: remedyOf(error) }]
  } finally {
    cluster.close()
  }
}

/** The location names some of them; an application talks to all. */
async function checkBrokers(check: string, cluster: Cluster): Promise<Finding> {
  const silent: string[] = []
  await Promise.all(
    [...cluster.brokers].map(async ([id, { host, port }]) => {
      try {
        await cluster.connection(id, 'control')
      } catch (error) {
        silent.push(`${id} at ${host}:${port} (${messageOf(error)})`)
      }
    }),
  )
  const found = `${cluster.brokers.size} ${cluster.brokers.size === 1 ? 'broker' : 'brokers'}, cluster ${cluster.id}`
  if (silent.length === 0) return { check, ok: true, found }
  const remedy = 'Start them; or correct their advertised.listeners, which must be reachable from here.'
  return { check, ok: false, found: `${found}; not reached: ${silent.join(', ')}`, remedy }
}

async function checkVersions(cluster: Cluster): Promise<Finding> {
  const connection = await cluster.any()
  const streams =
    connection.supports(STREAMS_GROUP_HEARTBEAT_KEY, 0) && (connection.features.get('streams.version') ?? 0) > 0
  const transactions = connection.features.get('transaction.version') ?? 0
  const found = [
    streams ? 'streams groups' : 'classic groups: tasks move more slowly (streams.version=1 needs Kafka 4.2)',
    transactions >= 2
      ? 'transactions of version 2'
      : `transactions of version ${transactions}: each costs more requests (transaction.version=2 needs Kafka 4.0)`,
  ]
  return { check: 'kafka versions', ok: true, found: found.join('; ') }
}

/** By application. Those that code names without owning them cannot be told from others. */
function topicsOfApplications(cluster: Cluster): Map<string, TopicMetadata[]> {
  const all = [...cluster.topics.values()]
  const names = all.filter(({ name }) => name.endsWith(ROWS)).map(({ name }) => name.slice(0, -ROWS.length))
  return new Map(names.map(name => [name, all.filter(topic => topic.name.startsWith(`${name}.`))]))
}

async function checkTopics(cluster: Cluster, ours: ReadonlyMap<string, readonly TopicMetadata[]>): Promise<Finding[]> {
  const kafkas = [...KAFKA_TOPICS, CATALOG_TOPIC].flatMap(name => cluster.topics.get(name) ?? [])
  const groups = new Map<string, readonly TopicMetadata[]>([...ours, ['kafka itself', kafkas]])
  const least = await leastInSync(
    cluster,
    [...groups.values()].flat().map(({ name }) => name),
  )
  return [...groups].map(([name, topics]) => checkReplication(`topics of ${name}`, cluster, topics, least))
}

function checkReplication(
  check: string,
  cluster: Cluster,
  topics: readonly TopicMetadata[],
  least: ReadonlyMap<string, number>,
): Finding {
  const problems: string[] = []
  const remedies = new Set<string>()
  const problem = (text: string, remedy: string): void => {
    problems.push(text)
    remedies.add(remedy)
  }
  for (const { name, partitions } of topics) {
    const replicas = Math.min(...partitions.map(one => one.replicas.length))
    const needed = least.get(name) ?? 1
    const leaderless = partitions.filter(({ leader }) => leader < 0).length
    const behind = partitions.filter(one => one.inSync.length < one.replicas.length).length
    if (leaderless > 0) problem(`${name}: ${leaderless} partitions without a leader`, 'Start the missing brokers.')
    else if (behind > 0) problem(`${name}: ${behind} partitions with replicas out of sync`, 'Look after the brokers.')
    if (replicas === 1 && cluster.brokers.size > 1) {
      problem(`${name}: one replica`, 'Reassign it to three: what a lost broker alone has is lost.')
    } else if (replicas > 2 && needed < 2) {
      problem(`${name}: min.insync.replicas 1 of ${replicas}`, 'Set it to 2: what one broker alone has can be lost.')
    } else if (replicas > 1 && needed >= replicas) {
      problem(`${name}: min.insync.replicas ${needed} of ${replicas}`, 'Set it lower: any broker that stops, stops it.')
    }
  }
  const found = topics.length === 0 ? 'none yet' : `${topics.length}, ${replicationText(topics)}`
  if (problems.length === 0) return { check, ok: true, found }
  return { check, ok: false, found: `${found}; ${problems.join('; ')}`, remedy: [...remedies].join(' ') }
}

function replicationText(topics: readonly TopicMetadata[]): string {
  const counts = topics.flatMap(({ partitions }) => partitions.map(one => one.replicas.length))
  const [least, most] = [Math.min(...counts), Math.max(...counts)]
  return `${least === most ? least : `${least} to ${most}`} ${most === 1 ? 'replica' : 'replicas'} of each partition`
}

async function leastInSync(cluster: Cluster, names: readonly string[]): Promise<Map<string, number>> {
  const found = new Map<string, number>()
  if (names.length === 0) return found
  const connection = await cluster.any()
  const { results } = await connection.request(describeConfigs, {
    resources: names.map(name => ({ type: TOPIC_RESOURCE, name, keys: ['min.insync.replicas'] })),
    includeSynonyms: false,
    includeDocumentation: false,
  })
  for (const { name, errorCode, configs } of results) {
    if (errorCode === NONE && configs[0] !== undefined) found.set(name, Number(configs[0].value))
  }
  return found
}

/** Rights to topics that are there, and to make those that are not. A cluster without an authorizer allows everything. */
async function checkRights(cluster: Cluster, ours: ReadonlyMap<string, readonly TopicMetadata[]>): Promise<Finding> {
  const check = 'kafka rights'
  const connection = await cluster.any()
  const whole = await connection.request(describeCluster, { includeClusterAuthorizedOperations: true })
  const names = [...ours.values()].flat().map(({ name }) => name)
  const missing: string[] = []
  const notes: string[] = []
  if (!may(whole.authorizedOperations, 'create')) notes.push('no topics can be made, but where names allow it')
  if (!may(whole.authorizedOperations, 'describe')) notes.push('sizes of topics are not told')
  if (names.length > 0) {
    const { topics } = await connection.request(metadata, {
      topics: names.map(name => ({ topicId: NO_UUID, name })),
      allowAutoTopicCreation: false,
      includeTopicAuthorizedOperations: true,
    })
    for (const { name, authorizedOperations } of topics) {
      const lacks = TOPIC_RIGHTS.filter(right => !may(authorizedOperations, right))
      if (lacks.length > 0) missing.push(`${name}: ${lacks.join(', ')}`)
    }
  }
  const seen = [names.length === 0 ? 'no topics of applications yet' : `${names.length} topics looked at`, ...notes]
  if (missing.length === 0) return { check, ok: true, found: seen.join('; ') }
  const remedy = 'Give this user the rights that docs/kafka.md names.'
  return { check, ok: false, found: `missing on ${missing.join('; ')}`, remedy }
}

function may(operations: number, operation: Operation): boolean {
  return (operations & (1 << OPERATION_BITS[operation])) !== 0
}
