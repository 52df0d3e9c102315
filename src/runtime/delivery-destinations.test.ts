/** What becomes of destinations that hang, fail, throttle or are gone: see delivery.test.ts. */
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

  test('is purged to the end, also when the process ends in the middle of it', async () => {
    await begin({ send: fails, breaker: { consecutiveFailures: 1, openFor: '1h' }, retry: RETRY })
    const all = Array.from({ length: 8000 }, (_, n) => String(n))
    world.send(...all)
    await world.settle()
    world.command({ command: 'purge', destination: 'calls' })
    world.turns(6)
    const before = world.deadLetters().length
    assert.ok(before > 0 && before < all.length, `${before} were purged when it ended`)
    await world.crash()
    await world.start()
    await world.settle()
    assert.deepEqual(
      world
        .deadLetters()
        .map(letter => letter.value)
        .toSorted(),
      all.toSorted(),
    )
    assert.equal(world.rows('due').length, 0)
  })

  test('that may not go leaves the memory to others, and goes on from the disk', async () => {
    let isAway = true
    await begin({
      send: () => {
        if (isAway) throw new DeliveryError('retry', 'away')
      },
      breaker: { consecutiveFailures: 1, openFor: '1h' },
      retry: RETRY,
    })
    const all = Array.from({ length: 1000 }, (_, n) => String(n))
    world.send(...all)
    await world.settle()
    assert.deepEqual(
      all.filter(n => world.isInMemory(`events/0/${n}`)),
      [],
    )
    isAway = false
    world.command({ command: 'reset', destination: 'calls' })
    await world.settle()
    await world.after(1000)
    assert.deepEqual(world.sent.slice(-1000).toSorted(), all.toSorted())
    assert.equal(world.rows('due').length, 0)
  })

  test('is not blamed for what it had no part in', async () => {
    let away: 'throttle' | 'retry' | null = 'throttle'
    await begin({
      breaker: { consecutiveFailures: 2 },
      disableAfter: '1m',
      retry: { schedule: ['10s', '10s', '1h'], jitter: 0 },
      send: () => {
        if (away !== null) throw new DeliveryError(away, 'the database is away', { blameless: true })
      },
    })
    world.send('a', 'b', 'c')
    await world.settle()
    await world.after(120_000)
    away = 'retry'
    await world.after(600_000)
    const [row] = world.rows('destinations')
    assert.deepEqual([row!.fields.paused, row!.fields.breaker, row!.fields.failingSince], ['', 'closed', 0])
    away = null
    await world.after(4_000_000)
    assert.deepEqual(world.deadLetters(), [])
    assert.equal(world.rows('due').length, 0)
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
