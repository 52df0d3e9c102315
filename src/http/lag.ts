import type { TopicInfo } from '../log/contract.ts'
import { ANY_TIME } from '../pipeline/source-time.ts'
import { type Application, groupOf } from '../runtime/application.ts'
import type { Running } from '../runtime/start.ts'
import { inputTime, type TimeRules } from '../time/input-time.ts'
import { parseStoredTime } from '../time/stored-time.ts'

/** Groups of `aldebaran mirror`: their positions are offsets of another log. */
export const MIRROR_GROUPS = 'mirror.'

export interface PartitionLag {
  application: string
  group: string
  /** Null: the code knows no pipeline of this group. */
  pipeline: string | null
  topic: string
  partition: number
  /** The next offset to be processed, committed; null: none yet. */
  position: number | null
  end: number
  /** Records not processed yet. */
  lag: number
  /** Records older than this have all been seen, as far as this source can tell; ms since 1970, null: none seen. */
  watermark: number | null
}

/**
 * How far groups are behind, by topic and partition: those of the pipelines of the code and, with `others`, any other
 * that the log knows. Internal topics are told only where a pipeline of the code reads them.
 */
export async function lagsOf(
  { log, application }: Running,
  topics: ReadonlyMap<string, TopicInfo>,
  others: boolean,
): Promise<PartitionLag[]> {
  const sources = sourcesOf(application).filter(({ topic }) => topics.has(topic))
  const positions = await log.positionsOf(others ? null : [...new Set(sources.map(({ group }) => group))])
  const named = new Map(positions.map(one => [idOf(one), one]))
  const strangers = positions
    .filter(({ topic, partition }) => partition < (topics.get(topic)?.partitions ?? 0))
    .filter(({ group, topic }) => topics.get(topic)?.internal !== true && !group.startsWith(MIRROR_GROUPS))
  const partitions = await log.partitionsOf([...new Set([...sources, ...strangers].map(({ topic }) => topic))])
  const lags: PartitionLag[] = []
  const add = (source: Source): void => {
    const range = partitions.get(source.topic)?.[source.partition]
    if (range === undefined) return
    const { pipeline, group, topic, partition } = source
    const known = named.get(idOf(source))
    named.delete(idOf(source))
    const stored = parseStoredTime(known?.metadata ?? '')
    // With the wall clock of silent inputs in it, where the task has event timers.
    const watermark = Math.max(inputTime(source, stored).watermark, stored.watermark)
    lags.push({
      application: application.name,
      group,
      pipeline,
      topic,
      partition,
      position: known?.offset ?? null,
      end: range.end,
      lag: Math.max(0, range.end - Math.max(range.start, known?.offset ?? range.start)),
      watermark: Number.isFinite(watermark) ? watermark : null,
    })
  }
  for (const source of sources) add(source)
  if (others)
    for (const one of strangers) if (named.has(idOf(one))) add({ ...one, pipeline: null, time: ANY_TIME, writers: 0 })
  return lags
}

interface Source {
  readonly pipeline: string | null
  readonly group: string
  readonly topic: string
  readonly partition: number
  readonly time: TimeRules
  readonly writers: number
}

function sourcesOf({ name, topologies }: Application): Source[] {
  return topologies.flatMap(({ pipeline, parts }) =>
    parts.flatMap(({ partitions, sources }) =>
      sources.flatMap(({ topic, time, writers }) =>
        Array.from({ length: partitions }, (_, partition) => {
          return { pipeline, group: groupOf(name, pipeline), topic: topic.name, partition, time, writers }
        }),
      ),
    ),
  )
}

function idOf({ group, topic, partition }: Pick<Source, 'group' | 'topic' | 'partition'>): string {
  return `${group} ${topic} ${partition}`
}
