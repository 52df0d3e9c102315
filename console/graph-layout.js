// @ts-check
// Where the parts of a drawing go: layers along the flow, the order within a layer, then coordinates. Pure functions.
//
// 1. The same graph gives the same drawing: no chance, no clock.
// 2. Nodes do not overlap. An edge leads from a layer to a later one, but for those that close a circle.
// 3. An edge over several layers has a slot of its own in each layer between, so that it runs around nodes.
//
// The steps are those of Sugiyama, Tagawa and Toda (1981): layers by longest path, order by medians, and here
// coordinates by isotonic regression: each node as near as it may be to the middle of its neighbours.

/**
 * @typedef {{ id: string, width: number, height: number }} Box
 * @typedef {{ from: string, to: string }} Link
 * @typedef {{ x: number, y: number }} Point
 * @typedef {{ id: string, x: number, y: number, width: number, height: number }} Place left upper corner and size
 * @typedef {{ from: string, to: string, index: number, points: Point[] }} Route index: of the link that was given
 * @typedef {{ width: number, height: number, places: Map<string, Place>, routes: Route[] }} Layout
 * @typedef {{ id: string, along: number, across: number, layer: number, size: number, length: number, isNode: boolean, before: Slot[], after: Slot[] }} Slot
 */

const SWEEPS = 12
const STRAIGHTENINGS = 10
/** How far apart: layers, nodes of a layer, and edges that pass through it. */
const GAPS = { layer: 64, node: 22, edge: 14 }

/**
 * @param {readonly Box[]} boxes
 * @param {readonly Link[]} links those to unknown nodes are left out
 * @param {{ direction?: 'right' | 'down', layerGap?: number, margin?: number }} [settings]
 * @returns {Layout}
 */
export function layOut(boxes, links, settings = {}) {
  const down = settings.direction === 'down'
  const margin = settings.margin ?? 8
  const layerGap = settings.layerGap ?? GAPS.layer
  const known = new Set(boxes.map(box => box.id))
  const flow = links
    .map((link, index) => ({ ...link, index }))
    .filter(link => known.has(link.from) && known.has(link.to) && link.from !== link.to)
  const forward = withoutCircles(
    boxes.map(box => box.id),
    flow,
  )
  const layerOf = layersOf(
    boxes.map(box => box.id),
    forward,
  )
  const slots = new Map(boxes.map(box => [box.id, newSlot(box, layerOf.get(box.id) ?? 0, down)]))
  const chains = forward.map(link => ({ link, chain: chainOf(link, slots) }))
  const layers = layersFrom([...slots.values(), ...chains.flatMap(({ chain }) => chain.filter(slot => !slot.isNode))])
  order(layers)
  placeAcross(layers)
  const length = placeAlong(layers, layerGap, margin)
  return draw(layers, chains, length, margin, down)
}

/**
 * Turns around the edges that a depth-first walk finds to lead back.
 * @template {Link} L
 * @param {readonly string[]} ids
 * @param {readonly L[]} links
 * @returns {(L & { turned: boolean })[]}
 */
export function withoutCircles(ids, links) {
  const state = new Map(ids.map(id => [id, 'new']))
  /** @type {Set<L>} */
  const back = new Set()
  const visit = (/** @type {string} */ id) => {
    state.set(id, 'open')
    for (const link of links) {
      if (link.from !== id) continue
      if (state.get(link.to) === 'open') back.add(link)
      else if (state.get(link.to) === 'new') visit(link.to)
    }
    state.set(id, 'done')
  }
  const entered = new Set(links.map(link => link.to))
  for (const id of ids) if (!entered.has(id) && state.get(id) === 'new') visit(id)
  for (const id of ids) if (state.get(id) === 'new') visit(id)
  return links.map(link =>
    back.has(link) ? { ...link, from: link.to, to: link.from, turned: true } : { ...link, turned: false },
  )
}

/**
 * The longest path to each node; then nodes that nothing leads to move up to what they lead to.
 * @param {readonly string[]} ids
 * @param {readonly Link[]} links without circles
 * @returns {Map<string, number>}
 */
export function layersOf(ids, links) {
  const layers = new Map(ids.map(id => [id, 0]))
  const at = (/** @type {string} */ id) => layers.get(id) ?? 0
  for (let round = 0, changed = true; changed && round < ids.length; round++) {
    changed = false
    for (const { from, to } of links) {
      if (at(to) > at(from)) continue
      layers.set(to, at(from) + 1)
      changed = true
    }
  }
  for (const id of ids) {
    const next = links.filter(link => link.from === id).map(link => at(link.to))
    if (next.length > 0 && !links.some(link => link.to === id)) layers.set(id, Math.min(...next) - 1)
  }
  return layers
}

/**
 * @param {Box} box
 * @param {number} layer
 * @param {boolean} down
 * @returns {Slot}
 */
function newSlot(box, layer, down) {
  const [length, size] = down ? [box.height, box.width] : [box.width, box.height]
  return { id: box.id, along: 0, across: 0, layer, size, length, isNode: true, before: [], after: [] }
}

/**
 * The slots an edge passes, its ends included, linked with each other.
 * @param {Link} link
 * @param {Map<string, Slot>} slots
 * @returns {Slot[]}
 */
function chainOf(link, slots) {
  const from = /** @type {Slot} */ (slots.get(link.from))
  const to = /** @type {Slot} */ (slots.get(link.to))
  const chain = [from]
  for (let layer = from.layer + 1; layer < to.layer; layer++) {
    chain.push({ id: '', along: 0, across: 0, layer, size: 0, length: 0, isNode: false, before: [], after: [] })
  }
  chain.push(to)
  for (const [i, slot] of chain.entries()) {
    const next = chain[i + 1]
    if (next === undefined) break
    slot.after.push(next)
    next.before.push(slot)
  }
  return chain
}

/**
 * @param {readonly Slot[]} slots
 * @returns {Slot[][]}
 */
function layersFrom(slots) {
  /** @type {Slot[][]} */
  const layers = Array.from({ length: Math.max(-1, ...slots.map(slot => slot.layer)) + 1 }, () => [])
  for (const slot of slots) layers[slot.layer]?.push(slot)
  return layers.filter(layer => layer.length > 0)
}

/**
 * Orders each layer by the middle of its neighbours, to and fro, and keeps the order with the fewest crossings.
 * @param {Slot[][]} layers changed in place
 */
function order(layers) {
  let best = layers.map(layer => [...layer])
  let fewest = crossings(layers)
  for (let sweep = 0; sweep < SWEEPS && fewest > 0; sweep++) {
    const toTheRight = sweep % 2 === 0
    for (const layer of toTheRight ? layers : layers.toReversed()) {
      const ranks = ranksOf(layers)
      const wanted = new Map(
        layer.map((slot, i) => {
          const near = (toTheRight ? slot.before : slot.after).map(other => ranks.get(other) ?? 0)
          return [slot, near.length === 0 ? i : near.reduce((sum, rank) => sum + rank, 0) / near.length]
        }),
      )
      layer.sort((a, b) => (wanted.get(a) ?? 0) - (wanted.get(b) ?? 0))
    }
    const now = crossings(layers)
    if (now < fewest) {
      fewest = now
      best = layers.map(layer => [...layer])
    }
  }
  for (const [i, layer] of best.entries()) layers[i] = layer
}

/** @param {readonly Slot[][]} layers */
function ranksOf(layers) {
  return new Map(layers.flatMap(layer => layer.map((slot, rank) => [slot, rank])))
}

/**
 * @param {readonly Slot[][]} layers
 * @returns {number}
 */
export function crossings(layers) {
  const ranks = ranksOf(layers)
  let crossed = 0
  for (const layer of layers) {
    const edges = layer.flatMap((slot, rank) => slot.after.map(other => [rank, ranks.get(other) ?? 0]))
    for (const [i, [from = 0, to = 0] = []] of edges.entries()) {
      for (const [otherFrom = 0, otherTo = 0] of edges.slice(i + 1)) {
        if ((from - otherFrom) * (to - otherTo) < 0) crossed++
      }
    }
  }
  return crossed
}

/** @param {Slot[][]} layers */
function placeAcross(layers) {
  for (const layer of layers)
    settle(
      layer,
      layer.map(() => 0),
    )
  for (let round = 0; round < STRAIGHTENINGS; round++) {
    const toTheRight = round % 2 === 0
    for (const layer of toTheRight ? layers : layers.toReversed()) {
      const wanted = layer.map(slot => {
        const near = toTheRight ? slot.before : slot.after
        const all = near.length > 0 && round < STRAIGHTENINGS - 2 ? near : [...slot.before, ...slot.after]
        return all.length === 0 ? slot.across : all.reduce((sum, other) => sum + other.across, 0) / all.length
      })
      settle(layer, wanted)
    }
  }
}

/**
 * Puts the slots of a layer as near to where they want to be as their order and their distances let them: the least
 * sum of squares, by pooling those that are in each other's way.
 * @param {readonly Slot[]} layer
 * @param {readonly number[]} wanted
 */
function settle(layer, wanted) {
  /** @type {number[]} */
  const from = []
  for (const [i, slot] of layer.entries()) {
    const previous = layer[i - 1]
    const gap = previous === undefined ? 0 : previous.isNode && slot.isNode ? GAPS.node : GAPS.edge
    from.push(previous === undefined ? 0 : (from[i - 1] ?? 0) + (previous.size + slot.size) / 2 + gap)
  }
  /** @type {{ sum: number, count: number }[]} */
  const pools = []
  for (const [i, want] of wanted.entries()) {
    let pool = { sum: want - (from[i] ?? 0), count: 1 }
    for (let last = pools.at(-1); last && last.sum / last.count >= pool.sum / pool.count; last = pools.at(-1)) {
      pool = { sum: pool.sum + last.sum, count: pool.count + last.count }
      pools.pop()
    }
    pools.push(pool)
  }
  let i = 0
  for (const pool of pools) {
    for (let member = 0; member < pool.count; member++, i++) {
      const slot = layer[i]
      if (slot) slot.across = pool.sum / pool.count + (from[i] ?? 0)
    }
  }
}

/**
 * @param {readonly Slot[][]} layers
 * @param {number} gap
 * @param {number} margin
 * @returns {number} the whole length
 */
function placeAlong(layers, gap, margin) {
  let at = margin
  for (const layer of layers) {
    const length = Math.max(...layer.map(slot => slot.length))
    for (const slot of layer) {
      slot.along = at + length / 2
      if (!slot.isNode) slot.length = length
    }
    at += length + gap
  }
  return layers.length === 0 ? 2 * margin : at - gap + margin
}

/**
 * @param {readonly Slot[][]} layers
 * @param {readonly { link: Link & { index: number, turned: boolean }, chain: Slot[] }[]} chains
 * @param {number} length
 * @param {number} margin
 * @param {boolean} down
 * @returns {Layout}
 */
function draw(layers, chains, length, margin, down) {
  const all = layers.flat()
  const top = Math.min(...all.map(slot => slot.across - slot.size / 2)) - margin
  const bottom = Math.max(...all.map(slot => slot.across + slot.size / 2)) + margin
  const size = all.length === 0 ? 2 * margin : bottom - top
  const point = (/** @type {number} */ along, /** @type {number} */ across) =>
    down ? { x: across - top, y: along } : { x: along, y: across - top }
  const places = new Map(
    all
      .filter(slot => slot.isNode)
      .map(slot => {
        const corner = point(slot.along - slot.length / 2, slot.across - slot.size / 2)
        const [width, height] = down ? [slot.size, slot.length] : [slot.length, slot.size]
        return [slot.id, { id: slot.id, ...corner, width, height }]
      }),
  )
  const routes = chains.map(({ link, chain }) => {
    const points = chain.flatMap((slot, i) => {
      const start = point(slot.along - slot.length / 2, slot.across + port(slot, chain[i - 1], 'before'))
      const end = point(slot.along + slot.length / 2, slot.across + port(slot, chain[i + 1], 'after'))
      return i === 0 ? [end] : i === chain.length - 1 ? [start] : [start, end]
    })
    const [from, to] = link.turned ? [link.to, link.from] : [link.from, link.to]
    return { from, to, index: link.index, points: link.turned ? points.reverse() : points }
  })
  return down ? { width: size, height: length, places, routes } : { width: length, height: size, places, routes }
}

/**
 * Edges leave a node side by side, in the order of where they go.
 * @param {Slot} slot
 * @param {Slot | undefined} other
 * @param {'before' | 'after'} side
 */
function port(slot, other, side) {
  if (!slot.isNode || other === undefined) return 0
  const others = slot[side].toSorted((a, b) => a.across - b.across)
  const step = Math.min(12, (slot.size * 0.6) / Math.max(1, others.length - 1))
  return (others.indexOf(other) - (others.length - 1) / 2) * step
}
