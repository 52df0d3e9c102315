/** Topics on Kafka: made, changed, listed and deleted, with what the contract says of them. */
import { setTimeout as pause } from 'node:timers/promises'
import { AldebaranError } from '../../errors.ts'
import type { TopicInfo, TopicOptions } from '../contract.ts'
import { checkTopic, unknownTopic } from '../topics.ts'
import { MAX_STORED_BYTES } from '../unit.ts'
import { backOff } from './back-off.ts'
import { CATALOG_TOPIC, type Catalog, type CatalogEntry } from './catalog.ts'
import { type Cluster, isPassing, refusal, type TopicMetadata } from './cluster.ts'
import {
  createTopics,
  deleteTopics,
  describeConfigs,
  incrementalAlterConfigs,
  TOPIC_RESOURCE,
} from './wire/admin-messages.ts'
import { fateOfCode, NONE, TOPIC_ALREADY_EXISTS, UNKNOWN_TOPIC_OR_PARTITION } from './wire/error-codes.ts'
import { NO_UUID } from './wire/types.ts'

/** What is asked of a new topic beside its own options. */
export interface TopicDefaults {
  /** −1: as many replicas as the cluster says. */
  readonly replication: number
}

/** Room for the header of the largest batch, and for what compression may add. */
const MAX_MESSAGE_BYTES = MAX_STORED_BYTES + 64 * 1024
/** Changelogs and topics of keyBy are trimmed all the time: what is trimmed is deleted by whole segments. */
const INTERNAL_SEGMENT_BYTES = 64 * 1024 * 1024
const SET_FOR_TOPIC = 1
/** Settings that a topic is described by. */
const SHOWN = ['retention.bytes', 'retention.ms', 'cleanup.policy', 'delete.retention.ms']
const FOREVER = '-1'
const KEPT_MS = 1000
/** What brokers have still to hear of is looked for so often. */
const LOOKS = 50

type Configs = Record<string, string>

export class TopicAdmin {
  readonly #cluster: Cluster
  readonly #catalog: Catalog
  readonly #defaults: TopicDefaults
  /** The topics as they were listed last. */
  #listed: Promise<Map<string, TopicInfo>> | null = null
  #listedAt = 0

  constructor(cluster: Cluster, catalog: Catalog, defaults: TopicDefaults) {
    this.#cluster = cluster
    this.#catalog = catalog
    this.#defaults = defaults
  }

  async create(name: string, options: TopicOptions): Promise<void> {
    checkTopic(name, options)
    this.#listed = null
    await this.#ensureCatalog()
    for (let tries = 0; ; tries++) {
      const known = await this.#cluster.look(name)
      if (known !== undefined) {
        await this.#takeOver(known, options)
        break
      }
      if (await this.#createNew(name, options.partitions, configsOf(options))) break
      if (tries > LOOKS)
        throw new AldebaranError('KAFKA_UNREACHABLE', `Topic ${name} cannot be created now`, { topic: name })
      await pause(backOff(tries, 250))
    }
    await this.#awaitLeaders(name, options.partitions)
    await this.#catalog.put(name, entryOf(options))
  }

  async delete(name: string): Promise<void> {
    this.#listed = null
    const known = await this.#cluster.look(name)
    if (known === undefined) throw unknownTopic(name)
    const connection = await this.#cluster.any()
    const timeoutMs = this.#cluster.settings.requestTimeoutMs
    const answer = await connection.request(deleteTopics, { topics: [{ name, topicId: NO_UUID }], timeoutMs })
    const { errorCode, errorMessage } = answer.topics[0]!
    if (errorCode !== NONE && errorCode !== UNKNOWN_TOPIC_OR_PARTITION) {
      throw refusal(errorCode, `deleting topic ${name}`, { topic: name }, errorMessage)
    }
    for (let tries = 0; (await this.#cluster.look(name)) !== undefined; tries++) await pause(backOff(tries, 100))
    await this.#catalog.put(name, null)
    this.#listed = null
  }

  /** All topics but Kafka's own, by name. A list of up to a second ago will do, if nothing was changed here. */
  async list(): Promise<Map<string, TopicInfo>> {
    if (this.#listed === null || performance.now() - this.#listedAt > KEPT_MS) {
      this.#listedAt = performance.now()
      this.#listed = this.#list()
      this.#listed.catch(() => {
        this.#listed = null
      })
    }
    return await this.#listed
  }

  async one(name: string): Promise<TopicInfo | undefined> {
    const listed = (await this.list()).get(name)
    if (listed !== undefined) return listed
    const known = await this.#cluster.look(name)
    if (known === undefined) return undefined
    await this.#catalog.read()
    const configs = await this.#configs([name])
    return infoOf(known, configs.get(name) ?? {}, this.#catalog.get(name))
  }

  async #list(): Promise<Map<string, TopicInfo>> {
    await this.#cluster.refresh()
    await this.#catalog.read()
    const topics = [...this.#cluster.topics.values()]
      .filter(topic => !topic.name.startsWith('__') && topic.name !== CATALOG_TOPIC)
      .sort((a, b) => (a.name < b.name ? -1 : 1))
    const configs = await this.#configs(topics.map(topic => topic.name))
    return new Map(
      topics.map(topic => [topic.name, infoOf(topic, configs.get(topic.name) ?? {}, this.#catalog.get(topic.name))]),
    )
  }

  /** What is set for each topic itself, without the broker's defaults. */
  async #configs(names: readonly string[], configs: readonly string[] = SHOWN): Promise<Map<string, Configs>> {
    const found = new Map<string, Configs>()
    if (names.length === 0) return found
    const connection = await this.#cluster.any()
    const answer = await connection.request(describeConfigs, {
      resources: names.map(name => ({ type: TOPIC_RESOURCE, name, keys: [...configs] })),
      includeSynonyms: false,
      includeDocumentation: false,
    })
    for (const { name, configs: described } of answer.results) {
      const own: Configs = {}
      for (const { name: config, value, source } of described) {
        if (source === SET_FOR_TOPIC && value !== null) own[config] = value
      }
      found.set(name, own)
    }
    return found
  }

  /** False: try again. */
  async #createNew(name: string, partitions: number, configs: Configs): Promise<boolean> {
    const { replication } = this.#defaults
    const all: Configs = { ...configs, ...(replication >= 3 ? { 'min.insync.replicas': '2' } : {}) }
    let answer: ReturnType<typeof createTopics.response.read>
    try {
      answer = await (await this.#cluster.any()).request(createTopics, {
        topics: [
          {
            name,
            partitions,
            replicationFactor: replication,
            assignments: [],
            configs: Object.entries(all).map(([config, value]) => ({ name: config, value })),
          },
        ],
        timeoutMs: this.#cluster.settings.requestTimeoutMs,
        validateOnly: false,
      })
    } catch (error) {
      if (isPassing(error)) return false
      throw error
    }
    const { errorCode, errorMessage } = answer.topics[0]!
    if (errorCode === NONE) return true
    const fate = fateOfCode(errorCode)
    // Another node may have been quicker.
    if (errorCode === TOPIC_ALREADY_EXISTS || fate === 'retry' || fate === 'metadata') return false
    throw refusal(errorCode, `creating topic ${name}`, { topic: name }, errorMessage)
  }

  async #takeOver(known: TopicMetadata, options: TopicOptions): Promise<void> {
    const { name, partitions } = known
    if (partitions.length !== options.partitions) {
      throw new AldebaranError(
        'TOPIC_EXISTS',
        `Topic ${name} has ${partitions.length} partitions, and not ${options.partitions}`,
        { topic: name, partitions: partitions.length },
      )
    }
    const wanted = configsOf(options)
    const changed = await this.#differences(name, wanted)
    if (changed.length === 0) return
    const connection = await this.#cluster.any()
    const answer = await connection.request(incrementalAlterConfigs, {
      resources: [
        {
          type: TOPIC_RESOURCE,
          name,
          configs: changed.map(([config, value]) => ({ name: config, operation: 0, value })),
        },
      ],
      validateOnly: false,
    })
    const { errorCode, errorMessage } = answer.results[0]!
    if (errorCode !== NONE) throw refusal(errorCode, `configuring topic ${name}`, { topic: name }, errorMessage)
    // It is in force; brokers hear of it one after the other.
    for (let tries = 0; tries < LOOKS && (await this.#differences(name, wanted)).length > 0; tries++) {
      await pause(backOff(tries, 250))
    }
  }

  /** The settings of a topic that are not as wanted, with the wanted values. */
  async #differences(name: string, wanted: Record<string, string>): Promise<[config: string, value: string][]> {
    const now = (await this.#configs([name], Object.keys(wanted))).get(name) ?? {}
    return Object.entries(wanted).filter(([config, value]) => now[config] !== value)
  }

  async #ensureCatalog(): Promise<void> {
    for (let tries = 0; !this.#cluster.topics.has(CATALOG_TOPIC); tries++) {
      if ((await this.#cluster.look(CATALOG_TOPIC)) !== undefined) break
      await this.#createNew(CATALOG_TOPIC, 1, { 'cleanup.policy': 'compact' })
      if (tries > LOOKS) throw new AldebaranError('KAFKA_UNREACHABLE', `Topic ${CATALOG_TOPIC} cannot be created now`)
      await pause(backOff(tries, 250))
    }
  }

  /** A topic can be used once each partition has a leader, and brokers have heard of it. */
  async #awaitLeaders(name: string, partitions: number): Promise<void> {
    for (let tries = 0; tries < 60; tries++) {
      const topic = await this.#cluster.look(name)
      const led = topic?.partitions.filter(partition => partition.leader >= 0) ?? []
      if (led.length === partitions) return
      await pause(backOff(tries, 250))
    }
    throw new AldebaranError('KAFKA_UNREACHABLE', `Topic ${name} has partitions without a leader`, { topic: name })
  }
}

function configsOf(options: TopicOptions): Configs {
  const { retentionBytes, retentionMs, compacted, tombstoneMs, internal } = options
  const configs: Configs = {
    'retention.ms': retentionMs === undefined ? FOREVER : String(Math.ceil(retentionMs)),
    'retention.bytes': retentionBytes === undefined ? FOREVER : String(Math.ceil(retentionBytes)),
    'max.message.bytes': String(MAX_MESSAGE_BYTES),
    'cleanup.policy': compacted === true ? 'compact' : 'delete',
  }
  if (tombstoneMs !== undefined) configs['delete.retention.ms'] = String(Math.ceil(tombstoneMs))
  if (internal === true) configs['segment.bytes'] = String(INTERNAL_SEGMENT_BYTES)
  return configs
}

function entryOf({ internal, compacted, key, value }: TopicOptions): CatalogEntry {
  const entry: CatalogEntry = {}
  if (internal === true) entry.internal = true
  if (internal === true && compacted === true) entry.compacted = true
  if (key !== undefined) entry.key = key
  if (value !== undefined) entry.value = value
  return entry
}

function infoOf(topic: TopicMetadata, configs: Configs, entry: CatalogEntry): TopicInfo {
  const info: TopicInfo = { name: topic.name, partitions: topic.partitions.length }
  const bytes = configs['retention.bytes']
  const ms = configs['retention.ms']
  const tombstones = configs['delete.retention.ms']
  if (bytes !== undefined && bytes !== FOREVER) info.retentionBytes = Number(bytes)
  if (ms !== undefined && ms !== FOREVER) info.retentionMs = Number(ms)
  if (configs['cleanup.policy']?.includes('compact') === true) info.compacted = true
  if (tombstones !== undefined) info.tombstoneMs = Number(tombstones)
  return { ...info, ...entry }
}
