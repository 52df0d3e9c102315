import assert from 'node:assert/strict'
import { test } from 'node:test'
import { avro } from './avro.ts'
import { t } from './field-types.ts'

const orders = avro('Order', {
  id: t.long,
  items: t.array(t.record('Item', { sku: t.string, price: t.double })),
  note: t.optional(t.string),
  count: t.withDefault(t.int, 1),
  tags: t.withDefault(t.array(t.string), ['none']),
  side: t.enum(['buy', 'sell']),
  proof: t.optional(t.bytes),
})

test('JSON becomes a value: defaults applied, optional fields absent or null, longs as text', () => {
  const value = orders.fromJson({ id: '12', items: [{ sku: 'a', price: 1 }], side: 'buy', proof: 'AQI=' })
  assert.deepEqual(value, {
    id: 12,
    items: [{ sku: 'a', price: 1 }],
    note: null,
    count: 1,
    tags: ['none'],
    side: 'buy',
    proof: Buffer.from([1, 2]),
  })
  value.tags.push('changed')
  assert.deepEqual(orders.fromJson({ id: 1, items: [], side: 'buy', note: null }).tags, ['none'])
})

test('the first part that does not fit is named by its path', () => {
  const good = { id: 1, items: [], side: 'buy' }
  const item = { sku: 'a', price: 1 }
  const cases: [unknown, string, string][] = [
    [
      { ...good, items: [item, item, item, { sku: 'b', price: '2' }] },
      'items[3].price',
      'items[3].price must be a number, not "2"',
    ],
    [
      { ...good, items: [{ sku: 'a', prise: 1 }] },
      'items[0].prise',
      'items[0].prise is not a field of Item (did you mean "price"?)',
    ],
    [{ ...good, zzz: 1 }, 'zzz', 'zzz is not a field of Order'],
    [{ ...good, ID: 1 }, 'ID', 'ID is not a field of Order (did you mean "id"?)'],
    [{ items: [], side: 'buy' }, 'id', 'id is missing'],
    [{ ...good, id: '1.5' }, 'id', 'id must be a whole number, not "1.5"'],
    [{ ...good, id: '9007199254740993' }, 'id', 'id is 9007199254740993, outside ±(2^53 − 1): declare it as bigint'],
    [{ ...good, id: 2 ** 60 }, 'id', `id is ${2 ** 60}, outside ±(2^53 − 1): declare it as bigint`],
    [{ ...good, side: 'sel' }, 'side', 'side is "sel", which is no symbol of the enum (did you mean "sell"?)'],
    [{ ...good, proof: 'a' }, 'proof', 'proof must be base64 text, not "a"'],
    [{ ...good, count: null }, 'count', 'count must be a whole number of 32 bits, not null'],
    [[good], '', 'the value must be an object, not an array'],
  ]
  for (const [json, path, message] of cases) {
    assert.throws(() => orders.fromJson(json), { code: 'VALUE_INVALID', message, details: { path } }, message)
  }
})

test('unions are bare where JSON tells the branch, and named where it does not', () => {
  const schema = avro.parse<unknown>(['null', 'string', 'bytes', 'int', 'double', 'boolean'])
  assert.equal(schema.fromJson(null), null)
  assert.deepEqual(schema.fromJson({ bytes: 'AQI=' }), { bytes: Buffer.from([1, 2]) })
  assert.deepEqual(schema.toJson({ double: 1 }), { double: 1 })
  assert.throws(() => schema.fromJson('text'), { code: 'VALUE_INVALID' })
  const plain = avro.parse<unknown>(['null', 'string', 'long', { type: 'array', items: 'int' }])
  for (const value of [null, 'text', 5, [1, 2]]) {
    assert.deepEqual(plain.fromJson(value), value)
    assert.deepEqual(plain.toJson(value), value)
  }
  // Avro's own JSON encoding is understood too.
  assert.equal(plain.fromJson({ string: 'text' }), 'text')
  assert.throws(() => plain.fromJson(true), { code: 'VALUE_INVALID' })
  // Two byte-like branches look alike in JSON only.
  const mixed = avro.parse<unknown>(['string', 'bytes'])
  assert.equal(mixed.fromJson({ string: 'a' }), 'a')
  assert.deepEqual(mixed.toJson(Buffer.from('a')), { bytes: 'YQ==' })
})

test('an object that could be the record itself is taken as the record', () => {
  const record = avro.parse<unknown>([
    'null',
    { type: 'record', name: 'Box', fields: [{ name: 'Box', type: 'int' }] },
  ] as never)
  assert.deepEqual(record.fromJson({ Box: 1 }), { Box: 1 })
  const other = avro.parse<unknown>([
    'null',
    { type: 'record', name: 'Box', fields: [{ name: 'size', type: 'int' }] },
  ] as never)
  assert.deepEqual(other.fromJson({ Box: { size: 1 } }), { size: 1 })
  assert.deepEqual(other.fromJson({ size: 1 }), { size: 1 })
})
