/**
 * The parsed form of an Avro schema, as the compilers and the JSON mapping read it. Names are full names; references
 * are resolved, so a recursive type contains itself.
 */
export type AvroType = PrimitiveType | EnumType | FixedType | ArrayType | MapType | UnionType | RecordType

/** `bigint` is Avro's long, read as a bigint. */
export type PrimitiveKind = 'null' | 'boolean' | 'int' | 'long' | 'bigint' | 'float' | 'double' | 'string' | 'bytes'

export interface PrimitiveType {
  readonly kind: PrimitiveKind
}

export interface EnumType {
  readonly kind: 'enum'
  readonly name: string
  readonly aliases: readonly string[]
  readonly symbols: readonly string[]
  /** The symbol read in place of one this schema does not have. */
  readonly default: string | null
}

export interface FixedType {
  readonly kind: 'fixed'
  readonly name: string
  readonly aliases: readonly string[]
  readonly size: number
}

export interface ArrayType {
  readonly kind: 'array'
  readonly items: AvroType
}

export interface MapType {
  readonly kind: 'map'
  readonly values: AvroType
}

/**
 * Values of a union are bare where their JavaScript type tells the branch, and `{ branch: value }` (but null) where two
 * branches have one JavaScript type. The same holds for JSON, where more types look alike.
 */
export interface UnionType {
  readonly kind: 'union'
  readonly branches: readonly AvroType[]
  readonly wrapped: boolean
  readonly wrappedInJson: boolean
}

export interface RecordType {
  readonly kind: 'record'
  readonly name: string
  readonly aliases: readonly string[]
  readonly fields: readonly RecordField[]
}

export interface RecordField {
  readonly name: string
  readonly aliases: readonly string[]
  readonly type: AvroType
  /** The value read where the writer has no such field; undefined: none. Never handed out, only copies of it. */
  readonly default: unknown
}

/** The name that tells the branch of a union. */
export function branchName(type: AvroType): string {
  if (type.kind === 'bigint') return 'long'
  return type.kind === 'record' || type.kind === 'enum' || type.kind === 'fixed' ? type.name : type.kind
}

/** What the branches of a union are told apart by: in memory, and in JSON. */
export function shapeOf(type: AvroType): string {
  switch (type.kind) {
    case 'int':
    case 'long':
    case 'float':
    case 'double':
      return 'number'
    case 'string':
    case 'enum':
      return 'string'
    case 'bytes':
    case 'fixed':
      return 'bytes'
    case 'map':
    case 'record':
      return 'object'
    default:
      return type.kind
  }
}

export function jsonShapeOf(type: AvroType): string {
  const shape = shapeOf(type)
  return shape === 'bytes' ? 'string' : shape === 'bigint' ? 'number' : shape
}

/** The shape of a value in memory. */
export function shapeOfValue(value: unknown): string {
  if (value === null || value === undefined) return 'null'
  if (typeof value !== 'object') return typeof value
  if (Array.isArray(value)) return 'array'
  return value instanceof Uint8Array ? 'bytes' : 'object'
}

/** The key of an object that has just one: in a wrapped union it names the branch. */
export function onlyKey(value: unknown): string | undefined {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined
  const keys = Object.keys(value)
  return keys.length === 1 ? keys[0] : undefined
}

export function isNullable(type: AvroType): boolean {
  return type.kind === 'null' || (type.kind === 'union' && type.branches.some(branch => branch.kind === 'null'))
}

/** True when values of the type may take no bytes at all: null, records of such fields. */
export function takesNoBytes(type: AvroType, known: Map<AvroType, boolean> = new Map()): boolean {
  if (type.kind === 'null') return true
  if (type.kind === 'fixed') return type.size === 0
  if (type.kind !== 'record') return false
  const before = known.get(type)
  if (before !== undefined) return before
  known.set(type, true)
  const result = type.fields.every(field => takesNoBytes(field.type, known))
  known.set(type, result)
  return result
}

/** A copy of a default that the receiver may keep and change. */
export function copyOf(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value
  if (value instanceof Uint8Array) return Buffer.from(value)
  if (Array.isArray(value)) return value.map(copyOf)
  const copy: Record<string, unknown> = {}
  for (const key of Object.keys(value)) setEntry(copy, key, copyOf((value as Record<string, unknown>)[key]))
  return copy
}

/** Sets an own property, also one named `__proto__`. */
export function setEntry(target: Record<string, unknown>, key: string, value: unknown): void {
  if (key === '__proto__') {
    Object.defineProperty(target, key, { value, enumerable: true, configurable: true, writable: true })
  } else target[key] = value
}
