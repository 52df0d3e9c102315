// @ts-check
// Follows the figures of the process and keeps every panel of the page that is looked at true to them.
import { follow, get, keepToken, token } from './api.js'
import { DeliveriesPage } from './deliveries.js'
import { placeOf } from './delivery-words.js'
import { byId, html, setText } from './element.js'
import { EventPage } from './event-page.js'
import { bytes, clock, duration, span } from './format.js'
import { sentencesOf } from './graph-flow.js'
import { GraphView } from './graph-view.js'
import { Figures, showLag, showLetters, showNodes, showSources, showTables, showWorkers } from './panels.js'
import { RecordsPanel } from './records-panel.js'
import { isWeatherServed, WeatherPage } from './weather.js'

/**
 * @typedef {import('../src/http/stats-shape.ts').Stats} Stats
 * @typedef {import('../src/http/stats-shape.ts').ApplicationStats} ApplicationStats
 * @typedef {import('../src/http/cluster-shape.ts').ApplicationCluster} ApplicationCluster
 */

const LETTERS_MS = 5000
const NODES_MS = 2000

const element = (/** @type {string} */ id) => byId(id, HTMLElement)
const graphs = element('graphs')
const graphText = element('graph-text')
const state = element('state')
const banner = element('banner')
const dialog = byId('token-dialog', HTMLDialogElement)
const figures = new Figures(element('figures'))
const records = new RecordsPanel({
  target: element('records'),
  select: byId('topic', HTMLSelectElement),
  hold: byId('hold', HTMLButtonElement),
  unauthorized: askForToken,
})
const deliveries = new DeliveriesPage({ unauthorized: askForToken })
const event = new EventPage({ unauthorized: askForToken })
const weather = new WeatherPage({ unauthorized: askForToken })
const calm = matchMedia('(prefers-reduced-motion: reduce)')

/** @type {Map<string, { view: GraphView, frame: HTMLElement }>} */
const views = new Map()
/** @type {Stats | null} */
let latest = null
let lettersAt = 0
let nodesAt = 0
let sentences = ''
let pageShown = ''
/** Of which process it is known whether it serves the weather; 0: of none. */
let weatherAskedOf = 0
let stop = () => {}

byId('token-form', HTMLFormElement).addEventListener('submit', () => {
  keepToken(byId('token', HTMLInputElement).value.trim())
  start()
  records.start()
  deliveries.refresh()
  event.refresh()
  weather.refresh()
})
addEventListener('hashchange', () => showPage(true))
new ResizeObserver(() => latest && pageShown === 'overview' && showGraphs(latest)).observe(graphs)
requestAnimationFrame(animate)
showPage(false)
start()

function start() {
  stop()
  stop = follow(
    '/stats/stream',
    {
      event: data => show(/** @type {Stats} */ (data)),
      state: (now, error) => {
        if (now === 'lost') showLoss(error)
      },
      unauthorized: askForToken,
    },
    '/stats',
  )
}

/** @param {boolean} isMove the reader came from another page, and hears which one this is */
function showPage(isMove) {
  const place = placeOf(location.hash)
  if (place === null && pageShown !== '') return
  const shown = place ?? { page: 'overview' }
  pageShown = shown.page
  element('overview').hidden = shown.page !== 'overview'
  const isEvent = shown.page === 'deliveries' && shown.event !== null
  element('deliveries').hidden = shown.page !== 'deliveries' || isEvent
  element('event').hidden = !isEvent
  element('weather').hidden = shown.page !== 'weather'
  for (const link of element('pages').querySelectorAll('a')) {
    if (link.dataset.page === shown.page) link.setAttribute('aria-current', 'page')
    else link.removeAttribute('aria-current')
  }
  if (shown.page === 'deliveries') {
    showDeliveries(shown.application, shown.delivery, shown.event)
    if (isMove) element(isEvent ? 'event-title' : 'deliveries-title').focus()
  } else {
    deliveries.hide()
    event.hide()
  }
  if (shown.page === 'weather') {
    weather.show(shown.city)
    if (isMove) element('weather-title').focus()
  } else weather.hide()
  if (latest !== null) show(latest)
}

/**
 * @param {string | null} application
 * @param {string | null} delivery
 * @param {string | null} id
 */
function showDeliveries(application, delivery, id) {
  const chosen = application === null || delivery === null ? null : { application, delivery }
  if (chosen !== null && id !== null) {
    deliveries.hide()
    event.show({ ...chosen, event: id })
  } else {
    event.hide()
    deliveries.show(chosen)
  }
}

function askForToken() {
  showState('waiting', 'waits for a token')
  element('token-wrong').hidden = token() === null
  if (!dialog.open) dialog.showModal()
}

/** @param {Stats} stats */
function show(stats) {
  latest = stats
  document.body.classList.remove('lost')
  const names = stats.applications.map(app => app.name).join(' · ')
  setText(element('names'), names)
  document.title = `${stats.status === 'ok' ? '' : '⚠ '}${names} – Aldebaran`
  setText(element('uptime'), `up ${span(stats.process.uptimeMs)}`)
  showHealth(stats)
  showProcess(stats)
  deliveries.update(stats)
  showPages(stats)
  figures.update(stats)
  if (pageShown === 'overview') showOverview(stats)
}

/**
 * Links to the pages that there is something for, and to the one that is looked at.
 * @param {Stats} stats
 */
function showPages(stats) {
  const deliveriesLink = element('deliveries-link')
  deliveriesLink.hidden = pageShown !== 'deliveries' && stats.applications.every(app => app.deliveries.length === 0)
  const weatherLink = element('weather-link')
  if (pageShown === 'weather') weatherLink.hidden = false
  element('pages').hidden = deliveriesLink.hidden && weatherLink.hidden
  const process = stats.applications[0]?.startedAt ?? 0
  if (process === weatherAskedOf) return
  weatherAskedOf = process
  isWeatherServed().then(
    isServed => {
      weatherLink.hidden = !isServed && pageShown !== 'weather'
      element('pages').hidden = deliveriesLink.hidden && weatherLink.hidden
    },
    () => {
      weatherAskedOf = 0
    },
  )
}

/** @param {Stats} stats */
function showOverview(stats) {
  showGraphs(stats)
  showTables(element('tables'), stats)
  showLag(element('lag'), stats)
  showWorkers(element('workers'), stats)
  element('sources-card').hidden = !showSources(element('sources'), stats)
  records.update(stats)
  if (Date.now() - lettersAt > LETTERS_MS) {
    lettersAt = Date.now()
    void refreshLetters(stats)
  }
  if (Date.now() - nodesAt > NODES_MS) {
    nodesAt = Date.now()
    void refreshNodes()
  }
}

/** @param {Stats} stats */
function showHealth(stats) {
  const problems = stats.applications.flatMap(app =>
    app.problems.map(
      problem =>
        `${app.name}${problem.worker === null ? '' : `, worker ${problem.worker}`}: ` +
        `${problem.message}${problem.code ? ` (${problem.code})` : ''}`,
    ),
  )
  if (stats.status !== 'ok') showState('failing', 'failing')
  else if (stats.ready) showState('ok', 'running')
  else showState('waiting', 'starting')
  showBanner(stats.status === 'ok' ? '' : problems.join('\n') || 'The process reports a failure.')
}

/** @param {Error | null} error */
function showLoss(error) {
  document.body.classList.add('lost')
  showState('failing', 'no connection')
  const seen = latest === null ? '' : ` What is shown is of ${clock(latest.time).slice(0, 8)}.`
  const why = error === null || error instanceof TypeError ? '' : ` (${error.message})`
  showBanner(`The connection to the process is lost${why}. It is tried again by itself.${seen}`)
}

/**
 * @param {'ok' | 'waiting' | 'failing'} kind
 * @param {string} text
 */
function showState(kind, text) {
  state.dataset.state = kind
  setText(state, text)
}

/** @param {string} text none: no banner */
function showBanner(text) {
  banner.hidden = text === ''
  setText(banner, text)
}

/** @param {Stats} stats */
function showGraphs(stats) {
  for (const app of stats.applications) {
    const known = views.get(app.name) ?? addView(app)
    known.view.update(app, graphs.clientWidth)
  }
  for (const [name, { frame }] of views) {
    if (stats.applications.some(app => app.name === name)) continue
    frame.remove()
    views.delete(name)
  }
  showSentences(stats.applications)
}

/** @param {ApplicationStats} app */
function addView(app) {
  if (views.size === 0) graphs.replaceChildren()
  const view = new GraphView(topic => {
    records.choose(topic)
    element('records-title').scrollIntoView({ block: 'nearest', behavior: calm.matches ? 'auto' : 'smooth' })
  })
  const frame = html('div', { class: 'graph-frame' }, view.element)
  graphs.append(frame)
  const added = { view, frame }
  views.set(app.name, added)
  return added
}

/** @param {readonly ApplicationStats[]} applications */
function showSentences(applications) {
  const lines = applications.map(app => ({ name: app.name, lines: sentencesOf(app.graph) }))
  const joined = JSON.stringify(lines)
  if (joined === sentences) return
  sentences = joined
  graphText.replaceChildren(
    ...lines.flatMap(app => [html('h3', {}, app.name), html('ul', {}, ...app.lines.map(line => html('li', {}, line)))]),
  )
}

/** @param {Stats} stats */
function showProcess({ process }) {
  const { rssBytes, heapBytes, cpu, eventLoopDelayMs } = process
  setText(
    element('process'),
    `${cpu.toFixed(2)} cores · ${bytes(rssBytes)} resident, ${bytes(heapBytes)} heap · event loop p99 ${duration(eventLoopDelayMs.p99)}`,
  )
}

/** @param {Stats} stats */
async function refreshLetters(stats) {
  const pages = await Promise.all(
    stats.applications.map(app =>
      get(`/dead-letters?limit=8&application=${encodeURIComponent(app.name)}`).catch(() => null),
    ),
  )
  if (pages.every(page => page === null)) return showLetters(element('letters'), null)
  const letters = pages.flatMap(page => /** @type {{ letters?: Letter[] } | null} */ (page)?.letters ?? [])
  showLetters(
    element('letters'),
    letters.map(letter => ({
      code: letter.code,
      message: letter.message,
      topic: letter.source?.topic ?? `timer ${letter.timer}`,
      time: clock(letter.time).slice(0, 8),
    })),
  )
}

/** Shown where an application may have several. */
async function refreshNodes() {
  const answer = await get('/cluster').catch(() => null)
  if (answer === null) return
  const { applications } = /** @type {{ applications: ApplicationCluster[] }} */ (answer)
  const shared = applications.filter(app => app.nodes.some(node => node.endpoint !== null))
  element('nodes-card').hidden = shared.length === 0
  showNodes(element('nodes'), shared)
}

/** @typedef {{ code: string, message: string, source: { topic: string } | null, timer: string | null, time: number }} Letter */

let frameAt = 0

/** @param {number} now */
function animate(now) {
  const seconds = Math.min(0.1, (now - frameAt) / 1000)
  frameAt = now
  if (!calm.matches && !document.body.classList.contains('lost')) {
    for (const { view } of views.values()) view.move(seconds)
  }
  requestAnimationFrame(animate)
}
