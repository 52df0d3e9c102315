/** Bytes that are not what the schema says: always VALUE_UNDECODABLE with a position inside, never a crash or a hang. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { AldebaranError } from '../errors.ts'
import { avro, resolve } from './avro.ts'
import { ByteWriter } from './byte-writer.ts'
import { t } from './field-types.ts'
import type { Schema } from './schema.ts'

const everything = avro('Everything', {
  flag: t.boolean,
  count: t.int,
  id: t.long,
  large: t.bigint,
  ratio: t.float,
  price: t.double,
  name: t.string,
  blob: t.bytes,
  side: t.enum(['buy', 'sell'], 'Side'),
  hash: t.fixed(4),
  tags: t.array(t.string),
  scores: t.map(t.long),
  note: t.optional(t.string),
  parts: t.array(t.record('Part', { sku: t.string, amount: t.int, nested: t.optional(t.array(t.double)) })),
})

const value = {
  flag: true,
  count: -5,
  id: 2 ** 40,
  large: -(2n ** 62n),
  ratio: 0.5,
  price: 1.25,
  name: 'Zoë',
  blob: Buffer.from([1, 2, 3]),
  side: 'sell' as const,
  hash: Buffer.from([9, 8, 7, 6]),
  tags: ['a', 'bb', '€'],
  scores: { x: 1, y: -2 },
  note: 'hello',
  parts: [
    { sku: 'p1', amount: 3, nested: [1, 2] },
    { sku: 'p2', amount: 0, nested: null },
  ],
}

function encoded<T>(schema: Schema<T>, of: T): Buffer {
  const out = new ByteWriter(16)
  schema.encode(of, out)
  return Buffer.from(out.bytes.subarray(0, out.position))
}

/** The position of the failure; reads every field, since texts are decoded when they are read. */
function positionOf(schema: Pick<Schema<unknown>, 'decode'>, bytes: Buffer): number {
  try {
    JSON.stringify(schema.decode(bytes, 0, bytes.length))
  } catch (error) {
    assert.ok(error instanceof AldebaranError, String(error))
    assert.equal(error.code, 'VALUE_UNDECODABLE')
    return error.details.position as number
  }
  throw new Error('the bytes were decoded')
}

test('bytes cut off anywhere are refused, whatever follows them in the buffer', () => {
  const whole = encoded(everything, value)
  const part = resolve(everything.definition, avro('Everything', { id: t.long }))
  for (let end = 0; end < whole.length; end++) {
    const position = positionOf(everything, whole.subarray(0, end))
    assert.ok(position >= 0 && position <= end, `cut at ${end}: position ${position}`)
    for (const follows of [whole, Buffer.alloc(200, 0xff), Buffer.alloc(200)]) {
      const buffer = Buffer.concat([whole.subarray(0, end), follows])
      assert.throws(() => JSON.stringify(everything.decode(buffer, 0, end)), { code: 'VALUE_UNDECODABLE' })
      assert.throws(() => part.decode(buffer, 0, end), { code: 'VALUE_UNDECODABLE' })
    }
  }
})

test('a flipped bit gives another value or VALUE_UNDECODABLE', () => {
  const whole = encoded(everything, value)
  let refused = 0
  for (let bit = 0; bit < whole.length * 8; bit++) {
    const bytes = Buffer.from(whole)
    bytes[bit >> 3]! ^= 1 << (bit & 7)
    try {
      JSON.stringify(everything.decode(bytes, 0, bytes.length))
    } catch (error) {
      assert.ok(error instanceof AldebaranError && error.code === 'VALUE_UNDECODABLE', String(error))
      refused++
    }
  }
  assert.ok(refused > 0)
})

test('random bytes never give anything but a value or VALUE_UNDECODABLE', () => {
  const node = avro.parse({
    type: 'record',
    name: 'Node',
    fields: [
      { name: 'label', type: 'string' },
      { name: 'next', type: ['null', 'Node'] },
      { name: 'children', type: { type: 'array', items: 'Node' } },
      { name: 'any', type: { type: 'map', values: ['null', 'int', 'string', 'Node'] } },
    ],
  })
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 200 }),
      fc.constantFrom<Schema<unknown>[]>(everything as Schema<unknown>, node),
      (array, schema) => {
        const bytes = Buffer.from(array)
        try {
          JSON.stringify(schema.decode(bytes, 0, bytes.length))
        } catch (error) {
          assert.ok(error instanceof AldebaranError && error.code === 'VALUE_UNDECODABLE', String(error))
        }
      },
    ),
    { numRuns: 3000 },
  )
})

test('each kind of malformed field is refused where it stands', () => {
  const one = (type: object | string | readonly unknown[]) =>
    avro.parse({
      type: 'record',
      name: 'R',
      fields: [
        { name: 'before', type: 'int' },
        { name: 'f', type },
      ],
    } as never)
  const cases: [string, object | string | readonly unknown[], number[], number][] = [
    ['boolean 2', 'boolean', [2], 1],
    ['enum index past the last', { type: 'enum', name: 'E', symbols: ['A', 'B'] }, [4], 1],
    ['negative enum index', { type: 'enum', name: 'E', symbols: ['A', 'B'] }, [1], 1],
    ['union index past the last', ['null', 'int'], [4], 1],
    ['negative union index', ['null', 'int'], [1], 1],
    ['negative length', 'string', [1], 2],
    ['length beyond the end', 'bytes', [6, 1, 2], 2],
    ['length of 2^50', 'string', [0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 2, 65], 9],
    ['int of six bytes', 'int', [0xff, 0xff, 0xff, 0xff, 0xff, 1], 5],
    ['int of 33 bits', 'int', [0xff, 0xff, 0xff, 0xff, 0x1f], 5],
    ['text that is not UTF-8', 'string', [6, 65, 0xc3, 0x28], 3],
    ['a surrogate in UTF-8', 'string', [6, 0xed, 0xa0, 0x80], 2],
    ['overlong UTF-8', 'string', [4, 0xc0, 0x80], 2],
    ['array count beyond the end', { type: 'array', items: 'int' }, [20, 2, 2, 0], 2],
    ['block size beyond the end', { type: 'array', items: 'int' }, [1, 40, 2, 0], 2],
    ['negative block size', { type: 'array', items: 'int' }, [1, 1, 2, 0], 2],
    ['block size that is wrong', { type: 'array', items: 'int' }, [1, 4, 2, 0], 4],
    ['bytes after the value', 'int', [2, 2], 2],
    ['fixed cut off', { type: 'fixed', name: 'F', size: 4 }, [1, 2, 3], 1],
    ['double cut off', 'double', [1, 2, 3], 4],
  ]
  for (const [name, type, bytes, position] of cases) {
    const schema = one(type)
    assert.equal(positionOf(schema, Buffer.from([2, ...bytes])), position, name)
  }
})

test('the path of the field is told with the position', () => {
  const bytes = Buffer.from([2, 2, 40, 65])
  const schema = avro('Order', { items: t.array(t.record('Item', { sku: t.string })) })
  assert.throws(() => schema.decode(bytes.subarray(1), 0, 3), {
    code: 'VALUE_UNDECODABLE',
    message: 'a length is 20, but 1 bytes are left (at byte 2, in Item.sku)',
    details: { position: 2, path: 'Item.sku' },
  })
})

test('arrays of items without bytes cannot blow up memory', () => {
  const nulls = avro.parse<unknown[]>({ type: 'array', items: 'null' })
  const nested = avro.parse({
    type: 'array',
    items: { type: 'array', items: { type: 'record', name: 'Empty', fields: [] } },
  })
  const huge = [0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 2, 0]
  assert.equal(positionOf(nulls, Buffer.from(huge)), 8)
  // 900,000 items, ten times over.
  const many = [0xc0, 0xee, 0x6d, 0]
  assert.ok(positionOf(nested, Buffer.from([20, ...Array.from({ length: 10 }, () => many).flat(), 0])) > 4)
  assert.equal(nulls.decode(Buffer.from([6, 0]), 0, 2).length, 3)
  assert.throws(() => nulls.encode(new Array(1_000_001).fill(null), new ByteWriter()), { code: 'VALUE_INVALID' })
})

test('recursive values are bounded at 64 levels, both ways, and what is written can be read', () => {
  interface Node {
    next: Node | null
  }
  const schema = avro.parse<Node>({ type: 'record', name: 'Node', fields: [{ name: 'next', type: ['null', 'Node'] }] })
  const chain = (length: number): Node => (length === 0 ? { next: null } : { next: chain(length - 1) })
  const deepest = encoded(schema, chain(64))
  assert.deepEqual(schema.toJson(schema.decode(deepest, 0, deepest.length)), chain(64))
  assert.throws(() => encoded(schema, chain(65)), { code: 'VALUE_INVALID' })
  const loop: Node = { next: null }
  loop.next = loop
  assert.throws(() => encoded(schema, loop), { code: 'VALUE_INVALID' })
  assert.throws(() => schema.fromJson(chain(65)), { code: 'VALUE_INVALID' })
  assert.equal(positionOf(schema, Buffer.alloc(100_000, 2)), 65)
  const endless = avro.parse({ type: 'record', name: 'R', fields: [{ name: 'r', type: 'R' }] })
  assert.equal(positionOf(endless, Buffer.alloc(3)), 0)
})

test('bytes after the value are left alone when asked', () => {
  const schema = avro('R', { id: t.int }, { trailing: 'ignore' })
  assert.equal(schema.decode(Buffer.from([4, 1, 2, 3]), 0, 4).id, 2)
  assert.throws(() => schema.decode(Buffer.from([0x84, 1, 2, 3]), 0, 1), { code: 'VALUE_UNDECODABLE' })
})

test('keys that name the prototype are plain entries of a map', () => {
  const schema = avro.parse<Record<string, string>>({ type: 'map', values: 'string' })
  const bytes = Buffer.from([2, 18, ...Buffer.from('__proto__'), 2, 65, 0])
  const map = schema.decode(bytes, 0, bytes.length)
  assert.deepEqual(Object.keys(map), ['__proto__'])
  assert.equal(Object.getPrototypeOf(map), Object.prototype)
  assert.deepEqual(encoded(schema, map), bytes)
  assert.deepEqual(Object.keys(schema.fromJson(JSON.parse('{"__proto__":"A"}'))), ['__proto__'])
})
