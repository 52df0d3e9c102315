import { groupOf } from '../runtime/application.ts'
import type { Running } from '../runtime/start.ts'

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

/** How far every group is behind, by topic and partition: of the pipelines of the code, and of any other in the log. */
export function lagsOf(running: Running): PartitionLag[] {
  const { log, application } = running
  const positions = new Map(log.positions().map(one => [`${one.group} ${one.topic} ${one.partition}`, one]))
  const lags: PartitionLag[] = []
  const add = (
    pipeline: string | null,
    group: string,
    topic: string,
    partition: number,
    outOfOrderness: number,
  ): void => {
    if (log.topic(topic) === undefined) return
    const { start, end } = log.partition(topic, partition)
    const id = `${group} ${topic} ${partition}`
    const known = positions.get(id)
    positions.delete(id)
    const newest = known === undefined || known.metadata === '' ? Number.NaN : Number(known.metadata)
    lags.push({
      application: application.name,
      group,
      pipeline,
      topic,
      partition,
      position: known?.offset ?? null,
      end,
      lag: Math.max(0, end - Math.max(start, known?.offset ?? start)),
      watermark: Number.isFinite(newest) ? newest - outOfOrderness : null,
    })
  }
  for (const { pipeline, parts } of application.topologies) {
    const group = groupOf(application.name, pipeline)
    for (const part of parts) {
      for (const { topic, outOfOrderness } of part.sources) {
        for (let partition = 0; partition < part.partitions; partition++) {
          add(pipeline, group, topic.name, partition, outOfOrderness)
        }
      }
    }
  }
  for (const { group, topic, partition } of [...positions.values()]) {
    if (partition < (log.topic(topic)?.partitions ?? 0)) add(null, group, topic, partition, 0)
  }
  return lags
}
