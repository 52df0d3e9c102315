/** What a request of a registry client says: paths, queries and bodies, as numbers and options. */
import type { FastifyRequest } from 'fastify'
import type { SchemaReference, SchemaType } from '../../connect/registry/read-schema.ts'
import { refused } from '../../connect/registry/refusal.ts'
import type { RegisterRequest } from '../../connect/registry/registry.ts'
import { AldebaranError } from '../../errors.ts'

const HIGHEST = 2 ** 31 - 1
const MOST_REFERENCES = 1000

export function pathPart(request: FastifyRequest, name: string): string {
  return (request.params as Record<string, string>)[name] ?? ''
}

/** `latest`, −1 for the same, or a number. @throws REGISTRY_REFUSED 42202 */
export function versionOf(request: FastifyRequest): number | 'latest' {
  const text = pathPart(request, 'version')
  if (text === 'latest' || text === '-1') return 'latest'
  const version = Number(text)
  if (/^\d{1,10}$/.test(text) && version >= 1 && version <= HIGHEST) return version
  throw refused(
    'invalidVersion',
    `The specified version '${text.slice(0, 50)}' is not a valid version id. Allowed values are between [1, 2^31-1] and the string "latest"`,
  )
}

/** @throws REGISTRY_REFUSED 40403 for what cannot be an id */
export function idOf(request: FastifyRequest): number {
  const text = pathPart(request, 'id')
  if (/^\d{1,10}$/.test(text)) return Number(text)
  throw refused('schemaUnknown', `Schema ${text.slice(0, 50)} not found`)
}

/** Any of the names with the value `true`; without a value too, as `?verbose`. */
export function flag(request: FastifyRequest, ...names: string[]): boolean {
  const query = request.query as Record<string, unknown>
  return names.some(name => query[name] === 'true' || query[name] === '')
}

export function text(request: FastifyRequest, name: string): string | undefined {
  const value = (request.query as Record<string, unknown>)[name]
  return typeof value === 'string' ? value : undefined
}

/** The part of a list that `offset` and `limit` name; a limit below 0 is none. */
export function page<T>(request: FastifyRequest, list: readonly T[]): readonly T[] {
  const offset = number(request, 'offset', 0)
  const limit = number(request, 'limit', -1)
  return limit < 0 ? list.slice(Math.max(0, offset)) : list.slice(Math.max(0, offset), Math.max(0, offset) + limit)
}

function number(request: FastifyRequest, name: string, otherwise: number): number {
  const given = text(request, name)
  if (given === undefined) return otherwise
  if (/^-?\d{1,10}$/.test(given)) return Number(given)
  throw new AldebaranError('OPTION_INVALID', `${name} is not a number`)
}

export function bodyOf(request: FastifyRequest): Record<string, unknown> {
  const { body } = request
  if (typeof body === 'object' && body !== null && !Array.isArray(body)) return body as Record<string, unknown>
  throw new AldebaranError('BODY_INVALID', 'the body is a JSON object')
}

/** @throws REGISTRY_REFUSED 42201 for what this registry does not keep */
export function schemaOf(request: FastifyRequest): RegisterRequest {
  const { schema, schemaType, references, id, version, metadata, ruleSet } = bodyOf(request)
  if (typeof schema !== 'string' || schema === '') throw refused('invalidSchema', 'Invalid schema: it is empty')
  if ((metadata ?? null) !== null || (ruleSet ?? null) !== null) {
    throw refused('invalidSchema', 'Invalid schema: metadata and rule sets are not supported by this registry')
  }
  const result: RegisterRequest = {
    // Of a type that is not supported it is told when the schema is read.
    type: (schemaType === undefined || schemaType === null ? 'AVRO' : String(schemaType)) as SchemaType,
    text: schema,
    references: referencesOf(references),
  }
  if (isGiven(id)) result.id = Number(id)
  if (isGiven(version)) result.version = Number(version)
  if (result.version !== undefined && !(Number.isInteger(result.version) && result.version <= HIGHEST)) {
    throw refused('invalidVersion', `${version} is no version`)
  }
  return result
}

/** Clients send −1, or nothing, for what they do not know. */
function isGiven(value: unknown): boolean {
  return value !== undefined && value !== null && Number(value) > 0
}

function referencesOf(given: unknown): SchemaReference[] {
  if (given === undefined || given === null) return []
  if (!Array.isArray(given) || given.length > MOST_REFERENCES) {
    throw refused('invalidSchema', `Invalid schema: references are a list of at most ${MOST_REFERENCES}`)
  }
  return given.map((reference: unknown) => {
    const { name, subject, version } = Object(reference) as Record<string, unknown>
    if (typeof name === 'string' && typeof subject === 'string' && Number.isInteger(version)) {
      return { name, subject, version: version as number }
    }
    throw refused('invalidSchema', 'Invalid schema: a reference has a name, a subject and a version')
  })
}
