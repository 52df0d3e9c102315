/** Schemas as a registry takes them: text of a type, with references to versions of other subjects. */
import { createHash } from 'node:crypto'
import { messageOf } from '../../errors.ts'
import { parseAvro, parseAvroText } from '../../schema/avro-parse.ts'
import { qualifiedText, selfContained, sortedText } from '../../schema/avro-references.ts'
import type { AvroDefinition } from '../../schema/field-types.ts'
import { json } from '../../schema/json.ts'
import { parseJson } from '../../schema/json-text.ts'
import { refused } from './refusal.ts'

export type SchemaType = 'AVRO' | 'JSON'
export const SCHEMA_TYPES: readonly SchemaType[] = ['JSON', 'AVRO']

export interface SchemaReference {
  /** How the schema calls it: the full name of an Avro type, the `$ref` of a JSON Schema. */
  name: string
  subject: string
  version: number
}

export interface SchemaText {
  type: SchemaType
  text: string
  references: readonly SchemaReference[]
}

/** A schema that was read and found to be one. */
export interface ReadSchema extends SchemaText {
  /** Two schemas are the same when they have equal ones. */
  readonly fingerprint: string
  /** With full names and sorted keys. */
  readonly normalized: string
  /** Avro: with all types it refers to. JSON Schema: as it is. */
  readonly definition: unknown
  /** The schemas it refers to, also through others; each after those it needs. The name is that of the reference. */
  readonly others: readonly Referenced[]
}

export interface Referenced {
  readonly name: string
  readonly definition: unknown
}

/** Spaces outside of strings. */
const SPACES = /("(?:[^"\\]|\\.)*")|\s+/g

/**
 * Reads a schema; `others` are those it refers to, also through others, each after those it needs.
 * @throws REGISTRY_REFUSED 42201 for what is no schema, or of a type that is not supported.
 */
export function readSchema({ type, text, references }: SchemaText, others: readonly Referenced[]): ReadSchema {
  if (!SCHEMA_TYPES.includes(type)) {
    throw refused(
      'invalidSchema',
      `Invalid schema: the schema type ${type} is not supported by this registry, only ${SCHEMA_TYPES.join(' and ')}`,
    )
  }
  try {
    const read = type === 'AVRO' ? readAvro(text, others) : readJsonSchema(text, others)
    const sorted = [...references].sort((a, b) => (a.name < b.name ? -1 : 1))
    const fingerprint = createHash('sha256')
      .update(
        JSON.stringify([type, read.normalized, sorted.map(({ name, subject, version }) => [name, subject, version])]),
      )
      .digest('base64url')
    return { type, references, others, fingerprint, ...read }
  } catch (error) {
    throw refused('invalidSchema', `Invalid schema: ${messageOf(error)}`, error)
  }
}

function readAvro(text: string, others: readonly Referenced[]): Pick<ReadSchema, 'text' | 'normalized' | 'definition'> {
  const given = avroJson(text)
  const definitions = others.map(other => other.definition)
  const definition: AvroDefinition = selfContained(given, definitions)
  parseAvro(definition)
  return { text: compact(text), normalized: qualifiedText(given, definitions), definition }
}

/** The JSON of an Avro schema; a bare name is one too. Nested too deeply it is refused. */
function avroJson(text: string): unknown {
  const bare = parseAvroTextOrNull(text)
  return bare ?? parseText(text)
}

function parseAvroTextOrNull(text: string): string | null {
  return /^[A-Za-z_][\w.]*$/.test(text) ? String(parseAvroText(text)) : null
}

function readJsonSchema(
  text: string,
  others: readonly Referenced[],
): Pick<ReadSchema, 'text' | 'normalized' | 'definition'> {
  const definition = parseText(text)
  if (
    typeof definition !== 'boolean' &&
    (typeof definition !== 'object' || definition === null || Array.isArray(definition))
  ) {
    throw refused('invalidSchema', 'a JSON Schema is an object, true or false')
  }
  // One that refers to others is not compiled: what it refers to is compiled where it was registered.
  if (typeof definition === 'object' && others.length === 0) json(definition)
  return { text: compact(text), normalized: sortedText(definition), definition }
}

function parseText(text: string): unknown {
  const bytes = Buffer.from(text)
  return parseJson(bytes, 0, bytes.length)
}

/** As it was given: numbers beyond 2^53 too. */
function compact(text: string): string {
  const bare = text.trim()
  return /^[A-Za-z_][\w.]*$/.test(bare) && bare !== 'true' && bare !== 'false'
    ? JSON.stringify(bare)
    : bare.replace(SPACES, '$1')
}
