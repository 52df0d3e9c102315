/** Records that one side writes are what the other reads, to the byte. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Log } from '../../../src/log/contract.ts'
import type { KafkaHost, KafkaOptions } from '../../../src/log/kafka/host.ts'
import { COMPRESSIONS } from '../../../src/record/compression.ts'
import {
  base64,
  batchOfRecords,
  freshName,
  type Interop,
  openHost,
  plain,
  readPartition,
  untilCommitted,
} from './interop.ts'
import type { PlainRecord } from './java-peer.ts'

const NOW = 1_700_000_000_000
const ISOLATIONS = ['read_committed', 'read_uncommitted'] as const

/** Everything a record may have and lack. */
const ODD: readonly PlainRecord[] = [
  { timestamp: NOW, key: base64('key'), value: base64('value'), headers: [] },
  { timestamp: NOW + 5, key: null, value: base64('without a key'), headers: [] },
  { timestamp: NOW - 86_400_000, key: base64('deleted'), value: null, headers: [] },
  { timestamp: NOW, key: base64(''), value: base64(''), headers: [] },
  { timestamp: 0, key: null, value: null, headers: [{ key: 'only', value: base64('headers') }] },
  {
    timestamp: NOW + 1,
    key: base64('größe\0'),
    value: base64('€ 𝄞'),
    headers: [
      { key: '', value: base64('an empty key') },
      { key: 'twice', value: base64('1') },
      { key: 'twice', value: base64('2') },
      { key: 'null', value: null },
      { key: 'empty', value: base64('') },
      { key: 'größe', value: base64('\0\xff') },
    ],
  },
  {
    timestamp: NOW,
    key: base64('many'),
    value: base64('headers'),
    headers: Array.from({ length: 200 }, (_, i) => ({ key: `h${i}`, value: base64('v'.repeat(i)) })),
  },
]

/** Records that compress well, and large ones that do not. */
const LARGE: readonly PlainRecord[] = [
  ...Array.from({ length: 2000 }, (_, i) => ({
    timestamp: NOW + i,
    key: base64(`key-${i % 7}`),
    value: base64(`value ${i} `.repeat(10)),
    headers: [],
  })),
  { timestamp: NOW, key: base64('random'), value: noise(700_000).toString('base64'), headers: [] },
]

/** Bytes without a pattern, the same in each run. */
function noise(length: number): Buffer {
  const bytes = Buffer.alloc(length)
  let state = 1
  for (let i = 0; i < length; i++) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    bytes[i] = state >>> 24
  }
  return bytes
}

const numbered = (records: readonly PlainRecord[], from = 0) =>
  records.map((record, i) => ({ offset: from + i, ...record }))

export function describeRecords({ java, bootstrap }: Interop): void {
  const withLog = async (options: Partial<KafkaOptions>, body: (log: Log, host: KafkaHost) => Promise<void>) => {
    const host = await openHost(bootstrap, options)
    try {
      await body(host.client(), host)
    } finally {
      await host.close()
    }
  }

  describe('what we write, Java reads', () => {
    for (const compression of COMPRESSIONS) {
      for (const guarantee of ['exactly-once', 'at-least-once'] as const) {
        test(`${compression}, ${guarantee}`, () =>
          withLog({ compression, guarantee }, async log => {
            const topic = freshName()
            await log.createTopic(topic, { partitions: 2 })
            const append = (partition: number, records: readonly PlainRecord[]) => ({
              topic,
              partition,
              batch: batchOfRecords(records),
            })
            // One append alone needs no transaction, two are one.
            await log.commit({ appends: [append(0, ODD)] })
            const { offsets } = await log.commit({ appends: [append(0, LARGE), append(1, ODD), append(1, LARGE)] })
            await untilCommitted(log, topic, 0, offsets[0]! + LARGE.length)
            await untilCommitted(log, topic, 1, offsets[2]! + LARGE.length)
            for (const isolation of ISOLATIONS) {
              const first = await java.consume(topic, 0, isolation)
              assert.deepEqual(first.records, [...numbered(ODD), ...numbered(LARGE, offsets[0]!)])
              const second = await java.consume(topic, 1, isolation)
              assert.deepEqual(second.records, [...numbered(ODD, offsets[1]!), ...numbered(LARGE, offsets[2]!)])
            }
            const own = readPartition(log, topic, 0)
            assert.deepEqual(own.records, [...numbered(ODD), ...numbered(LARGE, offsets[0]!)])
            assert.deepEqual([...own.compressions], [compression])
          }))
      }
    }

    test('a batch of 4 MB', () =>
      withLog({}, async log => {
        const topic = freshName()
        await log.createTopic(topic, { partitions: 1 })
        const record = { ...plain(''), value: noise(4 * 1024 * 1024 - 200).toString('base64') }
        await log.commit({ appends: [{ topic, partition: 0, batch: batchOfRecords([record]) }] })
        const { records } = await java.consume(topic, 0, 'read_committed', { 'max.partition.fetch.bytes': '1000' })
        assert.deepEqual(records, numbered([record]))
      }))
  })

  describe('what Java writes, we read', () => {
    for (const compression of COMPRESSIONS) {
      for (const kind of ['plain', 'idempotent', 'transactional'] as const) {
        test(`${compression}, ${kind}`, () =>
          withLog({}, async log => {
            const topic = freshName()
            await java.createTopic(topic, 1)
            const producer = await java.producer(topic, {
              'compression.type': compression,
              'batch.size': '100000',
              'max.request.size': '2000000',
              'enable.idempotence': String(kind !== 'plain'),
              ...(kind === 'transactional' ? { 'transactional.id': topic } : {}),
            })
            if (kind === 'transactional') await producer.begin()
            const offsets = await producer.send(topic, 0, [...ODD, ...LARGE])
            if (kind === 'transactional') await producer.commit()
            const end = offsets.length + (kind === 'transactional' ? 1 : 0)
            await untilCommitted(log, topic, 0, end)
            for (const maxBytes of [1, 1 << 20]) {
              const found = readPartition(log, topic, 0, maxBytes)
              assert.deepEqual(found.records, numbered([...ODD, ...LARGE]))
              assert.deepEqual([found.position, found.end], [end, end])
              assert.deepEqual([...found.compressions], [compression])
            }
          }))
      }
    }

    test('the time of a topic that the broker stamps is the time for us', () =>
      withLog({}, async log => {
        const topic = freshName()
        await java.createTopic(topic, 1, { 'message.timestamp.type': 'LogAppendTime' })
        const producer = await java.producer(topic, { 'compression.type': 'lz4' })
        await producer.send(topic, 0, ODD)
        await log.commit({ appends: [{ topic, partition: 0, batch: batchOfRecords(ODD) }] })
        const { records } = await java.consume(topic, 0, 'read_committed')
        const found = readPartition(log, topic, 0)
        assert.deepEqual(found.records, records)
        assert.ok(found.records.every(({ timestamp }) => timestamp > NOW + 1000))
      }))

    test('from the offset or the time that is asked for', () =>
      withLog({}, async log => {
        const topic = freshName()
        await java.createTopic(topic, 1)
        const producer = await java.producer(topic, { 'batch.size': '200' })
        const records = Array.from({ length: 50 }, (_, i) => ({ ...plain(String(i)), timestamp: NOW + i * 1000 }))
        await producer.send(topic, 0, records)
        const reader = log.reader(topic, 0, 17)
        assert.equal(reader.position, 17)
        reader.seekToTime(NOW + 29_500)
        const all = readPartition(log, topic, 0).records
        assert.equal(all[reader.position]!.timestamp, NOW + 30_000)
        reader.seekToTime(NOW + 3_600_000)
        assert.equal(reader.position, 50)
      }))
  })
}
