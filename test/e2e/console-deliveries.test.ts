import assert from 'node:assert/strict'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import type { DestinationView, EventView } from '../../src/http/delivery-shape.ts'
import { mergeDestinations } from '../../src/http/destination-view.ts'

interface WordsModule {
  placeOf(hash: string): unknown
  addressOf(of: { application: string; delivery: string }): string
  stateOf(destination: DestinationView, now: number): string
  toneOf(state: string): string
  actionsOf(destination: DestinationView): string[]
  limitsOf(destination: DestinationView): string
  lastErrorOf(destination: DestinationView, now: number): string
  questionOf(verb: string, event: EventView): string
  purgeQuestionOf(destination: DestinationView): string
}

const words = (await import(join(import.meta.dirname, '../../console/delivery-words.js'))) as WordsModule

/** What a task says of a destination; the others say what is left out here. */
function part(partition: number, fields: Record<string, unknown>, destination = 'shop') {
  const usual = { tenant: '', state: 'active', reason: '', notBefore: 0, rate: '', concurrency: 64, error: '' }
  return { partition, destination, fields: { ...usual, ...fields } }
}

function destination(...parts: Record<string, unknown>[]): DestinationView {
  return mergeDestinations(parts.map((fields, partition) => part(partition, fields)))[0]!
}

describe('a destination that several tasks have', () => {
  test('is one, with what they have added up, the last error, and the most severe state', () => {
    const one = destination(
      { waiting: 2, delivered: 5, error: 'old', failedAt: 100 },
      { tenant: 'acme', state: 'open', notBefore: 900, waiting: 3, failed: 4, error: 'new', failedAt: 200 },
      { state: 'throttled', notBefore: 500, scheduled: 1 },
    )
    assert.equal(one.state, 'open')
    assert.deepEqual(one.states, { active: 1, open: 1, throttled: 1 })
    assert.deepEqual([one.waiting, one.scheduled, one.delivered, one.failed], [5, 1, 5, 4])
    assert.deepEqual([one.error, one.failedAt, one.notBefore, one.tenant], ['new', 200, 900, 'acme'])
    assert.deepEqual(one.partitions, [0, 1, 2])
  })

  test('they come by name', () => {
    const parts = ['c', 'a', 'b', 'a'].map((name, partition) => part(partition, {}, name))
    assert.deepEqual(
      mergeDestinations(parts).map(one => [one.destination, one.partitions]),
      [
        ['a', [1, 3]],
        ['b', [2]],
        ['c', [0]],
      ],
    )
    assert.deepEqual(mergeDestinations([]), [])
  })
})

describe('the page of deliveries', () => {
  test('an address names a page; any other leaves what is shown', () => {
    for (const hash of ['', '#', '#/']) assert.deepEqual(words.placeOf(hash), { page: 'overview' })
    assert.deepEqual(words.placeOf('#/deliveries'), { page: 'deliveries', application: null, delivery: null })
    const of = { application: 'a shop', delivery: 'calls/out' }
    assert.deepEqual(words.placeOf(words.addressOf(of)), { page: 'deliveries', ...of })
    for (const hash of ['#main', '#/other', '#/deliveries/a', '#/deliveries/a/b/c', '#/deliveries/%/x']) {
      assert.equal(words.placeOf(hash), null, hash)
    }
  })

  test('a state tells why, until when, and of how many tasks', () => {
    assert.equal(words.stateOf(destination({}, {}), 0), 'active')
    assert.equal(words.stateOf(destination({ state: 'paused', reason: 'moves' }), 0), 'paused: moves')
    assert.equal(words.stateOf(destination({ state: 'paused' }, {}, {}), 0), 'paused in 1 of 3 tasks')
    const open = destination({ state: 'open', notBefore: 10_000 })
    assert.match(words.stateOf(open, 0), /^breaker open until \d\d:\d\d:10$/)
    assert.equal(words.stateOf(open, 20_000), 'breaker open')
    assert.deepEqual(['active', 'open', 'paused'].map(words.toneOf), ['ok', 'failing', 'waiting'])
  })

  test('what makes no sense is not offered', () => {
    assert.deepEqual(words.actionsOf(destination({})), ['pause', 'limit', 'purge'])
    assert.deepEqual(words.actionsOf(destination({ state: 'paused' })), ['resume', 'limit', 'purge'])
    assert.deepEqual(words.actionsOf(destination({ state: 'paused' }, {})), ['resume', 'pause', 'limit', 'purge'])
    assert.deepEqual(words.actionsOf(destination({ state: 'open' })), ['resume', 'pause', 'limit', 'purge'])
  })

  test('limits and the last error', () => {
    assert.equal(words.limitsOf(destination({})), '64 at once')
    assert.equal(words.limitsOf(destination({ rate: '5/s', concurrency: 2 })), '5/s, 2 at once')
    assert.equal(words.lastErrorOf(destination({}), 0), '')
    assert.match(words.lastErrorOf(destination({ error: 'no', failedAt: 1000 }), 2000), /^\d\d:\d\d:01 no$/)
    assert.equal(words.lastErrorOf(destination({ error: 'no', failedAt: 1000 }), 1e9), 'no')
  })

  test('before something is done, it tells what comes of it', () => {
    const event = { id: 'e-1', destination: 'shop', state: 'in-doubt', error: 'socket hang up' } as EventView
    assert.match(words.questionOf('send', event), /not known \(socket hang up\).* may arrive twice/)
    assert.match(words.questionOf('send', { ...event, state: 'scheduled' }), /now, before its time/)
    assert.match(words.questionOf('drop', event), /dead letter/)
    assert.match(words.purgeQuestionOf(destination({ waiting: 1200, scheduled: 1 })), /The 1 201 events that wait/)
    assert.match(words.purgeQuestionOf(destination({ waiting: 1 })), /The event that waits/)
  })
})
