import { AldebaranError } from '../errors.ts'
import { canonicalForm, fingerprint64, fingerprintSha256 } from './avro-canonical.ts'
import { declared } from './avro-declare.ts'
import { compileDecoder, type Decode, type DecodeOptions } from './avro-decoder.ts'
import { compileEncoder } from './avro-encoder.ts'
import { avroFromJson, avroToJson } from './avro-json.ts'
import { parseAvro, parseAvroText } from './avro-parse.ts'
import { obstacles } from './avro-resolution.ts'
import type { AvroType } from './avro-type.ts'
import { invalid } from './failures.ts'
import { type AvroDefinition, type Fields, type ObjectOf, recordDefinition } from './field-types.ts'
import type { Schema } from './schema.ts'

/**
 * A schema in Avro's binary encoding.
 *
 * `decode` of a record returns one view object, filled again by the next `decode`. Its properties are its own and
 * enumerable, so `{ ...view }` and `JSON.stringify(view)` give plain copies. Texts and bytes are decoded when a property is first
 * read: text that is not UTF-8 throws VALUE_UNDECODABLE then. What a property holds may be kept; the view may not.
 */
export interface AvroSchema<T> extends Schema<T> {
  readonly format: 'avro'
  /** The schema as JSON text. */
  readonly definition: string
  readonly root: AvroType
}

/**
 * A record schema from `t` fields; the type of its values is inferred.
 *
 * @throws SCHEMA_INVALID with the path of what is wrong.
 */
export function avro<const F extends Fields>(
  name: string,
  fields: F,
  options?: DecodeOptions,
): AvroSchema<ObjectOf<F>> {
  return avroSchema(declared(recordDefinition(name, fields)), options)
}

/**
 * An existing Avro schema, as JSON text or parsed. `T` is not checked: it is what the caller knows the values to be.
 * A field `"type": {"type": "long", "aldebaran": "bigint"}` is read as a bigint, every other long as a number.
 *
 * @throws SCHEMA_INVALID with the path of what is wrong.
 */
avro.parse = function parse<T = unknown>(definition: string | AvroDefinition, options?: DecodeOptions): AvroSchema<T> {
  return avroSchema(typeof definition === 'string' ? parseAvroText(definition) : definition, options)
}

/**
 * A decoder for values written with another schema, by Avro's schema resolution: fields in another order, added with a
 * default, removed or renamed by alias, wider numbers, default symbols.
 *
 * @throws SCHEMA_INCOMPATIBLE when no value can be read. A value whose own branch or symbol the reader lacks throws
 * VALUE_UNDECODABLE when it comes.
 */
export function resolve<T>(
  writerDefinition: string | AvroDefinition,
  reader: AvroSchema<T>,
  options?: DecodeOptions,
): { decode: Decode<T> } {
  const writer = parseDefinition(writerDefinition)
  const reasons = obstacles(writer, reader.root).filter(obstacle => obstacle.always)
  if (reasons.length > 0) {
    const text = reasons
      .map(({ path, reason }) => (path === '' ? `the value ${reason}` : `${path} ${reason}`))
      .join('; ')
    throw new AldebaranError('SCHEMA_INCOMPATIBLE', text, { path: reasons[0]!.path })
  }
  return { decode: compileDecoder<T>(writer, reader.root, options) }
}

/** Why values of `writer` cannot all be read as `reader`, one sentence each; empty when they can. */
export function compatible(
  writer: string | AvroDefinition | AvroSchema<unknown>,
  reader: string | AvroDefinition | AvroSchema<unknown>,
): string[] {
  return obstacles(rootOf(writer), rootOf(reader)).map(({ path, reason }) =>
    path === '' ? `the value ${reason}` : `${path} ${reason}`,
  )
}

/** Parsing Canonical Form, CRC-64-AVRO (unsigned) and SHA-256 (hexadecimal) of a schema. */
export function fingerprints(schema: string | AvroDefinition | AvroSchema<unknown>): {
  canonical: string
  crc64: bigint
  sha256: string
} {
  const root = rootOf(schema)
  return { canonical: canonicalForm(root), crc64: fingerprint64(root), sha256: fingerprintSha256(root) }
}

function rootOf(schema: string | AvroDefinition | AvroSchema<unknown>): AvroType {
  return typeof schema === 'object' && 'root' in schema ? (schema.root as AvroType) : parseDefinition(schema)
}

function parseDefinition(definition: string | AvroDefinition): AvroType {
  return parseAvro(typeof definition === 'string' ? parseAvroText(definition) : definition)
}

function avroSchema<T>(definition: unknown, options?: DecodeOptions): AvroSchema<T> {
  const root = parseAvro(definition)
  return {
    format: 'avro',
    definition: JSON.stringify(definition),
    root,
    encode: compileEncoder<T>(root, (value, cause) => explain(root, value, cause)),
    decode: compileDecoder<T>(root, root, options),
    toJson: value => avroToJson(root, value),
    fromJson: json => avroFromJson(root, json) as T,
  }
}

/** The error for a value that the encoder refused: found by walking the value, which tells the path. */
function explain(root: AvroType, value: unknown, cause: unknown): unknown {
  if (cause instanceof AldebaranError) return cause
  try {
    avroToJson(root, value)
  } catch (error) {
    return error
  }
  return invalid('', 'does not fit the schema', cause)
}
