/** `aldebaran deliveries` against a process that runs. */
import assert from 'node:assert/strict'
import { afterEach, beforeEach, test } from 'node:test'
import type { EventStory } from '../../src/http/delivery-shape.ts'
import { aldebaran, type Outcome } from './command-here.ts'
import { startOutside } from './delivery-application.ts'
import { TestSite } from './http-site.ts'
import { Receiver } from './receiver.ts'
import { startStories } from './story-application.ts'

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

function deliveries(args: string[], terminal = false): Promise<Outcome> {
  return aldebaran(['deliveries', ...args], { terminal, env: { ALDEBARAN_URL: site.url } })
}

async function call(topic: string, to: string[]): Promise<void> {
  await site.postJson(`/topics/${topic}/records?wrap=value`, { url: receiver.url, to })
}

async function until(args: string[], pattern: RegExp): Promise<string> {
  let out = ''
  await site.until(async () => {
    out = (await deliveries(args, true)).out
    return pattern.test(out)
  })
  return out
}

test('ls, destinations and events: tables on a terminal, else a line of JSON each', async () => {
  receiver.answer('sick', 500)
  await call('calls', ['well', 'sick'])
  const table = await until(['destinations', 'calls'], /^sick +acme +active +0 +0 +1 /m)
  assert.match(table, /^DESTINATION +TENANT +STATE +UNDER WAY/)
  const { lines } = await deliveries(['destinations', 'calls', '-n', '1', '--json'])
  assert.deepEqual(
    lines.map(({ destination, scheduled, error }) => ({ destination, scheduled, error })),
    [{ destination: 'sick', scheduled: 1, error: 'answered 500' }],
  )
  assert.match((await deliveries(['ls'], true)).out, /^DELIVERY +TOPIC +GUARANTEE.*\ncalls +calls +at-least-once /)
  const listed = await deliveries([])
  assert.deepEqual(
    listed.lines.map(one => [one.delivery, one.tries]),
    [
      ['calls', 2],
      ['notices', 0],
    ],
  )
  const events = await deliveries(['events', 'calls', '--state', 'scheduled', '--destination', 'sick'])
  assert.deepEqual(
    events.lines.map(({ id, tries }) => ({ id, tries })),
    [{ id: 'calls/0/0', tries: 1 }],
  )
  assert.match((await deliveries(['events', 'calls'], true)).err, /There are no events in doubt\./)
})

test('pause, limit, resume and purge', async () => {
  const paused = await deliveries(['pause', 'calls', 'shop', '--reason', 'moves house'], true)
  assert.deepEqual([paused.code, paused.out], [0, 'Accepted: it is carried out in a moment.\n'])
  await until(['destinations', 'calls'], /paused \(moves house\)/)
  await call('calls', ['shop'])
  const limited = await deliveries(['limit', 'calls', 'shop', '--rate', '5/s', '--concurrency', '2'])
  assert.deepEqual(limited.lines, [{ accepted: 1 }])
  await site.until(async () => {
    const { lines } = await deliveries(['destinations', 'calls'])
    return lines.some(one => one.rate === '5/s' && one.concurrency === 2 && one.waiting === 1)
  })
  await deliveries(['purge', 'calls', 'shop'])
  await site.until(async () => (await deliveries(['ls'])).lines[0]!.dead === 1)
  await deliveries(['resume', 'calls', 'shop'])
  await until(['destinations', 'calls'], /^shop .*active/m)
  assert.equal(receiver.count('shop'), 0)
})

test('send and drop events, several at once', async () => {
  receiver.answer('shaky', 'break')
  await call('notices', ['shaky', 'other'])
  await call('notices', ['shaky'])
  const inDoubt = async () => (await deliveries(['events', 'notices'])).lines.map(one => String(one.event))
  await site.until(async () => (await inDoubt()).length === 2)
  receiver.answer('shaky', 200)
  const [first, second] = await inDoubt()
  assert.deepEqual((await deliveries(['send', 'notices', first!, second!])).lines, [{ accepted: 2 }])
  await site.until(() => receiver.count('shaky') === 4)
  receiver.answer('shaky', 'break')
  await call('notices', ['shaky'])
  await site.until(async () => (await inDoubt()).length === 1)
  await deliveries(['drop', 'notices', ...(await inDoubt())])
  await site.until(async () => (await inDoubt()).length === 0)
  assert.equal(receiver.count('shaky'), 5)
})

test('event: the story of one, for people and as JSON', async () => {
  const stories = await TestSite.open({}, '1GB', startStories)
  try {
    receiver.answer('sick', 503)
    receiver.answer('fussy', 422)
    const value = { url: receiver.url, to: ['sick', 'fussy'], id: 'e-1' }
    await stories.postJson('/topics/posts/records?wrap=value', value)
    const event = (args: string[], terminal: boolean): Promise<Outcome> =>
      aldebaran(['deliveries', 'event', 'posts', ...args], { terminal, env: { ALDEBARAN_URL: stories.url } })
    let shown = await event(['e-1'], true)
    await stories.until(async () => {
      shown = await event(['e-1'], true)
      return /^sick .*scheduled/m.test(shown.out) && /^fussy .*dead /m.test(shown.out)
    })
    assert.equal(shown.code, 0)
    assert.match(shown.out, /^event +e-1\ndelivery +stories \/ posts\nrecord +posts [01]:0, /)
    assert.match(shown.out, /^ {2}sick: aldebaran deliveries send posts [01]\.\w+$/m)
    assert.match(shown.out, /^ {2}fussy: aldebaran dlq replay 0$/m)
    assert.match(shown.out, /^ +1 +sick +\d{4}-.* retry +answered.* 503 <img/m)
    const [json] = (await event(['e-1', '--destination', 'sick', '--json'], true)).lines
    const { id, complete, destinations } = json as unknown as EventStory
    assert.deepEqual([id, complete, destinations.map(one => one.state)], ['e-1', true, ['scheduled']])
    const missing = await event(['e-2'], true)
    assert.equal(missing.code, 1)
    assert.match(missing.err, /nothing is known of an event 'e-2'.*NOT_FOUND/s)
  } finally {
    await stories.close()
  }
})

test('dead letters of a delivery: chosen by destination and time, and one replayed with another value', async () => {
  const dlq = (args: string[], input = '') => aldebaran(['dlq', ...args], { input, env: { ALDEBARAN_URL: site.url } })
  receiver.answer('fussy', 422)
  receiver.answer('picky', 422)
  await call('calls', ['fussy', 'picky'])
  await site.until(async () => (await dlq([])).lines.length === 2)
  const [letter, ...others] = (await dlq(['--destination', 'fussy'])).lines
  assert.deepEqual(others, [])
  const offset = String(letter?.offset)
  const until = new Date(Number(letter?.time)).toISOString()
  assert.deepEqual((await dlq(['--destination', 'fussy', '--until', until])).lines, [])
  assert.equal((await dlq(['--destination', 'fussy', '--since', until])).lines.length, 1)
  assert.equal((await dlq(['purge', '--all', '--destination', 'fussy', '--until', until])).lines[0]?.changed, 0)
  const refused = await dlq(['replay', offset, '--bytes', '-'], '{"url"')
  assert.equal(refused.code, 1)
  assert.match(refused.err, /VALUE_UNDECODABLE/)
  receiver.answer('fussy', 200)
  const value = letter?.value as object
  const edited = JSON.stringify({ ...value, note: 'by hand' })
  assert.equal((await dlq(['replay', offset, '--value', '-'], edited)).lines[0]?.changed, 1)
  await site.until(async () => receiver.count('fussy') === 2)
  assert.equal(receiver.count('picky'), 1)
  for (const args of [
    ['replay', '1', '--since', 'yesterday'],
    ['replay', '1', '2', '--value', '-'],
    ['replay', '1', '--destination', 'fussy'],
    ['replay', '1', '--value', '-'],
    ['ls', '--state', 'lost'],
  ]) {
    const wrong = await dlq(args, 'no json')
    assert.equal(wrong.code, 2, args.join(' '))
    assert.match(wrong.err, /USAGE/)
  }
})

test('what is wrong is told with its code and a remedy', async () => {
  const bad = await deliveries(['limit', 'calls', 'shop', '--rate', 'often'])
  assert.equal(bad.code, 1)
  assert.match(bad.err, /'often' is not a rate/)
  assert.match(bad.err, /OPTION_INVALID/)
  assert.match((await deliveries(['destinations', 'nothing'])).err, /NOT_FOUND/)
  const lost = await deliveries(['events', 'calls', '--state', 'lost'])
  assert.equal(lost.code, 2)
  assert.match(lost.err, /in-doubt, waiting, scheduled/)
  const { status, text } = await site.get('/deliveries/calls/events?state=lost')
  assert.equal(status, 400)
  assert.match(text, /OPTION_INVALID.*in-doubt, waiting, scheduled/)
  const unknown = await deliveries(['nothing'])
  assert.equal(unknown.code, 2)
  assert.match(unknown.err, /unknown command 'nothing': deliveries has ls, destinations, .*USAGE/s)
  const unheard = await deliveries(['pause', 'calls', 'shpo'], true)
  assert.equal(unheard.code, 0)
  assert.match(unheard.err, /^Nothing has gone to shpo lately: .* destinations calls lists them\.$/m)
  assert.equal((await deliveries(['pause', 'calls'])).code, 2)
})
