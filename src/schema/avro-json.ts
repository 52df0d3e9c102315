/**
 * Values of Avro types as JSON and back, with the path of what does not fit. Friendlier than Avro's own JSON encoding:
 * bytes are base64, a union is the bare value where JSON tells the branch (`{ branch: value }` where it does not),
 * optional fields may be absent, longs may come as decimal text. A bigint always leaves as decimal text, and NaN and
 * the infinities as their names.
 */
import {
  type AvroType,
  branchName,
  copyOf,
  isNullable,
  jsonShapeOf,
  onlyKey,
  type RecordType,
  setEntry,
  shapeOf,
  shapeOfValue,
  type UnionType,
} from './avro-type.ts'
import { describe, invalid, MAX_DEPTH, pathTo, suggestion } from './failures.ts'

const INT_LIMIT = 2 ** 31
const BIGINT_LIMIT = 2n ** 63n
const DECIMAL = /^-?\d{1,20}$/
const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/

/** A plain copy of a value in memory. Throws VALUE_INVALID with the path of what does not fit the type. */
export function avroToJson(type: AvroType, value: unknown, path = '', depth = 0): unknown {
  switch (type.kind) {
    case 'null':
      if (value !== null && value !== undefined) throw unlike(path, 'null', value)
      return null
    case 'bigint':
      if (typeof value !== 'bigint') throw unlike(path, 'a bigint', value)
      return String(bigintInRange(value, path))
    case 'float':
    case 'double':
      if (typeof value !== 'number') throw unlike(path, 'a number', value)
      if (type.kind === 'float') checkFloat(value, path)
      return Number.isFinite(value) ? value : String(value)
    case 'bytes':
    case 'fixed':
      if (!(value instanceof Uint8Array)) throw unlike(path, 'bytes (a Uint8Array)', value)
      if (type.kind === 'fixed') checkSize(value.length, type.size, path)
      return Buffer.from(value.buffer, value.byteOffset, value.length).toString('base64')
    case 'array':
      if (!Array.isArray(value)) throw unlike(path, 'an array', value)
      return value.map((item, index) => avroToJson(type.items, item, pathTo(path, index), depth))
    case 'map': {
      const json: Record<string, unknown> = {}
      for (const [key, item] of Object.entries(asObject(value, path))) {
        textOf(key, path)
        setEntry(json, key, avroToJson(type.values, item, pathTo(path, key), depth))
      }
      return json
    }
    case 'record': {
      checkDepth(depth, path)
      const object = asObject(value, path)
      const json: Record<string, unknown> = {}
      for (const field of type.fields) {
        const given = object[field.name] === undefined ? field.default : object[field.name]
        json[field.name] = avroToJson(field.type, given, pathTo(path, field.name), depth + 1)
      }
      return json
    }
    case 'union': {
      const [branch, bare] = branchOfValue(type, value, path)
      const json = avroToJson(branch, bare, path, depth)
      return type.wrappedInJson && branch.kind !== 'null' ? { [branchName(branch)]: json } : json
    }
    default:
      // The rest looks alike in memory and in JSON, but text does not become a number here.
      if (type.kind === 'long' && typeof value !== 'number') throw unlike(path, 'a whole number', value)
      return avroFromJson(type, value, path, depth)
  }
}

function branchOfValue(type: UnionType, value: unknown, path: string): [AvroType, unknown] {
  const shape = shapeOfValue(value)
  if (type.wrapped && shape !== 'null') {
    const key = onlyKey(value)
    const branch = type.branches.find(candidate => branchName(candidate) === key)
    if (branch === undefined) throw unlike(path, `an object whose only key is one of ${branchNames(type)}`, value)
    return [branch, (value as Record<string, unknown>)[key!]]
  }
  const branch = type.branches.find(candidate => shapeOf(candidate) === shape)
  if (branch === undefined) throw unlike(path, branchNames(type), value)
  return [branch, value]
}

/** The value in memory of parsed JSON. Throws VALUE_INVALID with the path of the first part that does not fit. */
export function avroFromJson(type: AvroType, json: unknown, path = '', depth = 0): unknown {
  switch (type.kind) {
    case 'null':
      if (json !== null) throw unlike(path, 'null', json)
      return null
    case 'boolean':
      if (typeof json !== 'boolean') throw unlike(path, 'true or false', json)
      return json
    case 'int':
      if (!Number.isInteger(json) || (json as number) >= INT_LIMIT || (json as number) < -INT_LIMIT) {
        throw unlike(path, 'a whole number of 32 bits', json)
      }
      return json
    case 'long':
      return longOf(json, path)
    case 'bigint':
      return bigintOf(json, path)
    case 'float':
    case 'double': {
      const number = json === 'NaN' || json === 'Infinity' || json === '-Infinity' ? Number(json) : json
      if (typeof number !== 'number') throw unlike(path, 'a number', json)
      if (type.kind === 'double') return number
      return checkFloat(number, path)
    }
    case 'string':
      return textOf(json, path)
    case 'bytes':
    case 'fixed': {
      if (typeof json !== 'string' || !BASE64.test(json)) throw unlike(path, 'base64 text', json)
      const bytes = Buffer.from(json, 'base64')
      if (type.kind === 'fixed') checkSize(bytes.length, type.size, path)
      return bytes
    }
    case 'enum':
      if (typeof json !== 'string') throw unlike(path, 'a symbol', json)
      if (!type.symbols.includes(json)) {
        throw invalid(path, `is ${describe(json)}, which is no symbol of the enum${suggestion(json, type.symbols)}`)
      }
      return json
    case 'array':
      if (!Array.isArray(json)) throw unlike(path, 'an array', json)
      return json.map((item, index) => avroFromJson(type.items, item, pathTo(path, index), depth))
    case 'map': {
      const values: Record<string, unknown> = {}
      for (const [key, item] of Object.entries(asObject(json, path))) {
        textOf(key, path)
        setEntry(values, key, avroFromJson(type.values, item, pathTo(path, key), depth))
      }
      return values
    }
    case 'record':
      return recordFromJson(type, asObject(json, path), path, depth)
    case 'union':
      return unionFromJson(type, json, path, depth)
  }
}

function recordFromJson(type: RecordType, json: Record<string, unknown>, path: string, depth: number): unknown {
  checkDepth(depth, path)
  const names = type.fields.map(field => field.name)
  for (const key of Object.keys(json)) {
    if (!names.includes(key))
      throw invalid(pathTo(path, key), `is not a field of ${type.name}${suggestion(key, names)}`)
  }
  const value: Record<string, unknown> = {}
  for (const field of type.fields) {
    const fieldPath = pathTo(path, field.name)
    const given = Object.hasOwn(json, field.name) ? json[field.name] : undefined
    if (given !== undefined) value[field.name] = avroFromJson(field.type, given, fieldPath, depth + 1)
    else if (field.default !== undefined) value[field.name] = copyOf(field.default)
    else if (isNullable(field.type)) value[field.name] = null
    else throw invalid(fieldPath, 'is missing')
  }
  return value
}

function unionFromJson(type: UnionType, json: unknown, path: string, depth: number): unknown {
  const wrap = (branch: AvroType, value: unknown) =>
    type.wrapped && branch.kind !== 'null' ? { [branchName(branch)]: value } : value
  const key = onlyKey(json)
  const named = key === undefined ? undefined : type.branches.find(branch => branchName(branch) === key)
  // `{ branch: value }` is understood wherever it cannot be the value itself.
  const object = type.branches.find(branch => shapeOf(branch) === 'object')
  const couldBeValue =
    object?.kind === 'map' || (object?.kind === 'record' && object.fields.some(({ name }) => name === key))
  if (named !== undefined && (type.wrappedInJson || !couldBeValue)) {
    return wrap(named, avroFromJson(named, (json as Record<string, unknown>)[key!], pathTo(path, key!), depth))
  }
  if (json === null) {
    const branch = type.branches.find(candidate => candidate.kind === 'null')
    if (branch === undefined) throw unlike(path, branchNames(type), json)
    return null
  }
  if (type.wrappedInJson) throw unlike(path, `an object whose only key is one of ${branchNames(type)}`, json)
  const values = type.branches.filter(branch => branch.kind !== 'null')
  const shape = shapeOfValue(json)
  const branch = values.length === 1 ? values[0] : values.find(candidate => jsonShapeOf(candidate) === shape)
  if (branch === undefined) throw unlike(path, branchNames(type), json)
  return wrap(branch, avroFromJson(branch, json, path, depth))
}

function checkFloat(value: number, path: string): number {
  const rounded = Math.fround(value)
  if (!Number.isFinite(rounded) && Number.isFinite(value)) throw unlike(path, 'a number of 32 bits', value)
  return rounded
}

function longOf(json: unknown, path: string): number {
  if (typeof json === 'string' && DECIMAL.test(json)) {
    if (!Number.isSafeInteger(Number(json)))
      throw invalid(path, `is ${json}, outside ±(2^53 − 1): declare it as bigint`)
    return Number(json)
  }
  if (typeof json !== 'number' || !Number.isInteger(json)) throw unlike(path, 'a whole number', json)
  if (!Number.isSafeInteger(json)) throw invalid(path, `is ${json}, outside ±(2^53 − 1): declare it as bigint`)
  return json
}

function bigintOf(json: unknown, path: string): bigint {
  if (typeof json === 'string' && DECIMAL.test(json)) return bigintInRange(BigInt(json), path)
  if (!Number.isInteger(json)) throw unlike(path, 'a whole number', json)
  if (!Number.isSafeInteger(json)) throw invalid(path, `is ${json}, which JSON has rounded: send it as decimal text`)
  return BigInt(json as number)
}

function bigintInRange(value: bigint, path: string): bigint {
  if (value >= BIGINT_LIMIT || value < -BIGINT_LIMIT) throw invalid(path, `is ${value}, which is more than 64 bits`)
  return value
}

function textOf(json: unknown, path: string): string {
  if (typeof json !== 'string') throw unlike(path, 'text', json)
  if (!json.isWellFormed()) throw invalid(path, 'holds half of a surrogate pair, which is no text')
  return json
}

function asObject(value: unknown, path: string): Record<string, unknown> {
  if (shapeOfValue(value) !== 'object') throw unlike(path, 'an object', value)
  return value as Record<string, unknown>
}

function checkSize(length: number, size: number, path: string): void {
  if (length !== size) throw invalid(path, `must be ${size} bytes, not ${length}`)
}

function checkDepth(depth: number, path: string): void {
  if (depth > MAX_DEPTH) throw invalid(path, `nests records more than ${MAX_DEPTH} levels`)
}

function branchNames(type: UnionType): string {
  return type.branches.map(branchName).join(', ')
}

function unlike(path: string, wanted: string, value: unknown): Error {
  return value === undefined
    ? invalid(path, `is missing: it must be ${wanted}`)
    : invalid(path, `must be ${wanted}, not ${describe(value)}`)
}
