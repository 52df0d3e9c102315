import { type AvroType, branchName, setEntry } from './avro-type.ts'
import { badSchema, describe, MAX_DEPTH, pathTo } from './failures.ts'

const INT_LIMIT = 2 ** 31
const LONG_LIMIT = 2 ** 63

/**
 * The value a default in a schema stands for. Avro writes bytes as text of the characters 0 to 255, and a union's
 * default bare; since 1.12 it may be of any branch. Throws SCHEMA_INVALID.
 */
export function avroDefault(type: AvroType, json: unknown, path: string, depth = 0): unknown {
  const wrong = () => badSchema(path, `has the default ${describe(json)}, which is no ${branchNames(type)}`)
  if (depth > MAX_DEPTH) throw badSchema(path, `has a default that nests more than ${MAX_DEPTH} levels`)
  switch (type.kind) {
    case 'null':
      if (json !== null) throw wrong()
      return null
    case 'boolean':
      if (typeof json !== 'boolean') throw wrong()
      return json
    case 'int':
      if (!Number.isInteger(json) || (json as number) >= INT_LIMIT || (json as number) < -INT_LIMIT) throw wrong()
      return json
    case 'long':
      if (!Number.isSafeInteger(json)) throw wrong()
      return json
    case 'bigint':
      if (!Number.isInteger(json) || Math.abs(json as number) >= LONG_LIMIT) throw wrong()
      return BigInt(json as number)
    case 'float':
    case 'double': {
      const number = json === 'NaN' || json === 'Infinity' || json === '-Infinity' ? Number(json) : json
      if (typeof number !== 'number') throw wrong()
      return type.kind === 'float' ? Math.fround(number) : number
    }
    case 'string':
      if (typeof json !== 'string' || !json.isWellFormed()) throw wrong()
      return json
    case 'bytes':
    case 'fixed': {
      if (typeof json !== 'string' || [...json].some(character => character.codePointAt(0)! > 255)) throw wrong()
      if (type.kind === 'fixed' && json.length !== type.size) throw wrong()
      return Buffer.from(json, 'latin1')
    }
    case 'enum':
      if (typeof json !== 'string' || !type.symbols.includes(json)) throw wrong()
      return json
    case 'array':
      if (!Array.isArray(json)) throw wrong()
      return json.map((item, index) => avroDefault(type.items, item, pathTo(path, index), depth + 1))
    case 'map': {
      const values: Record<string, unknown> = {}
      for (const [key, value] of Object.entries(objectOf(json, wrong))) {
        setEntry(values, key, avroDefault(type.values, value, pathTo(path, key), depth + 1))
      }
      return values
    }
    case 'record': {
      const given = objectOf(json, wrong)
      const values: Record<string, unknown> = {}
      for (const field of type.fields) {
        // The default of a field inside a default may not have been read yet, so every field is to be there.
        if (!Object.hasOwn(given, field.name)) throw badSchema(path, `has a default without the field ${field.name}`)
        values[field.name] = avroDefault(field.type, given[field.name], pathTo(path, field.name), depth + 1)
      }
      return values
    }
    case 'union':
      for (const branch of type.branches) {
        let value: unknown
        try {
          value = avroDefault(branch, json, path, depth + 1)
        } catch {
          continue
        }
        return type.wrapped && branch.kind !== 'null' ? { [branchName(branch)]: value } : value
      }
      throw wrong()
  }
}

/** A value of a `t` field as the default that a schema text carries. */
export function defaultToJson(value: unknown, path: string): unknown {
  if (value instanceof Uint8Array) return Buffer.from(value).toString('latin1')
  if (typeof value === 'bigint') {
    if (!Number.isSafeInteger(Number(value))) {
      throw badSchema(path, 'has a default outside ±(2^53 − 1), which JSON cannot carry')
    }
    return Number(value)
  }
  if (typeof value === 'number' && !Number.isFinite(value)) return String(value)
  if (Array.isArray(value)) return value.map((item, index) => defaultToJson(item, pathTo(path, index)))
  if (typeof value !== 'object' || value === null) return value
  const json: Record<string, unknown> = {}
  for (const [key, item] of Object.entries(value)) setEntry(json, key, defaultToJson(item, pathTo(path, key)))
  return json
}

function objectOf(json: unknown, wrong: () => Error): Record<string, unknown> {
  if (typeof json !== 'object' || json === null || Array.isArray(json)) throw wrong()
  return json as Record<string, unknown>
}

function branchNames(type: AvroType): string {
  return type.kind === 'union' ? type.branches.map(branchName).join(' or ') : branchName(type)
}
