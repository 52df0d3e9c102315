/**
 * Reads an Avro schema (1.12) into `AvroType`.
 *
 * 1. Every name is checked against Avro's grammar, so that it may stand in generated code and in paths.
 * 2. References are resolved to the very type they name; an unknown one is an error.
 * 3. Defaults are checked against their type and turned into values, after all names are known.
 * 4. Unknown attributes and logical types are ignored, as the specification asks; `aldebaran: "bigint"` is ours.
 */
import { avroDefault } from './avro-default.ts'
import { type AvroType, jsonShapeOf, type RecordField, shapeOf, type UnionType } from './avro-type.ts'
import { badSchema, describe, pathTo, suggestion } from './failures.ts'

/** Levels a schema may nest. */
const MAX_NESTING = 128
const PRIMITIVES = new Set(['null', 'boolean', 'int', 'long', 'float', 'double', 'string', 'bytes'])
const NAME = /^[A-Za-z_][A-Za-z0-9_]*$/
const MAX_FIXED_BYTES = 2 ** 31 - 1

type Attributes = Readonly<Record<string, unknown>>
interface Scope {
  readonly named: Map<string, AvroType>
  /** Defaults still to be read, once every name is known. */
  readonly defaults: (() => void)[]
}
type Writable<T> = { -readonly [Name in keyof T]: T[Name] }

/** Throws SCHEMA_INVALID with the path inside the schema. */
export function parseAvro(definition: unknown): AvroType {
  const scope: Scope = { named: new Map(), defaults: [] }
  const root = parseType(definition, '', scope, '', 0)
  for (const read of scope.defaults) read()
  return root
}

/** JSON text of a schema, or a bare name such as `string`. */
export function parseAvroText(text: string): unknown {
  if (/^[A-Za-z_][\w.]*$/.test(text)) return text
  try {
    return JSON.parse(text)
  } catch (error) {
    throw badSchema('', `is not JSON: ${error instanceof Error ? error.message : error}`, error)
  }
}

function parseType(definition: unknown, namespace: string, scope: Scope, path: string, depth: number): AvroType {
  if (depth > MAX_NESTING) throw badSchema(path, `nests more than ${MAX_NESTING} levels`)
  if (typeof definition === 'string') return parseName(definition, namespace, scope, path)
  if (Array.isArray(definition)) return parseUnion(definition, namespace, scope, path, depth)
  if (typeof definition !== 'object' || definition === null) {
    throw badSchema(path, `must be a name, a list or an object, not ${describe(definition)}`)
  }
  const attributes = definition as Attributes
  switch (attributes.type) {
    case 'record':
    case 'error':
      return parseRecord(attributes, namespace, scope, path, depth)
    case 'enum':
      return parseEnum(attributes, namespace, scope, path)
    case 'fixed':
      return parseFixed(attributes, namespace, scope, path)
    case 'array':
      return {
        kind: 'array',
        items: parseType(attributes.items, namespace, scope, pathTo(path, 'items'), depth + 1),
      }
    case 'map':
      return {
        kind: 'map',
        values: parseType(attributes.values, namespace, scope, pathTo(path, 'values'), depth + 1),
      }
    case 'long':
      return { kind: attributes.aldebaran === 'bigint' ? 'bigint' : 'long' }
    default:
      return parseType(attributes.type, namespace, scope, pathTo(path, 'type'), depth + 1)
  }
}

function parseName(name: string, namespace: string, scope: Scope, path: string): AvroType {
  if (PRIMITIVES.has(name)) return { kind: name } as AvroType
  const full = name.includes('.') || namespace === '' ? name : `${namespace}.${name}`
  const found = scope.named.get(full) ?? scope.named.get(name)
  if (found !== undefined) return found
  const known = [...scope.named.keys(), ...PRIMITIVES, 'array', 'map', 'record', 'enum', 'fixed']
  throw badSchema(path, `names the unknown type ${describe(name)}${suggestion(name, known)}`)
}

function parseUnion(list: readonly unknown[], namespace: string, scope: Scope, path: string, depth: number): UnionType {
  const branches = list.map((branch, index) => {
    const type = parseType(branch, namespace, scope, pathTo(path, index), depth + 1)
    if (type.kind === 'union') throw badSchema(pathTo(path, index), 'is a union inside a union: join them')
    return type
  })
  const names = new Set<string>()
  for (const branch of branches) {
    const name = branch.kind === 'bigint' ? 'long' : 'name' in branch ? branch.name : branch.kind
    if (names.has(name)) throw badSchema(path, `holds ${name} twice`)
    names.add(name)
  }
  const alike = (shape: (type: AvroType) => string) => new Set(branches.map(shape)).size < branches.length
  return { kind: 'union', branches, wrapped: alike(shapeOf), wrappedInJson: alike(jsonShapeOf) }
}

function parseRecord(attributes: Attributes, namespace: string, scope: Scope, path: string, depth: number): AvroType {
  const identity = parseIdentity(attributes, namespace, path)
  const list = attributes.fields
  if (!Array.isArray(list)) throw badSchema(path, 'is a record without a list of fields')
  const fields: RecordField[] = []
  const type: AvroType = { kind: 'record', name: identity.name, aliases: identity.aliases, fields }
  declare(type, identity.name, scope, path)
  const names = new Set<string>()
  for (const [index, entry] of list.entries()) {
    if (typeof entry !== 'object' || entry === null) throw badSchema(pathTo(path, index), 'must be a field object')
    const name: unknown = entry.name
    const fieldPath = pathTo(path, typeof name === 'string' ? name : index)
    if (typeof name !== 'string' || !NAME.test(name))
      throw badSchema(fieldPath, `has the invalid name ${describe(name)}`)
    if (name === '__proto__') throw badSchema(fieldPath, 'is a name that JavaScript objects cannot carry safely')
    if (names.has(name)) throw badSchema(fieldPath, 'is declared twice')
    names.add(name)
    const aliases = parseAliases(entry.aliases, fieldPath, alias => alias)
    const fieldType = parseType(entry.type, identity.namespace, scope, fieldPath, depth + 1)
    const field: Writable<RecordField> = { name, aliases, type: fieldType, default: undefined }
    if ('default' in entry) {
      scope.defaults.push(() => {
        field.default = avroDefault(fieldType, entry.default, fieldPath)
      })
    }
    fields.push(field)
  }
  return type
}

function parseEnum(attributes: Attributes, namespace: string, scope: Scope, path: string): AvroType {
  const { name, aliases } = parseIdentity(attributes, namespace, path)
  const symbols: unknown = attributes.symbols
  if (!Array.isArray(symbols)) throw badSchema(path, 'is an enum without a list of symbols')
  for (const symbol of symbols) {
    if (typeof symbol !== 'string' || !NAME.test(symbol))
      throw badSchema(path, `has the invalid symbol ${describe(symbol)}`)
  }
  if (new Set(symbols).size < symbols.length) throw badSchema(path, 'has a symbol twice')
  const fallback = attributes.default ?? null
  if (fallback !== null && !symbols.includes(fallback)) {
    throw badSchema(path, `has the default ${describe(fallback)}, which is none of its symbols`)
  }
  const type: AvroType = { kind: 'enum', name, aliases, symbols, default: fallback as string | null }
  declare(type, name, scope, path)
  return type
}

function parseFixed(attributes: Attributes, namespace: string, scope: Scope, path: string): AvroType {
  const { name, aliases } = parseIdentity(attributes, namespace, path)
  const size: unknown = attributes.size
  if (typeof size !== 'number' || !Number.isInteger(size) || size < 0 || size > MAX_FIXED_BYTES) {
    throw badSchema(path, `is a fixed whose size is ${describe(size)}`)
  }
  const type: AvroType = { kind: 'fixed', name, aliases, size }
  declare(type, name, scope, path)
  return type
}

function parseIdentity(attributes: Attributes, enclosing: string, path: string) {
  const given = attributes.name
  const at = given === undefined ? path : pathTo(path, 'name')
  if (typeof given !== 'string') throw badSchema(at, `must be a name, not ${describe(given)}`)
  const space = attributes.namespace ?? enclosing
  if (typeof space !== 'string') throw badSchema(path, `has the namespace ${describe(space)}`)
  const name = given.includes('.') || space === '' ? given : `${space}.${given}`
  if (
    !name
      .replace(/^\./, '')
      .split('.')
      .every(part => NAME.test(part))
  )
    throw badSchema(at, `is the invalid name ${describe(name)}`)
  if (PRIMITIVES.has(name)) throw badSchema(at, `is the name of a primitive type, ${name}`)
  const namespace = name.slice(0, Math.max(0, name.lastIndexOf('.')))
  const aliases = parseAliases(attributes.aliases, path, alias =>
    alias.includes('.') || namespace === '' ? alias : `${namespace}.${alias}`,
  )
  return { name, namespace, aliases }
}

function parseAliases(list: unknown, path: string, full: (alias: string) => string): string[] {
  if (list === undefined) return []
  if (!Array.isArray(list) || list.some(alias => typeof alias !== 'string')) {
    throw badSchema(path, 'has aliases that are not a list of names')
  }
  return list.map(full)
}

function declare(type: AvroType, name: string, scope: Scope, path: string): void {
  if (scope.named.has(name)) throw badSchema(path, `declares ${name} a second time`)
  scope.named.set(name, type)
}
