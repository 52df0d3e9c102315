/** What deliveries look up and tell: see delivery.test.ts. */
import assert from 'node:assert/strict'
import { afterEach, describe, test } from 'node:test'
import type { AttemptRecord, DeliveryNotice, DeliverySettings } from '../delivery/contract.ts'
import { DeliveryError } from '../delivery/delivery-error.ts'
import { topic } from '../pipeline/topic.ts'
import { json } from '../schema/json.ts'
import { text } from '../schema/primitives.ts'
import { DeliveryWorld, type events, fails } from './test/delivery-world.ts'

let world: DeliveryWorld

afterEach(() => world.close())

async function begin(settings: Partial<DeliverySettings<typeof events>> = {}): Promise<DeliveryWorld> {
  world = new DeliveryWorld(settings)
  await world.start()
  return world
}

const DAY = 86_400_000
const RETRY = { schedule: ['1s', '2s'], jitter: 0 } as const

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
