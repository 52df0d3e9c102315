import type { GroupPart } from '../../log/kafka/group/member.ts'
import type { Topology } from '../../pipeline/topology.ts'
import { type Application, changelogOf } from '../application.ts'

/** The parts of a pipeline as its group gives them out. */
export function groupParts(application: Application, { pipeline, parts }: Topology): GroupPart[] {
  return parts.map(part => ({
    id: part.name,
    sources: part.sources.map(source => source.topic.name).sort(),
    partitions: part.partitions,
    changelogs: part.tables.map(table => changelogOf(application.name, pipeline, table.definition.name)).sort(),
  }))
}
