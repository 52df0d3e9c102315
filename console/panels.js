// @ts-check
// The panels beside the drawing. Each has an element that it fills anew from the figures.
import { html, svg } from './element.js'
import { showFigures } from './figures.js'
import { bytes, clock, count, duration, exact, percent, rate, span, taskRuns } from './format.js'

/**
 * @typedef {import('../src/http/stats-shape.ts').Stats} Stats
 * @typedef {import('../src/http/stats-shape.ts').ApplicationStats} ApplicationStats
 * @typedef {import('../src/http/cluster-shape.ts').ApplicationCluster} ApplicationCluster
 * @typedef {import('./element.js').Child} Child
 * @typedef {{ label: string, value: string, note: string, tone: 'calm' | 'warn' | 'bad', history: number }} Figure
 */

const HISTORY = 120

/** The row of large figures, each with the line of its last two minutes. */
export class Figures {
  #list
  /** In the order of the boxes. @type {{ line: SVGPathElement, area: SVGPathElement, history: number[] }[]} */
  #charts = []

  /** @param {HTMLElement} list */
  constructor(list) {
    this.#list = list
  }

  /** @param {Stats} stats */
  update(stats) {
    const figures = figuresOf(stats)
    showFigures(
      this.#list,
      figures.map(({ label, value, note, tone }) => [label, value, note, tone]),
    )
    for (const [i, { history: newest }] of figures.entries()) {
      const { line, area, history } = this.#charts[i] ?? this.#addChart(/** @type {Element} */ (this.#list.children[i]))
      history.push(newest)
      if (history.length > HISTORY) history.shift()
      const path = sparkline(history)
      line.setAttribute('d', path)
      area.setAttribute('d', path === '' ? '' : `${path}V30H${(HISTORY - history.length).toFixed(0)}Z`)
    }
  }

  /** @param {Element} box */
  #addChart(box) {
    const area = svg('path', { class: 'area' })
    const line = svg('path', { class: 'spark' })
    const chart = svg(
      'svg',
      { viewBox: `0 0 ${HISTORY} 30`, preserveAspectRatio: 'none', 'aria-hidden': 'true' },
      area,
      line,
    )
    box.append(chart)
    /** @type {{ line: SVGPathElement, area: SVGPathElement, history: number[] }} */
    const added = { line, area, history: [] }
    this.#charts.push(added)
    return added
  }
}

/**
 * @param {Stats} stats
 * @returns {Figure[]}
 */
export function figuresOf(stats) {
  const apps = stats.applications
  const sum = (/** @type {(app: ApplicationStats) => number} */ of) => apps.reduce((total, app) => total + of(app), 0)
  const slowest = apps
    .map(app => app.latencyMs)
    .filter(latency => latency !== null)
    .sort((a, b) => b.p99 - a.p99)[0]
  const lag = sum(app => app.groups.reduce((total, group) => total + group.lag, 0))
  const read = sum(app => app.rates.recordsIn)
  const letters = sum(app => app.deadLetters.open)
  const used = sum(app => app.memory.used)
  const limit = sum(app => app.memory.limit)
  const tables = sum(app => app.tables.length)
  const rows = sum(app => app.tables.reduce((total, table) => total + table.rows, 0))
  const behind = read > 0 ? lag / read : lag > 0 ? Number.POSITIVE_INFINITY : 0
  return [
    {
      label: 'Processed',
      value: `${rate(read)}/s`,
      note: `${rate(sum(app => app.rates.recordsOut))}/s written`,
      tone: 'calm',
      history: read,
    },
    {
      label: 'Latency',
      value: slowest === undefined ? '–' : duration(slowest.p50),
      note: slowest === undefined ? 'nothing to measure' : `99 % within ${duration(slowest.p99)}`,
      tone: 'calm',
      history: slowest?.p50 ?? 0,
    },
    {
      label: 'Commits',
      value: `${rate(sum(app => app.rates.commits))}/s`,
      note: commitNote(apps),
      tone: 'calm',
      history: sum(app => app.rates.commits),
    },
    {
      label: 'Lag',
      value: count(lag),
      note: behind < 2 ? 'keeps up' : Number.isFinite(behind) ? `${span(behind * 1000)} behind` : 'stands still',
      tone: behind < 10 ? 'calm' : 'warn',
      history: lag,
    },
    {
      label: 'Rows held',
      value: count(rows),
      note: tables === 1 ? 'in one table' : `in ${tables} tables`,
      tone: 'calm',
      history: rows,
    },
    {
      label: 'Memory budget',
      value: percent(limit === 0 ? 0 : used / limit),
      note: `${bytes(used)} of ${bytes(limit)}`,
      tone: used > 0.9 * limit ? 'bad' : used > 0.75 * limit ? 'warn' : 'calm',
      history: used,
    },
    {
      label: 'Dead letters',
      value: exact(letters),
      note: letters === 0 ? 'none open' : 'open',
      tone: letters > 0 ? 'warn' : 'calm',
      history: letters,
    },
  ]
}

/** @param {readonly ApplicationStats[]} apps */
function commitNote(apps) {
  const commit = apps
    .map(app => app.commitMs)
    .filter(one => one !== null)
    .sort((a, b) => b.p99 - a.p99)[0]
  return commit === undefined ? 'none now' : `99 % within ${duration(commit.p99)}`
}

/** @param {readonly number[]} values newest last */
function sparkline(values) {
  if (values.length < 2) return ''
  const most = Math.max(...values)
  const from = HISTORY - values.length
  return values
    .map((value, i) => `${i === 0 ? 'M' : 'L'}${from + i} ${(28 - (most > 0 ? value / most : 0) * 25).toFixed(1)}`)
    .join('')
}

/**
 * @param {HTMLElement} target
 * @param {Stats} stats
 */
export function showTables(target, stats) {
  const several = stats.applications.length > 1
  const rows = stats.applications.flatMap(app =>
    app.tables.map(table => [
      `${several ? `${app.name} / ` : ''}${table.pipeline} / ${table.table}`,
      table.store,
      exact(table.rows),
      bytes(table.bytes),
    ]),
  )
  show(target, ['table', 'store', '#rows', '#size'], rows, 'No pipeline keeps a table.')
}

/**
 * @param {HTMLElement} target
 * @param {Stats} stats
 */
export function showLag(target, stats) {
  const rows = stats.applications.flatMap(app =>
    app.groups.flatMap(group =>
      group.topics.map(topic => [group.group, topic.topic, `${rate(topic.recordsPerSecond)}/s`, exact(topic.lag)]),
    ),
  )
  show(target, ['reader', 'topic', '#reads', '#lag'], rows, 'Nobody reads a topic.')
}

/**
 * @param {HTMLElement} target
 * @param {Stats} stats
 */
export function showWorkers(target, stats) {
  const rows = stats.applications.flatMap(app =>
    app.workers.map(worker => {
      const state = html('span', { class: 'dot-state', 'data-state': worker.state }, worker.problem ?? worker.state)
      return [
        `${app.name} ${worker.worker}`,
        state,
        exact(worker.tasks),
        `${rate(worker.recordsPerSecond)}/s`,
        exact(worker.restarts),
      ]
    }),
  )
  show(target, ['worker', 'state', '#tasks', '#records', '#restarts'], rows, 'No worker runs.')
}

/**
 * @param {HTMLElement} target
 * @param {Stats} stats
 * @returns whether there are any
 */
export function showSources(target, stats) {
  const rows = stats.applications.flatMap(app =>
    app.sources.map(source => {
      const color = source.problem !== null ? 'failing' : source.status === 'waiting' ? 'waiting' : 'ok'
      const state = html('span', { class: 'dot-state', 'data-state': color }, source.problem?.message ?? source.status)
      const oldest = source.oldestAgeMs === null ? '–' : source.oldestAgeMs === 0 ? 'none' : span(source.oldestAgeMs)
      const newest = source.newestAt === null ? '–' : clock(source.newestAt).slice(0, 8)
      const name = `${app.name} / ${source.source}`
      return [
        name,
        state,
        `${rate(source.recordsPerSecond)}/s`,
        exact(source.records),
        newest,
        source.lag === undefined || source.lag === null ? '–' : exact(source.lag),
        oldest,
        exact(source.rejected),
      ]
    }),
  )
  const heads = [
    'source or sink',
    'state',
    '#records',
    '#in all',
    '#newest at',
    '#behind',
    '#oldest waits',
    '#rejected',
  ]
  show(target, heads, rows, 'There are no sources.')
  return rows.length > 0
}

/**
 * @param {HTMLElement} target
 * @param {readonly ApplicationCluster[]} applications
 */
export function showNodes(target, applications) {
  const rows = applications.flatMap(app =>
    app.nodes.map(node => {
      const name = node.api === null || node.own ? node.node : html('a', { href: node.api }, node.node)
      const state = html('span', { class: 'dot-state', 'data-state': node.state }, node.own ? 'this one' : node.state)
      const trip = node.own || node.roundTripMs === null ? '–' : duration(node.roundTripMs)
      const behind = Object.values(node.standbyLag ?? {}).reduce((sum, lag) => sum + lag, 0)
      const late = behind === 0 ? '' : ` (${exact(behind)} behind)`
      return [app.application, name, state, trip, taskRuns(node.active), `${taskRuns(node.standby)}${late}`]
    }),
  )
  show(target, ['application', 'node', 'state', '#round trip', 'runs', 'stands by for'], rows, 'There are no nodes.')
}

/**
 * @param {HTMLElement} target
 * @param {readonly { code: string, message: string, topic: string, time: string }[] | null} letters null: not known
 */
export function showLetters(target, letters) {
  const rows = (letters ?? []).map(letter => [letter.time, letter.topic, letter.code, letter.message])
  const nothing = letters === null ? 'They cannot be listed now.' : 'None. Every record could be processed.'
  show(target, ['when', 'topic', 'code', 'why'], rows, nothing)
}

/**
 * A table of texts; a header that begins with # stands over numbers.
 * @param {HTMLElement} target
 * @param {readonly string[]} headers
 * @param {readonly (readonly Child[])[]} rows
 * @param {string} nothing told when there is no row
 */
export function show(target, headers, rows, nothing) {
  if (rows.length === 0) {
    target.replaceChildren(html('p', { class: 'empty' }, nothing))
    return
  }
  const right = headers.map(header => (header.startsWith('#') ? 'number' : null))
  const head = headers.map((header, i) =>
    html('th', { scope: 'col', class: right[i] ?? null }, header.replace(/^#/, '')),
  )
  const body = rows.map(row => html('tr', {}, ...row.map((cell, i) => html('td', { class: right[i] ?? null }, cell))))
  target.replaceChildren(html('table', {}, html('thead', {}, html('tr', {}, ...head)), html('tbody', {}, ...body)))
}
