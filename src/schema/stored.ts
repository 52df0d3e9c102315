import { avro } from './avro.ts'
import { badSchema, suggestion } from './failures.ts'
import { json } from './json.ts'
import { bigint64, bytes, int32, int64, text, uuid } from './primitives.ts'
import type { Schema } from './schema.ts'

const FORMATS: Readonly<Record<string, (definition: string | null) => Schema<unknown>>> = {
  avro: definition => {
    if (definition === null) throw badSchema('', 'of format avro has no definition')
    return avro.parse(definition) as Schema<unknown>
  },
  json: definition => (definition === null ? json() : json(parseObject(definition))),
  text: () => text() as Schema<unknown>,
  bytes: () => bytes() as Schema<unknown>,
  int32: () => int32() as Schema<unknown>,
  int64: () => int64() as Schema<unknown>,
  bigint64: () => bigint64() as Schema<unknown>,
  uuid: () => uuid() as Schema<unknown>,
}

/**
 * The schema that a topic stored as format and definition, for tools that know only the topic.
 *
 * @throws SCHEMA_INVALID for an unknown format or a definition that cannot be read.
 */
export function schemaFromStored(format: string, definition: string | null): Schema<unknown> {
  if (!Object.hasOwn(FORMATS, format)) {
    throw badSchema('', `has the unknown format "${format}"${suggestion(format, Object.keys(FORMATS))}`)
  }
  return FORMATS[format]!(definition)
}

function parseObject(definition: string): object {
  try {
    const parsed: unknown = JSON.parse(definition)
    if (typeof parsed === 'object' && parsed !== null) return parsed
  } catch (error) {
    throw badSchema('', 'of format json has a definition that is not JSON', error)
  }
  throw badSchema('', 'of format json has a definition that is no object')
}
