import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { Cluster } from './cluster.ts'
import { NetworkCounters } from './counters.ts'
import * as adminMessages from './wire/admin-messages.ts'
import { API_NAMES } from './wire/api-names.ts'
import * as dataMessages from './wire/data-messages.ts'
import * as groupMessages from './wire/group-messages.ts'
import { answer, SETTINGS, scriptedBroker } from './wire/test/scripted-broker.ts'

test('every request has the name that its messages have', () => {
  const apis = [adminMessages, dataMessages, groupMessages].flatMap(messages =>
    Object.values(messages).flatMap(one =>
      typeof one === 'object' && 'response' in one ? [[one.key, one.name] as const] : [],
    ),
  )
  assert.ok(apis.length > 30)
  assert.deepEqual(Object.fromEntries(apis), API_NAMES)
})

test('requests are counted by api, also where another thread reads, and several counts are summed', async (t: TestContext) => {
  const { listGroups } = adminMessages
  const groups = { throttleTimeMs: 0, errorCode: 0, groups: [] }
  const broker = await scriptedBroker(({ correlation }, socket) => {
    socket.write(answer(listGroups, correlation, groups))
  })
  t.after(() => broker.end())
  const counters = new NetworkCounters()
  const cluster = new Cluster({ ...SETTINGS, bootstrap: [broker.endpoint] }, counters)
  t.after(() => cluster.close())
  const connection = await cluster.any()
  for (let i = 0; i < 3; i++) await connection.request(listGroups, { statesFilter: [] })
  const requests = new Map([['ListGroups', 10]])
  new NetworkCounters(counters.buffer).addRequestsTo(requests)
  assert.deepEqual(
    [...requests],
    [
      ['ListGroups', 13],
      ['ApiVersions', 1],
    ],
  )
})

test('a key that nobody knows has its number, and one out of bounds is not counted', () => {
  const counters = new NetworkCounters()
  for (const key of [127, 128, 1000]) counters.countRequest(key)
  const requests = new Map<string, number>()
  counters.addRequestsTo(requests)
  assert.deepEqual([...requests], [['127', 1]])
})
