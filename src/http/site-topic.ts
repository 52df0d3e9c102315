import type { Log, PartitionInfo, TopicInfo } from '../log/contract.ts'
import { unknownTopic } from '../log/topics.ts'
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
