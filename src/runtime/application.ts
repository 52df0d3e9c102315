import { type Delivery, deliveryTopology } from '../delivery/delivery.ts'
import { AldebaranError } from '../errors.ts'
import { checkName, type Pipeline } from '../pipeline/pipeline.ts'
import { type AnyTopic, topic } from '../pipeline/topic.ts'
import { buildTopology, type Topology } from '../pipeline/topology.ts'
import { bytes } from '../schema/primitives.ts'

/** Pipelines that are run, stopped and upgraded together, under one name that must stay the same over releases. */
export interface Application {
  readonly name: string
  readonly topologies: readonly Topology[]
  /** Every topic the application knows by its code, without those of its own making. */
  readonly topics: readonly AnyTopic[]
  readonly deadLetters: AnyTopic
}

export interface ApplicationSettings {
  pipelines?: readonly Pipeline[]
  /** What is to happen outside with records of its topics, or of others. */
  deliveries?: readonly Delivery[]
  /** Topics that no pipeline names, to be created and served over HTTP too. */
  topics?: readonly AnyTopic[]
  /** How long dead letters are kept. Default '30d'. */
  deadLetterRetention?: string | number
}

/** Checks the pipelines and puts them together. Throws what is wrong with them, with the remedy. */
export function application(name: string, settings: ApplicationSettings): Application {
  checkName(name, 'application')
  const names = new Set<string>()
  const { pipelines = [], deliveries = [] } = settings
  for (const part of [...pipelines, ...deliveries]) {
    if (names.has(part.name)) {
      throw new AldebaranError('NAME_TAKEN', `application '${name}' has two parts named '${part.name}'`, {
        pipeline: part.name,
      })
    }
    names.add(part.name)
  }
  const topologies = [
    ...pipelines.map(pipeline => buildTopology(name, pipeline)),
    ...deliveries.map(delivery => deliveryTopology(name, delivery)),
  ]
  const topics = new Map<string, AnyTopic>()
  for (const one of [...topologies.flatMap(topology => topology.topics), ...(settings.topics ?? [])]) {
    const known = topics.get(one.name)
    if (known !== undefined && known !== one) {
      throw new AldebaranError('NAME_TAKEN', `application '${name}' uses two definitions of topic '${one.name}'`, {
        topic: one.name,
      })
    }
    topics.set(one.name, one)
  }
  return {
    name,
    topologies,
    topics: [...topics.values()].filter(one => one.options.internal !== true),
    deadLetters: topic(`${name}.dead-letters`, {
      key: bytes(),
      value: bytes(),
      partitions: 1,
      retentionTime: settings.deadLetterRetention ?? '30d',
    }),
  }
}

/** The group whose positions a pipeline's tasks commit. */
export function groupOf(application: string, pipeline: string): string {
  return `${application}.${pipeline}`
}

export function changelogOf(application: string, pipeline: string, table: string): string {
  return `${application}.${pipeline}.${table}.changelog`
}
