/**
 * Values that have no column type of their own (arrays, maps, records, unions): read and written as Avro 1.12 binary
 * by closures compiled from the definition. Not for hot fields; those have columns.
 *
 * 1. `read` gives a new value each time; `write` followed by `read` gives an equal one.
 * 2. Values of a union are bare: the branches must differ in their JavaScript type.
 */
import { AldebaranError } from '../errors.ts'
import type { ByteWriter } from '../schema/byte-writer.ts'
import type { AvroDefinition } from '../schema/field-types.ts'
import { writeBigint, writeLong } from '../schema/varint.ts'
import type { ValueInput } from './value-input.ts'

export interface ValueCodec {
  readonly type: ValueType
  read(input: ValueInput): unknown
  /** @throws AldebaranError VALUE_INVALID naming `path`. */
  write(value: unknown, out: ByteWriter, path: string): void
  zero(): unknown
}

/** A definition with its references resolved. */
export interface ValueType {
  readonly kind: string
  /** Of named types. */
  readonly name: string
  readonly symbols: readonly string[]
  readonly size: number
  /** Of arrays (items) and maps (values): one; of unions: the branches; of records: the fields. */
  readonly parts: readonly ValueCodec[]
  readonly fields: readonly ValueField[]
}

export interface ValueField {
  readonly name: string
  readonly codec: ValueCodec
  readonly default: unknown
}

type Attributes = { readonly [attribute: string]: unknown }

/** `names` collects the named types, so that later definitions may refer to them. */
export function compileValue(definition: AvroDefinition, names: Map<string, ValueCodec>): ValueCodec {
  if (Array.isArray(definition)) return union(definition, names)
  const attributes: Attributes = typeof definition === 'string' ? { type: definition } : (definition as Attributes)
  const type = attributes.type as AvroDefinition
  if (typeof type !== 'string') return compileValue(type, names)
  switch (type) {
    case 'array':
      return array(compileValue(attributes.items as AvroDefinition, names))
    case 'map':
      return map(compileValue(attributes.values as AvroDefinition, names))
    case 'record':
      return record(attributes, names)
    case 'enum':
      return named(enumeration(attributes), names)
    case 'fixed':
      return named(fixed(attributes), names)
    default: {
      const known =
        PRIMITIVES[type === 'long' && attributes.aldebaran === 'bigint' ? 'bigint' : type] ?? names.get(type)
      if (known === undefined) throw new AldebaranError('SCHEMA_INVALID', `there is no Avro type '${type}'`)
      return known
    }
  }
}

export function misfit(path: string, expected: string, value: unknown): AldebaranError {
  const shown =
    typeof value === 'string' ? `'${value.slice(0, 40)}'` : Array.isArray(value) ? 'an array' : String(value)
  return new AldebaranError('VALUE_INVALID', `field '${path}' takes ${expected}, not ${shown}`, { path })
}

function typeOf(kind: string, more: Partial<ValueType> = {}): ValueType {
  return { kind, name: '', symbols: [], size: 0, parts: [], fields: [], ...more }
}

function named(codec: ValueCodec, names: Map<string, ValueCodec>): ValueCodec {
  names.set(codec.type.name, codec)
  return codec
}

function writeCount(out: ByteWriter, count: number): void {
  out.ensure(10)
  out.position = writeLong(out.bytes, out.position, count)
}

function writeBytes(out: ByteWriter, value: Uint8Array): void {
  out.ensure(value.length)
  out.bytes.set(value, out.position)
  out.position += value.length
}

function numeric(kind: string, expected: string, isValid: (value: number) => boolean): ValueCodec {
  return {
    type: typeOf(kind),
    read: kind === 'int' ? input => input.int() : input => input.long(),
    write(value, out, path) {
      if (typeof value !== 'number' || !isValid(value)) throw misfit(path, expected, value)
      writeCount(out, value)
    },
    zero: () => 0,
  }
}

const PRIMITIVES: Readonly<Record<string, ValueCodec>> = {
  null: {
    type: typeOf('null'),
    read: () => null,
    write(value, _, path) {
      if (value !== null) throw misfit(path, 'null', value)
    },
    zero: () => null,
  },
  boolean: {
    type: typeOf('boolean'),
    read: input => input.bytes[input.take(1)] === 1,
    write(value, out, path) {
      if (typeof value !== 'boolean') throw misfit(path, 'true or false', value)
      out.ensure(1)
      out.bytes[out.position++] = value ? 1 : 0
    },
    zero: () => false,
  },
  int: numeric('int', 'a 32-bit integer', value => (value | 0) === value),
  long: numeric('long', 'an integer within ±(2^53 − 1)', Number.isSafeInteger),
  bigint: {
    type: typeOf('bigint'),
    read: input => input.bigint(),
    write(value, out, path) {
      if (typeof value !== 'bigint' || BigInt.asIntN(64, value) !== value) throw misfit(path, 'a 64-bit bigint', value)
      out.ensure(10)
      out.position = writeBigint(out.bytes, out.position, value)
    },
    zero: () => 0n,
  },
  float: {
    type: typeOf('float'),
    read: input => input.float(),
    write(value, out, path) {
      if (typeof value !== 'number') throw misfit(path, 'a number', value)
      out.ensure(4)
      out.position = out.bytes.writeFloatLE(value, out.position)
    },
    zero: () => 0,
  },
  double: {
    type: typeOf('double'),
    read: input => input.double(),
    write(value, out, path) {
      if (typeof value !== 'number') throw misfit(path, 'a number', value)
      out.ensure(8)
      out.position = out.bytes.writeDoubleLE(value, out.position)
    },
    zero: () => 0,
  },
  string: {
    type: typeOf('string'),
    read: input => input.text(),
    write(value, out, path) {
      if (typeof value !== 'string') throw misfit(path, 'a string', value)
      const length = Buffer.byteLength(value)
      writeCount(out, length)
      out.ensure(length)
      out.position += out.bytes.write(value, out.position)
    },
    zero: () => '',
  },
  bytes: {
    type: typeOf('bytes'),
    read(input) {
      const length = input.long()
      const at = input.take(length)
      return Buffer.from(input.bytes.subarray(at, at + length))
    },
    write(value, out, path) {
      if (!(value instanceof Uint8Array)) throw misfit(path, 'a Uint8Array', value)
      writeCount(out, value.length)
      writeBytes(out, value)
    },
    zero: () => Buffer.alloc(0),
  },
}

function enumeration(attributes: Attributes): ValueCodec {
  const symbols = attributes.symbols as readonly string[]
  const codes = new Map(symbols.map((symbol, code) => [symbol, code]))
  return {
    type: typeOf('enum', { name: attributes.name as string, symbols }),
    read(input) {
      const symbol = symbols[input.int()]
      if (symbol === undefined) throw new AldebaranError('VALUE_UNDECODABLE', 'an enum has no such symbol')
      return symbol
    },
    write(value, out, path) {
      const code = codes.get(value as string)
      if (code === undefined) throw misfit(path, `one of ${symbols.join(', ')}`, value)
      writeCount(out, code)
    },
    zero: () => symbols[0],
  }
}

function fixed(attributes: Attributes): ValueCodec {
  const size = attributes.size as number
  return {
    type: typeOf('fixed', { name: attributes.name as string, size }),
    read(input) {
      const at = input.take(size)
      return Buffer.from(input.bytes.subarray(at, at + size))
    },
    write(value, out, path) {
      if (!(value instanceof Uint8Array) || value.length !== size) throw misfit(path, `${size} bytes`, value)
      writeBytes(out, value)
    },
    zero: () => Buffer.alloc(size),
  }
}

/** Calls `each` for every item of the blocks of an array or a map. */
export function readBlocks(input: ValueInput, each: () => void): void {
  for (let count = input.long(); count !== 0; count = input.long()) {
    if (count < 0) {
      count = -count
      input.long()
    }
    for (; count > 0; count--) {
      if (input.position > input.end) input.take(-1)
      each()
    }
  }
}

function array(items: ValueCodec): ValueCodec {
  return {
    type: typeOf('array', { parts: [items] }),
    read(input) {
      const values: unknown[] = []
      readBlocks(input, () => values.push(items.read(input)))
      return values
    },
    write(value, out, path) {
      if (!Array.isArray(value)) throw misfit(path, 'an array', value)
      if (value.length > 0) writeCount(out, value.length)
      for (let index = 0; index < value.length; index++) items.write(value[index], out, `${path}[${index}]`)
      writeCount(out, 0)
    },
    zero: () => [],
  }
}

function map(values: ValueCodec): ValueCodec {
  return {
    type: typeOf('map', { parts: [values] }),
    read(input) {
      const entries: [string, unknown][] = []
      readBlocks(input, () => entries.push([input.text(), values.read(input)]))
      return Object.fromEntries(entries)
    },
    write(value, out, path) {
      if (!isPlain(value)) throw misfit(path, 'an object', value)
      const entries = Object.entries(value as object)
      if (entries.length > 0) writeCount(out, entries.length)
      for (const [key, entry] of entries) {
        PRIMITIVES.string!.write(key, out, path)
        values.write(entry, out, `${path}.${key}`)
      }
      writeCount(out, 0)
    },
    zero: () => ({}),
  }
}

function record(attributes: Attributes, names: Map<string, ValueCodec>): ValueCodec {
  const fields: ValueField[] = []
  const codec: ValueCodec = {
    type: typeOf('record', { name: attributes.name as string, fields }),
    read: input => Object.fromEntries(fields.map(field => [field.name, field.codec.read(input)])),
    write(value, out, path) {
      if (!isPlain(value)) throw misfit(path, 'an object', value)
      for (const field of fields) {
        const part = (value as Record<string, unknown>)[field.name]
        field.codec.write(part === undefined ? field.default : part, out, `${path}.${field.name}`)
      }
    },
    zero: () => Object.fromEntries(fields.map(field => [field.name, field.codec.zero()])),
  }
  named(codec, names) // before its fields: they may refer to it
  for (const field of attributes.fields as readonly Attributes[]) {
    fields.push({
      name: field.name as string,
      codec: compileValue(field.type as AvroDefinition, names),
      default: field.default,
    })
  }
  return codec
}

function union(definitions: readonly AvroDefinition[], names: Map<string, ValueCodec>): ValueCodec {
  const parts = definitions.map(definition => compileValue(definition, names))
  const shapes = parts.map(part => SHAPES[part.type.kind] ?? part.type.kind)
  if (new Set(shapes).size !== shapes.length) {
    throw new AldebaranError('PIPELINE_INVALID', `a union of a row has two branches of one JavaScript type: ${shapes}`)
  }
  return {
    type: typeOf('union', { parts }),
    read(input) {
      const part = parts[input.int()]
      if (part === undefined) throw new AldebaranError('VALUE_UNDECODABLE', 'a union has no such branch')
      return part.read(input)
    },
    write(value, out, path) {
      const branch = shapes.indexOf(shapeOf(value))
      if (branch === -1) throw misfit(path, `one of ${parts.map(part => part.type.kind).join(', ')}`, value)
      writeCount(out, branch)
      parts[branch]!.write(value, out, path)
    },
    zero: () => parts[0]!.zero(),
  }
}

const SHAPES: Readonly<Record<string, string>> = {
  int: 'number',
  long: 'number',
  float: 'number',
  double: 'number',
  enum: 'string',
  fixed: 'bytes',
  map: 'object',
  record: 'object',
}

function shapeOf(value: unknown): string {
  if (value === null || value === undefined) return 'null'
  if (typeof value !== 'object') return typeof value
  if (Array.isArray(value)) return 'array'
  return value instanceof Uint8Array ? 'bytes' : 'object'
}

function isPlain(value: unknown): boolean {
  return shapeOf(value) === 'object'
}
