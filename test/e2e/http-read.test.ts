import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { BatchWriter } from '../../src/record/batch-writer.ts'
import { events, TestSite } from './http-site.ts'

let site: TestSite
before(async () => {
  site = await TestSite.open()
  for (let i = 0; i < 30; i++) {
    const records = [{ key: `key-${i}`, value: { i }, timestamp: 1000 + i }]
    await site.postJson('/topics/notes/records?wrap=records', { records })
  }
  const orders = Array.from({ length: 20 }, (_, i) => ({ id: i - 5, client: `c${i}`, amount: i }))
  await site.postJson('/topics/orders/records', orders)
  await site.processed()
})
after(() => site.close())

test('health and readiness are told', async () => {
  assert.deepEqual((await site.get('/health')).body, { status: 'ok', problems: [] })
  assert.deepEqual((await site.get('/ready')).body, { ready: true, problems: [] })
})

test('topics are listed with what they hold, internal ones when asked for', async () => {
  const { topics } = (await site.get('/topics')).body
  const notes = topics.find(topic => topic.name === 'notes')!
  assert.equal(notes.partitions, 3)
  assert.equal(notes.records, 30)
  assert.ok(notes.bytes > 0)
  assert.equal(notes.value.format, 'json')
  const names = (all: { name: string }[]) => all.map(topic => topic.name)
  assert.ok(!names(topics).includes('shop.shop.books.changelog'))
  const all = (await site.get('/topics?internal=true')).body.topics
  assert.ok(names(all).includes('shop.shop.books.changelog'))
})

test('a topic is shown with its partitions and schemas', async () => {
  const { body } = await site.get('/topics/orders')
  assert.equal(body.key.format, 'int64')
  assert.equal(JSON.parse(body.value.definition).name, 'Order')
  assert.deepEqual(
    body.partitionList.map(one => [one.partition, one.start]),
    [
      [0, 0],
      [1, 0],
    ],
  )
  assert.equal((await site.get('/topics/nowhere')).body.error.code, 'TOPIC_UNKNOWN')
})

test('without from the newest records come, in the order of time', async () => {
  const { body } = await site.get('/topics/notes/records?limit=7')
  assert.deepEqual(
    body.records.map(record => record.value.i),
    [23, 24, 25, 26, 27, 28, 29],
  )
})

test('next leads through all records, each once', async () => {
  const seen: number[] = []
  let from = 'earliest'
  for (let complete = false; !complete; ) {
    const { body } = await site.get(`/topics/notes/records?from=${from}&limit=4`)
    assert.ok(body.records.length <= 4)
    seen.push(...body.records.map(record => record.value.i))
    from = body.next
    complete = body.complete
  }
  assert.deepEqual(
    seen.sort((a, b) => a - b),
    Array.from({ length: 30 }, (_, i) => i),
  )
})

test('records are found by time, offset and key', async () => {
  const since = (await site.get('/topics/notes/records?time=1025&limit=100')).body.records
  assert.deepEqual(since.map(record => record.value.i).sort(), [25, 26, 27, 28, 29])
  const [second] = (await site.get('/topics/notes/records?partition=0&from=1&limit=1')).body.records
  assert.deepEqual([second!.partition, second!.offset], [0, 1])
  const ofKey = (await site.get('/topics/notes/records?key=key-9&from=latest')).body.records
  assert.deepEqual(
    ofKey.map(record => record.value.i),
    [9],
  )
})

test('places that are not there are refused with the reason', async () => {
  const codes = {
    '/topics/notes/records?from=0:999': 'OFFSET_OUT_OF_RANGE',
    '/topics/notes/records?from=yesterday': 'OPTION_INVALID',
    '/topics/notes/records?partition=3': 'PARTITION_UNKNOWN',
    '/topics/notes/records?limit=0': 'OPTION_INVALID',
    '/topics/notes/records?limit=1001': 'OPTION_INVALID',
    '/topics/orders/records?key=one': 'VALUE_INVALID',
    '/topics/notes/tail?from=0:999': 'OFFSET_OUT_OF_RANGE',
    '/nothing': 'NOT_FOUND',
    '/nothing/here': 'NOT_FOUND',
    '/topics/%ff': 'NOT_FOUND',
    '/console/..%2fpackage.json': 'NOT_FOUND',
  }
  for (const [path, code] of Object.entries(codes)) {
    const answer = await site.get(path)
    assert.equal(answer.body?.error.code, code, path)
    assert.ok(answer.status >= 400 && answer.status < 500, path)
  }
})

test('what cannot be decoded is shown as base64 with the reason', async () => {
  const batch = new BatchWriter()
  batch.append(1, Buffer.from('bad'), 0, 3, Buffer.from('{"half'), 0, 6)
  batch.append(2, Buffer.from('bad'), 0, 3, null, -1, -1)
  await site.running.log.commit({ appends: [{ topic: 'notes', partition: 1, batch: batch.finish() }] })
  const { records } = (await site.get('/topics/notes/records?partition=1&limit=2')).body
  assert.equal(records[0]!.value, null)
  assert.equal(records[0]!.valueBase64, Buffer.from('{"half').toString('base64'))
  assert.equal(records[0]!.valueError.code, 'VALUE_UNDECODABLE')
  assert.equal(records[1]!.value, null)
  assert.equal('valueError' in records[1]!, false)
})

test('lag is told by group, topic and partition', async () => {
  const { body } = await site.get('/lag')
  assert.equal(body.total, 0)
  assert.deepEqual(
    body.lag.map(one => [one.group, one.topic, one.partition]),
    [
      ['shop.shop', 'orders', 0],
      ['shop.shop', 'orders', 1],
    ],
  )
  assert.ok(body.lag.every(one => one.position === one.end && one.lag === 0))
  assert.equal((await site.get('/lag?group=nobody')).body.error.code, 'NOT_FOUND')
})

test('tables are listed with their fields', async () => {
  const table = (await site.get('/tables')).body.tables[0]!
  assert.equal(table.table, 'books')
  assert.equal(table.rows, 20)
  assert.deepEqual(table.timers, { forget: 'processing' })
  assert.deepEqual(table.fields[0], { name: 'client', type: 'string' })
})

test('a row is found by its key', async () => {
  const { body } = await site.get('/tables/shop/books/rows/-3')
  assert.deepEqual(body.key, -3)
  assert.equal(body.fields.client, 'c2')
  assert.equal(body.fields.big, String(2n ** 60n))
  assert.equal(body.fields.raw, '')
  assert.equal((await site.get('/tables/shop/books/rows/99')).body.error.code, 'NOT_FOUND')
  assert.equal((await site.get('/tables/shop/books/rows/nine')).body.error.code, 'VALUE_INVALID')
  assert.equal((await site.get('/tables/shop/nothing/rows/9')).body.error.code, 'TABLE_UNKNOWN')
})

test('rows of all partitions come in the order of their keys, page by page', async () => {
  const keys: number[] = []
  let from: string | null = ''
  while (from !== null) {
    const { body } = await site.get(`/tables/shop/books/rows?limit=6${from === '' ? '' : `&from=${from}`}`)
    keys.push(...body.rows.map(row => row.key))
    from = body.next
  }
  // As bytes, big-endian: negative numbers have the high bit and come last.
  assert.deepEqual(keys, [...Array.from({ length: 15 }, (_, i) => i), -5, -4, -3, -2, -1])
  const some = (await site.get('/tables/shop/books/rows?from=3&to=6')).body.rows
  assert.deepEqual(
    some.map(row => row.key),
    [3, 4, 5],
  )
})

test('a tail sends what is there and what comes, and goes on after the last event', async () => {
  const seen: string[] = []
  let last = ''
  for await (const { id, event, data } of events(`${site.url}/topics/totals/tail?from=earliest`)) {
    assert.equal(event, 'record')
    assert.ok(id!.startsWith(`${data.partition}:${data.offset}`))
    seen.push(`${data.partition}:${data.offset}`)
    last = id!
    if (seen.length === 12) break
  }
  for await (const { data } of events(`${site.url}/topics/totals/tail?from=latest`, { 'last-event-id': last })) {
    seen.push(`${data.partition}:${data.offset}`)
    if (seen.length === 20) await site.postJson('/topics/orders/records', { id: 1, client: 'late', amount: 1 })
    if (seen.length === 21) break
  }
  assert.equal(new Set(seen).size, 21)
})

test('a tail of one key sends its records alone', async () => {
  const url = `${site.url}/topics/notes/tail?from=earliest&key=key-7`
  const seen: number[] = []
  for await (const { data } of events(url)) {
    seen.push(data.value.i)
    if (seen.length === 1) {
      const records = [
        { key: 'other', value: { i: 1 } },
        { key: 'key-7', value: { i: 77 } },
      ]
      await site.postJson('/topics/notes/records?wrap=records', { records })
    } else break
  }
  assert.deepEqual(seen, [7, 77])
})
