/** Reading a JSON Schema: what it refers to, and what it says of types, values and items. */
export interface JsonDocument {
  readonly root: unknown
  /** What `$ref` may name besides places in the document. */
  readonly others: ReadonlyMap<string, unknown>
}

export type Schema = Readonly<Record<string, unknown>>
export interface Place {
  readonly schema: unknown
  readonly document: JsonDocument
}

const TYPES = ['null', 'boolean', 'number', 'string', 'array', 'object']

/** What the reader may have only as the writer has it. */
export const EQUAL: readonly string[] = [
  'pattern',
  'patternProperties',
  'propertyNames',
  'contains',
  'minContains',
  'maxContains',
  'not',
  'if',
  'then',
  'else',
  'dependencies',
  'dependentRequired',
  'dependentSchemas',
  'unevaluatedProperties',
  'unevaluatedItems',
  '$dynamicRef',
  '$recursiveRef',
]

/** Follows `$ref`; null when it leads nowhere. */
export function resolved(place: Place): Place | null {
  let { schema, document } = place
  for (let hops = 0; hops < 32; hops++) {
    if (typeof schema !== 'object' || schema === null || !('$ref' in schema)) {
      return typeof schema === 'boolean' || (typeof schema === 'object' && schema !== null)
        ? { schema, document }
        : null
    }
    const [name = '', pointer = ''] = String(schema.$ref).split('#')
    if (name !== '') {
      if (!document.others.has(name)) return null
      document = { root: document.others.get(name), others: document.others }
    }
    schema = at(document.root, pointer)
  }
  return null
}

function at(root: unknown, pointer: string): unknown {
  // An anchor.
  if (pointer !== '' && !pointer.startsWith('/')) return undefined
  let part = root
  for (const step of pointer.split('/').slice(1)) {
    if (typeof part !== 'object' || part === null) return undefined
    const key = decodedStep(step)
    part = Object.hasOwn(part, key) ? (part as Record<string, unknown>)[key] : undefined
  }
  return part
}

function decodedStep(step: string): string {
  try {
    return decodeURIComponent(step).replaceAll('~1', '/').replaceAll('~0', '~')
  } catch {
    return step
  }
}

/** The reader without what was compared already with the writer as a whole. */
export function withoutChoices(reader: Place): Place {
  const { anyOf: _, oneOf: __, allOf: ___, ...schema } = reader.schema as Schema
  return { ...reader, schema }
}

/**
 * One schema that allows all that several allow together, and perhaps more: of two that limit the same thing the last one
 * counts, and limits that hang together are left out.
 */
export function merged(parts: readonly unknown[]): Schema {
  const result: Record<string, unknown> = {}
  for (const part of parts) {
    if (typeof part !== 'object' || part === null) continue
    for (const [name, value] of Object.entries(part)) {
      if (EQUAL.includes(name)) continue
      if (name === 'required') result.required = [...new Set([...list(result.required), ...list(value)])]
      else if (name === 'properties') result.properties = { ...(result.properties as object), ...(value as object) }
      else result[name] = value
    }
  }
  return result
}

export function list(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : []
}

export function record(value: unknown): Map<string, unknown> {
  return new Map(typeof value === 'object' && value !== null ? Object.entries(value) : [])
}

/** Types of the documents; an integer is a number. */
export function typesOf(schema: Schema): string[] {
  const { type } = schema
  const values = valuesOf(schema)
  if (values !== null) return [...new Set(values.map(typeOf))]
  if (type === undefined) return TYPES
  return (Array.isArray(type) ? type : [type]).map(one => (one === 'integer' ? 'number' : String(one)))
}

export function typeOf(value: unknown): string {
  return value === null ? 'null' : Array.isArray(value) ? 'array' : typeof value
}

export function isInteger(schema: Schema): boolean {
  const values = valuesOf(schema)
  if (values !== null) return values.every(value => typeof value !== 'number' || Number.isInteger(value))
  const types = Array.isArray(schema.type) ? schema.type : [schema.type]
  return types.includes('integer') && !types.includes('number')
}

/** The only values there may be; null: that is not said. */
export function valuesOf(schema: Schema): readonly unknown[] | null {
  if ('const' in schema) return [schema.const]
  return Array.isArray(schema.enum) ? schema.enum : null
}

export function hasDefault(schema: unknown, place: Place): boolean {
  const target = schema === undefined ? null : resolved({ ...place, schema })
  return typeof target?.schema === 'object' && target.schema !== null && 'default' in target.schema
}

/** Items with a place of their own, and the schema of those after them. */
export function tupleOf(schema: Schema): [items: readonly unknown[], rest: unknown] {
  if (Array.isArray(schema.prefixItems)) return [schema.prefixItems, schema.items ?? true]
  if (Array.isArray(schema.items)) return [schema.items, schema.additionalItems ?? true]
  return [[], schema.items ?? true]
}

/** The type that a limit speaks of, where that is not numbers. */
const LIMITED: Readonly<Record<string, string>> = {
  minLength: 'string',
  maxLength: 'string',
  minItems: 'array',
  maxItems: 'array',
  minProperties: 'object',
  maxProperties: 'object',
}

export function limitedType(name: string): string {
  return LIMITED[name] ?? 'number'
}

/** What a limit counts of a value of its type. */
export function quantity(value: unknown): number {
  if (typeof value === 'number') return value
  if (typeof value === 'string') return [...value].length
  return Array.isArray(value) ? value.length : Object.keys(value as object).length
}
