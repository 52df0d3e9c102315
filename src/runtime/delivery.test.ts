/** Deliveries run by a worker on a log in memory, driven by steps and a virtual clock. */
import assert from 'node:assert/strict'
import { afterEach, describe, test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import type { AttemptRecord, DeliveryNotice, DeliverySettings } from '../delivery/contract.ts'
import { DeliveryError } from '../delivery/delivery-error.ts'
import { topic } from '../pipeline/topic.ts'
import { json } from '../schema/json.ts'
import { text } from '../schema/primitives.ts'
import { DeliveryWorld, type events } from './test/delivery-world.ts'

let world: DeliveryWorld

afterEach(() => world.close())

async function begin(settings: Partial<DeliverySettings<typeof events>> = {}): Promise<DeliveryWorld> {
  world = new DeliveryWorld(settings)
  await world.start()
  return world
}

const DAY = 86_400_000
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

function hang(): Promise<void> {
  return new Promise(() => {})
}

function fails(): never {
  throw new DeliveryError('retry', 'out of order')
}

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

describe('a destination', () => {
  test('that hangs takes its share and no more: others get theirs', async () => {
    await begin({
      route: value => ({ destination: value[0]!, tenant: value[0]! }),
      limits: { total: { concurrency: 4 }, destination: { concurrency: 2 } },
      send: value => (value.startsWith('x') ? hang() : undefined),
    })
    world.send('x1', 'x2', 'x3', 'x4', 'x5', 'y1', 'y2', 'y3')
    await world.settle()
    assert.deepEqual(
      world.sent.filter(value => value.startsWith('y')),
      ['y1', 'y2', 'y3'],
    )
    assert.equal(world.sent.filter(value => value.startsWith('x')).length, 2)
  })

  test('that hangs leaves room for the others, also when many do', async () => {
    await begin({
      route: value => ({ destination: value, tenant: value.slice(0, 1) }),
      limits: { total: { concurrency: 20 } },
      breaker: false,
      send: value => (value.startsWith('x') ? hang() : undefined),
    })
    for (let round = 0; round < 10; round++) world.send('x1', 'x2', 'x3', 'x4', 'x5', 'x6', `y${round}`, `z${round}`)
    await world.settle()
    await world.after(1000)
    const others = world.sent.filter(value => !value.startsWith('x'))
    assert.equal(others.length, 20)
    assert.ok(world.sent.length - others.length >= 10)
  })

  test('that fails opens its breaker: nothing more is tried until its time is over, then one', async () => {
    let fails = true
    await begin({
      breaker: { consecutiveFailures: 3, openFor: '30s' },
      retry: { schedule: ['1ms'], attempts: Number.POSITIVE_INFINITY, jitter: 0 },
      limits: { destination: { concurrency: 1 } },
      send: () => {
        if (fails) throw new DeliveryError('retry', 'down')
      },
    })
    world.send('a', 'b', 'c', 'd', 'e')
    await world.settle()
    assert.equal(world.tries.length, 3)
    await world.after(29_000)
    assert.equal(world.tries.length, 3)
    await world.after(1500)
    assert.equal(world.tries.length, 4)
    fails = false
    await world.after(60_000)
    assert.deepEqual([...new Set(world.sent)].sort(), ['a', 'b', 'c', 'd', 'e'])
    assert.equal(world.rows('destinations').length, 0)
  })

  test('keeps its breaker, its pause and its backlog over a restart', async () => {
    await begin({ breaker: { consecutiveFailures: 1, openFor: '1h' }, send: fails, retry: RETRY })
    world.send('a')
    world.command({ command: 'pause', destination: 'calls', reason: 'moving' })
    await world.settle()
    world.send(...Array.from({ length: 1000 }, (_, n) => `b${n}`))
    await world.settle()
    await world.crash()
    await world.start({ breaker: { consecutiveFailures: 1, openFor: '1h' }, retry: RETRY })
    await world.settle()
    assert.equal(world.tries.length, 1)
    assert.deepEqual(
      world.rows('destinations').map(row => row.fields.paused),
      ['moving'],
    )
    world.command({ command: 'resume', destination: 'calls' })
    await world.settle()
    await world.after(5000)
    assert.equal(world.sent.filter(value => value.startsWith('b')).length, 1000)
    assert.deepEqual(
      world.sent.filter(value => value.startsWith('b')).map(value => Number(value.slice(1))),
      Array.from({ length: 1000 }, (_, n) => n),
    )
    assert.equal(world.rows('due').length, 0)
  })

  test('gets no more than its rate, and waiting costs no try', async () => {
    await begin({ limits: { destination: { rate: { rate: '10/s', burst: 2 } } }, retry: { attempts: 1 } })
    world.send(...Array.from({ length: 30 }, (_, n) => `${n}`))
    await world.settle()
    const before = world.sent.length
    await world.after(1000)
    assert.equal(world.sent.length - before, 10)
    await world.after(3000)
    assert.equal(world.sent.length, 30)
    assert.deepEqual(world.deadLetters(), [])
  })

  test('that throttles gets nothing before the time it names', async () => {
    let busy = true
    await begin({
      retry: { schedule: ['1s'], jitter: 0 },
      limits: { destination: { concurrency: 1 } },
      send: () => {
        if (busy) throw new DeliveryError('throttle', '429', { retryAfter: 10_000 })
      },
    })
    world.send('a', 'b')
    await world.settle()
    busy = false
    await world.after(9900)
    assert.deepEqual(world.tries, ['a 1'])
    await world.after(100)
    assert.deepEqual(world.sent.slice(1).sort(), ['a', 'b'])
  })

  test('that throttles uses up no tries, is asked by one event at a time, ever more seldom, and gets all in the end', async () => {
    let busy = true
    let together = 0
    await begin({
      retry: { attempts: 2 },
      send: async () => {
        together++
        await turn()
        const most = together
        together = 0
        if (busy) throw new DeliveryError('throttle', `busy with ${most}`)
      },
    })
    const all = Array.from({ length: 30 }, (_, n) => String(n))
    world.send(...all)
    await world.settle()
    const first = world.sent.length
    await world.after(120_000)
    assert.ok(world.sent.length - first < 10, `${world.sent.length - first} tries while it throttled`)
    busy = false
    await world.after(600_000)
    assert.deepEqual(world.deadLetters(), [])
    assert.deepEqual([...new Set(world.sent)].sort(), [...all].sort())
    assert.equal(world.rows('due').length + world.rows('destinations').length, 0)
  })

  test('that is gone is paused; what it refused is a dead letter', async () => {
    await begin({
      send: value => {
        if (value === 'a') throw new DeliveryError('disable', 'gone')
      },
      limits: { destination: { concurrency: 1 } },
    })
    world.send('a', 'b')
    await world.settle()
    assert.deepEqual(world.tries, ['a 1'])
    assert.deepEqual(
      world.deadLetters().map(letter => letter.value),
      ['a'],
    )
    world.command({ command: 'purge', destination: 'calls' })
    await world.settle()
    assert.deepEqual(
      world.deadLetters().map(letter => letter.value),
      ['a', 'b'],
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

describe('what a delivery looks up and tells', () => {
  const places = topic('places', { key: text(), value: text(), partitions: 1, compacted: true })
  const attempts = topic('attempts', { key: text(), value: json<AttemptRecord>(), partitions: 1 })
  const notices = topic('notices', { key: text(), value: json<DeliveryNotice>(), partitions: 1 })

  test('routes and tries see the last value of a key, also after a restart; a null value deletes', async () => {
    const seen: unknown[] = []
    const settings: Partial<DeliverySettings<typeof events>> = {
      reads: [places],
      route: (_, { latest }) => latest(places),
      send: (_, { latest, destination }) => void seen.push([destination, latest(places), latest(places, 'other')]),
    }
    await begin(settings)
    world.send('a')
    await world.settle()
    world.sendTo(places, 'k', 'here')
    world.sendTo(places, 'other', 'there')
    await world.settle()
    world.send('b')
    await world.settle()
    await world.crash()
    await world.start(settings)
    world.send('c')
    await world.settle()
    world.sendTo(places, 'k', 'elsewhere')
    world.forget(places, 'other')
    await world.settle()
    world.send('d')
    await world.settle()
    assert.deepEqual(seen, [
      ['here', 'here', 'there'],
      ['here', 'here', 'there'],
      ['elsewhere', 'elsewhere', undefined],
    ])
    assert.deepEqual(world.deadLetters(), [])
    assert.equal(world.topic(places)?.compacted, true)
  })

  test('each try is a record, with what send returned or its error told', async () => {
    await begin({
      attempts,
      retry: RETRY,
      send: (_, { number }) => {
        if (number === 1) throw new DeliveryError('retry', 'busy', { detail: { status: 503 } })
        return { status: 200 }
      },
    })
    world.send('a')
    await world.settle()
    await world.after(1000)
    const told = (world.read(attempts) as AttemptRecord[]).map(({ number, outcome, error, detail }) => ({
      number,
      outcome,
      error,
      detail,
    }))
    assert.deepEqual(told, [
      { number: 1, outcome: 'retry', error: 'busy', detail: { status: 503 } },
      { number: 2, outcome: 'delivered', error: '', detail: { status: 200 } },
    ])
  })

  test('a destination that fails for too long is paused, also over a restart, and somebody is told', async () => {
    const settings: Partial<DeliverySettings<typeof events>> = {
      disableAfter: '5d',
      notices,
      breaker: false,
      retry: { schedule: ['1d'], attempts: Number.POSITIVE_INFINITY, jitter: 0 },
      send: fails,
    }
    await begin(settings)
    world.send('a')
    await world.settle()
    await world.after(3 * DAY)
    await world.crash()
    await world.start(settings)
    assert.deepEqual(world.read(notices), [])
    await world.after(3 * DAY)
    const [notice, second] = world.read(notices) as DeliveryNotice[]
    assert.equal(notice?.what, 'paused')
    assert.match(notice!.reason, /^failing since 2023-11-14T.*: out of order$/)
    assert.equal(second, undefined)
    const tries = world.tries.length
    await world.after(3 * DAY)
    assert.equal(world.tries.length, tries)
  })
})
