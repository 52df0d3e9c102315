/** Topics as they lie in the store, and what a topic may be called and have. */
import { AldebaranError } from '../errors.ts'
import type { TopicInfo, TopicOptions } from './contract.ts'
import { MAX_PARTITIONS } from './ends.ts'
import type { KeyValueReader } from './key-value.ts'
import { bounds } from './keys.ts'

const NAME = /^[a-zA-Z0-9._-]{1,249}$/
const MOST_PARTITIONS = 10_000
const PAGE = 1000

export interface Topic {
  /** Id of its partition 0; the others follow. */
  firstId: number
  info: TopicInfo
}

/** Ids that are taken: of a topic, or of a deleted one whose data is still being deleted. */
export interface IdRun {
  firstId: number
  count: number
}

export function checkTopic(name: string, options: TopicOptions): void {
  const { partitions } = options
  if (!NAME.test(name) || name === '.' || name === '..') {
    throw new AldebaranError('TOPIC_INVALID', `"${name}" cannot be the name of a topic`, { topic: name })
  }
  if (!Number.isInteger(partitions) || partitions < 1 || partitions > MOST_PARTITIONS) {
    throw new AldebaranError('TOPIC_INVALID', `Topic ${name} cannot have ${partitions} partitions`, { topic: name })
  }
  checkRetention(name, 'retentionBytes', options.retentionBytes)
  checkRetention(name, 'retentionMs', options.retentionMs)
  checkRetention(name, 'tombstoneMs', options.tombstoneMs)
}

function checkRetention(topic: string, option: string, value: number | undefined): void {
  if (value === undefined || (Number.isFinite(value) && value > 0)) return
  throw new AldebaranError('OPTION_INVALID', `${option} of topic ${topic} is a number above 0, not ${value}`, { topic })
}

/** Finds a free run of partition ids. */
export function freeIds(taken: readonly IdRun[], count: number): number {
  let first = 0
  for (const run of taken.toSorted((a, b) => a.firstId - b.firstId)) {
    if (run.firstId - first >= count) break
    first = Math.max(first, run.firstId + run.count)
  }
  if (first + count <= MAX_PARTITIONS) return first
  throw new AldebaranError('TOPIC_INVALID', `The store has room for ${MAX_PARTITIONS} partitions in all`, {
    partitions: count,
  })
}

/** Whether nothing about a topic would change. */
export function sameOptions(a: TopicOptions, b: TopicOptions): boolean {
  return textOf(a) === textOf(b)
}

function textOf(options: TopicOptions): string {
  const { partitions, retentionBytes, retentionMs, key, value, internal, compacted, tombstoneMs } = options
  const schemas = [key, value].map(schema => (schema === undefined ? null : [schema.format, schema.definition]))
  const limits = [retentionBytes, retentionMs, tombstoneMs].map(limit => limit ?? null)
  return JSON.stringify([partitions, limits, schemas, internal === true, compacted === true])
}

export function encodeTopic(topic: Topic): Buffer {
  return Buffer.from(JSON.stringify(topic))
}

export function readTopics(store: KeyValueReader): Map<string, Topic> {
  const topics = new Map<string, Topic>()
  const [first, to] = bounds('T')
  for (let from = first; ; ) {
    const page = store.range(from, to, { limit: PAGE })
    for (const [, value] of page) {
      const topic = JSON.parse(value.toString()) as Topic
      topics.set(topic.info.name, topic)
    }
    if (page.length < PAGE) return topics
    from = Buffer.concat([page[PAGE - 1]![0], Buffer.alloc(1)])
  }
}

export function unknownTopic(topic: string): AldebaranError {
  return new AldebaranError('TOPIC_UNKNOWN', `There is no topic ${topic}`, { topic })
}

/** The id of a partition. Throws TOPIC_UNKNOWN and PARTITION_UNKNOWN. */
export function idIn(topics: ReadonlyMap<string, Topic>, name: string, partition: number): number {
  const topic = topics.get(name)
  if (topic === undefined) throw unknownTopic(name)
  if (Number.isInteger(partition) && partition >= 0 && partition < topic.info.partitions) {
    return topic.firstId + partition
  }
  throw new AldebaranError(
    'PARTITION_UNKNOWN',
    `Topic ${name} has ${topic.info.partitions} partitions, and no partition ${partition}`,
    { topic: name, partition },
  )
}
