import assert from 'node:assert/strict'
import { test } from 'node:test'
import { AldebaranError } from '../errors.ts'
import { avro } from './avro.ts'
import { ByteWriter } from './byte-writer.ts'
import { t } from './field-types.ts'
import { avroRegistry, registryEnvelope } from './registry.ts'

const older = avro('User', { name: t.string, age: t.int })
const newer = avro('User', { age: t.long, name: t.string, mail: t.optional(t.string) })
const foreign = avro('Other', { x: t.int })

function written<T>(schema: { encode(value: T, out: ByteWriter): void }, value: T): Buffer {
  const out = new ByteWriter(1)
  schema.encode(value, out)
  return Buffer.from(out.bytes.subarray(0, out.position))
}

function registry() {
  const asked: number[] = []
  const definitions = new Map([
    [1, older.definition],
    [3, foreign.definition],
    [4, '{'],
  ])
  const schema = avroRegistry(newer, {
    id: 2,
    lookup(id) {
      asked.push(id)
      if (id === 5) throw new Error('offline')
      return definitions.get(id)
    },
  })
  return { schema, asked }
}

test('the envelope is a zero byte and the id, big-endian', () => {
  const out = new ByteWriter(1)
  registryEnvelope.write(0x01020304, out)
  assert.deepEqual([...out.bytes.subarray(0, out.position)], [0, 1, 2, 3, 4])
  assert.equal(registryEnvelope.read(out.bytes, 0, 5), 0x01020304)
  assert.equal(registryEnvelope.bytes, 5)
})

test('values carry the id, and values of older ids are resolved, each looked up once', () => {
  const { schema, asked } = registry()
  const bytes = written(schema, { age: 3, name: 'Ada', mail: null })
  assert.deepEqual([...bytes.subarray(0, 5)], [0, 0, 0, 0, 2])
  assert.deepEqual({ ...schema.decode(bytes, 0, bytes.length) }, { age: 3, name: 'Ada', mail: null })
  const old = written(avroRegistry(older, { id: 1, lookup: () => undefined }), { name: 'Bob', age: 4 })
  for (let i = 0; i < 3; i++) {
    assert.deepEqual({ ...schema.decode(old, 0, old.length) }, { age: 4, name: 'Bob', mail: null })
  }
  assert.deepEqual(asked, [1])
})

test('what is no envelope, an unknown id or a foreign schema is undecodable', () => {
  const { schema } = registry()
  const cases: [number[], number, RegExp][] = [
    [[], 0, /end before/],
    [[0, 0, 0, 1], 4, /end before/],
    [[1, 0, 0, 0, 2, 2], 0, /first byte is 1/],
    [[0, 0, 0, 0, 9, 2], 1, /schema 9 is not known/],
    [[0, 0, 0, 0, 3, 2], 1, /schema 3 cannot be read as schema 2/],
    [[0, 0, 0, 0, 4, 2], 1, /schema 4 cannot be read/],
    [[0, 0, 0, 0, 5, 2], 1, /could not be looked up: offline/],
    [[0, 0, 0, 0, 2, 2, 40], 7, /a length is 20/],
  ]
  for (const [bytes, position, message] of cases) {
    const buffer = Buffer.from([9, ...bytes])
    assert.throws(
      () => schema.decode(buffer, 1, buffer.length),
      (error: { code: string; message: string; details: { position: number } }) => {
        assert.equal(error.code, 'VALUE_UNDECODABLE')
        assert.match(error.message, message)
        assert.equal(error.details.position, position)
        return true
      },
    )
  }
})

test('a value that is refused writes no envelope', () => {
  const out = new ByteWriter()
  assert.throws(() => registry().schema.encode({ age: 'x' } as never, out), { code: 'VALUE_INVALID' })
  assert.equal(out.position, 0)
  assert.throws(() => avroRegistry(newer, { id: -1, lookup: () => undefined }), { code: 'SCHEMA_INVALID' })
})

test('what is not known yet is no fault of the value: it may be tried again', () => {
  const pending = new AldebaranError('SCHEMA_PENDING', 'it is being fetched')
  let known = false
  const schema = avroRegistry(newer, {
    id: () => {
      if (!known) throw pending
      return { id: 7, encode: newer.encode }
    },
    lookup(id) {
      if (!known) throw pending
      return id === 1 ? older.definition : id === 7 ? newer.definition : undefined
    },
  })
  const out = new ByteWriter(1)
  const value = { age: 3, name: 'Ada', mail: null }
  const old = written(avroRegistry(older, { id: 1, lookup: () => undefined }), { name: 'Bob', age: 4 })
  assert.throws(() => schema.encode(value, out), { code: 'SCHEMA_PENDING' })
  assert.equal(out.position, 0)
  assert.throws(() => schema.decode(old, 0, old.length), { code: 'SCHEMA_PENDING' })
  known = true
  assert.deepEqual({ ...schema.decode(old, 0, old.length) }, { age: 4, name: 'Bob', mail: null })
  const bytes = written(schema, value)
  assert.equal(bytes[4], 7)
  assert.deepEqual({ ...schema.decode(bytes, 0, bytes.length) }, value)
})

test('a schema that cannot be read is found out once', () => {
  let lookups = 0
  const lookup = () => {
    lookups++
    return foreign.definition
  }
  const schema = avroRegistry(newer, { id: 2, lookup })
  const bytes = Buffer.from([0, 0, 0, 0, 3, 2])
  for (let i = 0; i < 3; i++) assert.throws(() => schema.decode(bytes, 0, 6), { code: 'VALUE_UNDECODABLE' })
  assert.equal(lookups, 1)
})
