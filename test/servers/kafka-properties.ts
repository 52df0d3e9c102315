/** The settings of the test brokers. */
import { join } from 'node:path'

export type SaslMechanism = 'PLAIN' | 'SCRAM-SHA-256' | 'SCRAM-SHA-512' | 'OAUTHBEARER'
export type ClientListener = 'PLAINTEXT' | 'PROXIED' | 'SSL' | 'SASL_PLAINTEXT' | 'SASL_SSL'

/** Who may log in with PLAIN and SCRAM. OAUTHBEARER takes any unsecured JSON web signature that has not expired. */
export const USER = { name: 'alice', password: 'alice-secret' } as const

export interface Security {
  /** Adds the listener SSL. */
  tls?: { clientCertificate: 'none' | 'requested' | 'required' }
  /** Adds the listener SASL_PLAINTEXT, and SASL_SSL if there is `tls`. */
  sasl?: SaslMechanism[]
}

export interface Listeners extends Security {
  /**
   * Adds the listener PROXIED, without TLS and SASL: called with the port of each broker, before it starts; gives the one
   * that clients are told instead.
   */
  proxied?: (port: number) => Promise<number>
}

export interface Node {
  id: number
  folder: string
  ports: Record<string, number>
  /** What clients of PROXIED are told. */
  proxy?: number
}

const CONTROLLER = 'CONTROLLER'

/** @returns the listeners clients connect to; brokers use PLAINTEXT among themselves */
export function clientListeners({ tls, sasl, proxied }: Listeners): ClientListener[] {
  return [
    'PLAINTEXT',
    ...(proxied ? (['PROXIED'] as const) : []),
    ...(tls ? (['SSL'] as const) : []),
    ...(sasl ? (['SASL_PLAINTEXT'] as const) : []),
    ...(tls && sasl ? (['SASL_SSL'] as const) : []),
  ]
}

/** Every listener of a broker. */
export function allListeners(options: Listeners): string[] {
  return [...clientListeners(options), CONTROLLER]
}

/** One broker of a cluster: both broker and controller. */
export function brokerProperties(node: Node, nodes: Node[], bind: string, options: Listeners): Record<string, string> {
  const listeners = clientListeners(options)
  const { ports } = node
  return {
    'process.roles': 'broker,controller',
    'node.id': String(node.id),
    'controller.quorum.voters': nodes.map(({ id, ports }) => `${id}@127.0.0.1:${ports[CONTROLLER]}`).join(','),
    'controller.listener.names': CONTROLLER,
    listeners: [...listeners, CONTROLLER].map(name => `${name}://${bind}:${ports[name]}`).join(','),
    'advertised.listeners': listeners.map(name => `${name}://127.0.0.1:${advertised(node, name)}`).join(','),
    'listener.security.protocol.map': [...listeners, CONTROLLER].map(name => `${name}:${protocolOf(name)}`).join(','),
    'log.dirs': join(node.folder, 'data'),
    ...replicated(nodes.length),
    ...PROMPT,
    ...securityProperties(node, listeners, options),
  }
}

/** Where clients of a listener are told that the broker is. */
export function advertised({ ports, proxy }: Node, listener: ClientListener): number {
  return listener === 'PROXIED' ? proxy! : ports[listener]!
}

function protocolOf(listener: string): string {
  return listener === CONTROLLER || listener === 'PROXIED' ? 'PLAINTEXT' : listener
}

/** Three copies of which two must be there, or as many as there are brokers. */
function replicated(brokers: number): Record<string, string> {
  const copies = String(Math.min(brokers, 3))
  const inSync = String(Math.min(brokers, 2))
  return {
    'default.replication.factor': copies,
    'min.insync.replicas': inSync,
    'offsets.topic.num.partitions': '4',
    'offsets.topic.replication.factor': copies,
    'transaction.state.log.num.partitions': '4',
    'transaction.state.log.replication.factor': copies,
    'transaction.state.log.min.isr': inSync,
    'share.coordinator.state.topic.num.partitions': '4',
    'share.coordinator.state.topic.replication.factor': copies,
    'share.coordinator.state.topic.min.isr': inSync,
  }
}

/** What else would make a test wait: groups and elections that give others time to come, long minima. */
const PROMPT = {
  'num.partitions': '4',
  'auto.create.topics.enable': 'false',
  'group.coordinator.rebalance.protocols': 'classic,consumer,streams',
  'group.initial.rebalance.delay.ms': '0',
  'group.min.session.timeout.ms': '100',
  'group.consumer.min.session.timeout.ms': '100',
  'group.consumer.min.heartbeat.interval.ms': '50',
  'group.consumer.session.timeout.ms': '6000',
  'group.consumer.heartbeat.interval.ms': '200',
  'group.streams.initial.rebalance.delay.ms': '0',
  'group.streams.min.session.timeout.ms': '100',
  'group.streams.min.heartbeat.interval.ms': '50',
  'group.streams.session.timeout.ms': '6000',
  'group.streams.heartbeat.interval.ms': '200',
  'transaction.abort.timed.out.transaction.cleanup.interval.ms': '200',
  'broker.session.timeout.ms': '3000',
  'broker.heartbeat.interval.ms': '300',
  'controller.quorum.election.timeout.ms': '500',
  'controller.quorum.fetch.timeout.ms': '1500',
  'log.initial.task.delay.ms': '500',
  'num.io.threads': '4',
  'num.network.threads': '2',
  // Memory and files of the size the tests need.
  'log.cleaner.dedupe.buffer.size': '8388608',
  'log.index.size.max.bytes': '1048576',
}

function securityProperties(node: Node, listeners: ClientListener[], { tls, sasl }: Security): Record<string, string> {
  const properties: Record<string, string> = {}
  if (tls) {
    properties['ssl.client.auth'] = tls.clientCertificate
    for (const store of ['keystore', 'truststore']) {
      properties[`ssl.${store}.type`] = 'PEM'
      properties[`ssl.${store}.location`] = join(node.folder, `${store}.pem`)
    }
  }
  if (!sasl) return properties
  properties['sasl.enabled.mechanisms'] = sasl.join(',')
  for (const listener of listeners.filter(name => name.startsWith('SASL'))) {
    for (const mechanism of sasl) {
      const name = `listener.name.${listener.toLowerCase()}.${mechanism.toLowerCase()}.sasl.jaas.config`
      properties[name] = `org.apache.kafka.common.security.${LOGIN_MODULES[mechanism]};`
    }
  }
  return properties
}

const LOGIN_MODULES: Record<SaslMechanism, string> = {
  PLAIN: `plain.PlainLoginModule required user_${USER.name}="${USER.password}"`,
  'SCRAM-SHA-256': 'scram.ScramLoginModule required',
  'SCRAM-SHA-512': 'scram.ScramLoginModule required',
  OAUTHBEARER: 'oauthbearer.OAuthBearerLoginModule required unsecuredLoginStringClaim_sub="broker"',
}

/** What is logged: to the standard output, which goes to a file. */
export const LOGGING = `appender.out.type=Console
appender.out.name=out
appender.out.layout.type=PatternLayout
appender.out.layout.pattern=%d %p %m (%c)%n
rootLogger.level=INFO
rootLogger.appenderRef.out.ref=out
`
