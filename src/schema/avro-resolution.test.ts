import assert from 'node:assert/strict'
import { test } from 'node:test'
import { avro, compatible, resolve } from './avro.ts'
import { ByteWriter } from './byte-writer.ts'
import { type Fields, type ObjectOf, t } from './field-types.ts'

function encoded<F extends Fields>(fields: F, value: ObjectOf<F>): { definition: string; bytes: Buffer } {
  const writer = avro('R', fields)
  const out = new ByteWriter()
  writer.encode(value, out)
  return { definition: writer.definition, bytes: Buffer.from(out.bytes.subarray(0, out.position)) }
}

/** Writes with one record, reads with another, as plain JSON. */
function through<F extends Fields>(fields: F, value: ObjectOf<F>, reader: Fields): unknown {
  const { definition, bytes } = encoded(fields, value)
  const schema = avro('R', reader)
  return schema.toJson(resolve(definition, schema).decode(bytes, 0, bytes.length))
}

test('fields may move, go, come with a default, and be renamed by alias', () => {
  const { definition, bytes } = encoded(
    { a: t.int, gone: t.map(t.array(t.string)), b: t.string },
    { a: 1, gone: { x: ['y'] }, b: 'z' },
  )
  const reader = avro.parse<{ b: string; c: unknown; renamed: number }>({
    type: 'record',
    name: 'New',
    aliases: ['R'],
    fields: [
      { name: 'b', type: 'string' },
      { name: 'c', type: { type: 'array', items: 'int' }, default: [1, 2] },
      { name: 'renamed', type: 'long', aliases: ['a'] },
    ],
  })
  const { decode } = resolve(definition, reader)
  const view = decode(bytes, 0, bytes.length)
  assert.deepEqual({ ...view }, { b: 'z', c: [1, 2], renamed: 1 })
  ;(view.c as number[]).push(3)
  assert.deepEqual(decode(bytes, 0, bytes.length).c, [1, 2])
})

test('every kind of removed field is passed over', () => {
  const fields = {
    flag: t.boolean,
    long: t.long,
    huge: t.bigint,
    ratio: t.float,
    price: t.double,
    side: t.enum(['A', 'B'], 'Side'),
    hash: t.fixed(3),
    text: t.string,
    maybe: t.optional(t.record('Inner', { list: t.array(t.map(t.bytes)) })),
    kept: t.int,
  }
  const value = {
    flag: true,
    long: 2 ** 50,
    huge: 2n ** 62n,
    ratio: 1,
    price: 2,
    side: 'B' as const,
    hash: Buffer.alloc(3),
    text: 'x'.repeat(100),
  }
  for (const maybe of [null, { list: [{ a: Buffer.from('b') }, {}] }]) {
    assert.deepEqual(through(fields, { ...value, maybe, kept: 7 }, { kept: t.int }), { kept: 7 })
  }
})

test('numbers widen, text and bytes change places', () => {
  const widened = through(
    { a: t.int, b: t.int, c: t.int, d: t.long, e: t.long, f: t.float, g: t.string, h: t.bytes, i: t.int, j: t.long },
    { a: 1, b: 2, c: 3, d: 4, e: 2 ** 53 - 1, f: 0.5, g: 'g', h: Buffer.from('h'), i: 5, j: 6 },
    {
      a: t.long,
      b: t.float,
      c: t.double,
      d: t.float,
      e: t.double,
      f: t.double,
      g: t.bytes,
      h: t.string,
      i: t.bigint,
      j: t.bigint,
    },
  )
  assert.deepEqual(widened, { a: 1, b: 2, c: 3, d: 4, e: 2 ** 53 - 1, f: 0.5, g: 'Zw==', h: 'h', i: '5', j: '6' })
})

test('a symbol the reader lacks becomes its default symbol, or is undecodable', () => {
  const fields = { side: t.enum(['A', 'B', 'C'], 'Side') }
  const { definition, bytes } = encoded(fields, { side: 'C' })
  const enumeration = { type: 'enum', name: 'Side', symbols: ['B', 'A'] }
  const record = (type: object) =>
    avro.parse<{ side: string }>({ type: 'record', name: 'R', fields: [{ name: 'side', type: type as never }] })
  assert.equal(resolve(definition, record({ ...enumeration, default: 'A' })).decode(bytes, 0, 1).side, 'A')
  const strict = resolve(definition, record(enumeration))
  assert.throws(() => strict.decode(bytes, 0, 1), { code: 'VALUE_UNDECODABLE' })
  assert.equal(strict.decode(encoded(fields, { side: 'B' }).bytes, 0, 1).side, 'B')
})

test('a value becomes a union and a union becomes a value, where it fits', () => {
  assert.deepEqual(through({ a: t.int }, { a: 1 }, { a: t.optional(t.long) }), { a: 1 })
  assert.deepEqual(through({ a: t.optional(t.string) }, { a: 'x' }, { a: t.string }), { a: 'x' })
  assert.throws(() => through({ a: t.optional(t.string) }, { a: null }, { a: t.string }), { code: 'VALUE_UNDECODABLE' })
})

test('recursive schemas resolve', () => {
  const node = (extra: object[]) =>
    JSON.stringify({ type: 'record', name: 'Node', fields: [...extra, { name: 'next', type: ['null', 'Node'] }] })
  const writer = avro.parse<unknown>(node([{ name: 'old', type: 'string' }]))
  const reader = avro.parse<unknown>(node([{ name: 'id', type: 'int', default: 9 }]))
  const out = new ByteWriter()
  writer.encode({ old: 'a', next: { old: 'b', next: null } }, out)
  const value = resolve(writer.definition, reader).decode(out.bytes, 0, out.position)
  assert.deepEqual(reader.toJson(value), { id: 9, next: { id: 9, next: null } })
})

test('compatible tells every reason, resolve refuses what can never be read', () => {
  const writer = avro('R', {
    a: t.int,
    b: t.string,
    side: t.enum(['A', 'B'], 'Side'),
    items: t.array(t.record('I', { x: t.double })),
  })
  const reader = avro('R', {
    a: t.string,
    c: t.int,
    side: t.enum(['A'], 'Side'),
    items: t.array(t.record('I', { x: t.int, y: t.int })),
  })
  assert.deepEqual(compatible(writer, reader), [
    'a is written as int and cannot be read as string',
    'c is not written and has no default',
    'side lost the symbols B and has no default symbol',
    'items[].x is written as double and cannot be read as int',
    'items[].y is not written and has no default',
  ])
  assert.throws(() => resolve(writer.definition, reader), { code: 'SCHEMA_INCOMPATIBLE', details: { path: 'a' } })
  assert.deepEqual(compatible(writer, writer), [])
  assert.deepEqual(compatible('"int"', '["null","string"]'), [
    "the value is written as int, which is no branch of the reader's union",
  ])
  assert.deepEqual(compatible(avro('A', { a: t.int }), avro('B', { a: t.int })), [
    'the value is written as record A and cannot be read as record B',
  ])
})
