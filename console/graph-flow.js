// @ts-check
// How many records a second run along each edge of a graph, from what is measured at topics and readers.

/**
 * @typedef {import('../src/http/stats-shape.ts').ApplicationStats} ApplicationStats
 * @typedef {import('../src/http/stats-shape.ts').Graph} Graph
 */

/**
 * Measured is what a topic gets, and what a pipeline reads of it. Between operators nothing is counted: an edge there
 * is as lively as what leads to it.
 * @param {ApplicationStats} app
 * @returns {{ rate: number, isRead: boolean }[]} by the number of the edge; isRead: from a topic, measured there
 */
export function flowsOf(app) {
  const nodes = new Map(app.graph.nodes.map(node => [node.id, node]))
  const topics = new Map(app.topics.map(topic => [`topic:${topic.name}`, topic.recordsPerSecond]))
  /** @type {Map<string, number>} pipeline and topic → read a second */
  const reads = new Map()
  for (const group of app.groups) {
    for (const topic of group.topics) reads.set(`${group.pipeline}\n${topic.topic}`, topic.recordsPerSecond)
  }
  const flows = app.graph.edges.map(edge => {
    const from = nodes.get(edge.from)
    const to = nodes.get(edge.to)
    if (from?.kind === 'topic') return { rate: reads.get(`${to?.pipeline}\n${from.name}`) ?? 0, isRead: true }
    return { rate: to?.kind === 'topic' ? (topics.get(edge.to) ?? 0) : -1, isRead: false }
  })
  // Each round carries the rates one edge further; a circle of operators ends with the rounds.
  for (let round = 0; round < app.graph.nodes.length && flows.some(flow => flow.rate < 0); round++) {
    for (const [i, edge] of app.graph.edges.entries()) {
      const flow = flows[i]
      if (flow === undefined || flow.rate >= 0) continue
      const before = flows.filter(
        (_, other) => app.graph.edges[other]?.to === edge.from && app.graph.edges[other]?.kind === 'records',
      )
      if (before.every(one => one.rate >= 0)) flow.rate = before.reduce((sum, one) => sum + one.rate, 0)
    }
  }
  for (const flow of flows) flow.rate = Math.max(0, flow.rate)
  return flows
}

/**
 * The graph in sentences, for who cannot see the drawing.
 * @param {Graph} graph
 * @returns {string[]}
 */
export function sentencesOf(graph) {
  const nodes = new Map(graph.nodes.map(node => [node.id, node]))
  const nameOf = (/** @type {string} */ id) => {
    const node = nodes.get(id)
    if (node === undefined) return id
    const where = node.kind === 'operator' && node.pipeline !== null ? ` of ${node.pipeline}` : ''
    return `${node.kind} ${node.label}${where}`
  }
  return graph.nodes.flatMap(node => {
    const next = graph.edges.filter(edge => edge.from === node.id)
    if (next.length === 0) return []
    const parts = next.map(edge => {
      const verb =
        edge.kind === 'timer' ? 'whose timers start' : edge.kind === 'state' ? 'keeps its rows in' : 'goes to'
      return `${verb} ${nameOf(edge.to)}`
    })
    return [`${nameOf(node.id)} ${parts.join(', and ')}.`]
  })
}
