import assert from 'node:assert/strict'
import { test } from 'node:test'
import { inspect } from 'node:util'
import { avro, fingerprints } from './avro.ts'
import { ByteWriter } from './byte-writer.ts'
import { t } from './field-types.ts'
import type { Schema, ValueOf } from './schema.ts'

const trades = avro('Trade', {
  id: t.long,
  at: t.timestampMillis,
  size: t.int,
  symbol: t.string,
  side: t.enum(['buy', 'sell']),
  note: t.optional(t.string),
  proof: t.bytes,
  fees: t.array(t.record('Fee', { kind: t.string, amount: t.double })),
})
type Trade = ValueOf<typeof trades>

const trade: Trade = {
  id: 7,
  at: 1_700_000_000_123,
  size: -3,
  symbol: 'ABC',
  side: 'sell',
  note: null,
  proof: Buffer.from([1, 2]),
  fees: [{ kind: 'maker', amount: 0.25 }],
}

function encoded<T>(schema: Schema<T>, value: T): Buffer {
  const out = new ByteWriter(1)
  schema.encode(value, out)
  return Buffer.from(out.bytes.subarray(0, out.position))
}

function decoded<T>(schema: Schema<T>, bytes: Buffer): T {
  return schema.decode(bytes, 0, bytes.length)
}

test('the type of the values follows from the fields', () => {
  const side: 'buy' | 'sell' = trade.side
  const note: string | null = trade.note
  // @ts-expect-error: no symbol of the enum
  const wrong: Trade['side'] = 'hold'
  assert.deepEqual([side, note, wrong], ['sell', null, 'hold'])
})

test('a decoded record is one view that is filled again, and behaves as a plain object', () => {
  const first = decoded(trades, encoded(trades, trade))
  assert.deepEqual(first, trade)
  assert.deepEqual(Object.keys(first), Object.keys(trade))
  assert.deepEqual({ ...first }, trade)
  assert.deepEqual(JSON.parse(JSON.stringify(first)), { ...trade, proof: 'AQI=' })
  assert.match(inspect(first), /symbol: 'ABC'/)
  const kept = { symbol: first.symbol, proof: first.proof, fees: first.fees }
  const copy = trades.toJson(first)
  const second = decoded(
    trades,
    encoded(trades, { ...trade, symbol: 'Ω', note: 'x', proof: Buffer.from([3]), fees: [] }),
  )
  assert.equal(second, first)
  assert.deepEqual([first.symbol, first.note, first.proof], ['Ω', 'x', Buffer.from([3])])
  assert.deepEqual(kept, { symbol: 'ABC', proof: Buffer.from([1, 2]), fees: trade.fees })
  assert.deepEqual(copy, { ...trade, proof: 'AQI=' })
})

test('what a property of the view gave stays when the bytes are overwritten', () => {
  const bytes = encoded(trades, trade)
  const view = decoded(trades, bytes)
  const { symbol, proof } = view
  bytes.fill(0)
  assert.deepEqual([symbol, proof, view.symbol], ['ABC', Buffer.from([1, 2]), 'ABC'])
})

test('properties of the view can be set, until the next decode', () => {
  const bytes = encoded(trades, trade)
  const view = decoded(trades, bytes)
  view.symbol = 'XYZ'
  view.size = 9
  assert.deepEqual(trades.toJson(decoded(trades, encoded(trades, view))), {
    ...trade,
    symbol: 'XYZ',
    size: 9,
    proof: 'AQI=',
  })
  assert.equal(decoded(trades, bytes).symbol, 'ABC')
})

test('text that is not UTF-8 costs nothing to a handler that does not read it', () => {
  const schema = avro('R', { name: t.string, count: t.int })
  const view = decoded(schema, Buffer.from([2, 0xff, 8]))
  assert.equal(view.count, 4)
  assert.throws(() => view.name, { code: 'VALUE_UNDECODABLE', details: { position: 1, path: '' } })
})

test('a value that does not fit is refused with its path, and the writer stays where it was', () => {
  const out = new ByteWriter()
  out.position = 3
  const cases: [unknown, string][] = [
    [{ ...trade, id: 2 ** 53 }, 'id is 9007199254740992, outside ±(2^53 − 1): declare it as bigint'],
    [{ ...trade, id: 1.5 }, 'id must be a whole number, not 1.5'],
    [{ ...trade, id: '7' }, 'id must be a whole number, not "7"'],
    [{ ...trade, id: 7n }, 'id must be a whole number, not 7n'],
    [{ ...trade, size: 2 ** 31 }, 'size must be a whole number of 32 bits, not 2147483648'],
    [{ ...trade, symbol: undefined }, 'symbol is missing: it must be text'],
    [{ ...trade, symbol: '\ud800' }, 'symbol holds half of a surrogate pair, which is no text'],
    [{ ...trade, side: 'by' }, 'side is "by", which is no symbol of the enum (did you mean "buy"?)'],
    [{ ...trade, proof: 'abc' }, 'proof must be bytes (a Uint8Array), not "abc"'],
    [{ ...trade, fees: [trade.fees[0], { kind: 'x' }] }, 'fees[1].amount is missing: it must be a number'],
    [{ ...trade, fees: null }, 'fees must be an array, not null'],
    [null, 'the value must be an object, not null'],
  ]
  for (const [value, message] of cases) {
    assert.throws(() => trades.encode(value as Trade, out), { code: 'VALUE_INVALID', message })
    assert.equal(out.position, 3)
  }
})

test('bigints carry all 64 bits and refuse more', () => {
  const schema = avro('R', { id: t.bigint })
  for (const id of [0n, -1n, 2n ** 63n - 1n, -(2n ** 63n)]) {
    assert.equal(decoded(schema, encoded(schema, { id })).id, id)
    assert.equal(schema.fromJson({ id: String(id) }).id, id)
    assert.deepEqual(schema.toJson({ id }), { id: String(id) })
  }
  for (const id of [2n ** 63n, -(2n ** 63n) - 1n]) {
    assert.throws(() => encoded(schema, { id }), { code: 'VALUE_INVALID' })
    assert.throws(() => schema.fromJson({ id: String(id) }), { code: 'VALUE_INVALID' })
  }
})

test('a float beyond 32 bits is refused, infinities are kept', () => {
  const schema = avro('R', { ratio: t.float })
  assert.throws(() => encoded(schema, { ratio: 1e39 }), { code: 'VALUE_INVALID', details: { path: 'ratio' } })
  for (const ratio of [Number.NaN, Number.POSITIVE_INFINITY, -0, 3.4028234663852886e38]) {
    assert.equal(decoded(schema, encoded(schema, { ratio })).ratio, ratio)
    assert.equal(schema.fromJson(JSON.parse(JSON.stringify(schema.toJson({ ratio })))).ratio, ratio === 0 ? 0 : ratio)
  }
})

test('a field left out is written with its default', () => {
  const schema = avro('R', { id: t.withDefault(t.int, 5), blob: t.withDefault(t.bytes, Buffer.from([200])) })
  assert.deepEqual({ ...decoded(schema, encoded(schema, {} as never)) }, { id: 5, blob: Buffer.from([200]) })
})

test('texts of every length and script survive', () => {
  const schema = avro('R', { name: t.string, after: t.int })
  for (const unit of ['a', 'é', '€', '😀', '\0']) {
    for (const length of [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 20, 21, 31, 32, 63, 64, 65, 127, 128, 5000]) {
      const name = unit.repeat(length)
      assert.deepEqual({ ...decoded(schema, encoded(schema, { name, after: -1 })) }, { name, after: -1 })
    }
  }
})

test('fields may have the names of what objects inherit', () => {
  const schema = avro('R', { constructor: t.string, toString: t.int, toJSON: t.string, class: t.long })
  const value = { constructor: 'a', toString: 1, toJSON: 'b', class: 2 }
  assert.deepEqual(schema.toJson(decoded(schema, encoded(schema, value as never))), value)
})

test('the definition is the same in every run and can be parsed again', () => {
  const make = () =>
    avro('Order', {
      side: t.enum(['buy', 'sell']),
      other: t.enum(['x']),
      hash: t.fixed(16),
      previous: t.fixed(16),
      large: t.withDefault(t.bigint, 3n),
      blob: t.withDefault(t.bytes, Buffer.from([0, 255])),
    })
  const { definition } = make()
  assert.equal(make().definition, definition)
  const again = avro.parse(definition)
  assert.equal(again.definition, definition)
  assert.equal(fingerprints(again).sha256, fingerprints(make()).sha256)
  assert.match(definition, /"name":"Order_side"/)
})

test('a thousand decodes make one object', () => {
  const schema = avro('R', { id: t.long, at: t.long, size: t.int, symbol: t.string, price: t.double })
  const bytes = encoded(schema, { id: 1, at: 1_700_000_000_123, size: 3, symbol: 'ABC', price: 1.5 })
  const views = new Set<unknown>()
  for (let i = 0; i < 1000; i++) views.add(schema.decode(bytes, 0, bytes.length))
  assert.equal(views.size, 1)
})
