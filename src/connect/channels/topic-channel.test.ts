import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { DeliveryError } from '../../delivery/delivery-error.ts'
import { openLog } from '../../log/host.ts'
import { topic } from '../../pipeline/topic.ts'
import { Producer } from '../../runtime/producer.ts'
import { subscribe } from '../../runtime/subscribe.ts'
import { json } from '../../schema/json.ts'
import { text } from '../../schema/primitives.ts'
import type { AlertRecord } from './channel.ts'
import { alert, attempt, fails, NOW } from './test/apparatus.ts'
import { topicChannel } from './topic-channel.ts'

const alerts = topic('alerts', { key: text(), value: json<AlertRecord>(), partitions: 1 })

async function withLog() {
  const path = mkdtempSync(join(tmpdir(), 'aldebaran-topic-channel-'))
  const host = await openLog({ path, durability: 'process' })
  const log = host.client()
  return {
    log,
    async [Symbol.asyncDispose]() {
      await host.close()
      rmSync(path, { recursive: true, force: true })
    },
  }
}

test('an alert is a record with its id, and there when the promise resolves', async () => {
  await using place = await withLog()
  await place.log.createTopic(alerts.name, alerts.options)
  const channel = topicChannel({ topic: alerts, producer: new Producer(place.log) })
  await Promise.all([
    channel.send(alert(), attempt('a')),
    channel.send(alert({ source: 'x', title: 'é\r\n;' }), attempt('b')),
    fails(channel.send(alert({ source: '' }), attempt('c')), 'reject'),
  ])
  const seen: unknown[] = []
  for await (const { key, value, timestamp } of subscribe(place.log, alerts, { from: 'earliest' })) {
    assert.equal(timestamp, NOW)
    if (seen.push([key, value!.id, value!.title]) === 2) break
  }
  assert.deepEqual(seen, [
    ['account-7', 'a', 'Account 7 overbought'],
    ['x', 'b', 'é  ;'.replace('  ', ' ')],
  ])
})

test('a topic that is not there rejects', async () => {
  await using place = await withLog()
  const channel = topicChannel({ topic: alerts, producer: new Producer(place.log) })
  assert.match((await fails(channel.send(alert(), attempt()), 'reject')).message, /alerts/)
})

test('a log that was closed meanwhile leaves it unknown', async () => {
  const place = await withLog()
  await place.log.createTopic(alerts.name, alerts.options)
  await place[Symbol.asyncDispose]()
  const channel = topicChannel({ topic: alerts, producer: new Producer(place.log) })
  await fails(channel.send(alert(), attempt()), 'unknown')
})

test('another bus gets the record, and its own error says the fate', async () => {
  const records: AlertRecord[] = []
  const channel = topicChannel({
    name: 'bus',
    idempotent: true,
    publish: async record => {
      if (records.push(record) === 2) throw new DeliveryError('throttle', 'full', { retryAfter: 5 })
    },
  })
  await channel.send(alert(), attempt('a'))
  assert.equal((await fails(channel.send(alert(), attempt('b')), 'throttle')).retryAfter, 5)
  assert.deepEqual(records[0], { id: 'a', ...alert() })
  assert.deepEqual([channel.name, channel.idempotent], ['bus', true])
})
