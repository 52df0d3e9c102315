import { compatible } from '../../schema/avro.ts'
import type { AvroDefinition } from '../../schema/field-types.ts'
import { jsonObstacles } from './json-compatibility.ts'
import type { ReadSchema } from './read-schema.ts'
import type { Level } from './state.ts'

/**
 * Why a schema does not go with the versions of its subject, one sentence each; empty when it does. `earlier`: by
 * ascending version. Levels without TRANSITIVE look at the last one only.
 */
export function incompatibilities(
  schema: ReadSchema,
  earlier: readonly { version: number; schema: ReadSchema }[],
  level: Level,
): string[] {
  if (level === 'NONE') return []
  const compared = level.endsWith('_TRANSITIVE') ? earlier : earlier.slice(-1)
  const backward = level.startsWith('BACKWARD') || level.startsWith('FULL')
  const forward = level.startsWith('FORWARD') || level.startsWith('FULL')
  return compared.flatMap(({ version, schema: older }) => [
    ...(backward ? obstacles(older, schema).map(reason => `reading version ${version} with it: ${reason}`) : []),
    ...(forward ? obstacles(schema, older).map(reason => `reading it with version ${version}: ${reason}`) : []),
  ])
}

function obstacles(writer: ReadSchema, reader: ReadSchema): string[] {
  if (writer.type !== reader.type) return [`${writer.type} cannot be read as ${reader.type}`]
  if (writer.type === 'JSON') return jsonObstacles(documentOf(writer), documentOf(reader))
  return compatible(writer.definition as AvroDefinition, reader.definition as AvroDefinition)
}

function documentOf({ definition, others }: ReadSchema) {
  return { root: definition, others: new Map(others.map(other => [other.name, other.definition])) }
}
