import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { request } from 'node:http'
import { after, before, test } from 'node:test'
import type { AldebaranError } from '../../src/errors.ts'
import { serve } from '../../src/http/serve.ts'
import { events, TestSite } from './http-site.ts'

const TOKEN = 'a-token-of-enough-characters'

let site: TestSite
let locked: { url: string; close(): Promise<void> }
before(async () => {
  site = await TestSite.open()
  locked = await serve([site.running], { port: 0, tokens: [TOKEN, 'another-token-of-many'] })
})
after(async () => {
  await locked.close()
  await site.close()
})

/** fetch sets the Host header itself. */
function statusWithHost(host: string): Promise<number> {
  return new Promise((resolve, reject) => {
    request(`${site.url}/topics`, { headers: { host } }, response => {
      response.resume()
      resolve(response.statusCode ?? 0)
    })
      .on('error', reject)
      .end()
  })
}

function lockedGet(path: string, authorization?: string): Promise<Response> {
  return fetch(locked.url + path, { headers: authorization === undefined ? {} : { authorization } })
}

test('with tokens every route asks for one but health, readiness and the console', async () => {
  for (const path of ['/health', '/ready', '/', '/console/main.js']) {
    const response = await lockedGet(path)
    await response.arrayBuffer()
    assert.equal(response.status, 200, path)
  }
  for (const path of ['/topics', '/stats', '/metrics', '/openapi.json', '/topics/notes/records', '/dead-letters']) {
    assert.equal((await lockedGet(path)).status, 401, path)
    assert.equal((await lockedGet(path, 'Bearer wrong-token-wrong-token')).status, 401, path)
    assert.equal((await lockedGet(path, `Basic ${TOKEN}`)).status, 401, path)
    assert.equal((await lockedGet(path, `Bearer ${TOKEN}`)).status, 200, path)
  }
  const refused = await lockedGet('/topics')
  assert.equal(refused.headers.get('www-authenticate'), 'Bearer')
  assert.equal(((await refused.json()) as { error: { code: string } }).error.code, 'UNAUTHORIZED')
})

test('the token may stand in the query of streams alone', async () => {
  for await (const { event } of events(`${locked.url}/stats/stream?access_token=${TOKEN}`)) {
    assert.equal(event, 'stats')
    break
  }
  assert.equal((await lockedGet(`/topics?access_token=${TOKEN}`)).status, 401)
  assert.equal((await lockedGet('/stats/stream?access_token=wrong')).status, 401)
})

test('an open bind needs tokens, and tokens need some length', async () => {
  const refused = (settings: object, code: string) =>
    assert.rejects(serve([site.running], { port: 0, ...settings }), (error: AldebaranError) => error.code === code)
  await refused({ host: '0.0.0.0', tokens: [] }, 'CREDENTIALS_NEEDED')
  await refused({ host: '::', tokens: [] }, 'CREDENTIALS_NEEDED')
  await refused({ tokens: ['short'] }, 'OPTION_INVALID')
  await refused({ port: 70_000 }, 'OPTION_INVALID')
  await refused({ bodyLimit: 'much' }, 'OPTION_INVALID')
  await refused({ port: Number(new URL(site.url).port), tokens: [] }, 'OPTION_INVALID')
})

test('on loopback other host names and pages of other sites are refused', async () => {
  assert.equal(await statusWithHost('localhost:1'), 200)
  assert.equal(await statusWithHost('[::1]:8000'), 200)
  assert.equal(await statusWithHost('evil.example'), 403)
  assert.equal(await statusWithHost('127.0.0.1.evil.example'), 403)
  const post = (origin: string) => site.post('/topics/notes/records', '1', 'application/json', { origin })
  assert.equal((await post('http://evil.example')).body.error.code, 'HOST_REFUSED')
  assert.equal((await post('null')).status, 403)
  assert.equal((await post(site.url)).status, 200)
})

test('the console is served with headers that hold it together', async () => {
  const page = await site.get('/')
  assert.equal(page.status, 200)
  assert.match(page.headers.get('content-type')!, /^text\/html/)
  assert.match(page.headers.get('content-security-policy')!, /default-src 'none'/)
  assert.equal(page.headers.get('x-content-type-options'), 'nosniff')
  const etag = page.headers.get('etag')!
  assert.equal((await site.get('/', { 'if-none-match': etag })).status, 304)
  assert.equal((await site.get('/console/index.html')).text, page.text)
  for (const path of ['/console/nothing.js', '/console/.hidden.js', '/console/tsconfig.json', '/package.json']) {
    assert.equal((await site.get(path)).body.error.code, 'NOT_FOUND', path)
  }
})

test('the stats say what there is, and come by themselves', async () => {
  await site.postJson('/topics/orders/records', { id: 1, client: 'a', amount: 1 })
  await site.processed()
  const graphs: string[] = []
  for await (const { data } of events(`${site.url}/stats/stream`)) {
    const shop = data.applications[0]!
    graphs.push(JSON.stringify(shop.graph))
    if (shop.totals.recordsIn === 0) continue
    assert.equal(data.status, 'ok')
    assert.equal(shop.tables[0]!.rows, 1)
    assert.equal(shop.workers.length, 2)
    assert.equal(shop.groups[0]!.lag, 0)
    assert.equal(shop.topics.find(topic => topic.name === 'orders')!.records, 1)
    assert.ok(shop.memory.limit > shop.memory.used)
    if (graphs.length >= 2) break
  }
  assert.equal(graphs[0], graphs[1])
  const { graph } = (await site.get('/stats')).body.applications[0]!
  const ids = new Set(graph.nodes.map(node => node.id))
  assert.equal(ids.size, graph.nodes.length)
  for (const { from, to } of graph.edges) assert.ok(ids.has(from) && ids.has(to))
  assert.ok(ids.has('topic:orders') && ids.has('table:shop/books') && ids.has('topic:totals'))
})

test('the metrics are those of the documentation, in the format of Prometheus', async () => {
  const answer = await site.get('/metrics')
  assert.match(answer.headers.get('content-type')!, /^text\/plain/)
  for (const line of answer.text.split('\n')) {
    assert.match(line, /^$|^# (?:HELP|TYPE) \w+ .+$|^\w+(?:\{(?:\w+="[^"]*",?)+\})? -?[\d.e+-]+$/)
  }
  const value = (start: string) =>
    Number(
      answer.text
        .split('\n')
        .find(line => line.startsWith(start))
        ?.split(' ')
        .at(-1),
    )
  assert.ok(value('aldebaran_records_total{direction="in"') >= 1)
  assert.equal(value('aldebaran_table_rows{'), 1)
  assert.equal(value('aldebaran_ready{'), 1)
  const buckets = answer.text.split('\n').filter(line => line.startsWith('aldebaran_commit_seconds_bucket'))
  const counts = buckets.map(line => Number(line.split(' ').at(-1)))
  assert.deepEqual(
    counts,
    counts.toSorted((a, b) => a - b),
  )
  assert.equal(counts.at(-1), value('aldebaran_commit_seconds_count'))
})

test('OpenAPI names every route, with its body and answers', async () => {
  const { paths } = (await site.get('/openapi.json')).body
  assert.deepEqual(Object.keys(paths).sort(), [
    '/cluster',
    '/dead-letters',
    '/dead-letters/purge',
    '/dead-letters/replay',
    '/dead-letters/{offset}',
    '/deliveries',
    '/deliveries/{delivery}/commands',
    '/deliveries/{delivery}/destinations',
    '/deliveries/{delivery}/events',
    '/deliveries/{delivery}/events/{id}',
    '/health',
    '/lag',
    '/metrics',
    '/ready',
    '/stats',
    '/stats/stream',
    '/tables',
    '/tables/{pipeline}/{table}/rows',
    '/tables/{pipeline}/{table}/rows/{key}',
    '/topics',
    '/topics/{topic}',
    '/topics/{topic}/records',
    '/topics/{topic}/tail',
  ])
  assert.ok('text/csv' in paths['/topics/{topic}/records']!.post!.requestBody.content)
})

test('closing ends streams and frees the port', async () => {
  const other = await serve([site.running], { port: 0, tokens: [] })
  const streams = ['/stats/stream', '/topics/notes/tail'].map(path => fetch(other.url + path))
  const responses = await Promise.all(streams)
  await other.close()
  for (const response of responses) assert.equal(response.status, 200)
  for (const response of responses) assert.match(await response.text(), /: the server stops\n\n$/)
  await assert.rejects(fetch(`${other.url}/health`))
})

test('every metric is documented', async () => {
  const documented = await readFile(new URL('../../docs/metrics.md', import.meta.url), 'utf8')
  const named = [...(await site.get('/metrics')).text.matchAll(/^# TYPE (\w+)/gm)].map(match => match[1]!)
  assert.ok(named.length > 20)
  for (const name of named) {
    const short = name.replace(/^aldebaran_event_loop_delay_max/, '…_max')
    assert.ok(documented.includes(`\`${short}\``), name)
  }
})
