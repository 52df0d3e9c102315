import assert from 'node:assert/strict'
import { afterEach, beforeEach, test } from 'node:test'
import type { DestinationView, EventView } from '../../src/http/delivery-shape.ts'
import type { DeliveryView } from '../../src/http/stats-shape.ts'
import { startOutside } from './delivery-application.ts'
import { TestSite } from './http-site.ts'
import { Receiver } from './receiver.ts'

let site: TestSite
let receiver: Receiver
beforeEach(async () => {
  receiver = await Receiver.open()
  site = await TestSite.open({}, '1GB', startOutside)
})
afterEach(async () => {
  await site.close()
  await receiver.close()
})

/** `partition`: of the record; by default all go to one. */
async function call(to: string[], more: { partition?: number; topic?: string; delay?: number } = {}): Promise<void> {
  const { partition = 0, topic = 'calls', delay = 0 } = more
  const records = [{ value: { url: receiver.url, to, delay }, partition }]
  const { status, text } = await site.postJson(`/topics/${topic}/records?wrap=records`, { records })
  assert.equal(status, 200, text)
}

async function delivery(name: string): Promise<DeliveryView> {
  return (await site.get('/deliveries')).body.deliveries.find(one => one.delivery === name)!
}

async function destination(name: string, of = 'calls'): Promise<DestinationView | undefined> {
  const { destinations } = (await site.get(`/deliveries/${of}/destinations`)).body
  return destinations.find(one => one.destination === name)
}

/** Over all destinations, as they are now: the levels of the list are told a moment later. */
async function total(field: 'scheduled' | 'inDoubt', of = 'calls'): Promise<number> {
  const { destinations } = (await site.get(`/deliveries/${of}/destinations`)).body
  return destinations.reduce((sum, one) => sum + one[field], 0)
}

async function events(query = '', of = 'calls'): Promise<EventView[]> {
  return (await site.get(`/deliveries/${of}/events?${query}`)).body.events
}

async function tell(command: object, of = 'calls'): Promise<void> {
  const { status, body } = await site.postJson(`/deliveries/${of}/commands`, command)
  assert.deepEqual({ status, accepted: body.accepted }, { status: 200, accepted: true })
}

test('the list tells what each delivery has, and a destination its state, over all partitions', async () => {
  receiver.answer('sick', 500)
  await call(['well', 'sick'])
  await call(['well', 'sick'], { partition: 1 })
  await site.until(async () => (await total('scheduled')) === 2)
  await site.until(async () => (await delivery('calls')).delivered === 2)
  const { application, topic, guarantee, partitions, tries, retried } = await delivery('calls')
  assert.deepEqual(
    { application, topic, guarantee, partitions, tries, retried },
    { application: 'outside', topic: 'calls', guarantee: 'at-least-once', partitions: 2, tries: 4, retried: 2 },
  )
  const sick = (await destination('sick'))!
  assert.equal(sick.tenant, 'acme')
  assert.equal(sick.state, 'active')
  assert.equal(sick.error, 'answered 500')
  assert.deepEqual([sick.scheduled, sick.failed, sick.delivered, sick.underWay], [2, 2, 0, 0])
  assert.deepEqual(sick.partitions, [0, 1])
  assert.equal((await destination('well'))!.delivered, 2)
  assert.equal((await delivery('notices')).guarantee, 'at-most-once')
})

test('destinations and events come page by page, each once', async () => {
  for (const name of ['a', 'b', 'c']) receiver.answer(name, 500)
  await call(['a', 'b', 'c'])
  await call(['a', 'b', 'c'], { partition: 1 })
  await site.until(async () => (await total('scheduled')) === 6)
  const names: string[] = []
  for (let from: string | null = ''; from !== null; ) {
    const { body } = await site.get(`/deliveries/calls/destinations?limit=1&from=${from}`)
    names.push(...body.destinations.map(one => one.destination))
    from = body.next
  }
  assert.deepEqual(names, ['a', 'b', 'c'])
  const found: string[] = []
  for (let after: string | null = ''; after !== null; ) {
    const place = after === '' ? '' : `&after=${after}`
    const { body } = await site.get(`/deliveries/calls/events?state=scheduled&limit=1${place}`)
    found.push(...body.events.map(one => `${one.destination}${one.partition}`))
    after = body.next
  }
  assert.deepEqual(found, ['a0', 'a1', 'b0', 'b1', 'c0', 'c1'])
})

test('an event tells where it comes from and what it waits for; sent, it goes at once and alone', async () => {
  receiver.answer('sick', 503)
  await call(['sick'])
  await call(['sick'], { partition: 1 })
  await site.until(async () => (await total('scheduled')) === 2)
  const [first, second] = await events('state=scheduled&destination=sick')
  const { id, tries, error, topic, partition, offset, due, since } = first!
  assert.deepEqual(
    { id, tries, error, topic, partition, offset, wait: due - since >= 3_600_000 },
    { id: 'calls/0/0', tries: 1, error: 'answered 503', topic: 'calls', partition: 0, offset: 0, wait: true },
  )
  receiver.answer('sick', 200)
  // Both lie at the same place of their partitions: the other one stays.
  await tell({ command: 'send', event: second!.event })
  await site.until(async () => (await delivery('calls')).delivered === 1)
  assert.equal(receiver.ids.at(-1), 'calls/1/0')
  assert.deepEqual(
    (await events('state=scheduled')).map(one => one.id),
    ['calls/0/0'],
  )
})

test('a paused destination gets nothing, others do; resumed it gets what waited', async () => {
  await tell({ command: 'pause', destination: 'shop', reason: 'they asked us to' })
  await site.until(async () => (await destination('shop'))?.states.paused === 2)
  await call(['shop', 'other'])
  await site.until(async () => (await delivery('calls')).delivered === 1)
  assert.equal(receiver.count('shop'), 0)
  const { state, reason, waiting } = (await destination('shop'))!
  assert.deepEqual({ state, reason, waiting }, { state: 'paused', reason: 'they asked us to', waiting: 1 })
  await tell({ command: 'resume', destination: 'shop' })
  await site.until(() => receiver.count('shop') === 1)
  await site.until(async () => (await destination('shop'))?.state === 'active')
})

test('purged, what waits for a destination and what is scheduled for it are dead letters', async () => {
  receiver.answer('sick', 500)
  await call(['sick'])
  await site.until(async () => (await total('scheduled')) === 1)
  await tell({ command: 'pause', destination: 'sick' })
  await site.until(async () => (await destination('sick'))?.states.paused === 2)
  await call(['sick'], { partition: 1 })
  await site.until(async () => (await destination('sick'))?.waiting === 1)
  await tell({ command: 'purge', destination: 'sick' })
  await site.until(async () => (await site.get('/dead-letters?code=DELIVERY_FAILED')).body.letters.length === 2)
  await site.until(async () => (await delivery('calls')).dead === 2)
  assert.deepEqual(await events('state=scheduled'), [])
  assert.deepEqual(await events('state=waiting'), [])
  assert.equal((await destination('sick'))!.dead, 2)
})

test('limits of a destination are changed while it runs, and taken back', async () => {
  await tell({ command: 'limit', destination: 'slow', rate: '5/s', concurrency: 1 })
  await site.until(async () => (await destination('slow'))?.rate === '5/s')
  assert.equal((await destination('slow'))!.concurrency, 1)
  await tell({ command: 'limit', destination: 'slow' })
  await site.until(async () => (await destination('slow'))?.rate === '')
  assert.equal((await destination('slow'))!.concurrency, 4)
})

test('at most once: what may have been delivered is in doubt, until somebody decides', async () => {
  receiver.answer('shaky', 'break')
  await call(['shaky'], { topic: 'notices' })
  await call(['shaky'], { topic: 'notices' })
  await site.until(async () => (await total('inDoubt', 'notices')) === 2)
  const [first, second] = await events('', 'notices')
  assert.equal(first!.state, 'in-doubt')
  assert.equal(receiver.count('shaky'), 2)
  receiver.answer('shaky', 200)
  await tell({ command: 'send', event: first!.event }, 'notices')
  await tell({ command: 'drop', event: second!.event }, 'notices')
  await site.until(async () => (await delivery('notices')).delivered === 1)
  await site.until(async () => (await delivery('notices')).dead === 1)
  assert.deepEqual(await events('', 'notices'), [])
  assert.equal(receiver.count('shaky'), 3)
})

test('a dead letter that is replayed goes to its destination, and to no other', async () => {
  receiver.answer('fussy', 422)
  await call(['well', 'fussy'])
  const letters = async () => (await site.get('/dead-letters?code=DELIVERY_FAILED&topic=calls')).body.letters
  await site.until(async () => (await letters()).length === 1)
  const [letter] = await letters()
  assert.equal(letter!.message, "not delivered to 'fussy' after 1 try: answered 422")
  assert.deepEqual(letter!.headers, { 'aldebaran-destination': 'fussy' })
  receiver.answer('fussy', 200)
  const { body } = await site.postJson('/dead-letters/replay', { offsets: [letter!.offset] })
  assert.equal(body.changed, 1)
  await site.until(async () => (await delivery('calls')).delivered === 2)
  await site.processed()
  assert.deepEqual([receiver.count('well'), receiver.count('fussy')], [1, 2])
  // It fails again: the letter names its destination once.
  receiver.answer('fussy', 422)
  await call(['fussy'])
  await site.until(async () => (await letters()).length === 2)
  const again = (await site.get('/dead-letters?state=open')).body.letters[0]!
  assert.deepEqual(again.headers, { 'aldebaran-destination': 'fussy' })
})

test('who is gone is disabled: its letter is dead, and the reason is shown', async () => {
  receiver.answer('gone', 410)
  await call(['gone'])
  // The other tasks are told.
  await site.until(async () => (await destination('gone'))?.states.paused === 2)
  const { reason, dead, states } = (await destination('gone'))!
  assert.deepEqual({ reason, dead, states }, { reason: 'answered 410', dead: 1, states: { paused: 2 } })
})

test('bad input is refused with its code and a remedy', async () => {
  const cases: [path: string, body: unknown, status: number, code: string][] = [
    ['calls', { command: 'stop', destination: 'a' }, 400, 'VALUE_INVALID'],
    ['calls', { command: 'pause' }, 400, 'VALUE_INVALID'],
    ['calls', { command: 'limit', destination: 'a', rate: 'often' }, 400, 'OPTION_INVALID'],
    ['calls', { command: 'limit', destination: 'a', concurrency: 0 }, 400, 'VALUE_INVALID'],
    ['calls', { command: 'pause', destination: 'a', reason: 1 }, 400, 'VALUE_INVALID'],
    ['calls', { command: 'send', event: 'x' }, 400, 'OPTION_INVALID'],
    ['calls', { command: 'send', event: `7.${Buffer.from('d\0a\x005').toString('base64url')}` }, 400, 'OPTION_INVALID'],
    ['calls', { command: 'drop' }, 400, 'VALUE_INVALID'],
    ['calls', [], 400, 'VALUE_INVALID'],
    ['calls', null, 400, 'VALUE_INVALID'],
    ['nothing', { command: 'pause', destination: 'a' }, 404, 'NOT_FOUND'],
  ]
  for (const [name, body, status, code] of cases) {
    const answer = await site.postJson(`/deliveries/${name}/commands`, body)
    assert.deepEqual([answer.status, answer.body.error.code], [status, code], JSON.stringify(body))
    assert.ok(answer.body.error.remedy.length > 0)
  }
  assert.equal((await site.post('/deliveries/calls/commands', '{')).body.error.code, 'BODY_INVALID')
  assert.equal((await site.post('/deliveries/calls/commands', '')).body.error.code, 'BODY_INVALID')
  const pause = '{"command": "pause", "destination": "a"}'
  assert.equal((await site.post('/deliveries/calls/commands', pause, 'text/csv')).status, 415)
  for (const path of ['events?state=lost', 'events?after=x', 'events?limit=0', 'destinations?limit=2000']) {
    const answer = await site.get(`/deliveries/calls/${path}`)
    assert.deepEqual([answer.status, answer.body.error.code], [400, 'OPTION_INVALID'], path)
  }
  assert.equal((await site.get('/deliveries?application=other')).status, 404)
  assert.equal((await site.get('/deliveries/nothing/destinations')).status, 404)
})

test('metrics count it, by application and delivery', async () => {
  receiver.answer('sick', 500)
  await call(['sick'])
  const values = async (of: string): Promise<Record<string, number>> => {
    const { text } = await site.get('/metrics')
    const labels = `{application="outside",delivery="${of}"} `
    const lines = text.split('\n').filter(line => line.startsWith('aldebaran_delivery_') && line.includes(labels))
    return Object.fromEntries(
      lines.map(line => [line.slice('aldebaran_delivery_'.length, line.indexOf('{')), Number(line.split(' ').at(-1))]),
    )
  }
  await site.until(async () => (await total('scheduled')) === 1)
  let well = 0
  // Levels are told with what is committed, and not each time.
  await site.until(async () => {
    await call(['well'])
    well++
    await site.until(async () => (await delivery('calls')).delivered === well)
    const { scheduled, destinations, under_way } = await values('calls')
    return scheduled === 1 && destinations === 2 && under_way === 0
  })
  const { seconds_sum, ...counted } = await values('calls')
  assert.ok(seconds_sum! > 0)
  assert.deepEqual(counted, {
    taken_total: well + 1,
    tries_total: well + 1,
    delivered_total: well,
    failed_total: 1,
    retried_total: 1,
    dead_total: 0,
    in_doubt_total: 0,
    duplicates_total: 0,
    waiting: 0,
    scheduled: 1,
    doubtful: 0,
    under_way: 0,
    destinations: 2,
    broken: 0,
    paused: 0,
    seconds_count: well + 1,
  })
  assert.equal((await values('notices')).tries_total, 0)
})

test('the stats have the deliveries with their rates, and the drawing shows where they read', async () => {
  await call(['well'])
  await site.until(async () => (await delivery('calls')).delivered === 1)
  const [outside] = (await site.get('/stats')).body.applications
  const shown = outside!.deliveries.map(one => one.delivery)
  assert.deepEqual(shown, ['calls', 'notices'])
  assert.ok(outside!.deliveries.every(({ rates }) => Object.values(rates).every(rate => rate >= 0)))
  const { nodes, edges } = outside!.graph
  assert.deepEqual(nodes.map(node => node.id).sort(), [
    'operator:calls/0',
    'operator:notices/0',
    'topic:calls',
    'topic:notices',
  ])
  assert.equal(edges.length, 2)
})
