import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { withCode } from '../../../../test/contract/log-data.ts'
import { AldebaranError } from '../../../errors.ts'
import * as adminMessages from './admin-messages.ts'
import { WireReader, WireWriter } from './bytes.ts'
import * as dataMessages from './data-messages.ts'
import * as groupMessages from './group-messages.ts'
import { type Api, array, int64, oldArray, oldString, string, type WireType } from './types.ts'

type AnyApi = Api<unknown, unknown>

const APIS = [adminMessages, dataMessages, groupMessages].flatMap(module =>
  Object.values(module).filter((value): value is AnyApi => typeof value === 'object' && 'response' in value),
)

function written<V>(type: WireType<V>, value: V): Buffer {
  const to = new WireWriter(1)
  type.write(to, value)
  return to.bytes.subarray(0, to.at)
}

function read<V>(type: WireType<V>, bytes: Buffer): V {
  const from = new WireReader(bytes, 0, bytes.length)
  const value = type.read(from)
  assert.equal(from.at, from.end, 'all of it is read')
  return value
}

const int8s = fc.integer({ min: -128, max: 127 })
const int16s = fc.integer({ min: -32_768, max: 32_767 })
const int32s = fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 })
const int64s = fc.maxSafeInteger()
const texts = fc.string({ unit: 'binary' }).map(text => text.toWellFormed())
const nullableTexts = fc.option(texts)
const uuids = fc.uint8Array({ minLength: 16, maxLength: 16 }).map(bytes => Buffer.from(bytes).toString('hex'))
const binaries = fc.uint8Array({ maxLength: 300 }).map(bytes => Buffer.from(bytes))

/** Objects as ours, with the usual prototype. */
function record<T>(fields: { [K in keyof T]: fc.Arbitrary<T[K]> }): fc.Arbitrary<T> {
  return fc.record(fields, { noNullPrototype: true }) as fc.Arbitrary<T>
}

describe('messages', () => {
  const partition = record({
    errorCode: int16s,
    partition: int32s,
    leader: int32s,
    leaderEpoch: int32s,
    replicas: fc.array(int32s),
    isr: fc.array(int32s),
    offline: fc.array(int32s),
  })
  const topic = record({
    errorCode: int16s,
    name: nullableTexts,
    topicId: uuids,
    isInternal: fc.boolean(),
    partitions: fc.array(partition, { maxLength: 4 }),
    authorizedOperations: int32s,
  })
  const brokers = fc.array(record({ nodeId: int32s, host: texts, port: int32s, rack: nullableTexts }))
  const cluster = record({
    throttleTimeMs: int32s,
    brokers,
    clusterId: nullableTexts,
    controllerId: int32s,
    topics: fc.array(topic, { maxLength: 4 }),
  })
  const fetched = record({
    partition: int32s,
    errorCode: int16s,
    highWatermark: int64s,
    lastStableOffset: int64s,
    logStartOffset: int64s,
    aborted: fc.option(fc.array(record({ producerId: int64s, firstOffset: int64s }))),
    preferredReadReplica: int32s,
    records: binaries,
  })
  const fetchAnswer = record({
    throttleTimeMs: int32s,
    errorCode: int16s,
    sessionId: int32s,
    topics: fc.array(record({ name: texts, partitions: fc.array(fetched, { maxLength: 4 }) }), { maxLength: 4 }),
  })
  const topicsToCreate = record({
    topics: fc.array(
      record({
        name: texts,
        partitions: int32s,
        replicationFactor: int16s,
        assignments: fc.array(record({ partition: int32s, brokers: fc.array(int32s) })),
        configs: fc.array(record({ name: texts, value: nullableTexts })),
      }),
    ),
    timeoutMs: int32s,
    validateOnly: fc.boolean(),
  })
  const handshake = record({ errorCode: int16s, mechanisms: fc.array(texts) })
  const logDirectories = record({
    resources: fc.array(record({ type: int8s, name: texts, keys: fc.option(fc.array(texts)) })),
    includeSynonyms: fc.boolean(),
    includeDocumentation: fc.boolean(),
  })

  it('are read as they were written', () => {
    const same = <V>(type: WireType<V>, values: fc.Arbitrary<V>): void =>
      fc.assert(fc.property(values, value => assert.deepEqual(read(type, written(type, value)), value)))
    same(dataMessages.metadata.response, cluster)
    same(dataMessages.fetch.response, fetchAnswer)
    same(adminMessages.createTopics.request, topicsToCreate)
    same(adminMessages.saslHandshake.response, handshake)
    same(adminMessages.describeConfigs.request, logDirectories)
  })

  it('that end anywhere too early are refused', () => {
    fc.assert(
      fc.property(fetchAnswer, fc.nat(), (value, at) => {
        const bytes = written(dataMessages.fetch.response, value)
        const cut = bytes.subarray(0, at % bytes.length)
        assert.throws(() => read(dataMessages.fetch.response, cut), withCode('KAFKA_PROTOCOL'))
      }),
    )
  })

  it('of any bytes are read or refused, of every kind of answer', () => {
    assert.ok(APIS.length > 25)
    for (const { response } of APIS) {
      const attempt = (bytes: Buffer): void => {
        try {
          response.read(new WireReader(bytes, 0, bytes.length))
        } catch (error) {
          assert.ok(error instanceof AldebaranError && error.code === 'KAFKA_PROTOCOL', String(error))
        }
      }
      fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), bytes => attempt(Buffer.from(bytes))))
      for (const byte of [0, 1, 0x7f, 0x80, 0xff]) attempt(Buffer.alloc(100, byte))
    }
  })

  it('with changed bytes are read or refused', () => {
    const changes = fc.array(fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 })), { minLength: 1, maxLength: 4 })
    fc.assert(
      fc.property(cluster, changes, (value, changed) => {
        const bytes = Buffer.from(written(dataMessages.metadata.response, value))
        for (const [at, byte] of changed) bytes[at % bytes.length] = byte
        try {
          dataMessages.metadata.response.read(new WireReader(bytes, 0, bytes.length))
        } catch (error) {
          assert.ok(error instanceof AldebaranError && error.code === 'KAFKA_PROTOCOL', String(error))
        }
      }),
    )
  })

  it('with tagged fields of a later version are read without them', () => {
    const value = { groupId: 'g', protocolType: 'consumer', state: 'Stable' }
    const plain = written(adminMessages.listGroups.response, { throttleTimeMs: 1, errorCode: 2, groups: [value] })
    // Behind the group, and behind the whole: two tags, of one byte and of none.
    const tags = Buffer.from([2, 0, 1, 42, 1, 0])
    const tagged = Buffer.concat([plain.subarray(0, -2), tags, tags])
    assert.deepEqual(read(adminMessages.listGroups.response, tagged).groups, [value])
  })
})

describe('lengths', () => {
  const refused = <V>(type: WireType<V>, bytes: number[]): void => {
    const buffer = Buffer.from(bytes)
    assert.throws(() => type.read(new WireReader(buffer, 0, buffer.length)), withCode('KAFKA_PROTOCOL'))
  }

  it('that are negative, or longer than the message, are refused', () => {
    refused(string, [0])
    refused(string, [9, 65])
    refused(oldString, [0xff, 0xff])
    refused(oldString, [0x7f, 0xff, 65])
    refused(array(int64), [0xff, 0xff, 0xff, 0xff, 0x0f, 0, 0])
    refused(oldArray(int64), [0x7f, 0xff, 0xff, 0xff, 0, 0])
    refused(array(array(int64)), [3, 2, 0, 0])
  })

  it('of more than five bytes, or beyond 32 bits, are refused', () => {
    refused(string, [0xff, 0xff, 0xff, 0xff, 0xff, 0x01])
    refused(string, [0x80, 0x80, 0x80, 0x80, 0x80, 0x80])
    refused(array(string), [0xff, 0xff, 0xff, 0xff, 0x7f])
  })
})

describe('numbers of 64 bits', () => {
  it('are exact up to 2^53 on both sides of zero', () => {
    const edges = [0, 1, -1, 2 ** 31, -(2 ** 31), 2 ** 32 - 1, 2 ** 32, 2 ** 32 + 1, -(2 ** 32), -(2 ** 32) - 1]
    for (const value of [...edges, Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER]) {
      const bytes = written(int64, value)
      assert.equal(bytes.readBigInt64BE(0), BigInt(value))
      assert.equal(read(int64, bytes), value)
    }
    fc.assert(
      fc.property(int64s, value => {
        assert.equal(written(int64, value).readBigInt64BE(0), BigInt(value))
        assert.equal(read(int64, written(int64, value)), value)
      }),
    )
  })
})
