import { createRequire } from 'node:module'
import type { ErrorObject, ValidateFunction } from 'ajv'
import { messageOf } from '../errors.ts'
import type { ByteWriter } from './byte-writer.ts'
import { badSchema, describe, invalid, pathTo, undecodable } from './failures.ts'
import { parseJson, plainJson, writeJson } from './json-text.ts'
import type { Schema } from './schema.ts'

/** What `json` takes from a library that follows Standard Schema V1 (standardschema.dev). */
export interface StandardSchema<T> {
  readonly '~standard': {
    readonly version: 1
    readonly vendor: string
    readonly validate: (value: unknown) => StandardResult<T> | Promise<StandardResult<T>>
    readonly types?: { readonly input: unknown; readonly output: T } | undefined
  }
}

type StandardResult<T> =
  | { readonly value: T; readonly issues?: undefined }
  | { readonly issues: readonly { readonly message: string; readonly path?: readonly unknown[] | undefined }[] }

/** Checks and perhaps changes parsed JSON; the failure says where and what. */
type Check<T> = (json: unknown) => { value: T } | { path: string; reason: string }

/** JSON that nobody checks: `T` is what the caller knows it to be. Nesting is limited to 256 levels. */
export function json<T = unknown>(): Schema<T>
/**
 * JSON checked by a Standard Schema (zod, valibot, arktype …): what its validator returns is the value. It must
 * validate at once: one that returns a promise throws SCHEMA_INVALID.
 */
export function json<T>(schema: StandardSchema<T>): Schema<T>
/**
 * JSON checked by a JSON Schema: draft 07 unless `$schema` names 2019-09 or 2020-12. `format` is not checked. The
 * definition is stored with the topic.
 *
 * @throws SCHEMA_INVALID when it is not one.
 */
export function json<T = unknown>(schema: object): Schema<T>
export function json(schema?: object): Schema<unknown> {
  if (schema === undefined) return unchecked()
  if ('~standard' in schema) return checked(null, standardCheck(schema as StandardSchema<unknown>))
  return checked(JSON.stringify(schema), jsonSchemaCheck(schema))
}

function unchecked(): Schema<unknown> {
  return {
    format: 'json',
    definition: null,
    encode: writeJson,
    decode: parseJson,
    toJson: plainJson,
    fromJson: value => value,
  }
}

function checked<T>(definition: string | null, check: Check<T>): Schema<T> {
  const fromJson = (value: unknown): T => {
    const result = check(value)
    if ('reason' in result) throw invalid(result.path, result.reason)
    return result.value
  }
  return {
    format: 'json',
    definition,
    // What is checked is what a reader will see: the JSON, not the object it comes from.
    encode(value: T, out: ByteWriter) {
      fromJson(plainJson(value))
      writeJson(value, out)
    },
    decode(bytes, start, end) {
      const result = check(parseJson(bytes, start, end))
      if ('reason' in result)
        throw undecodable(`${result.path === '' ? 'the value' : result.path} ${result.reason}`, 0, result.path)
      return result.value
    },
    toJson: plainJson,
    fromJson,
  }
}

function standardCheck<T>(schema: StandardSchema<T>): Check<T> {
  const { validate, vendor } = schema['~standard']
  return value => {
    const result = validate(value)
    if (result instanceof Promise) {
      result.catch(() => {})
      throw badSchema('', `of ${vendor} validates asynchronously: only synchronous schemas can decode records`)
    }
    if (result.issues === undefined) return { value: result.value }
    const issue = result.issues[0]
    let path = ''
    for (const step of issue?.path ?? []) {
      const key = typeof step === 'object' && step !== null && 'key' in step ? step.key : step
      path = pathTo(path, typeof key === 'number' ? key : String(key))
    }
    return { path, reason: `is refused: ${issue?.message ?? 'no reason given'}` }
  }
}

function jsonSchemaCheck(schema: object): Check<unknown> {
  let validate: ValidateFunction
  try {
    validate = newAjv(schema).compile(schema)
  } catch (error) {
    throw badSchema('', `is no JSON Schema that can be used: ${messageOf(error)}`, error)
  }
  if ('$async' in validate) throw badSchema('', 'is asynchronous ($async)')
  return value => (validate(value) ? { value } : refusal(validate.errors?.[0], value))
}

/** ajv takes longer to load than most programs need it, so it is loaded with the first JSON Schema. */
function newAjv(schema: object): import('ajv').Ajv {
  const require = createRequire(import.meta.url)
  const dialect = '$schema' in schema ? String(schema.$schema) : ''
  const file = dialect.includes('2020-12')
    ? 'ajv/dist/2020.js'
    : dialect.includes('2019-09')
      ? 'ajv/dist/2019.js'
      : 'ajv'
  const { Ajv, Ajv2020, Ajv2019 } = require(file)
  return new (Ajv2020 ?? Ajv2019 ?? Ajv)({ strict: false, validateFormats: false, logger: false })
}

function refusal(error: ErrorObject | undefined, value: unknown): { path: string; reason: string } {
  if (error === undefined) return { path: '', reason: 'does not fit the schema' }
  let path = ''
  let part = value
  for (const step of error.instancePath.split('/').slice(1)) {
    const key = step.replaceAll('~1', '/').replaceAll('~0', '~')
    path = pathTo(path, Array.isArray(part) ? Number(key) : key)
    part = (part as Record<string, unknown> | null)?.[key]
  }
  const { additionalProperty, missingProperty } = error.params as Record<string, unknown>
  if (typeof missingProperty === 'string') return { path: pathTo(path, missingProperty), reason: 'is missing' }
  if (typeof additionalProperty === 'string')
    return { path: pathTo(path, additionalProperty), reason: 'is not a known property' }
  return { path, reason: `${error.message ?? 'does not fit'}, but is ${describe(part)}` }
}
