import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import type { Log } from '../log/contract.ts'
import { type LogHost, openLog } from '../log/host.ts'
import { topic } from '../pipeline/topic.ts'
import { partitionOf } from '../record/partitioner.ts'
import { avro } from '../schema/avro.ts'
import { t } from '../schema/field-types.ts'
import { int64, text } from '../schema/primitives.ts'
import { Producer } from './producer.ts'
import { subscribe } from './subscribe.ts'

const words = topic('words', { key: text(), value: avro('Word', { text: t.string, count: t.int }), partitions: 3 })
const numbers = topic('numbers', { key: text(), value: int64(), partitions: 1 })

const path = mkdtempSync(join(tmpdir(), 'aldebaran-subscribe-'))
let host: LogHost
let log: Log

before(async () => {
  host = await openLog({ path, durability: 'process' })
  log = host.client()
  await log.createTopic(words.name, words.options)
  await log.createTopic(numbers.name, numbers.options)
})

after(async () => {
  await host.close()
  rmSync(path, { recursive: true, force: true })
})

test('records sent after the call are seen, wherever their keys lie, and may be kept', async () => {
  const producer = new Producer(log)
  producer.send(words, 'before', { text: 'never seen', count: 0 })
  await producer.flush()
  const records = subscribe(log, words)
  for (let count = 1; count <= 20; count++) producer.send(words, `key ${count}`, { text: `text ${count}`, count })
  await producer.flush()
  const seen: { text: string; count: number }[] = []
  const partitions = new Set<number>()
  for await (const { key, value, partition } of records) {
    assert.equal(key, `key ${value?.count}`)
    partitions.add(partition)
    if (seen.push(value!) === 20) break
  }
  const counts = seen.toSorted((a, b) => a.count - b.count)
  assert.deepEqual(
    counts,
    Array.from({ length: 20 }, (_, i) => ({ text: `text ${i + 1}`, count: i + 1 })),
  )
  assert.deepEqual([...partitions].sort(), [0, 1, 2])
})

test('from the earliest it reads what is there, then what comes, each once and in order', async () => {
  const producer = new Producer(log)
  for (let number = 0; number < 5; number++) producer.send(numbers, null, number, { timestamp: number })
  await producer.flush()
  const seen: (number | null)[] = []
  for await (const { value, key, offset, timestamp } of subscribe(log, numbers, { from: 'earliest' })) {
    assert.equal(key, null)
    assert.equal(offset, value)
    assert.equal(timestamp, value)
    seen.push(value)
    if (value === 4) {
      for (let number = 5; number < 8; number++) producer.send(numbers, null, number, { timestamp: number })
      void producer.flush()
    }
    if (value === 7) break
  }
  assert.deepEqual(seen, [0, 1, 2, 3, 4, 5, 6, 7])
})

test('an aborted signal ends the iteration, also while it waits', async () => {
  const stop = new AbortController()
  const next = subscribe(log, numbers, { signal: stop.signal }).next()
  stop.abort()
  assert.deepEqual(await next, { done: true, value: undefined })
})

test('back in time it begins where the records of that time begin, in each partition by its own newest', async () => {
  const spans = topic('spans', { key: text(), value: int64(), partitions: 2 })
  await log.createTopic(spans.name, spans.options)
  const producer = new Producer(log)
  // The keys lie in different partitions, an hour apart.
  const partitionOfKey = (key: string) => partitionOf(Buffer.from(key), 0, key.length, 2)
  const early = 'key 1'
  const late = ['key 2', 'key 3', 'key 4', 'key 5'].find(key => partitionOfKey(key) !== partitionOfKey(early))!
  for (let minute = 0; minute < 20; minute++) {
    producer.send(spans, early, minute, { timestamp: 60_000 * minute })
    producer.send(spans, late, minute, { timestamp: 60_000 * (60 + minute) })
    await producer.flush()
  }
  const stop = new AbortController()
  const seen: [string | null, number | null][] = []
  let partitions = new Set<number>()
  let caughtUp = 0
  const records = subscribe(log, spans, {
    from: { back: 5 * 60_000 },
    signal: stop.signal,
    onCaughtUp: () => {
      caughtUp++
      stop.abort()
    },
  })
  for await (const { key, value, partition } of records) {
    seen.push([key, value])
    partitions = partitions.add(partition)
  }
  assert.equal(caughtUp, 1)
  assert.equal(partitions.size, 2)
  const minutes = [14, 15, 16, 17, 18, 19]
  for (const wanted of [early, late]) {
    assert.deepEqual(
      seen.flatMap(([key, value]) => (key === wanted ? [value] : [])),
      minutes,
    )
  }
})

test('back in time of a topic without records is its end: what comes then is seen', async () => {
  const empty = topic('empty', { key: text(), value: int64(), partitions: 2 })
  await log.createTopic(empty.name, empty.options)
  const producer = new Producer(log)
  let sent: Promise<void> | undefined
  const onCaughtUp = () => {
    producer.send(empty, 'key', 7)
    sent = producer.flush().then(() => {})
  }
  for await (const { value } of subscribe(log, empty, { from: { back: 1000 }, onCaughtUp })) {
    assert.equal(value, 7)
    break
  }
  await sent
})

test('a record that does not fit the topic is told and passed over, if that is wanted', async () => {
  const spoilt = topic('spoilt', { key: text(), value: int64(), partitions: 1 })
  await log.createTopic(spoilt.name, spoilt.options)
  const producer = new Producer(log)
  producer.send(spoilt, 'key', 1)
  producer.sendBytes(spoilt, Buffer.from('key'), Buffer.from('no number'))
  producer.send(spoilt, 'key', 3)
  await producer.flush()
  const told: [string, number, number][] = []
  const seen: (number | null)[] = []
  const onUndecodable = ({ code }: { code: string }, partition: number, offset: number) =>
    told.push([code, partition, offset])
  for await (const { value } of subscribe(log, spoilt, { from: 'earliest', onUndecodable })) {
    if (seen.push(value) === 2) break
  }
  assert.deepEqual(seen, [1, 3])
  assert.deepEqual(told, [['VALUE_UNDECODABLE', 0, 1]])
  await assert.rejects(async () => {
    for await (const { value } of subscribe(log, spoilt, { from: 'earliest' })) assert.equal(value, 1)
  })
})
