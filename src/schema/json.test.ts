import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { ByteWriter } from './byte-writer.ts'
import { json, type StandardSchema } from './json.ts'
import { syntaxErrorAt } from './json-position.ts'
import type { Schema } from './schema.ts'

function encoded<T>(schema: Schema<T>, value: T): Buffer {
  const out = new ByteWriter(1)
  schema.encode(value, out)
  return Buffer.from(out.bytes.subarray(0, out.position))
}

function decoded<T>(schema: Schema<T>, bytes: Buffer | string): T {
  const buffer = Buffer.concat([Buffer.from('x'), Buffer.from(bytes), Buffer.from('x')])
  return schema.decode(buffer, 1, buffer.length - 1)
}

test('JSON values come back as they were', () => {
  const schema = json<unknown>()
  fc.assert(
    fc.property(fc.jsonValue(), value => {
      const plain = JSON.parse(JSON.stringify(value))
      assert.deepEqual(decoded(schema, encoded(schema, plain)), plain)
      assert.deepEqual(schema.toJson(plain), plain)
    }),
  )
})

test('bytes that are not strictly JSON in UTF-8 are refused with their position', () => {
  const cases: [Buffer, number][] = [
    [Buffer.from(''), 0],
    [Buffer.from('\ufeff{}'), 0],
    [Buffer.from('[1,]'), 3],
    [Buffer.from('["é", x]'), 7],
    [Buffer.from('{"a":'), 5],
    [Buffer.from([0x22, 0x61, 0xff, 0x22]), 2],
    [Buffer.from('{"a":1}'.repeat(2)), 7],
  ]
  for (const [bytes, position] of cases) {
    assert.throws(
      () => decoded(json(), bytes),
      { code: 'VALUE_UNDECODABLE', details: { position, path: '' } },
      String(bytes),
    )
  }
  assert.throws(() => decoded(json(), '\ufeff1'), /byte order mark/)
})

test('the position of a syntax error is that of the first token that is wrong', () => {
  fc.assert(
    fc.property(fc.json(), fc.nat(), (text, at) => {
      assert.equal(syntaxErrorAt(text), text.length)
      const cut = at % (text.length + 1)
      assert.ok(syntaxErrorAt(`${text.slice(0, cut)}\u0001${text.slice(cut)}`) <= cut)
    }),
  )
  assert.equal(syntaxErrorAt('{"a" 1}'), 5)
  assert.equal(syntaxErrorAt('{"a":[1 2]}'), 8)
  assert.equal(syntaxErrorAt('[01]'), 2)
})

test('nesting is bounded at 256 levels, both ways', () => {
  const nested = (levels: number) => '['.repeat(levels) + ']'.repeat(levels)
  assert.ok(Array.isArray(decoded(json(), nested(256))))
  assert.throws(() => decoded(json(), nested(257)), { code: 'VALUE_UNDECODABLE', details: { position: 256, path: '' } })
  assert.throws(() => decoded(json(), '{"a":'.repeat(100_000)), { code: 'VALUE_UNDECODABLE' })
  assert.equal((decoded(json(), `"${'['.repeat(1000)}\\""`) as string).length, 1001)
  assert.throws(() => encoded(json(), JSON.parse(nested(257))), { code: 'VALUE_INVALID' })
})

test('what JSON cannot carry is refused and leaves the writer where it was', () => {
  const cycle: unknown[] = []
  cycle.push(cycle)
  const out = new ByteWriter()
  for (const value of [undefined, () => 1, 1n, cycle]) {
    assert.throws(() => json<unknown>().encode(value, out), { code: 'VALUE_INVALID' })
    assert.equal(out.position, 0)
  }
})

test('keys that name the prototype are plain keys, and the last of two equal keys counts', () => {
  const value = decoded(json<Record<string, unknown>>(), '{"__proto__":{"polluted":true},"a":1,"a":2}')
  assert.deepEqual(Object.keys(value), ['__proto__', 'a'])
  assert.equal(value.a, 2)
  assert.equal(({} as Record<string, unknown>).polluted, undefined)
})

test('a JSON Schema checks both ways and names the path', () => {
  const schema = json<{ items: { price: number }[] }>({
    type: 'object',
    properties: {
      items: {
        type: 'array',
        items: {
          type: 'object',
          properties: { price: { type: 'number' } },
          required: ['price'],
          additionalProperties: false,
        },
      },
    },
    required: ['items'],
  })
  const good = { items: [{ price: 1 }] }
  assert.deepEqual(decoded(schema, encoded(schema, good)), good)
  const cases: [unknown, string, string][] = [
    [{ items: [{ price: 1 }, { price: 'x' }] }, 'items[1].price', 'items[1].price must be number, but is "x"'],
    [{ items: [{}] }, 'items[0].price', 'items[0].price is missing'],
    [{ items: [{ price: 1, prize: 2 }] }, 'items[0].prize', 'items[0].prize is not a known property'],
    [[], '', 'the value must be object, but is an array'],
  ]
  for (const [value, path, message] of cases) {
    assert.throws(() => encoded(schema, value as never), { code: 'VALUE_INVALID', message })
    assert.throws(() => schema.fromJson(value), { code: 'VALUE_INVALID', details: { path } })
    assert.throws(() => decoded(schema, JSON.stringify(value)), {
      code: 'VALUE_UNDECODABLE',
      details: { position: 0, path },
    })
  }
  assert.throws(() => json({ type: 'nonsense' }), { code: 'SCHEMA_INVALID' })
  const newer = json({ $schema: 'https://json-schema.org/draft/2020-12/schema', prefixItems: [{ type: 'string' }] })
  assert.throws(() => newer.fromJson([1]), { code: 'VALUE_INVALID', details: { path: '[0]' } })
})

test('a Standard Schema checks and changes the value', () => {
  const dates: StandardSchema<Date> = {
    '~standard': {
      version: 1,
      vendor: 'test',
      validate: value =>
        typeof value === 'string' && !Number.isNaN(Date.parse(value))
          ? { value: new Date(value) }
          : { issues: [{ message: 'no date', path: ['at', { key: 0 }] }] },
    },
  }
  const schema = json(dates)
  const date: Date = decoded(schema, encoded(schema, new Date(5)))
  assert.equal(date.getTime(), 5)
  assert.equal(schema.toJson(date), '1970-01-01T00:00:00.005Z')
  assert.throws(() => schema.fromJson('never'), { code: 'VALUE_INVALID', message: 'at[0] is refused: no date' })
  assert.throws(() => decoded(schema, '"never"'), { code: 'VALUE_UNDECODABLE' })
})

test('a Standard Schema that validates asynchronously is refused', () => {
  const later: StandardSchema<number> = {
    '~standard': { version: 1, vendor: 'test', validate: () => Promise.reject(new Error('late')) },
  }
  assert.throws(() => json(later).fromJson(1), { code: 'SCHEMA_INVALID' })
  assert.throws(() => decoded(json(later), '1'), { code: 'SCHEMA_INVALID' })
})
