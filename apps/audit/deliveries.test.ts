import assert from 'node:assert/strict'
import { test } from 'node:test'
import { topicChannel } from 'aldebaran'
import { drive } from 'aldebaran/testing'
import { buildAudit } from './app.ts'
import type { AuditChannel } from './channels.ts'
import { type AlertValue, alertId, alertMessage } from './message.ts'

const DAY_MS = 86_400_000
const START_MS = 1_800_000_000_000

function channel(name: string, settings: Partial<AuditChannel> & { idempotent?: boolean } = {}): AuditChannel {
  const { idempotent = false, ...own } = settings
  const made = topicChannel({ name, idempotent, publish: async () => {} })
  return { name, channel: made, rate: null, concurrency: 4, timeout: 20_000, since: 0, ...own }
}

async function driven(...channels: AuditChannel[]) {
  const { application, alerts, trades } = buildAudit({ ids: 'text', deltaMs: 10_000, partitions: 2, channels })
  return { driver: await drive(application, { startMs: START_MS }), alerts, trades }
}

const ALERT: AlertValue = {
  orderId: 'o-1',
  kind: 'OVERBOUGHT',
  requested: 100,
  purchased: 101,
  ts: START_MS * 1000 + 7,
  client: 'ACME',
  stock: 'XYZ',
}

test('an alert goes once to each channel, by the delivery for channels of its kind', async () => {
  const { driver, trades } = await driven(channel('mail'), channel('phone'), channel('hook', { idempotent: true }))
  driver.send(trades, null, { id: 'o-1', '#shares': 100, client: 'ACME', stock: 'XYZ' })
  driver.send(trades, null, { id: 'p-1', initial_order_id: 'o-1', '#shares': 101, client: 'ACME', stock: 'XYZ' })
  assert.deepEqual(
    driver
      .sent()
      .map(({ delivery, destination, id, told }) => ({ delivery, destination, id, told }))
      .sort((a, b) => (a.destination < b.destination ? -1 : 1)),
    [
      { delivery: 'alerts-keyed', destination: 'hook', id: 'o-1/OVERBOUGHT', told: 'delivered' },
      { delivery: 'alerts-once', destination: 'mail', id: 'o-1/OVERBOUGHT', told: 'delivered' },
      { delivery: 'alerts-once', destination: 'phone', id: 'o-1/OVERBOUGHT', told: 'delivered' },
    ],
  )
  await driver.close()
})

test('without channels there are no deliveries, and of the two only those that have channels', () => {
  const names = (...channels: AuditChannel[]) =>
    buildAudit({ ids: 'integer', channels }).application.topologies.map(({ pipeline }) => pipeline)
  assert.deepEqual(names(), ['intake', 'audit'])
  assert.deepEqual(names(channel('mail')), ['intake', 'audit', 'alerts-once'])
  assert.deepEqual(names(channel('hook', { idempotent: true })), ['intake', 'audit', 'alerts-keyed'])
})

test('an alert that is read again, also after a restart and days later, is sent no more', async () => {
  const { driver, alerts } = await driven(channel('mail'), channel('hook', { idempotent: true }))
  const since = driver.clock.now()
  const tell = () => driver.send(alerts, ALERT.orderId, ALERT, since)
  tell()
  assert.equal(driver.sent().length, 2)
  tell()
  driver.restart()
  tell()
  // What a channel may get is as old as this; what was sent is remembered for twice as long.
  for (const day of [6, 8, 13, 15, 30]) {
    driver.advance(since + day * DAY_MS - driver.clock.now())
    tell()
  }
  assert.deepEqual(driver.sent(), [])
  // Another kind of the same order is another alert.
  driver.send(alerts, ALERT.orderId, { ...ALERT, kind: 'NO_REQUEST' })
  assert.deepEqual(
    driver.sent().map(({ id }) => id),
    ['o-1/NO_REQUEST', 'o-1/NO_REQUEST'],
  )
  await driver.close()
})

test('a channel gets nothing of before it was there, and nobody what is a week old', async () => {
  const { driver, alerts } = await driven(channel('mail'), channel('new', { since: START_MS }))
  const send = (orderId: string, age: number) => driver.send(alerts, orderId, { ...ALERT, orderId }, START_MS - age)
  send('week', 7 * DAY_MS + 1)
  send('before', 1)
  send('now', 0)
  assert.deepEqual(
    driver.sent().map(({ id, destination }) => `${id} ${destination}`),
    ['before/OVERBOUGHT mail', 'now/OVERBOUGHT mail', 'now/OVERBOUGHT new'],
  )
  await driver.close()
})

test('an id as long as a text can be: the alert goes out, once', async () => {
  const { driver, alerts } = await driven(channel('mail'))
  const orderId = 'o'.repeat(5000)
  for (let i = 0; i < 2; i++) driver.send(alerts, 'k', { ...ALERT, orderId })
  const sent = driver.sent()
  assert.deepEqual([sent.length, sent[0]?.told, sent[0]?.id.length], [1, 'delivered', 64 + '/OVERBOUGHT'.length])
  assert.notEqual(alertId({ ...ALERT, orderId }), alertId({ ...ALERT, orderId: `${orderId}o` }))
  await driver.close()
})

test('a channel keeps to its rate over all partitions, and another goes on meanwhile', async () => {
  const { driver, alerts } = await driven(
    channel('slow', { rate: { count: 2, times: 1, unit: 's' } }),
    channel('fast', { idempotent: true }),
  )
  const orders = Array.from({ length: 40 }, (_, i) => `o-${i}`)
  driver.sendAll(
    alerts,
    orders.map(orderId => [orderId, { ...ALERT, orderId }] as const),
  )
  const sent = { 'alerts-once': 0, 'alerts-keyed': 0 }
  const count = () => {
    for (const { delivery } of driver.sent()) sent[delivery as keyof typeof sent]++
    return sent
  }
  assert.deepEqual(count(), { 'alerts-once': 2, 'alerts-keyed': 40 })
  // One of each partition at the start, then 2 a second of both together.
  driver.advance(5000)
  assert.deepEqual(count(), { 'alerts-once': 12, 'alerts-keyed': 40 })
  driver.advance(60_000)
  assert.deepEqual(count(), { 'alerts-once': 40, 'alerts-keyed': 40 })
  await driver.close()
})

test('the message says who, what, how much, and why, in both spellings', () => {
  const overbought = alertMessage(ALERT)
  assert.equal(overbought.title, 'ACME: purchased 101 shares, 1 share more than requested: XYZ, order o-1')
  assert.equal(
    overbought.text,
    `For ACME we purchased 101 shares, 1 share more than requested (OVERBOUGHT).

Order: o-1
Client: ACME
Stock: XYZ
Requested: 100 shares
Purchased: 101 shares
Alert: o-1/OVERBOUGHT`,
  )
  assert.deepEqual(
    [overbought.severity, overbought.source, overbought.time, overbought.data],
    [
      'critical',
      'ACME',
      START_MS,
      {
        kind: 'OVERBOUGHT',
        order: 'o-1',
        client: 'ACME',
        stock: 'XYZ',
        requested: 100,
        purchased: 101,
        ts: ALERT.ts,
      },
    ],
  )
  const missing = alertMessage({ ...ALERT, orderId: 42, kind: 'NO_REQUEST', requested: 0, purchased: 30, client: '' })
  assert.equal(missing.title, 'purchased 30 shares without PR: XYZ, order 42')
  assert.match(missing.text, /^We purchased 30 shares without PR: no purchase request came in time \(NO_REQUEST\)\.$/m)
  assert.match(missing.text, /^Client: not known$/m)
  assert.deepEqual([missing.severity, missing.source], ['warning', 'order 42'])
})
