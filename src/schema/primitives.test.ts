import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { avro } from './avro.ts'
import { ByteWriter } from './byte-writer.ts'
import { t } from './field-types.ts'
import { json } from './json.ts'
import { bigint64, bytes, int32, int64, text, uuid } from './primitives.ts'
import type { Schema } from './schema.ts'
import { schemaFromStored } from './stored.ts'

function encoded<T>(schema: Schema<T>, value: T): Buffer {
  const out = new ByteWriter(1)
  out.position = 1
  schema.encode(value, out)
  return Buffer.from(out.bytes.subarray(1, out.position))
}

function decoded<T>(schema: Schema<T>, from: readonly number[] | Buffer): T {
  const buffer = Buffer.from([7, ...from, 7])
  return schema.decode(buffer, 1, buffer.length - 1)
}

function roundTrip<T>(schema: Schema<T>, value: T): void {
  assert.deepEqual(decoded(schema, encoded(schema, value)), value)
  assert.deepEqual(schema.fromJson(JSON.parse(JSON.stringify(schema.toJson(value)))), value)
}

test('every value comes back from its bytes and from its JSON', () => {
  fc.assert(fc.property(fc.string({ unit: 'binary' }), value => roundTrip(text(), value)))
  fc.assert(fc.property(fc.uint8Array(), value => roundTrip(bytes() as Schema<Uint8Array>, Buffer.from(value))))
  fc.assert(fc.property(fc.integer(), value => roundTrip(int32(), value)))
  fc.assert(fc.property(fc.maxSafeInteger(), value => roundTrip(int64(), value)))
  fc.assert(fc.property(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), value => roundTrip(bigint64(), value)))
  fc.assert(fc.property(fc.uuid(), value => roundTrip(uuid(), value)))
})

test('numbers are big-endian two’s complement, as Kafka’s serializers write them', () => {
  assert.deepEqual([...encoded(int32(), -2)], [255, 255, 255, 254])
  assert.deepEqual([...encoded(int64(), -2)], [255, 255, 255, 255, 255, 255, 255, 254])
  assert.deepEqual([...encoded(int64(), 2 ** 32 + 1)], [0, 0, 0, 1, 0, 0, 0, 1])
  for (const value of [0, -1, 2 ** 32, -(2 ** 32), 2 ** 53 - 1, -(2 ** 53 - 1)]) {
    assert.deepEqual(encoded(int64(), value), encoded(bigint64(), BigInt(value)))
  }
})

test('bytes that do not fit are undecodable', () => {
  const cases: [Schema<unknown>, number[]][] = [
    [text() as Schema<unknown>, [65, 0xc3]],
    [int32() as Schema<unknown>, [1, 2, 3]],
    [int64() as Schema<unknown>, [1, 2, 3, 4, 5, 6, 7, 8, 9]],
    [int64() as Schema<unknown>, [0, 32, 0, 0, 0, 0, 0, 0]],
    [bigint64() as Schema<unknown>, []],
    [uuid() as Schema<unknown>, [1]],
  ]
  for (const [schema, from] of cases)
    assert.throws(() => decoded(schema, from), { code: 'VALUE_UNDECODABLE' }, schema.format)
  assert.throws(() => decoded(text(), [65, 0xc3]), { details: { position: 1, path: '' } })
})

test('values that do not fit are refused, by encode and from JSON', () => {
  const cases: [Schema<never>, unknown[]][] = [
    [text() as Schema<never>, [1, null, '\udc00']],
    [bytes() as Schema<never>, ['not base64!', 5]],
    [int32() as Schema<never>, [1.5, 2 ** 31, '1', null]],
    [int64() as Schema<never>, [2 ** 53, 1.5, 'x']],
    [bigint64() as Schema<never>, [1.5, 'x', '9223372036854775808']],
    [uuid() as Schema<never>, ['123', 'zzzzzzzz-0000-0000-0000-000000000000']],
  ]
  for (const [schema, values] of cases) {
    for (const value of values) {
      assert.throws(() => schema.fromJson(value), { code: 'VALUE_INVALID' }, `${schema.format} ${value}`)
      assert.throws(() => encoded(schema, value as never), { code: 'VALUE_INVALID' }, `${schema.format} ${value}`)
    }
  }
})

test('a UUID is taken in either case and given in lower case', () => {
  const upper = '6F9619FF-8B86-D011-B42D-00CF4FC964FF'
  assert.equal(decoded(uuid(), encoded(uuid(), upper)), upper.toLowerCase())
})

test('decoded bytes are a copy', () => {
  const from = Buffer.from([1, 2])
  const copy = bytes().decode(from, 0, 2)
  from.fill(0)
  assert.deepEqual(copy, Buffer.from([1, 2]))
})

test('every schema is rebuilt from what a topic stores', () => {
  const schemas: Schema<unknown>[] = [
    text(),
    bytes(),
    int32(),
    int64(),
    bigint64(),
    uuid(),
    json(),
    json({ type: 'string' }),
    avro('R', { a: t.bigint }),
  ] as Schema<unknown>[]
  for (const { format, definition } of schemas) {
    const rebuilt = schemaFromStored(format, definition)
    assert.deepEqual([rebuilt.format, rebuilt.definition], [format, definition])
  }
  const rebuilt = schemaFromStored('avro', avro('R', { a: t.bigint }).definition)
  assert.deepEqual(rebuilt.fromJson({ a: '5' }), { a: 5n })
  assert.throws(() => schemaFromStored('json', '{"type":"string"}').fromJson(1), { code: 'VALUE_INVALID' })
  for (const [format, definition] of [
    ['avo', null],
    ['avro', null],
    ['avro', '{'],
    ['json', '['],
    ['constructor', null],
  ] as const) {
    assert.throws(() => schemaFromStored(format, definition), { code: 'SCHEMA_INVALID' })
  }
})
