// @ts-check
// The drawing of one application. It is built when the graph changes, and refreshed with every message.
import { setText, svg } from './element.js'
import { count, rate, shorten } from './format.js'
import { flowsOf } from './graph-flow.js'
import { layOut } from './graph-layout.js'

/**
 * @typedef {import('../src/http/stats-shape.ts').ApplicationStats} ApplicationStats
 * @typedef {import('../src/http/stats-shape.ts').GraphNode} GraphNode
 * @typedef {import('./graph-layout.js').Point} Point
 * @typedef {{ dots: SVGPathElement, label: SVGTextElement, rate: number, speed: number, shift: number }} EdgeParts
 * @typedef {{ group: SVGGElement, first: SVGTextElement, second: SVGTextElement | null }} NodeParts
 */

/** Of a character, px, where it cannot be measured. */
const CHARACTER = 7.3
/** Of names and of what stands below them, px; must be those of the style sheet. */
const NAME_SIZE = 13
const FIGURE_SIZE = 11.5
const MOST_CHARACTERS = 26
/** Px between two dots of an edge; must be that of the dash pattern in the style sheet. */
const DASH = 14
/** Px that the mark of a topic takes at its left. */
const MARK = 20
/** Below this width the flow runs downwards. */
const NARROW = 640

export class GraphView {
  /** @type {SVGSVGElement} */
  element
  #choose
  #widthOf = ruler()
  #signature = ''
  /** @type {Map<string, NodeParts>} */
  #nodes = new Map()
  /** @type {(EdgeParts | null)[]} by the number of the edge */
  #edges = []

  /** @param {(topic: string) => void} choose called when a topic is chosen */
  constructor(choose) {
    this.#choose = choose
    this.element = svg('svg', { class: 'graph', role: 'group' })
  }

  /**
   * @param {ApplicationStats} app
   * @param {number} width of the space there is
   */
  update(app, width) {
    const direction = width < NARROW ? 'down' : 'right'
    const signature = direction + JSON.stringify(app.graph)
    if (signature !== this.#signature) {
      this.#signature = signature
      this.#build(app, direction)
    }
    this.#refresh(app)
  }

  /**
   * Moves the dots on. Speed follows the logarithm of the rate, and changes smoothly.
   * @param {number} seconds since the last call
   */
  move(seconds) {
    for (const edge of this.#edges) {
      if (edge === null) continue
      const wanted = edge.rate < 0.05 ? 0 : 10 + 16 * Math.log10(1 + edge.rate)
      edge.speed += (wanted - edge.speed) * Math.min(1, seconds * 2)
      if (edge.speed < 0.5) continue
      edge.shift = (edge.shift + edge.speed * seconds) % DASH
      edge.dots.setAttribute('stroke-dashoffset', (-edge.shift).toFixed(2))
    }
  }

  /**
   * @param {ApplicationStats} app
   * @param {'right' | 'down'} direction
   */
  #build(app, direction) {
    const { nodes, edges } = app.graph
    const severalPipelines = new Set(nodes.map(node => node.pipeline).filter(name => name !== null)).size > 1
    const boxes = nodes.map(node => ({ id: node.id, ...sizeOf(node, severalPipelines, this.#widthOf) }))
    const layout = layOut(boxes, edges, { direction, layerGap: direction === 'down' ? 40 : 76 })
    this.element.replaceChildren()
    this.element.setAttribute('viewBox', `0 0 ${Math.ceil(layout.width)} ${Math.ceil(layout.height)}`)
    this.element.setAttribute('width', String(Math.ceil(layout.width)))
    this.element.setAttribute(
      'aria-label',
      `Pipelines of ${app.name}: ${nodes.length} parts. They are told as text below.`,
    )
    this.#edges = edges.map(() => null)
    this.#nodes = new Map()
    const lines = svg('g', { 'aria-hidden': 'true' })
    const labels = svg('g', { 'aria-hidden': 'true' })
    for (const route of layout.routes) {
      const path = curve(route.points, direction)
      const kind = edges[route.index]?.kind ?? 'records'
      const dots = svg('path', { d: path, class: 'dots' })
      const middle = middleOf(route.points)
      const beside = direction === 'down' ? { x: middle.x + 9, y: middle.y + 4 } : { x: middle.x, y: middle.y - 6 }
      const label = svg('text', { ...beside, class: `edge-label ${direction}` })
      lines.append(svg('path', { d: path, class: `line ${kind}` }), dots)
      labels.append(label)
      this.#edges[route.index] = { dots, label, rate: 0, speed: 0, shift: 0 }
    }
    this.element.append(lines)
    for (const node of nodes) {
      const place = layout.places.get(node.id)
      if (place !== undefined) this.element.append(this.#node(node, place, severalPipelines))
    }
    this.element.append(labels)
  }

  /**
   * @param {GraphNode} node
   * @param {import('./graph-layout.js').Place} place
   * @param {boolean} tellPipeline
   */
  #node(node, place, tellPipeline) {
    const { x, y, width, height } = place
    const twoLines = hasSecondLine(node, tellPipeline)
    const middle = x + width / 2 + (node.kind === 'topic' ? MARK / 2 : 0)
    const first = svg(
      'text',
      { x: middle, y: y + height / 2 + (twoLines ? -3 : 4) + (node.kind === 'table' ? 3 : 0), class: 'name' },
      shorten(node.label, MOST_CHARACTERS),
    )
    const secondY = y + height / 2 + 14 + (node.kind === 'table' ? 4 : 0)
    const second = twoLines ? svg('text', { x: middle, y: secondY, class: 'figure' }) : null
    if (second !== null && node.kind === 'operator') setText(second, shorten(node.pipeline ?? '', MOST_CHARACTERS))
    const button = node.kind === 'topic' && !node.internal
    const group = svg(
      'g',
      {
        class: `node ${node.kind}${node.internal ? ' internal' : ''}`,
        role: button ? 'button' : 'img',
        tabindex: button ? 0 : null,
        'aria-label': `${node.kind} ${node.label}`,
      },
      svg('title', {}, node.label),
      ...shapeOf(node.kind, x, y, width, height),
      first,
      second,
    )
    if (button) {
      group.addEventListener('click', () => this.#choose(node.name))
      group.addEventListener('keydown', event => {
        if (event.key !== 'Enter' && event.key !== ' ') return
        event.preventDefault()
        this.#choose(node.name)
      })
    }
    this.#nodes.set(node.id, { group, first, second })
    return group
  }

  /** @param {ApplicationStats} app */
  #refresh(app) {
    for (const [i, flow] of flowsOf(app).entries()) {
      const edge = this.#edges[i]
      if (edge === null || edge === undefined) continue
      edge.rate = flow.rate
      edge.dots.style.opacity = flow.rate < 0.05 ? '0' : String(Math.min(1, 0.35 + 0.18 * Math.log10(1 + flow.rate)))
      setText(edge.label, flow.isRead && flow.rate >= 0.05 ? `${rate(flow.rate)}/s` : '')
    }
    const topics = new Map(app.topics.map(topic => [topic.name, topic]))
    for (const node of app.graph.nodes) {
      const parts = this.#nodes.get(node.id)
      if (parts === undefined || node.kind === 'operator') continue
      const topic = topics.get(node.name)
      const table = app.tables.find(one => one.pipeline === node.pipeline && one.table === node.name)
      const figure =
        node.kind === 'table'
          ? `${count(table?.rows)} ${table?.rows === 1 ? 'row' : 'rows'}`
          : `${rate(topic?.recordsPerSecond)}/s · ${count(topic?.records)}`
      if (parts.second !== null) setText(parts.second, figure)
      if (node.kind === 'table') parts.group.setAttribute('aria-label', `table ${node.label}, ${figure}`)
      if (node.kind === 'topic') {
        const behind = app.groups.flatMap(group => group.topics).filter(one => one.topic === node.name && one.lag > 0)
        const lag = behind.reduce((most, one) => Math.max(most, one.lag), 0)
        const late = lag > Math.max(1000, 2 * (topic?.recordsPerSecond ?? 0))
        parts.group.classList.toggle('late', late)
        const lagging = late ? `, ${count(lag)} behind` : ''
        if (parts.second !== null && late) setText(parts.second, `${count(lag)} behind`)
        parts.group.setAttribute(
          'aria-label',
          `topic ${node.label}, ${rate(topic?.recordsPerSecond)} records a second, ${count(topic?.records)} in all${lagging}. Show them.`,
        )
      }
    }
  }
}

/**
 * @param {GraphNode} node
 * @param {boolean} tellPipeline
 */
function hasSecondLine(node, tellPipeline) {
  return node.kind !== 'operator' || (tellPipeline && node.pipeline !== null)
}

/**
 * Measures how wide a name is drawn, px: fonts differ by a fifth.
 * @returns {(text: string) => number}
 */
function ruler() {
  const pen = document.createElement('canvas').getContext('2d')
  if (pen === null) return text => [...text].length * CHARACTER
  pen.font = `600 ${NAME_SIZE}px ${getComputedStyle(document.body).fontFamily}`
  return text => pen.measureText(text).width
}

/**
 * @param {GraphNode} node
 * @param {boolean} tellPipeline
 * @param {(text: string) => number} widthOf
 */
function sizeOf(node, tellPipeline, widthOf) {
  const below = node.kind === 'operator' && tellPipeline ? shorten(node.pipeline ?? '', MOST_CHARACTERS) : ''
  const text = Math.max(widthOf(shorten(node.label, MOST_CHARACTERS)), (widthOf(below) * FIGURE_SIZE) / NAME_SIZE)
  const least = node.kind === 'operator' ? 76 : 136
  const width = Math.ceil(Math.max(least, text + (node.kind === 'topic' ? 34 + MARK : 36)))
  const height = node.kind === 'table' ? 66 : hasSecondLine(node, tellPipeline) ? 50 : 36
  return { width, height }
}

/**
 * A topic is a queue: a pill with its newest records; a table is a drum; an operator a box.
 * @param {'topic' | 'operator' | 'table'} kind
 * @param {number} x
 * @param {number} y
 * @param {number} width
 * @param {number} height
 */
function shapeOf(kind, x, y, width, height) {
  if (kind === 'operator') return [svg('rect', { x, y, width, height, rx: 9, class: 'shape' })]
  if (kind === 'topic') {
    const bars = [0, 1, 2].map(i => {
      const at = x + 14 + i * 5
      const half = 7 - i * 1.5
      return svg('path', { d: `M${at} ${y + height / 2 - half}v${2 * half}`, class: 'bar-mark' })
    })
    return [svg('rect', { x, y, width, height, rx: height / 2, class: 'shape' }), ...bars]
  }
  const rise = 8
  const body = `M${x} ${y + rise}a${width / 2} ${rise} 0 0 1 ${width} 0v${height - 2 * rise}a${width / 2} ${rise} 0 0 1 ${-width} 0z`
  const rim = `M${x} ${y + rise}a${width / 2} ${rise} 0 0 0 ${width} 0`
  return [svg('path', { d: body, class: 'shape' }), svg('path', { d: rim, class: 'rim' })]
}

/**
 * A line through the points that leaves and enters along the flow.
 * @param {readonly Point[]} points
 * @param {'right' | 'down'} direction
 */
function curve(points, direction) {
  const [start, ...rest] = points
  if (start === undefined) return ''
  let path = `M${start.x.toFixed(1)} ${start.y.toFixed(1)}`
  let from = start
  for (const to of rest) {
    const bend = direction === 'right' ? (to.x - from.x) / 2 : (to.y - from.y) / 2
    const [a, b] =
      direction === 'right'
        ? [
            { x: from.x + bend, y: from.y },
            { x: to.x - bend, y: to.y },
          ]
        : [
            { x: from.x, y: from.y + bend },
            { x: to.x, y: to.y - bend },
          ]
    path += `C${[a.x, a.y, b.x, b.y, to.x, to.y].map(value => value.toFixed(1)).join(' ')}`
    from = to
  }
  return path
}

/**
 * The middle of the first part of a line: there it is alone, most often.
 * @param {readonly Point[]} points
 */
function middleOf(points) {
  const [from = { x: 0, y: 0 }, to = from] = points
  return { x: (from.x + to.x) / 2, y: (from.y + to.y) / 2 }
}
