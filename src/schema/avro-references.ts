/**
 * Schemas that name types which other schemas declare, as registries have them.
 *
 * 1. In a qualified definition every name is a full name, whatever namespace it is read in; `{"type": "int"}` is `"int"`.
 * 2. Of a self-contained definition all types are declared where they are used first.
 */
import { badSchema } from './failures.ts'
import type { AvroDefinition } from './field-types.ts'

const MAX_NESTING = 128
const PRIMITIVES = new Set(['null', 'boolean', 'int', 'long', 'float', 'double', 'string', 'bytes'])

type Attributes = Readonly<Record<string, unknown>>

interface Scope {
  /** Types that other schemas declare, qualified. */
  readonly referenced: ReadonlyMap<string, unknown>
  readonly declared: Set<string>
  /** Told of each type that is declared. */
  readonly onType: (name: string, definition: unknown) => void
  /** Declare referenced types where they are used first. */
  readonly inline: boolean
}

/**
 * The definition with all that it uses from other schemas. `others`: those it refers to and those they refer to, each
 * after the ones it needs.
 */
export function selfContained(definition: unknown, others: readonly unknown[]): AvroDefinition {
  const scope = { referenced: typesOf(others), declared: new Set<string>(), onType: () => {}, inline: true }
  return qualify(definition, '', scope, 0, false) as AvroDefinition
}

/** The definition with full names, as JSON text with sorted keys: equal texts are equal schemas, documentation included. */
export function qualifiedText(definition: unknown, others: readonly unknown[]): string {
  const scope = { referenced: typesOf(others), declared: new Set<string>(), onType: () => {}, inline: false }
  return sortedText(qualify(definition, '', scope, 0, false))
}

/** JSON text with the keys of every object sorted. */
export function sortedText(value: unknown): string {
  return JSON.stringify(value, (_, part: unknown) => {
    if (typeof part !== 'object' || part === null || Array.isArray(part)) return part
    return Object.fromEntries(Object.entries(part).sort(([a], [b]) => (a < b ? -1 : 1)))
  })
}

function typesOf(others: readonly unknown[]): Map<string, unknown> {
  const types = new Map<string, unknown>()
  for (const other of others) {
    const onType = (name: string, definition: unknown) => void types.set(name, definition)
    qualify(other, '', { referenced: types, declared: new Set(), onType, inline: false }, 0, false)
  }
  return types
}

/** `isInlined`: the definition comes from another schema, which may declare what is declared here already. */
function qualify(definition: unknown, namespace: string, scope: Scope, depth: number, isInlined: boolean): unknown {
  if (depth > MAX_NESTING) throw badSchema('', `nests more than ${MAX_NESTING} levels`)
  if (typeof definition === 'string') return named(definition, namespace, scope, depth)
  const inner = (part: unknown, space = namespace) => qualify(part, space, scope, depth + 1, isInlined)
  if (Array.isArray(definition)) return definition.map(branch => inner(branch))
  if (typeof definition !== 'object' || definition === null) return definition
  const attributes = definition as Attributes
  switch (attributes.type) {
    case 'record':
    case 'error':
    case 'enum':
    case 'fixed':
      return declared(attributes, namespace, scope, inner, isInlined)
    case 'array':
      return { ...attributes, items: inner(attributes.items) }
    case 'map':
      return { ...attributes, values: inner(attributes.values) }
    default: {
      const type = inner(attributes.type)
      return Object.keys(attributes).length === 1 ? type : { ...attributes, type }
    }
  }
}

function named(name: string, namespace: string, scope: Scope, depth: number): unknown {
  if (PRIMITIVES.has(name)) return name
  const full = fullName(name, namespace)
  for (const candidate of [full, name]) {
    if (scope.declared.has(candidate)) return candidate
    const definition = scope.referenced.get(candidate)
    if (definition === undefined) continue
    return scope.inline ? qualify(definition, '', scope, depth + 1, true) : candidate
  }
  return full
}

function declared(
  attributes: Attributes,
  enclosing: string,
  scope: Scope,
  inner: (part: unknown, space: string) => unknown,
  isInlined: boolean,
): unknown {
  const { name, namespace: own, aliases, fields, ...rest } = attributes
  // What is malformed stays as it is: parsing tells.
  if (typeof name !== 'string' || (own !== undefined && typeof own !== 'string')) return attributes
  const full = fullName(name, own ?? enclosing)
  const namespace = full.slice(0, Math.max(0, full.lastIndexOf('.')))
  if (isInlined && scope.declared.has(full)) return full
  scope.declared.add(full)
  const result: Record<string, unknown> = { ...rest, name: full }
  // Else it would be read in the namespace of the type around it.
  if (namespace === '' && (enclosing !== '' || isInlined)) result.namespace = ''
  if (Array.isArray(aliases)) result.aliases = aliases.map(alias => fullName(String(alias), namespace))
  if (Array.isArray(fields)) result.fields = fields.map(field => qualifiedField(field, namespace, inner))
  else if (fields !== undefined) result.fields = fields
  scope.onType(full, result)
  return result
}

function qualifiedField(field: unknown, namespace: string, inner: (part: unknown, space: string) => unknown): unknown {
  if (typeof field !== 'object' || field === null || !('type' in field)) return field
  return { ...field, type: inner(field.type, namespace) }
}

function fullName(name: string, namespace: string): string {
  return name.includes('.') || namespace === '' ? name : `${namespace}.${name}`
}
