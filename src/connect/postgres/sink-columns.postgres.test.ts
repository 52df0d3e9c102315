import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { postgresDatabase } from '../../../test/servers/postgres.ts'
import { AldebaranError } from '../../errors.ts'
import { serverDatabase } from './database.ts'
import { planColumns } from './sink-columns.ts'

const TYPES = ['text', 'float8', 'timestamptz', 'jsonb', 'bytea', 'boolean', 'text[]', 'numeric'] as const

test('whatever is written in a column is read again', async () => {
  const server = await postgresDatabase()
  const session = await serverDatabase(server.url).connect('columns', () => {})
  const columns = planColumns(Object.fromEntries(TYPES.map((type, i) => [`c${i}`, { type }])))
  const text = fc.string({ unit: 'binary' }).map(one => one.replaceAll('\0', ''))
  const plain = fc.string({ unit: fc.constantFrom('a', '"', '\\', ',', '{', '}', ' ', 'N', 'ü', '\n', "'") })
  // JSON.parse of Node 26.10 confuses keys that are written with escapes; `pg` reads with it what is read here.
  const name = fc.string({ unit: fc.constantFrom('a', ',', '{', '}', ' ', 'N', 'ü', "'") })
  const row = fc.tuple(
    fc.option(fc.oneof(text, plain, fc.constant('NULL'), fc.constant(''))),
    fc.option(fc.double().map(one => (Object.is(one, -0) ? 0 : one))),
    fc.option(fc.date({ min: new Date('1000-01-01'), max: new Date('9999-12-31'), noInvalidDate: true })),
    fc.option(fc.dictionary(name, fc.oneof(plain, fc.integer(), fc.constant(null)), { noNullPrototype: true })),
    fc.option(fc.uint8Array()),
    fc.option(fc.boolean()),
    fc.option(fc.array(plain)),
    fc.option(fc.bigInt({ min: -(10n ** 30n), max: 10n ** 30n })),
  )
  try {
    await fc.assert(
      fc.asyncProperty(fc.array(row, { minLength: 1, maxLength: 8 }), async rows => {
        const arrays = columns.map(
          (column, at) => `{${rows.map(values => column.encode(values[at], column.name)).join(',')}}`,
        )
        const sent = columns.map(({ sentType }, at) => `$${at + 1}::text::${sentType}[]`)
        const selected = columns.map(({ type }, at) => `c${at}::${type} AS c${at}`)
        const { rows: read } = await session.query<Record<string, unknown>>(
          `SELECT ${selected} FROM unnest(${sent}) AS sent (${columns.map(one => one.name)})`,
          arrays,
        )
        for (const [at, values] of rows.entries()) {
          const found = columns.map(({ name }) => read[at]![name])
          if (found[4] !== null) found[4] = Uint8Array.from(found[4] as Buffer)
          const numeric = values[7] === null ? null : String(values[7])
          // PostgreSQL, as JSON, has keys in an order of its own.
          assert.deepEqual(found, [...values.slice(0, 7), numeric])
        }
      }),
      { numRuns: 100 },
    )
  } finally {
    await session.close()
    await server.drop()
  }
})

test('what no column can hold is told by its name', () => {
  const [label, at, data] = planColumns({ label: { type: 'text' }, at: { type: 'date' }, data: { type: 'jsonb' } })
  const refused = (message: RegExp) => (error: unknown) =>
    error instanceof AldebaranError && error.code === 'VALUE_INVALID' && message.test(error.message)
  assert.throws(() => label!.encode('a\0b', 'label'), refused(/column label.*code 0/))
  assert.throws(() => label!.encode({}, 'label'), refused(/column label/))
  assert.throws(() => at!.encode(Number.NaN, 'at'), refused(/column at: NaN/))
  assert.throws(() => at!.encode(8.64e15, 'at'), refused(/column at/))
  assert.throws(() => data!.encode(() => 1, 'data'), refused(/column data/))
})
