import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { AttemptView, DestinationView, EventStory, EventView, StoryPlace } from '../../src/http/delivery-shape.ts'
import { mergeDestinations } from '../../src/http/destination-view.ts'
import { load, onPage, type Recorded } from './console-modules.ts'

interface WordsModule {
  placeOf(hash: string): unknown
  addressOf(of: { application: string; delivery: string; event?: string }): string
  stateOf(destination: DestinationView, now: number): string
  toneOf(state: string): string
  actionsOf(destination: DestinationView): string[]
  limitsOf(destination: DestinationView): string
  lastErrorOf(destination: DestinationView, now: number): string
  questionOf(verb: string, event: object): string
  purgeQuestionOf(destination: DestinationView): string
}

interface Step {
  key: string
  tone: string
  title: string
  at: number | null
  note: string
  text: string
  facts: [string, string][]
  body: string | null
}

interface EventWordsModule {
  isSettled(story: object): boolean
  relative(at: number, now: number): string
  moment(at: number, now: number): string
  stepsOf(place: StoryPlace): Step[]
  pretty(value: unknown): string
  limitsNote(story: object, now: number): string
  summaryOf(story: object): string
}

const words = await load<WordsModule>('delivery-words.js')
const event = await load<EventWordsModule>('event-words.js')
const letterEdit = await load<{
  draftOf(letter: object, shape: object): { text: string; isBytes: boolean } | null
  editOf(text: string, isBytes: boolean): object
}>('letter-edit.js')
const { answerOf } = await load<{ answerOf(facts: [string, string][], body: string): Recorded }>('event-parts.js')

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
    assert.deepEqual(words.placeOf('#/deliveries'), {
      page: 'deliveries',
      application: null,
      delivery: null,
      event: null,
    })
    const of = { application: 'a shop', delivery: 'calls/out' }
    assert.deepEqual(words.placeOf(words.addressOf(of)), { page: 'deliveries', ...of, event: null })
    const one = { ...of, event: 'posts/0/17 ä' }
    assert.deepEqual(words.placeOf(words.addressOf(one)), { page: 'deliveries', ...one })
    for (const hash of [
      '#main',
      '#/other',
      '#/deliveries/a',
      '#/deliveries/a/b/c',
      '#/deliveries/a/b/events',
      '#/deliveries/a/b/events/',
      '#/deliveries/a/b/events/c/d',
      '#/deliveries/%/x',
    ]) {
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

const HOSTILE = '<img src=x onerror="alert(1)"></pre><script>alert(2)</script>'

function attempt(number: number, more: Partial<AttemptView> = {}): AttemptView {
  return { number, at: number * 1000, ms: 12.3, outcome: 'retry', error: 'it answered 503', detail: null, ...more }
}

function place(more: Partial<StoryPlace> = {}): StoryPlace {
  const nothing = { tenant: '', since: null, error: '', next: null, event: null, letter: null, actions: [] }
  return { destination: 'shop', state: 'delivered', tries: 1, attempts: [], ...nothing, ...more }
}

describe('a dead letter that is edited', () => {
  test('is JSON where its topic has a schema, and the text of its bytes elsewhere; other bytes are not for editing', () => {
    const value = { id: 1, note: 'grün' }
    const draft = letterEdit.draftOf({ value }, { isBytes: false })
    assert.equal(draft?.isBytes, false)
    assert.deepEqual(letterEdit.editOf(draft?.text ?? '', false), { value })
    const bytes = Buffer.from('{"type":"a", "data":"grün"}\n').toString('base64')
    const raw = letterEdit.draftOf({ value: bytes }, { isBytes: true })
    assert.deepEqual(raw, { text: '{"type":"a", "data":"grün"}\n', isBytes: true })
    assert.deepEqual(letterEdit.editOf(raw?.text ?? '', true), { valueBase64: bytes })
    const broken = letterEdit.draftOf({ value: null, valueBase64: 'eyJpZCI6' }, { isBytes: false })
    assert.deepEqual(broken, { text: '{"id":', isBytes: true })
    assert.equal(letterEdit.draftOf({ value: '/w==' }, { isBytes: true }), null)
    assert.throws(() => letterEdit.editOf('{"id":', false), SyntaxError)
  })
})

describe('the page of an event', () => {
  test('is a timeline: what comes next, the tries, and when it was taken in, the newest first', () => {
    const next = { at: 9000, why: 'try 2 failed: it answered 503' }
    const detail = { status: 503, body: HOSTILE, host: 'shop.example', firstByteMs: 4 }
    const attempts = [attempt(2, { detail }), attempt(1, { outcome: 'unknown', error: 'socket hang up' })]
    const steps = event.stepsOf(place({ state: 'scheduled', tries: 2, since: 500, next, attempts }))
    assert.deepEqual(
      steps.map(({ title, tone, at, note, text }) => [title, tone, at, note, text]),
      [
        ['Next try', 'waiting', 9000, '', 'try 2 failed: it answered 503'],
        ['Try 2: 503, not delivered', 'waiting', 2000, 'took 12.3 ms', 'it answered 503'],
        ['Try 1: not known whether it arrived', 'waiting', 1000, 'took 12.3 ms', 'socket hang up'],
        ['Taken in', 'calm', 500, '', ''],
      ],
    )
    assert.equal(steps[1]!.body, HOSTILE)
    assert.deepEqual(steps[1]!.facts, [
      ['host', 'shop.example'],
      ['firstByteMs', '4'],
    ])
  })

  test('a dead letter follows the try that led to it, and what became of it follows that', () => {
    const letter = {
      offset: 7,
      time: 1000,
      stateTime: 5000,
      state: 'purged',
      message: 'no',
      notReplayable: null,
    } as const
    const attempts = [attempt(1, { outcome: 'reject', detail: { status: 0 } })]
    const steps = event.stepsOf(place({ state: 'dead', letter, attempts }))
    assert.deepEqual(
      steps.map(({ title }) => title),
      ['Its dead letter was dropped', 'Given up: dead letter 7', 'Try 1: no answer, rejected'],
    )
    const doubt = event.stepsOf(place({ state: 'in-doubt', next: { at: null, why: 'not known' } }))
    assert.deepEqual([doubt[0]!.title, doubt[0]!.tone, doubt[0]!.at], ['In doubt', 'failing', null])
    assert.equal(event.stepsOf(place({ state: 'under-way', tries: 2 }))[0]!.title, 'Try 3 is under way')
  })

  test('times are told as far away and as of the day', () => {
    const now = new Date(2026, 3, 5, 14, 0, 0).getTime()
    assert.equal(event.relative(now + 260_000, now), 'in 4 min 20 s')
    assert.equal(event.relative(now - 12_000, now), '12 s ago')
    assert.equal(event.relative(now + 999, now), 'now')
    assert.equal(event.moment(now + 5000, now), '14:00:05')
    assert.equal(event.moment(now + 86_400_000, now), '2026-04-06 14:00:00')
  })

  test('what was answered is shown as it came; JSON with its lines apart', () => {
    for (const body of [HOSTILE, '', 'plain', '{broken', '[1,']) assert.equal(event.pretty(body), body)
    assert.equal(event.pretty('{"a":1}'), '{\n  "a": 1\n}')
    assert.equal(event.pretty({ a: '<b>' }), '{\n  "a": "<b>"\n}')
    const [step] = event.stepsOf(place({ attempts: [attempt(1, { detail: ['<b>'] })] }))
    assert.equal(step!.body, '[\n  "<b>"\n]')
  })

  test('a hostile answer becomes a text of the page, and nothing else', () => {
    const made = onPage(() => answerOf([['<i>', HOSTILE]], HOSTILE))
    assert.deepEqual(made.tree(), [
      'details',
      ['summary', 'Response'],
      ['dl', ['dt', '<i>'], ['dd', HOSTILE]],
      ['pre', HOSTILE],
    ])
  })

  test('it says what was not looked through, and whether something may still change', () => {
    const story = { complete: true, notSearched: [], searchedBackTo: null, destinations: [] as StoryPlace[] }
    assert.equal(event.limitsNote(story, 0), '')
    const partly = { ...story, complete: false, notSearched: ['attempts', 'backlog'], searchedBackTo: 1000 }
    assert.match(event.limitsNote(partly, 2000), /many tries and events that wait .* back to \d\d:\d\d:01\.$/)
    const settled = [place(), place({ state: 'dead' })]
    assert.ok(event.isSettled({ ...story, destinations: settled }))
    assert.ok(!event.isSettled({ ...partly, destinations: settled }))
    assert.ok(!event.isSettled({ ...story, destinations: [...settled, place({ state: 'in-doubt' })] }))
    assert.equal(
      event.summaryOf({ destinations: settled } as unknown as EventStory),
      '2 destinations: 1 delivered, 1 dead',
    )
    assert.match(event.summaryOf(story), /nowhere/)
  })
})
