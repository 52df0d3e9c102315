/**
 * Values of streams and tables as columns of the rows that a join or a window keeps.
 *
 * 1. What `get` returns may be used until the next `get`, and disturbs no value at hand elsewhere: a schema's own `decode`
 *    may fill the very object again that the record at hand is seen through.
 * 2. A release with another schema reads what the one before wrote, or is refused at start. Avro records are kept as such,
 *    field by field, so rows evolve as those of any table. Everything else is kept as the bytes of its schema.
 */
import { avro } from '../../schema/avro.ts'
import type { AvroType } from '../../schema/avro-type.ts'
import { ByteWriter } from '../../schema/byte-writer.ts'
import type { AvroDefinition, FieldType } from '../../schema/field-types.ts'
import type { Schema } from '../../schema/schema.ts'

/** Makes of a value what its column takes, and back. */
export interface StoredValue {
  put(value: unknown): unknown
  get(column: unknown): unknown
}

/** The column that keeps values of a schema; it may be null. */
export function columnOf(schema: Schema<unknown>): FieldType<unknown> {
  const root = rootOf(schema)
  if (root !== null && isPlain(root)) return optional(JSON.parse(schema.definition!) as AvroDefinition)
  return optional({ type: 'bytes', encodes: root === null ? schema.format : schema.definition })
}

/** One for each operator of a task, and each column of it. */
export function storedValue(schema: Schema<unknown>): StoredValue {
  const root = rootOf(schema)
  if (root !== null && isPlain(root)) return AS_IT_IS
  const own = root === null ? schema : avro.parse(schema.definition!)
  const out = new ByteWriter(256)
  return {
    put(value) {
      out.position = 0
      own.encode(value, out)
      return out.bytes.subarray(0, out.position)
    },
    get(column) {
      const bytes = column as Buffer
      return own.decode(bytes, 0, bytes.length)
    },
  }
}

const AS_IT_IS: StoredValue = { put: value => value, get: column => column }

function optional(definition: AvroDefinition): FieldType<unknown> {
  return { definition: ['null', definition], default: null }
}

function rootOf(schema: Schema<unknown>): AvroType | null {
  return schema.format === 'avro' && 'root' in schema ? (schema.root as AvroType) : null
}

/** Whether columns of rows have all that the record has: names without a namespace, unions that types alone tell apart. */
function isPlain(root: AvroType): boolean {
  const seen = new Set<AvroType>()
  const fits = (type: AvroType): boolean => {
    if (seen.has(type)) return true
    seen.add(type)
    if ('name' in type && type.name.includes('.')) return false
    switch (type.kind) {
      case 'array':
        return fits(type.items)
      case 'map':
        return fits(type.values)
      case 'union':
        return !type.wrapped && type.branches.every(fits)
      case 'record':
        return type.fields.every(field => isSimple(field.default) && fits(field.type))
      default:
        return true
    }
  }
  return root.kind === 'record' && fits(root)
}

/** A default that is the same in JSON. */
function isSimple(value: unknown): boolean {
  if (typeof value === 'object' && value !== null)
    return !(value instanceof Uint8Array) && Object.keys(value).length === 0
  return typeof value !== 'bigint'
}
