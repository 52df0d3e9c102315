/** Random schemas and values, against avsc as the independent implementation: same bytes, same values, both ways. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import avsc from 'avsc'
import fc from 'fast-check'
import { avro, resolve } from './avro.ts'
import { ByteWriter } from './byte-writer.ts'
import type { AvroDefinition } from './field-types.ts'

/** A writer's schema, a reader's one that can read it, and values of the writer. */
interface Pair {
  writer: AvroDefinition
  reader: AvroDefinition
  value: fc.Arbitrary<unknown>
}

let names = 0
const name = (prefix: string) => `${prefix}${names++}`
const text = fc.string({ unit: 'binary', maxLength: 90 })
const bytes = fc.uint8Array({ maxLength: 40 }).map(array => Buffer.from(array))
const int = fc.integer()
// avsc rounds longs beyond 2^52: those are tested against BigInt arithmetic in varint.test.ts.
const long = fc.oneof(
  fc.maxSafeInteger().map(value => Math.trunc(value / 2)),
  fc.integer(),
)
const float = fc.float()

function same(definition: AvroDefinition, value: fc.Arbitrary<unknown>): fc.Arbitrary<Pair> {
  return fc.constant({ writer: definition, reader: definition, value })
}

const primitive: fc.Arbitrary<Pair> = fc.oneof(
  same('null', fc.constant(null)),
  same('boolean', fc.boolean()),
  same('int', int),
  same('long', long),
  same('float', float),
  same('double', fc.double()),
  same('string', text),
  same('bytes', bytes),
)

const promoted: fc.Arbitrary<Pair> = fc.oneof(
  fc.constant({ writer: 'int', reader: 'long', value: int }),
  fc.constant({ writer: 'int', reader: 'double', value: int }),
  fc.constant({ writer: 'long', reader: 'double', value: long }),
  fc.constant({ writer: 'float', reader: 'double', value: float }),
  fc.constant({ writer: 'string', reader: 'bytes', value: text }),
)

const named: fc.Arbitrary<Pair> = fc.oneof(
  fc.integer({ min: 1, max: 200 }).chain(count => {
    const symbols = Array.from({ length: count }, (_, index) => `S${index}`)
    return same({ type: 'enum', name: name('E'), symbols }, fc.constantFrom(...symbols))
  }),
  fc.integer({ min: 0, max: 20 }).chain(size => {
    const value = fc.uint8Array({ minLength: size, maxLength: size }).map(array => Buffer.from(array))
    return same({ type: 'fixed', name: name('F'), size }, value)
  }),
)

function anyType(depth: number, evolve: boolean): fc.Arbitrary<Pair> {
  const leaf = evolve ? fc.oneof(primitive, promoted, named) : fc.oneof(primitive, named)
  if (depth === 0) return leaf
  const inner = anyType(depth - 1, evolve)
  const list = inner.map(({ writer, reader, value }) => ({
    writer: { type: 'array', items: writer },
    reader: { type: 'array', items: reader },
    value: fc.array(value, { maxLength: 5 }),
  }))
  const map = inner.map(({ writer, reader, value }) => ({
    writer: { type: 'map', values: writer },
    reader: { type: 'map', values: reader },
    value: fc.dictionary(
      text.filter(key => key !== '__proto__'),
      value,
      { maxKeys: 5, noNullPrototype: true },
    ),
  }))
  // Unions whose branches JavaScript tells apart, and some whose branches it does not.
  const union = fc.constantFrom<[AvroDefinition, fc.Arbitrary<unknown>]>(
    [['null', 'string'], fc.oneof(fc.constant(null), text)],
    [['long', 'null'], fc.oneof(fc.constant(null), long)],
    // Not bytes and string in one union: avsc reads a string as the first of the two, we (and Java) as the same type.
    [['boolean', 'string', 'double'], fc.oneof(fc.boolean(), text, fc.double())],
    [
      ['null', { type: 'array', items: 'int' }, { type: 'map', values: 'string' }],
      fc.oneof(fc.constant(null), fc.array(int)),
    ],
    [
      ['null', 'int', 'double'],
      fc.oneof(
        fc.constant(null),
        int.map(value => ({ int: value })),
        fc.double().map(value => ({ double: value })),
      ),
    ],
  )
  return fc.oneof(
    leaf,
    list,
    map,
    record(depth, evolve),
    union.chain(([definition, value]) => same(definition, value)),
  )
}

function record(depth: number, evolve: boolean): fc.Arbitrary<Pair> {
  const field = fc.record({ pair: anyType(depth - 1, evolve), dropped: fc.boolean(), added: fc.boolean() })
  return fc.array(field, { maxLength: 6 }).chain(list =>
    fc
      .shuffledSubarray(
        list.map((_, index) => index),
        { minLength: list.length },
      )
      .map(order => {
        const identity = { type: 'record', name: name('R') }
        const writerFields = list.map(({ pair }, index) => ({ name: `f${index}`, type: pair.writer }))
        const readerFields = order.flatMap(index => {
          const { pair, dropped, added } = list[index]!
          const kept = dropped ? [] : [{ name: `f${index}`, type: pair.reader }]
          return added ? [...kept, { name: `new${index}`, type: ['null', 'string'], default: null }] : kept
        })
        return {
          writer: { ...identity, fields: writerFields },
          reader: { ...identity, fields: evolve ? readerFields : writerFields },
          value: fc.record(Object.fromEntries(list.map(({ pair }, index) => [`f${index}`, pair.value])), {
            noNullPrototype: true,
          }),
        }
      }),
  )
}

/** Plain objects and buffers in place of avsc's classes. */
function plain(value: unknown): unknown {
  if (value instanceof Uint8Array) return Buffer.from(value)
  if (Array.isArray(value)) return value.map(plain)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, plain(item)]))
}

function avscType(definition: AvroDefinition): avsc.Type {
  return avsc.Type.forSchema(structuredClone(definition) as avsc.Schema)
}

const cases = (evolve: boolean) =>
  fc
    .oneof(record(2, evolve), anyType(2, evolve))
    .chain(pair => fc.record({ pair: fc.constant(pair), values: fc.array(pair.value, { minLength: 1, maxLength: 4 }) }))

test('values are written as avsc writes them, and read back, also behind other bytes', () => {
  fc.assert(
    fc.property(cases(false), fc.nat(9), ({ pair, values }, before) => {
      const ours = avro.parse(pair.writer)
      const theirs = avscType(pair.writer)
      const out = new ByteWriter(1)
      for (const value of values) {
        out.ensure(before)
        out.bytes.fill(0x81, out.position, out.position + before)
        out.position += before
        const start = out.position
        ours.encode(value, out)
        const written = out.bytes.subarray(start, out.position)
        assert.deepEqual(Buffer.from(written), theirs.toBuffer(value))
        assert.deepEqual(plain(ours.decode(out.bytes, start, out.position)), plain(value))
        assert.deepEqual(plain(theirs.fromBuffer(Buffer.from(written))), plain(value))
      }
    }),
    { numRuns: 400 },
  )
})

test('JSON of a value gives the value back', () => {
  fc.assert(
    fc.property(cases(false), ({ pair, values }) => {
      const ours = avro.parse(pair.writer)
      for (const value of values) {
        const json = JSON.parse(JSON.stringify(ours.toJson(value)))
        // JSON has one zero.
        assert.deepEqual(JSON.stringify(ours.toJson(ours.fromJson(json))), JSON.stringify(json))
      }
    }),
    { numRuns: 200 },
  )
})

test('values written with an older schema are read as avsc resolves them', () => {
  fc.assert(
    fc.property(cases(true), ({ pair, values }) => {
      const reader = avro.parse(pair.reader)
      const decoder = resolve(pair.writer, reader)
      const theirWriter = avscType(pair.writer)
      const theirReader = avscType(pair.reader)
      const resolver = theirReader.createResolver(theirWriter)
      for (const value of values) {
        const buffer = theirWriter.toBuffer(value)
        const expected = plain(theirReader.fromBuffer(buffer, resolver))
        assert.deepEqual(plain(decoder.decode(buffer, 0, buffer.length)), expected)
      }
    }),
    { numRuns: 400 },
  )
})
