/** How far a task reads ahead of its delivery: a fast destination's burst is left in the log, but not for long. */
import assert from 'node:assert/strict'
import { afterEach, describe, test } from 'node:test'
import { DeliveryWorld } from './test/delivery-world.ts'

const BATCH = 100

let world: DeliveryWorld

afterEach(() => world.close())

/** Millisecond by millisecond. */
async function pass(ms: number): Promise<void> {
  for (let passed = 0; passed < ms; passed += 100) await world.after(100)
}

/** Batches for one destination that takes so many a second, then one event for another. */
async function begin(rate: number, batches: number): Promise<void> {
  world = new DeliveryWorld({
    route: value => (value === 'other' ? 'other' : 'burst'),
    limits: { destination: { rate: { rate: `${rate}/s`, burst: 1 } } },
  })
  await world.start()
  // It is known how fast it goes.
  world.send(...Array.from({ length: BATCH }, () => 'first'))
  await pass((BATCH / rate) * 1000)
  for (let n = 0; n < batches; n++) world.send(...Array.from({ length: BATCH }, () => 'burst'))
  world.send('other')
  await world.settle()
}

describe('a burst for one destination', () => {
  test('that is fast is read as it goes, and hardly anything of it is written down', async () => {
    await begin(1000, 8)
    let most = 0
    for (let ms = 0; ms < 900; ms += 10) {
      await world.after(10)
      most = Math.max(most, world.rows('due').length)
    }
    assert.ok(most <= 2 * BATCH, `${most} were written down at once`)
    assert.equal(world.sent.length, 9 * BATCH + 1)
  })

  test('delays those behind it by a second and a little at most', async () => {
    await begin(1000, 40)
    assert.equal(world.sent.includes('other'), false)
    await pass(1100)
    assert.equal(world.sent.includes('other'), true)
    await pass(3200)
    assert.equal(world.sent.length, 41 * BATCH + 1)
    assert.equal(world.rows('due').length, 0)
  })

  test('that is slow delays nobody', async () => {
    await begin(100, 8)
    assert.equal(world.sent.includes('other'), true)
  })

  test('that hangs delays nobody for long', async () => {
    world = new DeliveryWorld({
      route: value => (value === 'other' ? 'other' : 'burst'),
      send: value => (value === 'other' ? undefined : new Promise(() => {})),
      limits: { total: { concurrency: 100 }, destination: { concurrency: 10 } },
    })
    await world.start()
    for (let n = 0; n < 8; n++) world.send(...Array.from({ length: BATCH }, () => 'burst'))
    world.send('other')
    await world.settle()
    await world.after(150)
    assert.equal(world.sent.includes('other'), true)
  })
})
