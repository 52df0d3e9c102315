import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { AldebaranError } from '../errors.ts'
import { avro } from '../schema/avro.ts'
import { t } from '../schema/field-types.ts'
import { json } from '../schema/json.ts'
import { text } from '../schema/primitives.ts'
import type { Schema } from '../schema/schema.ts'
import { csvCast, readCsv } from './csv.ts'

const asText = () => (_field: string, field: string) => field

function quoted(field: string): string {
  return `"${field.replaceAll('"', '""')}"`
}

test('what was quoted comes back, whatever it is', async () => {
  const field = fc.string({ unit: 'grapheme', maxLength: 20 })
  await fc.assert(
    fc.asyncProperty(fc.array(fc.tuple(field, field), { maxLength: 20 }), async rows => {
      const lines = [['a', 'b'], ...rows].map(row => row.map(quoted).join(','))
      const items = await readCsv(Buffer.from(`${lines.join('\n')}\n`), asText())
      assert.deepEqual(
        items.map(item => [item.error, item.json]),
        rows.map(([a, b]) => [null, { a, b }]),
      )
    }),
  )
})

test('any bytes give items or BODY_INVALID', async () => {
  await fc.assert(
    fc.asyncProperty(fc.string({ unit: fc.constantFrom('"', ',', '\n', '\r', 'a', '1', ' ', 'é') }), async body => {
      try {
        for (const item of await readCsv(Buffer.from(body), asText())) {
          assert.ok(item.error === null || item.error.code === 'BODY_INVALID')
          assert.ok((item.line ?? 0) >= 1)
        }
      } catch (error) {
        assert.ok(error instanceof AldebaranError)
        assert.equal(error.code, 'BODY_INVALID')
      }
    }),
  )
})

test('a long body is read whole, over many chunks', async () => {
  const rows = 20_000
  const body = Buffer.from(`n,text\n${Array.from({ length: rows }, (_, i) => `${i},"row, ${i}"`).join('\n')}`)
  const items = await readCsv(body, csvCast(json() as Schema<unknown>))
  assert.equal(items.length, rows)
  assert.deepEqual(items.at(-1)?.json, { n: rows - 1, text: `row, ${rows - 1}` })
  assert.equal(items.at(-1)?.line, rows + 1)
})

test('headers that say nothing are refused', async () => {
  for (const body of ['', '\n\n', 'a,a\n1,2', 'a,\n1,2', '"a\n1']) {
    await assert.rejects(
      readCsv(Buffer.from(body), asText()),
      (error: AldebaranError) => error.code === 'BODY_INVALID',
      JSON.stringify(body),
    )
  }
  await assert.rejects(readCsv(Buffer.from([0x61, 0x0a, 0xff]), asText()), { code: 'BODY_INVALID' })
})

test('a first line that names no field of the records is refused, for it may be one', async () => {
  const cast = csvCast(avro('Row', { city: t.string, degrees: t.double }) as unknown as Schema<unknown>)
  await assert.rejects(readCsv(Buffer.from('Oslo,12\n'), cast), {
    code: 'BODY_INVALID',
    message: 'the first line of the CSV must name the fields: city, degrees',
  })
  assert.equal((await readCsv(Buffer.from('city,other\nOslo,12\n'), cast)).length, 1)
})

test('a field named __proto__ is a field', async () => {
  const [item] = await readCsv(Buffer.from('__proto__\nx'), asText())
  assert.deepEqual(Object.keys(item?.json as object), ['__proto__'])
})

test('fields are read by their Avro types', () => {
  const schema = avro('Row', {
    text: t.string,
    long: t.long,
    double: t.double,
    yes: t.boolean,
    maybe: t.optional(t.int),
    kind: t.enum(['A', 'B']),
    list: t.array(t.int),
    time: t.timestampMillis,
  })
  const cast = csvCast(schema as unknown as Schema<unknown>)
  const cases: [string, string, unknown][] = [
    ['text', '12', '12'],
    ['text', '', ''],
    ['long', '12', 12],
    ['long', '9007199254740993', '9007199254740993'],
    ['long', '012', '012'],
    ['double', '-1.5e3', -1500],
    ['double', 'NaN', 'NaN'],
    ['yes', 'true', true],
    ['yes', 'TRUE', 'TRUE'],
    ['maybe', '', null],
    ['maybe', '3', 3],
    ['kind', 'A', 'A'],
    ['list', '[1,2]', [1, 2]],
    ['list', '[1', '[1'],
    ['time', '1000', 1000],
  ]
  for (const [field, given, wanted] of cases) assert.deepEqual(cast(field, given), wanted, `${field} ${given}`)
})

test('fields are read by a JSON Schema, or by how they look', () => {
  const properties = { n: { type: 'number' }, s: { type: 'string' }, o: { type: ['integer', 'null'] } }
  const cast = csvCast(json({ type: 'object', properties }) as Schema<unknown>)
  assert.equal(cast('n', '1.5'), 1.5)
  assert.equal(cast('s', '1.5'), '1.5')
  assert.equal(cast('o', ''), null)
  assert.equal(cast('other', 'false'), false)
  assert.equal(cast('other', '00'), '00')
  assert.throws(() => csvCast(text() as Schema<unknown>), { code: 'CONTENT_TYPE_UNKNOWN' })
})
