/** For tests of membership: an application of two parts, and nodes that are members of its group without running it. */
import { randomUUID } from 'node:crypto'
import type { GroupProtocol } from '../../src/log/kafka/group/enter-group.ts'
import { pipeline } from '../../src/pipeline/pipeline.ts'
import { topic } from '../../src/pipeline/topic.ts'
import { type Application, application } from '../../src/runtime/application.ts'
import { groupParts } from '../../src/runtime/kafka/group-parts.ts'
import { avro } from '../../src/schema/avro.ts'
import { t } from '../../src/schema/field-types.ts'
import { text } from '../../src/schema/primitives.ts'
import { beginNode, endNode, type NodeSettings, Ownership, type PretendedNode } from './directed-nodes.ts'

export const PARTITIONS = 6

/** Two parts: the numbers, and by key what was counted of them. */
function countingApplication(more: readonly string[] = []): Application {
  const name = `membership-${randomUUID().slice(0, 8)}`
  return namedApplication(name, more)
}

export function namedApplication(name: string, more: readonly string[] = []): Application {
  const number = avro('Number', { n: t.int })
  const numbers = topic(`${name}-numbers`, { key: text(), value: number, partitions: PARTITIONS })
  const counting = pipeline('counting')
  const counts = counting.table('counts', { key: text(), row: { count: t.int } })
  counting
    .from(numbers)
    .keyBy('by-parity', ({ n }) => String(n % 2), { key: text(), value: number })
    .into(counts, (_, row) => {
      row.count++
    })
  for (const table of more) {
    const others = counting.table(table, { key: text(), row: { count: t.int } })
    counting
      .from(topic(`${name}-${table}`, { key: text(), value: number, partitions: PARTITIONS }))
      .into(others, () => {})
  }
  return application(name, { pipelines: [counting] })
}

/** It has a table. */
export function stateful(task: string): boolean {
  return task.startsWith('counting-2/')
}

export function topicsOf(of: Application): Map<string, number> {
  return new Map(
    of.topologies.flatMap(topology =>
      groupParts(of, topology).flatMap(part =>
        [...part.sources, ...part.changelogs].map(name => [name, part.partitions] as const),
      ),
    ),
  )
}

export const TASKS = 2 * PARTITIONS

/** The nodes of a test, and how long its steps took. */
export class Scene {
  readonly ownership = new Ownership()
  readonly nodes: PretendedNode[] = []
  readonly application: Application
  readonly #bootstrap: string
  readonly #protocol: GroupProtocol

  constructor(bootstrap: string, protocol: GroupProtocol, of: Application = countingApplication()) {
    this.#bootstrap = bootstrap
    this.#protocol = protocol
    this.application = of
  }

  get group(): string {
    return `${this.application.name}.counting`
  }

  async begin(name: string, more: Partial<NodeSettings> = {}): Promise<PretendedNode> {
    return beginNode({
      bootstrap: this.#bootstrap,
      application: this.application,
      name,
      port: 40_000 + this.nodes.length,
      ownership: this.ownership,
      protocol: this.#protocol,
      nodes: this.nodes,
      ...more,
    })
  }

  /** Until each of these workers has so many tasks, and all tasks are owned. */
  async balanced(counts: Record<string, number>): Promise<void> {
    const { ownership } = this
    const all = Object.values(counts).reduce((sum, count) => sum + count, 0)
    await ownership.until(
      () =>
        ownership.owners.size === all &&
        Object.entries(counts).every(([owner, count]) => ownership.countOf(owner) === count),
    )
  }

  /** As if the process had been killed: no heartbeat any more, and nothing is let go of. */
  kill(node: PretendedNode): void {
    this.nodes.splice(this.nodes.indexOf(node), 1)
    node.cluster.close()
    for (let i = 0; i < node.workers.length; i++) this.ownership.dropAll(`${node.name}-${i}`)
  }

  async end(): Promise<void> {
    for (const node of this.nodes.splice(0)) await endNode(node)
  }
}
