/** Deliveries run by a worker on a log in memory, driven by steps and a virtual clock. */
import assert from 'node:assert/strict'
import { afterEach, describe, test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import type { DeliverySettings } from '../delivery/contract.ts'
import { DeliveryError } from '../delivery/delivery-error.ts'
import { DeliveryWorld, type events, fails, hang } from './test/delivery-world.ts'

let world: DeliveryWorld

afterEach(() => world.close())

async function begin(settings: Partial<DeliverySettings<typeof events>> = {}): Promise<DeliveryWorld> {
  world = new DeliveryWorld(settings)
  await world.start()
  return world
}

const RETRY = { schedule: ['1s', '2s'], jitter: 0 } as const

describe('at least once', () => {
  test('each record is sent once, in order, and leaves nothing behind', async () => {
    await begin()
    world.send('a', 'b', 'c')
    await world.settle()
    assert.deepEqual(world.sent, ['a', 'b', 'c'])
    assert.equal(world.rows('due').length, 0)
    assert.equal(world.rows('destinations').length, 0)
    assert.equal(world.changesOfDue, 0)
  })

  test('tries count what the application wants counted, and nothing else', async () => {
    await begin({
      counters: ['found', 'missed'],
      retry: RETRY,
      send: (value, attempt) => {
        attempt.count('found', 2)
        attempt.count(value)
      },
    })
    world.send('missed', 'other')
    await world.settle()
    assert.deepEqual(world.counters(2), [4, 1])
    assert.deepEqual(
      world.rows('due').map(row => row.fields.error),
      ["'other' is not in counters of delivery 'calls'"],
    )
  })

  test('what fails is tried again on schedule, then becomes a dead letter with its destination', async () => {
    await begin({ retry: RETRY, send: fails })
    world.send('a')
    await world.settle()
    assert.deepEqual(world.tries, ['a 1'])
    assert.equal(world.rows('due').length, 1)
    await world.after(900)
    assert.deepEqual(world.tries, ['a 1'])
    await world.after(100)
    assert.deepEqual(world.tries, ['a 1', 'a 2'])
    await world.after(2000)
    assert.deepEqual(world.tries, ['a 1', 'a 2', 'a 3'])
    assert.equal(world.rows('due').length, 0)
    const [letter] = world.deadLetters()
    assert.match(letter!.message, /not delivered to 'calls' after 3 tries: out of order/)
    assert.equal(letter!.destination, 'calls')
    assert.equal(letter!.value, 'a')
  })

  test('what was under way when the process ended is sent again, with the same id', async () => {
    await begin({ send: hang })
    world.send('a')
    await world.settle()
    const [first] = world.ids
    await world.crash()
    await world.start({ send: () => {} })
    await world.settle()
    assert.deepEqual(world.tries, ['a 1', 'a 1'])
    assert.deepEqual(world.ids, [first, first])
    await world.crash()
    await world.start()
    await world.settle()
    assert.equal(world.tries.length, 2)
  })

  test('a try whose time is over is aborted and tried again', async () => {
    let aborted = 0
    await begin({
      timeout: '10s',
      retry: RETRY,
      send: (_, { signal }) => {
        signal.addEventListener('abort', () => aborted++)
        return hang()
      },
    })
    world.send('a')
    await world.settle()
    await world.after(10_000)
    assert.equal(aborted, 1)
    await world.after(1000)
    assert.deepEqual(world.tries, ['a 1', 'a 2'])
  })
})

describe('at most once', () => {
  test('it is sent when its intent is committed, and nothing is left of it', async () => {
    await begin({ guarantee: 'at-most-once' })
    world.send('a', 'b')
    world.stepWithoutLog()
    assert.deepEqual(world.sent, [])
    await world.settle()
    assert.deepEqual(world.sent, ['a', 'b'])
    assert.equal(world.rows('due').length, 0)
  })

  test('what was under way when the process ended is in doubt, and never sent by itself', async () => {
    await begin({ guarantee: 'at-most-once', send: hang })
    world.send('a')
    await world.settle()
    await world.crash()
    await world.start({ guarantee: 'at-most-once' })
    await world.settle()
    await world.after(86_400_000)
    assert.deepEqual(world.tries, ['a 1'])
    const [row] = world.rows('due')
    assert.equal(String(row!.key)[0], 'd')
    world.command({ command: 'send', event: row!.key })
    await world.settle()
    assert.deepEqual(world.tries, ['a 1', 'a 2'])
    assert.equal(world.rows('due').length, 0)
  })

  test('an error that tells nothing puts it in doubt, one that tells of no delivery does not; dropped it is a dead letter', async () => {
    await begin({
      guarantee: 'at-most-once',
      retry: RETRY,
      send: value => {
        throw value === 'a' ? new Error('socket hang up') : new DeliveryError('retry', 'refused')
      },
    })
    world.send('a', 'b')
    await world.settle()
    await world.after(60_000)
    assert.deepEqual(world.tries, ['a 1', 'b 1', 'b 2', 'b 3'])
    const [row] = world.rows('due')
    world.command({ command: 'drop', event: row!.key })
    await world.settle()
    assert.deepEqual(world.rows('due'), [])
    assert.deepEqual(
      world.deadLetters().map(letter => letter.value),
      ['b', 'a'],
    )
  })
})

describe('events', () => {
  test('of one order go one after the other, also when one is tried again; others pass them', async () => {
    const failed = new Set<string>()
    await begin({
      route: value => ({ destination: 'x', order: value[0]! }),
      retry: { schedule: ['1s'], jitter: 0 },
      send: value => {
        if (value !== 'a1' || failed.has(value)) return
        failed.add(value)
        throw new DeliveryError('retry', 'once')
      },
    })
    world.send('a1', 'a2', 'b1', 'a3')
    await world.settle()
    assert.deepEqual(world.sent, ['a1', 'b1'])
    await world.after(1000)
    assert.deepEqual(world.sent, ['a1', 'b1', 'a1', 'a2', 'a3'])
  })

  test('of a higher priority go first; delayed ones when their time comes', async () => {
    await begin({
      route: value =>
        value.startsWith('late')
          ? { destination: 'x', delay: '1m' }
          : { destination: 'x', priority: value.startsWith('!') ? 9 : 4 },
      limits: { destination: { concurrency: 1 } },
      send: async () => await turn(),
    })
    world.send('late', 'a', 'b', '!')
    await world.settle()
    assert.deepEqual(world.sent, ['!', 'a', 'b'])
    await world.after(59_000)
    assert.equal(world.sent.length, 3)
    await world.after(1000)
    assert.equal(world.sent.at(-1), 'late')
  })

  test('with an id that came before are passed over, for as long as was said', async () => {
    await begin({ deduplicate: '1h', route: value => ({ destination: 'x', id: value }) })
    world.send('a', 'a', 'b')
    await world.settle()
    await world.crash()
    await world.start({ deduplicate: '1h', route: value => ({ destination: 'x', id: value }) })
    world.send('a')
    await world.settle()
    assert.deepEqual(world.sent, ['a', 'b'])
    await world.after(3_600_000)
    assert.equal(world.rows('seen').length, 0)
    world.send('a')
    await world.settle()
    assert.deepEqual(world.sent, ['a', 'b', 'a'])
  })

  test('of a route that throws become dead letters, and the others go on', async () => {
    await begin({
      route: value => {
        if (value === 'bad') throw new Error('no such place')
        return value === 'none' ? undefined : ['x', 'y'].map(destination => ({ destination }))
      },
    })
    world.send('a', 'bad', 'none', 'b')
    await world.settle()
    assert.deepEqual([...world.sent].sort(), ['a', 'a', 'b', 'b'])
    assert.deepEqual(
      world.deadLetters().map(letter => letter.value),
      ['bad'],
    )
  })

  test('keep their values, keys and headers while others are read', async () => {
    const seen: string[] = []
    await begin({
      limits: { destination: { concurrency: 1 } },
      send: async (value, { headers, key }) => {
        await turn()
        seen.push(`${value} ${key} ${headers.map(header => header.value).join()}`)
      },
    })
    for (let n = 0; n < 40; n++) world.sendWithHeader(`${n}`, `h${n}`)
    await world.settle()
    assert.deepEqual(
      seen,
      Array.from({ length: 40 }, (_, n) => `${n} k h${n}`),
    )
  })

  test('that come faster than they go lie on the disk, and all are sent in order', async () => {
    await begin({ memory: '10kB', limits: { destination: { concurrency: 1 } }, send: async () => await turn() })
    const all = Array.from({ length: 2000 }, (_, n) => `${n}`)
    for (let n = 0; n < all.length; n += 100) world.send(...all.slice(n, n + 100))
    await world.settle()
    assert.deepEqual(world.sent, all)
    assert.equal(world.rows('due').length, 0)
  })
})
