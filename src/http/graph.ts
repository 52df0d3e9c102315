import { type DeliveryPart, isDeliveryPart } from '../delivery/delivery.ts'
import type { Node, SourceNode, TableNode } from '../pipeline/node.ts'
import type { Topology } from '../pipeline/topology.ts'
import type { Application } from '../runtime/application.ts'
import type { Graph, GraphEdge, GraphNode } from './stats-shape.ts'

/** The pipelines of an application as nodes and edges. Merges are left out: their streams meet at what follows. */
export function drawApplication(application: Application): Graph {
  const nodes = new Map<string, GraphNode>()
  const edges = new Map<string, GraphEdge>()
  for (const topology of application.topologies) new PipelineDrawing(topology, nodes, edges).draw()
  for (const topic of application.topics) addTopic(nodes, topic.name, false)
  return { nodes: [...nodes.values()], edges: [...edges.values()] }
}

class PipelineDrawing {
  readonly #topology: Topology
  readonly #nodes: Map<string, GraphNode>
  readonly #edges: Map<string, GraphEdge>
  readonly #ids = new Map<Node, string>()
  /** Operators that nothing follows: they may send to the topics that the pipeline declares. */
  readonly #ends: string[] = []
  readonly #written = new Set<string>()

  constructor(topology: Topology, nodes: Map<string, GraphNode>, edges: Map<string, GraphEdge>) {
    this.#topology = topology
    this.#nodes = nodes
    this.#edges = edges
  }

  draw(): void {
    const { parts, topics } = this.#topology
    const read = new Set<string>()
    for (const part of parts) {
      if (isDeliveryPart(part)) {
        this.#drawDelivery(part)
        return
      }
      for (const source of part.sources) {
        read.add(source.topic.name)
        this.#drawSource(source)
      }
      for (const table of part.tables) this.#drawTimers(table)
    }
    const sent = topics.filter(topic => !read.has(topic.name) && !this.#written.has(topic.name))
    for (const topic of sent) {
      const to = addTopic(this.#nodes, topic.name, topic.options.internal === true)
      for (const from of this.#ends) this.#edge(from, to, 'records')
    }
  }

  /** What it keeps for itself, tables and the topic of its commands, is not drawn. */
  #drawDelivery({ name, sources, control, delivery: { attempts, notices } }: DeliveryPart): void {
    const id = `operator:${name}/0`
    this.#nodes.set(id, { id, kind: 'operator', name: 'delivery', label: 'delivery', pipeline: name, internal: false })
    for (const { topic } of sources) {
      if (topic !== control)
        this.#edge(addTopic(this.#nodes, topic.name, topic.options.internal === true), id, 'records')
    }
    for (const topic of [attempts, notices]) {
      if (topic !== null) this.#edge(id, addTopic(this.#nodes, topic.name, false), 'records')
    }
  }

  #drawSource(source: SourceNode): void {
    const { topic } = source
    const id = addTopic(this.#nodes, topic.name, topic.options.internal === true)
    for (const next of source.next) this.#follow(id, next)
  }

  #drawTimers(table: TableNode): void {
    const from = this.#table(table)
    for (const timer of table.timers) {
      // An operator's own: it is drawn with it.
      if (timer.operator !== undefined) continue
      const id = this.#operator(timer, 'timer', `timer ${timer.timer}`)
      this.#edge(from, id, 'timer')
      this.#followAll(id, timer.next)
    }
  }

  /** Draws the way from a drawn node on to `node`, and what follows it, once. */
  #follow(from: string, node: Node): void {
    switch (node.kind) {
      case 'pass':
        for (const next of node.next) this.#follow(from, next)
        return
      case 'sink': {
        this.#written.add(node.topic.name)
        this.#edge(from, addTopic(this.#nodes, node.topic.name, node.topic.options.internal === true), 'records')
        return
      }
      case 'operatorInput':
        this.#follow(from, node.operator)
        return
      default:
    }
    const known = this.#ids.has(node)
    const id = this.#operator(node, nameOf(node), labelOf(node))
    this.#edge(from, id, 'records')
    if (known) return
    switch (node.kind) {
      case 'repartition': {
        const topic = this.#topology.repartitions.get(node)
        if (topic === undefined) return
        this.#written.add(topic.name)
        this.#edge(id, addTopic(this.#nodes, topic.name, true), 'records')
        return
      }
      case 'branch':
        for (const branch of node.branches) this.#follow(id, branch)
        return
      case 'into':
        this.#edge(id, this.#table(node.table), 'state')
        this.#followAll(id, node.next)
        return
      case 'operator':
        for (const table of node.tables) this.#edge(id, this.#table(table), 'state')
        this.#followAll(id, [...node.next, ...node.late])
        return
      default:
        this.#followAll(id, node.next)
    }
  }

  #followAll(from: string, next: readonly Node[]): void {
    if (next.length === 0) this.#ends.push(from)
    for (const node of next) this.#follow(from, node)
  }

  #operator(node: Node, name: string, label: string): string {
    const { pipeline } = this.#topology
    let id = this.#ids.get(node)
    if (id === undefined) {
      id = `operator:${pipeline}/${this.#ids.size}`
      this.#ids.set(node, id)
      this.#nodes.set(id, { id, kind: 'operator', name, label, pipeline, internal: false })
    }
    return id
  }

  #table(table: TableNode): string {
    const { pipeline } = this.#topology
    const { name } = table.definition
    const id = `table:${pipeline}/${name}`
    this.#nodes.set(id, { id, kind: 'table', name, label: name, pipeline, internal: false })
    return id
  }

  #edge(from: string, to: string, kind: GraphEdge['kind']): void {
    this.#edges.set(`${from} ${to} ${kind}`, { from, to, kind })
  }
}

function addTopic(nodes: Map<string, GraphNode>, name: string, internal: boolean): string {
  const id = `topic:${name}`
  if (!nodes.has(id)) nodes.set(id, { id, kind: 'topic', name, label: name, pipeline: null, internal })
  return id
}

function nameOf(node: Node): string {
  if (node.kind === 'repartition') return 'keyBy'
  return node.kind === 'map' && node.next.length === 0 ? 'each' : node.kind
}

function labelOf(node: Node): string {
  if (node.kind === 'into') return `into ${node.table.definition.name}`
  if (node.kind === 'repartition') return `keyBy ${node.name}`
  if (node.kind === 'operator') return node.label ?? node.tables[0]!.definition.name
  return nameOf(node)
}
