/** One event's story over HTTP, from an application that runs. */
import assert from 'node:assert/strict'
import { afterEach, beforeEach, test } from 'node:test'
import type { EventStory, StoryPlace } from '../../src/http/delivery-shape.ts'
import { partitionOf } from '../../src/record/partitioner.ts'
import { TestSite } from './http-site.ts'
import { Receiver } from './receiver.ts'
import { HOSTILE, startStories } from './story-application.ts'

let site: TestSite
let receiver: Receiver
beforeEach(async () => {
  receiver = await Receiver.open()
  site = await TestSite.open({}, '1GB', startStories)
})
afterEach(async () => {
  await site.close()
  await receiver.close()
})

interface Post {
  id?: string
  delay?: number
  topic?: string
  partition?: number
  headers?: Record<string, string>
}

async function post(to: string[], { topic = 'posts', partition = 0, headers = {}, ...more }: Post = {}): Promise<void> {
  const records = [{ key: 'k', value: { url: receiver.url, to, ...more }, partition, headers }]
  const { status, text } = await site.postJson(`/topics/${topic}/records?wrap=records`, { records })
  assert.equal(status, 200, text)
}

/** Null: nothing is known of it. */
async function story(id: string, query = '', of = 'posts'): Promise<EventStory | null> {
  const { status, body } = await site.get(`/deliveries/${of}/events/${encodeURIComponent(id)}?${query}`)
  if (status === 404) return null
  assert.equal(status, 200, JSON.stringify(body))
  return body as unknown as EventStory
}

/**
 * Its place at a destination, once it is in that state and has as many tries on record: rows are told as the task has
 * them, tries when they are committed.
 */
async function place(id: string, destination: string, state: string, of = 'posts', tries = 0): Promise<StoryPlace> {
  let found: StoryPlace | undefined
  await site.until(async () => {
    found = (await story(id, '', of))?.destinations.find(one => one.destination === destination)
    return found?.state === state && found.attempts.length >= tries
  })
  return found!
}

test('an event is told of at each destination: delivered, tried again, and given up', async () => {
  receiver.answer('sick', 503)
  receiver.answer('fussy', 422)
  await post(['well', 'sick', 'fussy'], { id: 'evt/1 ä"', headers: { trace: 't-1' } })
  const sick = await place('evt/1 ä"', 'sick', 'scheduled', 'posts', 1)
  await place('evt/1 ä"', 'well', 'delivered')
  await place('evt/1 ä"', 'fussy', 'dead')
  const told = (await story('evt/1 ä"'))!
  const { application, delivery, id, complete, notSearched, searchedBackTo, recordsAttempts, record } = told
  assert.deepEqual(
    { application, delivery, id, complete, notSearched, searchedBackTo, recordsAttempts },
    {
      application: 'stories',
      delivery: 'posts',
      id: 'evt/1 ä"',
      complete: true,
      notSearched: [],
      searchedBackTo: null,
      recordsAttempts: true,
    },
  )
  const { topic, partition, offset, key, headers } = record!
  assert.deepEqual(
    { topic, partition, offset, key, headers },
    { topic: 'posts', partition: 0, offset: 0, key: 'k', headers: { trace: 't-1' } },
  )
  assert.deepEqual(
    told.destinations.map(one => [one.destination, one.state, one.tenant, one.tries, one.actions]),
    [
      ['fussy', 'dead', 'acme', 1, ['replay', 'purge']],
      ['sick', 'scheduled', 'acme', 1, ['send', 'drop']],
      ['well', 'delivered', 'acme', 1, []],
    ],
  )
  const [attempt] = sick.attempts
  const { number, outcome, error, detail } = attempt!
  assert.deepEqual(
    { number, outcome, error, detail },
    { number: 1, outcome: 'retry', error: 'answered 503', detail: { status: 503, body: HOSTILE } },
  )
  assert.equal(sick.next!.why, 'try 1 failed: answered 503')
  assert.ok(sick.next!.at! - attempt!.at >= 3_600_000)
  assert.ok(sick.since! > 0 && sick.since! <= attempt!.at)
  const { letters } = (await site.get(`/dead-letters?event=${encodeURIComponent('evt/1 ä"')}`)).body
  assert.deepEqual([letters.length, letters[0]!.headers], [1, { trace: 't-1', 'aldebaran-destination': 'fussy' }])
  assert.equal((await site.get('/dead-letters?event=other')).body.letters.length, 0)
  const { letter } = told.destinations[0]!
  assert.equal(letter!.state, 'open')
  assert.match(letter!.message, /not delivered to 'fussy' after 1 try: answered 422/)
})

test('what the story names can be done: an event is sent, a letter is replayed, and the tries grow', async () => {
  receiver.answer('sick', 503)
  receiver.answer('fussy', 422)
  await post(['sick', 'fussy'], { id: 'e-2' })
  const { event } = await place('e-2', 'sick', 'scheduled')
  const { letter } = await place('e-2', 'fussy', 'dead')
  receiver.answer('sick', 200)
  receiver.answer('fussy', 200)
  assert.equal((await site.postJson('/deliveries/posts/commands', { command: 'send', event })).status, 200)
  assert.equal((await site.postJson('/dead-letters/replay', { offsets: [letter!.offset] })).body.changed, 1)
  const sick = await place('e-2', 'sick', 'delivered')
  const fussy = await place('e-2', 'fussy', 'delivered')
  assert.deepEqual(
    sick.attempts.map(one => [one.number, one.outcome]),
    [
      [2, 'delivered'],
      [1, 'retry'],
    ],
  )
  assert.equal(fussy.letter!.state, 'replayed')
  assert.deepEqual([fussy.event, fussy.next, fussy.actions], [null, null, []])
})

test('an event without an id of its own is found by the place of its record, tries recorded or not', async () => {
  receiver.answer('shaky', 'break')
  await post(['shaky', 'well'], { topic: 'pages', partition: 1 })
  const shaky = await place('pages/1/0', 'shaky', 'in-doubt', 'pages')
  assert.deepEqual([shaky.actions, shaky.attempts, shaky.next!.at], [['send', 'drop'], [], null])
  const told = (await story('pages/1/0', '', 'pages'))!
  assert.deepEqual([told.recordsAttempts, told.record!.partition], [false, 1])
  const only = (await story('pages/1/0', 'destination=shaky', 'pages'))!
  assert.deepEqual([only.complete, only.destinations.map(one => one.state)], [true, ['in-doubt']])
  const command = { command: 'drop', event: shaky.event }
  assert.equal((await site.postJson('/deliveries/pages/commands', command)).status, 200)
  const { letter, event } = await place('pages/1/0', 'shaky', 'dead', 'pages')
  assert.equal(event, null)
  // Given up for good: there is nothing left to do.
  assert.equal((await site.postJson('/dead-letters/purge', { offsets: [letter!.offset] })).body.changed, 1)
  const purged = await place('pages/1/0', 'shaky', 'dead', 'pages')
  assert.deepEqual([purged.letter!.state, purged.actions], ['purged', []])
})

test('an event that waits says what for: a pause, a breaker, its time', async () => {
  const pause = { command: 'pause', destination: 'shop', reason: 'they moved' }
  assert.equal((await site.postJson('/deliveries/posts/commands', pause)).status, 200)
  await site.until(
    async () => (await site.get('/deliveries/posts/destinations')).body.destinations[0]?.states.paused === 2,
  )
  await post(['shop'], { id: 'paused' })
  await post(['later'], { id: 'late', delay: 3_600_000 })
  const paused = await place('paused', 'shop', 'waiting')
  assert.deepEqual(paused.next, { at: null, why: 'its destination is paused: they moved' })
  const late = await place('late', 'later', 'scheduled')
  assert.equal(late.next!.why, 'it was delayed')
  assert.equal(late.next!.at! - late.since!, 3_600_000)
  assert.deepEqual([late.tries, late.attempts], [0, []])
  receiver.answer('down', 500)
  for (let n = 0; n < 11; n++) await post(['down'], { id: `down-${n}` })
  await site.until(async () => {
    const { destinations } = (await site.get('/deliveries/posts/destinations?from=down&limit=1')).body
    return destinations[0]?.state === 'open'
  })
  await post(['down'], { id: 'behind' })
  const behind = await place('behind', 'down', 'waiting')
  assert.equal(behind.next!.why, 'the breaker of its destination is open')
  assert.ok(behind.next!.at! > behind.since!)
})

test('of many events one is found; what lies behind the bound is not, and the answer says so', async () => {
  const pause = { command: 'pause', destination: 'shop' }
  assert.equal((await site.postJson('/deliveries/posts/commands', pause)).status, 200)
  await site.until(
    async () => (await site.get('/deliveries/posts/destinations')).body.destinations[0]?.states.paused === 2,
  )
  const many = 21_000
  for (let from = 0; from < many; from += 3000) {
    const records = Array.from({ length: 3000 }, (_, n) => ({
      key: 'k',
      value: { url: receiver.url, to: ['shop'], ...((from + n) % 2 === 0 ? { id: `m-${from + n}` } : {}) },
      partition: 0,
    }))
    assert.equal((await site.postJson('/topics/posts/records?wrap=records', { records })).status, 200)
  }
  await site.processed()
  await site.until(async () => (await site.get('/deliveries')).body.deliveries[0]!.waiting === many)
  const early = await place('m-2', 'shop', 'waiting')
  assert.equal(early.since! > 0, true)
  // Its row is known by its place, however many lie before it.
  const last = (await story(`posts/0/${many - 1}`, 'destination=shop'))!
  assert.deepEqual([last.complete, last.destinations.map(one => one.state)], [true, ['waiting']])
  assert.equal(last.record!.offset, many - 1)
  const hidden = (await story(`m-${many - 2}`, `key=k&limit=5`))!
  assert.deepEqual([hidden.complete, hidden.destinations], [false, []])
  assert.deepEqual(hidden.notSearched, ['backlog'])
})

test('tries are looked for back to a bound, which is an equal share of each partition', async () => {
  const partitionOfKey = (key: string): number => partitionOf(Buffer.from(key), 0, key.length, 2)
  const names = Array.from({ length: 8 }, (_, n) => `shop-${n}`)
  const full = names.find(name => partitionOfKey(name) === 0)!
  const other = names.find(name => partitionOfKey(name) === 1)!
  await post([full, other], { id: 'old' })
  await place('old', full, 'delivered')
  await place('old', other, 'delivered')
  // More than is looked through, of another event.
  const value = { id: 'noise', destination: full, detail: 'x'.repeat(500_000) }
  for (let n = 0; n < 4; n++) {
    const records = Array.from({ length: 20 }, () => ({ key: full, value, partition: 0 }))
    assert.equal((await site.postJson('/topics/tries/records?wrap=records', { records })).status, 200)
  }
  await post([full], { id: 'new' })
  const recent = await place('new', full, 'delivered')
  assert.equal(recent.attempts.length, 1)
  const old = (await story('old'))!
  assert.deepEqual([old.complete, old.notSearched], [false, ['attempts']])
  assert.ok(old.searchedBackTo! <= recent.attempts[0]!.at)
  assert.deepEqual(
    old.destinations.map(one => [one.destination, one.state]),
    [[other, 'delivered']],
  )
  // Of a destination one partition is looked at.
  const only = (await story('old', `destination=${other}`))!
  assert.deepEqual([only.complete, only.searchedBackTo, only.destinations.length], [true, null, 1])
})

test('a record of bytes is shown as the text that it is, if it is one', async () => {
  for (const body of [Buffer.from('{"a": "ä"}'), Buffer.from([0xff, 0xfe])]) {
    assert.equal((await site.post('/topics/mails/records', body, 'application/octet-stream')).status, 200)
  }
  await place('mails/0/1', 'mails', 'scheduled', 'mails')
  const { record } = (await story('mails/0/0', '', 'mails'))!
  assert.deepEqual([record!.text, record!.value], ['{"a": "ä"}', Buffer.from('{"a": "ä"}').toString('base64')])
  assert.equal((await story('mails/0/1', '', 'mails'))!.record!.text, undefined)
})

test('what is not there is told', async () => {
  const unknown = await site.get('/deliveries/posts/events/nothing')
  assert.deepEqual([unknown.status, unknown.body.error.code], [404, 'NOT_FOUND'])
  assert.equal((await site.get('/deliveries/nothing/events/e')).body.error.code, 'NOT_FOUND')
  assert.equal((await site.get('/deliveries/posts/events/e?limit=0')).status, 400)
  // The record is there, and went nowhere.
  await post([])
  await site.processed()
  const nowhere = (await story('posts/0/0'))!
  assert.deepEqual([nowhere.destinations, nowhere.record!.offset], [[], 0])
})
