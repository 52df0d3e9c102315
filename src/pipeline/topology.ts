/**
 * A pipeline checked and cut into sub-topologies: what has to run together because it shares a topic, a table or a
 * merge. A sub-topology and a partition make a task.
 *
 * Invariants
 * 1. All topics of a sub-topology have one partition count, so a key lies in one partition number of all of them.
 * 2. A topic is read by one sub-topology of a pipeline, so (pipeline, topic, partition) names a position.
 * 3. A stream enters a table only under keys written by the schema of the table.
 */
import { AldebaranError } from '../errors.ts'
import type { Schema } from '../schema/schema.ts'
import type { TimeRules } from '../time/input-time.ts'
import type { Node, RepartitionNode, SourceNode, TableNode } from './node.ts'
import type { Pipeline } from './pipeline.ts'
import { ANY_TIME } from './source-time.ts'
import { type AnyTopic, topic } from './topic.ts'

export interface SubTopology {
  /** The pipeline's name and the number of the part: 'audit' when there is one, else 'audit-1' … */
  readonly name: string
  readonly pipeline: string
  readonly partitions: number
  readonly sources: readonly SourceNode[]
  readonly tables: readonly TableNode[]
  /** It has event timers, or tasks that have read what it writes. */
  readonly usesEventTime: boolean
  /** Topics of keyBy that it tells its watermark through. */
  readonly relays: readonly AnyTopic[]
}

export interface Topology {
  readonly pipeline: string
  readonly parts: readonly SubTopology[]
  /** Every topic read or written, the repartition topics too. */
  readonly topics: readonly AnyTopic[]
  /** Topics made for keyBy. */
  readonly repartitions: ReadonlyMap<RepartitionNode, AnyTopic>
}

export function buildTopology(application: string, pipeline: Pipeline): Topology {
  const repartitions = new Map<RepartitionNode, AnyTopic>()
  const sources = [...pipeline.sources]
  const sinks: AnyTopic[] = [...pipeline.sends]
  const groups = new Groups()
  for (const table of pipeline.tables) groups.add(table)

  // Sources found on the way (behind a keyBy) are appended and visited in their turn.
  for (let i = 0; i < sources.length; i++) {
    const source = sources[i]!
    groups.add(source)
    for (const node of reachable(source)) {
      groups.join(source, node)
      if (node.kind === 'into') {
        requireSameKey(pipeline.name, node.key, node.table)
        groups.join(source, node.table)
        for (const timer of node.table.timers) for (const next of reachable(timer)) groups.join(source, next)
      }
      if (node.kind === 'operator') for (const table of node.tables) groups.join(source, table)
      if (node.kind === 'sink') sinks.push(node.topic)
      if (node.kind === 'repartition' && !repartitions.has(node)) {
        const made = repartitionTopic(application, pipeline.name, node, source.topic.options.partitions)
        repartitions.set(node, made)
        const writers = source.topic.options.partitions
        sources.push({ kind: 'source', next: node.next, topic: made, time: ANY_TIME, timestampOf: null, writers })
      }
    }
  }
  for (const table of pipeline.tables) {
    for (const timer of table.timers) {
      for (const node of reachable(timer)) {
        if (node.kind === 'sink') sinks.push(node.topic)
        if (node.kind === 'into') requireSameKey(pipeline.name, node.key, node.table)
        if (node.kind === 'repartition' && !repartitions.has(node)) {
          throw new AldebaranError(
            'PIPELINE_INVALID',
            `keyBy '${node.name}' of pipeline '${pipeline.name}' follows a timer alone: send to a topic of your own and read it with from()`,
            { pipeline: pipeline.name, name: node.name },
          )
        }
      }
    }
  }
  if (sources.length === 0) {
    throw new AldebaranError('PIPELINE_INVALID', `pipeline '${pipeline.name}' reads no topic: begin with from()`)
  }

  const byGroup = Map.groupBy(sources, source => groups.find(source))
  const parts = [...byGroup.entries()].map(([group, members], i) => {
    requireEqualPartitions(pipeline.name, members)
    return {
      name: byGroup.size === 1 ? pipeline.name : `${pipeline.name}-${i + 1}`,
      pipeline: pipeline.name,
      partitions: members[0]!.topic.options.partitions,
      sources: members,
      tables: pipeline.tables.filter(table => groups.find(table) === group),
    }
  })
  for (const table of pipeline.tables) {
    if (!parts.some(part => part.tables.includes(table))) {
      throw new AldebaranError(
        'PIPELINE_INVALID',
        `nothing goes into table '${table.definition.name}' of pipeline '${pipeline.name}'`,
        { pipeline: pipeline.name, table: table.definition.name },
      )
    }
    for (const timer of Object.keys(table.definition.timers)) {
      if (!table.timers.some(node => node.timer === timer)) {
        throw new AldebaranError(
          'PIPELINE_INVALID',
          `timer '${timer}' of table '${table.definition.name}' has no handler: add table.on('${timer}', …)`,
          { pipeline: pipeline.name, table: table.definition.name },
        )
      }
    }
  }
  return {
    pipeline: pipeline.name,
    parts: withEventTime(parts, repartitions),
    topics: distinctTopics([...sources.map(source => source.topic), ...sinks]),
    repartitions,
  }
}

/**
 * Which parts need event time: those with event timers, and those that write what such a part reads. Elsewhere no
 * timestamp is looked at.
 */
function withEventTime(
  parts: readonly Omit<SubTopology, 'usesEventTime' | 'relays'>[],
  repartitions: ReadonlyMap<RepartitionNode, AnyTopic>,
): SubTopology[] {
  const readers = new Map(parts.flatMap(part => part.sources.map(source => [source.topic, part] as const)))
  const written = new Map(
    parts.map(part => [
      part,
      [...part.sources, ...part.tables.flatMap(table => table.timers)]
        .flatMap(reachable)
        .flatMap(node => (node.kind === 'repartition' ? [repartitions.get(node)!] : [])),
    ]),
  )
  type Part = (typeof parts)[number]
  const relays = (part: Part, to: ReadonlySet<Part>): AnyTopic[] =>
    [...new Set(written.get(part))].filter(topic => to.has(readers.get(topic)!))
  /** Those for which it holds, and all that write what they read. */
  const withWriters = (holds: (table: TableNode) => boolean): ReadonlySet<Part> => {
    const found = new Set(parts.filter(part => part.tables.some(holds)))
    for (let before = -1; before !== found.size; ) {
      before = found.size
      for (const part of parts) if (relays(part, found).length > 0) found.add(part)
    }
    return found
  }
  const using = withWriters(table => Object.values(table.definition.timers).includes('event'))
  const comparing = withWriters(table => table.comparesTime === true)
  return parts.map(part => {
    const usesEventTime = using.has(part)
    const timeOf = ({ time }: SourceNode): TimeRules => {
      if (usesEventTime) return time
      // What lag shows of event time stays.
      const { outOfOrderness, maxAhead } = time
      return { ...ANY_TIME, outOfOrderness, ...(comparing.has(part) ? { maxAhead } : {}) }
    }
    const sources = part.sources.map(source => ({ ...source, time: timeOf(source) }))
    return { ...part, sources, usesEventTime, relays: relays(part, using) }
  })
}

/** The nodes behind a node within its sub-topology: a repartition is the last of its way. */
function reachable(from: Node): Node[] {
  const found = new Set<Node>()
  const visit = (node: Node): void => {
    if (found.has(node)) return
    found.add(node)
    if (node.kind === 'repartition') return
    for (const next of followers(node)) visit(next)
  }
  for (const next of followers(from)) visit(next)
  return [...found]
}

function followers(node: Node): readonly Node[] {
  switch (node.kind) {
    case 'branch':
      return node.branches
    case 'operator':
      return [...node.next, ...node.late]
    case 'operatorInput':
      return [node.operator]
    default:
      return node.next
  }
}

function repartitionTopic(application: string, pipeline: string, node: RepartitionNode, upstream: number): AnyTopic {
  const made = topic(`${application}.${pipeline}.${node.name}.repartition`, {
    key: node.key,
    value: node.value,
    partitions: node.partitions === 0 ? upstream : node.partitions,
  })
  return { ...made, options: { ...made.options, internal: true } }
}

function requireSameKey(pipeline: string, key: Schema<unknown>, table: TableNode): void {
  const own = table.definition.key
  if (key.format !== own.format || key.definition !== own.definition) {
    throw new AldebaranError(
      'KEYS_DIFFER',
      `pipeline '${pipeline}': a stream keyed by ${key.format} goes into table '${table.definition.name}', which is keyed by ${own.format}`,
      { pipeline, table: table.definition.name },
    )
  }
}

function requireEqualPartitions(pipeline: string, sources: readonly SourceNode[]): void {
  const first = sources[0]!.topic
  for (const { topic: other } of sources) {
    if (other.options.partitions === first.options.partitions) continue
    throw new AldebaranError(
      'PARTITIONS_DIFFER',
      `pipeline '${pipeline}' reads '${first.name}' (${first.options.partitions} partitions) together with '${other.name}' (${other.options.partitions})`,
      { pipeline, topic: other.name },
    )
  }
}

function distinctTopics(topics: readonly AnyTopic[]): AnyTopic[] {
  const byName = new Map<string, AnyTopic>()
  for (const topic of topics) {
    const known = byName.get(topic.name)
    if (known !== undefined && known !== topic) {
      throw new AldebaranError('NAME_TAKEN', `two definitions of topic '${topic.name}' are in use`, {
        topic: topic.name,
      })
    }
    byName.set(topic.name, topic)
  }
  return [...byName.values()]
}

/** Disjoint sets (union–find). */
class Groups {
  readonly #parents = new Map<object, object>()

  add(member: object): void {
    if (!this.#parents.has(member)) this.#parents.set(member, member)
  }

  find(member: object): object {
    this.add(member)
    let root = member
    for (let parent = this.#parents.get(root)!; parent !== root; parent = this.#parents.get(root)!) root = parent
    return root
  }

  join(a: object, b: object): void {
    this.#parents.set(this.find(b), this.find(a))
  }
}
