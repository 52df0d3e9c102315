import assert from 'node:assert/strict'
import { test } from 'node:test'
import { avro, fingerprints } from './avro.ts'
import { t } from './field-types.ts'

function record(...fields: unknown[]): never {
  return { type: 'record', name: 'R', fields } as never
}

test('what is wrong in a definition is told with its path', () => {
  const cases: [unknown, string][] = [
    [null, 'the schema must be a name, a list or an object, not null'],
    ['strin', 'the schema names the unknown type "strin" (did you mean "string"?)'],
    [record({ name: 'a', type: 'Missing' }), 'a names the unknown type "Missing"'],
    [record({ name: 'a b', type: 'int' }), '["a b"] has the invalid name "a b"'],
    [
      record({ name: 'x"]; process.exit()', type: 'int' }),
      '["x\\"]; process.exit()"] has the invalid name "x\\"]; process.exit()"',
    ],
    [record({ name: 'a', type: 'int' }, { name: 'a', type: 'int' }), 'a is declared twice'],
    [record({ name: '__proto__', type: 'int' }), '__proto__ is a name that JavaScript objects cannot carry safely'],
    [record({ name: 'a', type: 'int', default: 'x' }), 'a has the default "x", which is no int'],
    [record({ name: 'a', type: ['null', 'int'], default: 'x' }), 'a has the default "x", which is no null or int'],
    [record({ name: 'a', type: ['int', ['null']] }), 'a[1] is a union inside a union: join them'],
    [record({ name: 'a', type: ['int', 'int'] }), 'a holds int twice'],
    [
      record({ name: 'a', type: { type: 'array', items: { type: 'fixed', name: 'F', size: -1 } } }),
      'a.items is a fixed whose size is -1',
    ],
    [{ type: 'enum', name: 'E', symbols: ['A', 'A'] }, 'the schema has a symbol twice'],
    [{ type: 'enum', name: 'E', symbols: ['A', "B'"] }, 'the schema has the invalid symbol "B\'"'],
    [
      { type: 'enum', name: 'E', symbols: ['A'], default: 'B' },
      'the schema has the default "B", which is none of its symbols',
    ],
    [{ type: 'enum', name: 'not a name', symbols: ['A'] }, 'name is the invalid name "not a name"'],
    [{ type: 'record', name: 'R' }, 'the schema is a record without a list of fields'],
    [record({ name: 'a', type: record({ name: 'b', type: 'int' }) }), 'a declares R a second time'],
  ]
  for (const [definition, message] of cases) {
    assert.throws(() => avro.parse(definition as never), { code: 'SCHEMA_INVALID', message }, message)
  }
  assert.throws(() => avro.parse('{'), { code: 'SCHEMA_INVALID' })
})

test('a schema that nests without end is refused', () => {
  let definition: unknown = 'int'
  for (let i = 0; i < 100_000; i++) definition = { type: 'array', items: definition }
  assert.throws(() => avro.parse(definition as never), { code: 'SCHEMA_INVALID' })
})

test('names resolve by namespace, and attributes that mean nothing to us are ignored', () => {
  const schema = avro.parse({
    type: 'record',
    name: 'Outer',
    namespace: 'a.b',
    doc: 'ignored',
    fields: [
      { name: 'one', type: { type: 'fixed', name: 'Two', size: 2 } },
      { name: 'two', type: 'Two' },
      { name: 'three', type: 'a.b.Two', order: 'ignore' },
      { name: 'when', type: { type: 'int', logicalType: 'date' } },
      { name: 'nested', type: { type: { type: 'string' } } },
    ],
  })
  assert.equal(
    fingerprints(schema).canonical,
    '{"name":"a.b.Outer","type":"record","fields":[{"name":"one","type":{"name":"a.b.Two","type":"fixed","size":2}},' +
      '{"name":"two","type":"a.b.Two"},{"name":"three","type":"a.b.Two"},{"name":"when","type":"int"},' +
      '{"name":"nested","type":"string"}]}',
  )
})

test('t fields: types used twice are declared once, different types of one name are refused', () => {
  const address = t.record('Address', { zip: t.string })
  const { definition } = avro('Order', { billing: address, shipping: t.array(address) })
  assert.equal(definition.split('"name":"Address"').length, 2)
  assert.throws(() => avro('Order', { a: t.fixed(2, 'F'), b: t.fixed(3, 'F') }), { code: 'SCHEMA_INVALID' })
  assert.throws(() => avro('R', { a: t.withDefault(t.bigint, 2n ** 60n) }), { code: 'SCHEMA_INVALID' })
})

test('fingerprints of the smallest schema are the published ones', () => {
  const { crc64, sha256, canonical } = fingerprints('"null"')
  assert.equal(canonical, '"null"')
  assert.equal(BigInt.asIntN(64, crc64), 7195948357588979594n)
  assert.equal(sha256.length, 64)
})
