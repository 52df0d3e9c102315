// @ts-check
// The latest records of one topic, as they come. However fast they come, it paints a few times a second and keeps few.
import { follow, get, Unauthorized } from './api.js'
import { html, setText } from './element.js'
import { show } from './panels.js'
import { cell, contentOf, fieldCell, shapeOf, timeCell, UNKNOWN } from './record-cells.js'

/**
 * @typedef {import('../src/http/stats-shape.ts').Stats} Stats
 * @typedef {{ partition: number, offset: number, timestamp: number, key: unknown, value: unknown }} TopicRecord
 * @typedef {{ records: TopicRecord[], next: string }} Page
 */

const SHOWN = 12
const PAINT_MS = 250
const MOST_COLUMNS = 9
const DAY_MS = 86_400_000

export class RecordsPanel {
  #target
  #select
  #hold
  #unauthorized
  #topic = ''
  /** @type {TopicRecord[]} newest first */
  #records = []
  /** @type {string | null} */
  #problem = null
  #shape = UNKNOWN
  #painted = true
  /** Of the last painting: days since 1970, for the cells leave the date of today out. */
  #day = Math.floor(Date.now() / DAY_MS)
  #held = false
  #stop = () => {}
  #names = ''

  /**
   * @param {{ target: HTMLElement, select: HTMLSelectElement, hold: HTMLButtonElement, unauthorized: () => void }} parts
   */
  constructor({ target, select, hold, unauthorized }) {
    this.#target = target
    this.#select = select
    this.#hold = hold
    this.#unauthorized = unauthorized
    select.addEventListener('change', () => this.choose(select.value))
    hold.addEventListener('click', () => this.#toggle())
    setInterval(() => this.#paint(), PAINT_MS)
  }

  /**
   * Keeps the list of topics; at first it takes the first topic that something is written to and nothing reads.
   * @param {Stats} stats
   */
  update(stats) {
    const names = [...sinksOf(stats), ...othersOf(stats)]
    const joined = names.join('\n')
    if (joined !== this.#names) {
      this.#names = joined
      this.#select.replaceChildren(...names.map(name => html('option', { value: name }, name)))
      if (this.#topic !== '') this.#select.value = this.#topic
    }
    const first = names[0]
    if (this.#topic === '' && first !== undefined) this.choose(first)
  }

  /** @param {string} topic */
  choose(topic) {
    if (topic === this.#topic) return
    this.#topic = topic
    this.#select.value = topic
    this.start()
  }

  /** Begins anew: with another topic, or after a token was given. */
  start() {
    this.#stop()
    if (this.#topic === '') return
    const topic = this.#topic
    this.#records = []
    this.#shape = UNKNOWN
    this.#problem = null
    this.#painted = false
    const path = `/topics/${encodeURIComponent(topic)}`
    const stop = new AbortController()
    this.#stop = () => stop.abort()
    void this.#follow(path, stop.signal)
  }

  /**
   * The newest records there are, then those that come: `next` of the one is where the other begins.
   * @param {string} path of the topic
   * @param {AbortSignal} signal
   */
  async #follow(path, signal) {
    let from = 'latest'
    try {
      const [records, topic] = await Promise.all([get(`${path}/records?limit=${SHOWN}`, signal), get(path, signal)])
      const page = /** @type {Page} */ (records)
      if (signal.aborted) return
      this.#shape = shapeOf(topic)
      for (const record of page.records) this.#add(record)
      from = page.next
    } catch (error) {
      if (error instanceof Unauthorized) return
      this.#problem = String(error instanceof Error ? error.message : error)
    }
    if (signal.aborted) return
    const leave = follow(`${path}/tail?from=${encodeURIComponent(from)}`, {
      event: data => {
        if (!signal.aborted) this.#add(/** @type {TopicRecord} */ (data))
      },
      state: (_, error) => {
        this.#problem = error === null ? null : error.message
      },
      unauthorized: this.#unauthorized,
    })
    signal.addEventListener('abort', leave, { once: true })
  }

  #toggle() {
    this.#held = !this.#held
    this.#hold.setAttribute('aria-pressed', String(this.#held))
    setText(this.#hold, this.#held ? 'Go on' : 'Pause')
  }

  /** @param {TopicRecord} record */
  #add(record) {
    if (this.#held || typeof record?.offset !== 'number') return
    const same = (/** @type {TopicRecord} */ one) => one.partition === record.partition && one.offset === record.offset
    if (this.#records.some(same)) return
    const at = this.#records.findIndex(one => one.timestamp <= record.timestamp)
    this.#records.splice(at < 0 ? this.#records.length : at, 0, record)
    this.#records.length = Math.min(this.#records.length, SHOWN)
    this.#painted = false
  }

  #paint() {
    const now = Date.now()
    const day = Math.floor(now / DAY_MS)
    if ((this.#painted && day === this.#day) || document.hidden) return
    this.#painted = true
    this.#day = day
    const shape = this.#shape
    const fields = fieldsOf(this.#records.map(record => record.value))
    const rows = this.#records.map(({ timestamp, key, value }) => {
      const time = timeCell(timestamp, 1, now)
      if (fields === null) return [time, cell(key), cell(contentOf(value, shape))]
      const of = /** @type {Record<string, unknown>} */ (value)
      return [time, cell(key), ...fields.map(name => fieldCell(name, of[name], shape, now))]
    })
    const nothing = this.#problem ?? 'Nothing yet. New records appear here by themselves.'
    show(this.#target, ['time', 'key', ...(fields ?? ['value'])], rows, nothing)
  }
}

/**
 * The names of the fields, when all values have fields, and few enough for a column each.
 * @param {readonly unknown[]} values
 * @returns {string[] | null}
 */
export function fieldsOf(values) {
  const names = new Set()
  for (const value of values) {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return null
    for (const name of Object.keys(value)) names.add(name)
  }
  return names.size === 0 || names.size > MOST_COLUMNS ? null : [...names]
}

/** @param {Stats} stats */
function sinksOf(stats) {
  return stats.applications.flatMap(app => {
    const left = new Set(app.graph.edges.map(edge => edge.from))
    const entered = new Set(app.graph.edges.map(edge => edge.to))
    return app.graph.nodes
      .filter(node => node.kind === 'topic' && !node.internal && entered.has(node.id) && !left.has(node.id))
      .map(node => node.name)
  })
}

/** @param {Stats} stats */
function othersOf(stats) {
  const sinks = new Set(sinksOf(stats))
  return stats.applications
    .flatMap(app => app.topics)
    .filter(topic => !topic.internal && !sinks.has(topic.name))
    .map(topic => topic.name)
}
