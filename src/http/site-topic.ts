import { AldebaranError } from '../errors.ts'
import type { Log, PartitionInfo, TopicInfo } from '../log/contract.ts'
import { unknownTopic } from '../log/topics.ts'
import { partitionOf } from '../record/partitioner.ts'
import type { Running } from '../runtime/start.ts'
import type { Schema } from '../schema/schema.ts'

/** A topic with all that is needed to read and write it. */
export interface SiteTopic {
  readonly running: Running
  readonly log: Log
  readonly info: TopicInfo
  readonly key: Schema<unknown>
  readonly value: Schema<unknown>
  /** Of the code: the key of a value that comes without one. */
  readonly keyOf: ((value: unknown) => unknown) | null
  /** Written by the runtime alone. */
  readonly reserved: boolean
}

/** @throws AldebaranError TOPIC_UNKNOWN when it was deleted meanwhile */
export async function partitionsOf({ log, info }: SiteTopic): Promise<PartitionInfo[]> {
  const found = (await log.partitionsOf([info.name])).get(info.name)
  if (found === undefined) throw unknownTopic(info.name)
  return found
}

/** The partition that was named, that of the key, or all. */
export function choosePartitions(topic: SiteTopic, partition: number | undefined, key: Buffer | null): number[] {
  const { partitions, name } = topic.info
  if (partition !== undefined) {
    if (partition < partitions) return [partition]
    throw new AldebaranError('PARTITION_UNKNOWN', `topic ${name} has partitions 0 to ${partitions - 1}`, {
      topic: name,
      partition,
    })
  }
  if (key !== null) return [partitionOf(key, 0, key.length, partitions)]
  return Array.from({ length: partitions }, (_, i) => i)
}
