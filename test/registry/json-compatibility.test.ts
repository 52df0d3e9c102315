import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Ajv2020 } from 'ajv/dist/2020.js'
import fc from 'fast-check'
import { jsonObstacles } from '../../src/connect/registry/json-compatibility.ts'

function obstacles(writer: unknown, reader: unknown, others: Record<string, unknown> = {}): string[] {
  const known = new Map(Object.entries(others))
  return jsonObstacles({ root: writer, others: known }, { root: reader, others: known })
}

const closed = (properties: object, required: string[] = []) => ({
  type: 'object',
  properties,
  required,
  additionalProperties: false,
})
const text = { type: 'string' }
const int = { type: 'integer' }

test('what every document of the writer satisfies is no obstacle', () => {
  const cases: [writer: unknown, reader: unknown][] = [
    [int, { type: 'number' }],
    [text, { type: ['string', 'null'] }],
    [text, true],
    [false, text],
    [{ enum: ['a', 'b'] }, { enum: ['b', 'c', 'a'] }],
    [{ const: 5 }, { type: 'integer', minimum: 5 }],
    [
      { type: 'number', minimum: 3, maximum: 4 },
      { type: 'number', minimum: 0, maximum: 4 },
    ],
    [
      { ...text, maxLength: 3 },
      { ...text, maxLength: 5 },
    ],
    [closed({ a: int }, ['a']), closed({ a: int, b: text }, ['a'])],
    [closed({ a: int }), closed({ a: int, b: { ...text, default: '' } }, ['b'])],
    [closed({ a: int, b: text }), { type: 'object', properties: { a: int } }],
    [
      { type: 'array', items: int },
      { type: 'array', items: { type: 'number' } },
    ],
    [{ anyOf: [text, int] }, { oneOf: [int, text, { type: 'null' }] }],
    [{ allOf: [int, { minimum: 3 }] }, { type: 'integer', minimum: 2 }],
    [
      { $defs: { x: int }, $ref: '#/$defs/x' },
      { definitions: { y: { type: 'number' } }, $ref: '#/definitions/y' },
    ],
    [
      { ...text, format: 'date' },
      { ...text, format: 'email' },
    ],
  ]
  for (const [writer, reader] of cases)
    assert.deepEqual(obstacles(writer, reader), [], JSON.stringify([writer, reader]))
})

test('what a document of the writer may be refused for is told with its place', () => {
  const cases: [writer: unknown, reader: unknown, reason: RegExp][] = [
    [{ type: 'number' }, int, /integer/],
    [{}, text, /of type null, boolean, number, array, object/],
    [{ enum: ['a', 'b'] }, { enum: ['a'] }, /"b"/],
    [{ enum: [1, 9] }, { type: 'number', maximum: 5 }, /maximum 5/],
    [{ type: 'number', minimum: 1 }, { type: 'number', minimum: 2 }, /minimum 2/],
    [text, { ...text, pattern: '^a' }, /pattern/],
    [closed({ a: int }), closed({ a: int }, ['a']), /^a is required/],
    [closed({ a: int, b: int }), closed({ a: int }), /^b is not allowed/],
    [{ type: 'object' }, { type: 'object', properties: { a: int } }, /^a may be of type/],
    [{ type: 'object' }, closed({}), /\* is not allowed|\["\*"\] is not allowed/],
    [{ type: 'object', patternProperties: { '^x': int }, additionalProperties: false }, closed({}), /not allowed/],
    [closed({ a: { type: 'array', items: text } }), closed({ a: { type: 'array', items: int } }), /^a\[\] may be/],
    [{ anyOf: [text, int] }, text, /of type number/],
    [text, { anyOf: [int, { type: 'null' }] }, /no branch/],
    [text, { $ref: '#/nowhere' }, /not known/],
    [text, { $ref: '#anchor' }, /not known/],
    [text, { not: { const: 'x' } }, /another not/],
    [int, { $ref: '#/$defs/n', $defs: { n: int }, minimum: 5 }, /minimum 5/],
  ]
  for (const [writer, reader, reason] of cases) assert.match(obstacles(writer, reader).join('; '), reason)
})

test('schemas that refer to themselves and to others are compared', () => {
  const tree = (value: object) => ({
    $defs: { node: closed({ value, next: { anyOf: [{ $ref: '#/$defs/node' }, { type: 'null' }] } }) },
    $ref: '#/$defs/node',
  })
  assert.deepEqual(obstacles(tree(int), tree({ type: 'number' })), [])
  assert.notDeepEqual(obstacles(tree({ type: 'number' }), tree(int)), [])
  const others = { 'money.json': closed({ cents: int }) }
  assert.deepEqual(
    obstacles(closed({ price: { $ref: 'money.json' } }), closed({ price: closed({ cents: int }) }), others),
    [],
  )
})

test('a comparison ends, however the choices are nested', () => {
  const nest = (depth: number): object =>
    depth === 0 ? int : { anyOf: [nest(depth - 1), { type: 'array', items: nest(depth - 1) }], title: String(depth) }
  const [reason] = obstacles(nest(9), { ...nest(9), title: 'x', type: ['integer', 'array', 'string'], maxItems: 3 })
  assert.notEqual(reason, undefined)
})

const leaf = fc.oneof(
  fc.constantFrom<object | boolean>(
    true,
    false,
    {},
    text,
    int,
    { type: 'number' },
    { type: 'null' },
    { type: ['string', 'integer'] },
  ),
  fc.record({ enum: fc.subarray([1, 'a', null, 2.5, [1], { a: 1 }], { minLength: 1 }) }),
  fc.record({ type: fc.constant('number'), minimum: fc.integer({ min: 0, max: 3 }) }),
  fc.record({ type: fc.constant('number'), exclusiveMaximum: fc.integer({ min: 0, max: 3 }) }),
  fc.record({ maxLength: fc.integer({ min: 0, max: 2 }) }),
  fc.record({ const: fc.constantFrom(1, 'a', null) }),
)
const schema = fc.letrec<{ schema: object | boolean }>(tie => {
  const sub = tie('schema')
  const optional = fc.option(sub, { nil: undefined, freq: 2 })
  const properties = fc.dictionary(fc.constantFrom('a', 'b', 'xa'), sub, { maxKeys: 2 })
  return {
    schema: fc.oneof(
      { maxDepth: 3, depthSize: 'small' },
      leaf,
      fc
        .record({
          type: fc.constantFrom('object', ['object', 'string']),
          properties,
          required: fc.subarray(['a', 'b']),
          additionalProperties: optional,
          patternProperties: fc.option(fc.record({ '^x': sub }), { nil: undefined, freq: 1 }),
        })
        .map(defined),
      fc
        .record({ type: fc.constant('array'), items: optional, minItems: fc.option(fc.nat(2), { nil: undefined }) })
        .map(defined),
      fc.record({ prefixItems: fc.array(sub, { minLength: 1, maxLength: 2 }), items: optional }).map(defined),
      fc.record({ anyOf: fc.array(sub, { minLength: 1, maxLength: 2 }) }),
      // The branches exclude each other, as they are taken to.
      fc.record({ oneOf: fc.shuffledSubarray([text, int, { type: 'null' }, { type: 'array' }], { minLength: 1 }) }),
      fc.record({ allOf: fc.array(sub, { minLength: 1, maxLength: 2 }) }),
      fc.record({ type: fc.constantFrom('number', 'object'), allOf: fc.array(sub, { minLength: 1, maxLength: 2 }) }),
      fc.record({ not: leaf }),
    ),
  }
}).schema

function defined(value: Record<string, unknown>): object {
  return Object.fromEntries(Object.entries(value).filter(([, part]) => part !== undefined))
}

const small = fc.constantFrom<unknown>(null, true, 0, 1, 2, 2.5, 3, 5, '', 'a', 'abc')
const document = fc.oneof(
  small,
  fc.array(small, { maxLength: 3 }),
  fc.dictionary(fc.constantFrom('a', 'b', 'xa', 'c'), fc.oneof(small, fc.array(small, { maxLength: 2 })), {
    maxKeys: 3,
  }),
)

test('when there is no obstacle, no document of the writer is refused by the reader', () => {
  const ajv = new Ajv2020({ strict: false })
  let compared = 0
  fc.assert(
    fc.property(
      schema,
      fc.option(schema, { nil: null, freq: 3 }),
      fc.array(document, { maxLength: 30 }),
      (writer, other, documents) => {
        const reader = other ?? writer
        if (obstacles(writer, reader).length > 0) return
        compared++
        const isWritten = ajv.compile(writer)
        const isRead = ajv.compile(reader)
        for (const one of documents) {
          if (isWritten(one)) assert.ok(isRead(one), JSON.stringify({ writer, reader, one }))
        }
      },
    ),
    { numRuns: 1500 },
  )
  assert.ok(compared > 200, String(compared))
})
