/**
 * Brokers of a test's own, each also a controller, with a folder below one that is removed at the end. What a test
 * process does not end itself, its leash ends.
 */
import { randomBytes } from 'node:crypto'
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Certificates, makeCertificates } from './certificates.ts'
import { freePorts } from './free-ports.ts'
import { type Host, openHost } from './kafka-host.ts'
import type { Kafka } from './kafka-installation.ts'
import { CHECKPOINT, CLASSES, prepareKafka, propertiesText } from './kafka-preparation.ts'
import { BrokerProcess } from './kafka-process.ts'
import {
  advertised,
  allListeners,
  brokerProperties,
  type ClientListener,
  clientListeners,
  type Listeners,
  LOGGING,
  type Node,
  USER,
} from './kafka-properties.ts'
import { hold } from './leash.ts'

export interface ClusterOptions extends Listeners {
  /** 3 by default; topics have as many replicas, up to 3, and one may be missing of two or more. */
  brokers?: number
  /** Settings of every broker, over those of kafka-properties.ts. */
  properties?: Record<string, string>
}

/** Brokers are meant by their index, which is also Kafka's node id. */
export class KafkaCluster {
  /** Addresses without TLS and SASL, `host:port,host:port`. */
  readonly bootstrap: string
  /** The same for every listener the options asked for. */
  readonly addresses: Partial<Record<ClientListener, string>>
  /** What clients trust, and show to a server that asks. */
  readonly certificates: Certificates
  /** Who may log in. */
  readonly user: typeof USER = USER
  readonly #brokers: BrokerProcess[]
  readonly #release: () => void

  constructor(
    addresses: Partial<Record<ClientListener, string>>,
    certificates: Certificates,
    brokers: BrokerProcess[],
    release: () => void,
  ) {
    this.addresses = addresses
    this.bootstrap = addresses.PLAINTEXT!
    this.certificates = certificates
    this.#brokers = brokers
    this.#release = release
  }

  /** Resolves when it answers again: with what it had, at the same address. */
  start(broker: number): Promise<void> {
    return this.#at(broker).start()
  }

  /** Ends it in order: it hands its partitions over first. */
  stop(broker: number): Promise<void> {
    return this.#at(broker).stop()
  }

  /** Ends it as a crash of the process would. */
  kill(broker: number): Promise<void> {
    return this.#at(broker).kill()
  }

  /** It keeps its connections and answers nothing, like a machine that hangs. */
  pause(broker: number): void {
    this.#at(broker).pause()
  }

  resume(broker: number): void {
    this.#at(broker).resume()
  }

  /** Ends all brokers and removes what they wrote. */
  async end(): Promise<void> {
    await Promise.all(this.#brokers.map(broker => broker.kill()))
    this.#release()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.end()
  }

  #at(broker: number): BrokerProcess {
    const found = this.#brokers[broker]
    if (found === undefined) throw new RangeError(`there is no broker ${broker} of ${this.#brokers.length}`)
    return found
  }
}

export async function startCluster(kafka: Kafka, options: ClusterOptions): Promise<KafkaCluster> {
  const prepared = await prepareKafka(kafka)
  const folder = mkdtempSync(join(tmpdir(), 'aldebaran-kafka-'))
  const release = hold({ folder })
  const nodes = await nodesOf(options.brokers ?? 3, folder, options)
  const host = openHost(
    kafka,
    folder,
    nodes.flatMap(({ ports }) => Object.values(ports)),
  )
  const certificates = makeCertificates()
  const clusterId = randomId()
  const brokers = nodes.map(node => {
    const properties = { ...brokerProperties(node, nodes, host.bind, options), ...options.properties }
    writeFiles(node, properties, prepared, certificates, clusterId)
    return new BrokerProcess(host, kafka.classpath, filesOf(node, prepared))
  })
  const addresses = clientListeners(options).map(name => [
    name,
    nodes.map(node => `127.0.0.1:${advertised(node, name)}`).join(','),
  ])
  const cluster = new KafkaCluster(Object.fromEntries(addresses), certificates, brokers, () => {
    cleanUp(host, folder)
    release()
  })
  try {
    await allStarted(brokers)
    return cluster
  } catch (error) {
    await cluster.end()
    throw error
  }
}

/** Waits for all of them, also when one fails: none is to start after the end. */
async function allStarted(brokers: BrokerProcess[]): Promise<void> {
  const results = await Promise.allSettled(brokers.map(broker => broker.start()))
  for (const result of results) if (result.status === 'rejected') throw result.reason
}

async function nodesOf(count: number, folder: string, options: ClusterOptions): Promise<Node[]> {
  const listeners = allListeners(options)
  const free = await freePorts(count * listeners.length)
  const nodes: Node[] = []
  for (let id = 0; id < count; id++) {
    const ports = Object.fromEntries(listeners.map((name, i) => [name, free[id * listeners.length + i]!]))
    const node: Node = { id, folder: join(folder, String(id)), ports }
    if (options.proxied) node.proxy = await options.proxied(ports.PROXIED!)
    nodes.push(node)
  }
  return nodes
}

function filesOf({ folder }: Node, prepared: string) {
  const file = (name: string) => join(folder, name)
  return {
    folder,
    properties: file('server.properties'),
    logging: file('log4j2.properties'),
    classes: join(prepared, CLASSES),
  }
}

/** A formatted broker: what Kafka's own tool writes, of which only the ids differ from broker to broker. */
function writeFiles(
  node: Node,
  properties: Record<string, string>,
  prepared: string,
  { authority, server }: Certificates,
  clusterId: string,
): void {
  const files = filesOf(node, prepared)
  const data = properties['log.dirs']!
  mkdirSync(data, { recursive: true })
  writeFileSync(files.properties, propertiesText(properties))
  writeFileSync(files.logging, LOGGING)
  writeFileSync(join(node.folder, 'keystore.pem'), server.key + server.certificate)
  writeFileSync(join(node.folder, 'truststore.pem'), authority)
  cpSync(join(prepared, CHECKPOINT), join(data, CHECKPOINT))
  const meta = { version: '1', 'cluster.id': clusterId, 'node.id': String(node.id), 'directory.id': randomId() }
  writeFileSync(join(data, 'meta.properties'), propertiesText(meta))
}

function cleanUp(host: Host, folder: string): void {
  host.end()
  rmSync(folder, { recursive: true, force: true, maxRetries: 20 })
}

/** In Kafka's form: 16 bytes as base64url. A dash in front would look like an option, and Kafka makes none. */
function randomId(): string {
  const id = randomBytes(16).toString('base64url')
  return id.startsWith('-') ? randomId() : id
}
