import assert from 'node:assert/strict'
import { test } from 'node:test'
import { delivery } from '../delivery/delivery.ts'
import { DeliveryError } from '../delivery/delivery-error.ts'
import { topic } from '../pipeline/topic.ts'
import { application } from '../runtime/application.ts'
import { text } from '../schema/primitives.ts'
import { drive } from './drive.ts'

const letters = topic('letters', { key: text(), value: text(), partitions: 2 })
const post = delivery('post', {
  from: letters,
  route: value => ({ destination: value[0]! }),
  send: () => assert.fail('nothing goes outside'),
  retry: { schedule: ['1s', '2s'], jitter: 0 },
  timeout: '10s',
  breaker: false,
})
const once = delivery('once', {
  from: letters,
  send: () => assert.fail('nothing goes outside'),
  guarantee: 'at-most-once',
})
const app = application('post', { deliveries: [post, once] })

test('what is sent is in the ledger, and no send of the application is called', async () => {
  const driver = await drive(app)
  driver.send(letters, 'k', 'a1')
  const tries = driver.sent()
  assert.deepEqual(
    tries.map(({ delivery, destination, value, number, told, settled }) => ({
      delivery,
      destination,
      value,
      number,
      told,
      settled,
    })),
    [
      { delivery: 'post', destination: 'a', value: 'a1', number: 1, told: 'delivered', settled: true },
      { delivery: 'once', destination: 'once', value: 'a1', number: 1, told: 'delivered', settled: true },
    ],
  )
  assert.deepEqual(driver.sent(), [])
  assert.deepEqual(driver.rows('post', 'due'), [])
  await driver.close()
})

test('a receiver that refuses is tried again on schedule, all within one call, then there is a dead letter', async () => {
  const driver = await drive(app, {
    deliveries: {
      post: () => {
        throw new DeliveryError('retry', 'closed')
      },
    },
  })
  const begun = driver.clock.now()
  driver.send(letters, 'k', 'a1')
  assert.equal(driver.sent('post').length, 1)
  driver.advance(60_000)
  assert.deepEqual(
    driver.sent('post').map(({ number, at }) => [number, at - begun]),
    [
      [2, 1000],
      [3, 3000],
    ],
  )
  assert.match(driver.deadLetters()[0]!.message, /not delivered to 'a' after 3 tries: closed/)
  await driver.close()
})

test('a reply comes when it is due, and not after the time of its try', async () => {
  const waits = [4000, 20_000, 0]
  const driver = await drive(app, {
    deliveries: {
      post: (_, { number }) => ({
        afterMs: waits[number - 1]!,
        arrived: true,
        ...(number === 1 ? { error: new Error('reset') } : {}),
      }),
    },
  })
  driver.send(letters, 'k', 'a1')
  driver.advance(3999)
  const [first] = driver.sent('post')
  assert.equal(first!.told, null)
  driver.advance(1)
  assert.equal(first!.told, 'unknown')
  driver.advance(60_000)
  const [second, third] = driver.sent('post')
  assert.deepEqual([second!.told, second!.aborted, second!.arrived], [null, true, true])
  assert.equal(third!.told, 'delivered')
  assert.deepEqual(driver.rows('post', 'due'), [])
  await driver.close()
})

test('what was under way at a restart is sent again, or in doubt; an operator decides', async () => {
  let answers = false
  const receiver = () => (answers ? {} : { afterMs: Number.POSITIVE_INFINITY })
  const driver = await drive(app, { deliveries: { post: receiver, once: receiver } })
  driver.send(letters, 'k', 'a1')
  const before = driver.sent()
  answers = true
  driver.restart()
  assert.deepEqual(
    before.map(one => [one.told, one.lostAt !== null]),
    [
      [null, true],
      [null, true],
    ],
  )
  assert.deepEqual(
    driver.sent().map(one => [one.delivery, one.id === before[0]!.id]),
    [['post', true]],
  )
  const [row] = driver.rows('once', 'due')
  driver.command('once', { command: 'send', event: String(row!.key) })
  assert.deepEqual(
    driver.sent().map(one => [one.delivery, one.number, one.told]),
    [['once', 2, 'delivered']],
  )
  assert.deepEqual(driver.rows('once', 'due'), [])
  await driver.close()
})

test('a destination that is paused gets nothing until it is resumed; so it is after an upgrade', async () => {
  const first = await drive(app)
  first.command('post', { command: 'pause', destination: 'a' })
  first.send(letters, 'k', 'a1')
  first.send(letters, 'k', 'b1')
  assert.deepEqual(
    first.sent('post').map(one => one.value),
    ['b1'],
  )
  const driver = await first.upgrade(app)
  driver.advance(1000)
  assert.deepEqual(driver.sent('post'), [])
  driver.command('post', { command: 'resume', destination: 'a' })
  assert.deepEqual(
    driver.sent('post').map(one => one.value),
    ['a1'],
  )
  assert.throws(() => driver.command('nobody', { command: 'resume', destination: 'a' }), { code: 'NOT_FOUND' })
  await driver.close()
})
