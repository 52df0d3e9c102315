/**
 * Real Kafka for tests.
 *
 * 1. One broker is shared by all test files of a run of `npm test`; a file that is run by plain `node --test` starts its
 *    own. Names of topics, groups and transactions must differ from test to test.
 * 2. What a test breaks or configures is its own: a cluster, or a broker with options.
 */
import { type ClusterOptions, type KafkaCluster, startCluster } from './kafka-cluster.ts'
import { findOrInstallKafka, type Kafka } from './kafka-installation.ts'
import type { SharedServer } from './shared-server.ts'

/** Set by `npm test`: the address of the shared broker, and the installation, so that no file looks for it again. */
const VARIABLE = 'ALDEBARAN_TEST_KAFKA'

interface Shared {
  bootstrap: string
  kafka: Kafka
}

let shared: Promise<Shared> | null = null

/** The shared broker; it is not ended by tests. */
export async function kafkaBroker(): Promise<{ bootstrap: string }>
/** A broker with TLS, SASL or settings, for the test alone, which ends it. */
export async function kafkaBroker(options: Omit<ClusterOptions, 'brokers'>): Promise<KafkaCluster>
export async function kafkaBroker(options?: ClusterOptions): Promise<{ bootstrap: string }> {
  if (options === undefined) return { bootstrap: (await sharedBroker()).bootstrap }
  return startCluster(await installation(), { ...options, brokers: 1 })
}

/** Brokers of the test's own, which it ends. */
export async function kafkaCluster(options: ClusterOptions = {}): Promise<KafkaCluster> {
  return startCluster(await installation(), options)
}

/** For serve.ts: the broker of a whole run. */
export async function serveKafka(): Promise<SharedServer> {
  const kafka = await findOrInstallKafka()
  const cluster = await startCluster(kafka, { brokers: 1 })
  const found: Shared = { bootstrap: cluster.bootstrap, kafka }
  return { environment: { [VARIABLE]: JSON.stringify(found) }, end: () => cluster.end() }
}

function sharedBroker(): Promise<Shared> {
  shared ??= given() ?? startShared()
  return shared
}

async function installation(): Promise<Kafka> {
  return (await given())?.kafka ?? (await findOrInstallKafka())
}

function given(): Promise<Shared> | null {
  const text = process.env[VARIABLE]
  return text === undefined ? null : Promise.resolve(JSON.parse(text) as Shared)
}

async function startShared(): Promise<Shared> {
  const kafka = await findOrInstallKafka()
  const { bootstrap } = await startCluster(kafka, { brokers: 1 })
  return { bootstrap, kafka }
}
