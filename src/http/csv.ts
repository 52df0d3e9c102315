/** CSV bodies: the first line names the fields, every other line is a record. RFC 4180, with a BOM or without. */
import { isUtf8 } from 'node:buffer'
import { type CsvError, type Info, parse } from 'csv-parse'
import { AldebaranError, messageOf } from '../errors.ts'
import type { Schema } from '../schema/schema.ts'
import { type BodyItem, MOST_ITEMS, newItem, tooMany } from './body-item.ts'

/** Makes JSON of the text of a field. */
export interface CsvCast {
  (field: string, text: string): unknown
  /** The only ones there are; none: any. */
  readonly fields?: readonly string[]
}

/** What the parser is given at once, so that a long body does not hold up other requests. */
const CHUNK_BYTES = 64 * 1024
const LONGEST_RECORD = 1024 * 1024

export async function readCsv(body: Buffer, cast: CsvCast): Promise<BodyItem[]> {
  if (!isUtf8(body)) throw new AldebaranError('BODY_INVALID', 'the CSV is not UTF-8')
  const items: BodyItem[] = []
  let names: readonly string[] | null = null
  const parser = parse({
    bom: true,
    skip_empty_lines: true,
    skip_records_with_error: true,
    max_record_size: LONGEST_RECORD,
    on_record(record: string[], { lines }: Info) {
      if (names === null) names = checkNames(record, cast.fields)
      else items.push({ ...newItem(), line: lines, json: objectOf(names, record, cast) })
      if (items.length > MOST_ITEMS) throw tooMany()
      return null
    },
    on_skip(error?: CsvError) {
      const line = typeof error?.lines === 'number' ? error.lines : null
      const refusal = new AldebaranError('BODY_INVALID', messageOf(error), { line })
      if (names === null) throw refusal
      items.push({ ...newItem(), line, error: refusal })
      if (items.length > MOST_ITEMS) throw tooMany()
      return undefined
    },
  })
  await feed(parser, body)
  if (names === null) throw new AldebaranError('BODY_INVALID', 'the CSV has no header line')
  return items
}

function feed(parser: ReturnType<typeof parse>, body: Buffer): Promise<void> {
  return new Promise((resolve, reject) => {
    let at = 0
    const next = (): void => {
      if (at >= body.length) {
        parser.end()
        return
      }
      const chunk = body.subarray(at, at + CHUNK_BYTES)
      at += chunk.length
      parser.write(chunk, error => {
        if (error === null || error === undefined) setImmediate(next)
      })
    }
    parser.on('error', error => {
      reject(error instanceof AldebaranError ? error : new AldebaranError('BODY_INVALID', messageOf(error)))
    })
    parser.on('end', resolve)
    parser.resume()
    next()
  })
}

function checkNames(names: readonly string[], fields?: readonly string[]): readonly string[] {
  const trimmed = names.map(name => name.trim())
  if (trimmed.includes(''))
    throw new AldebaranError('BODY_INVALID', 'the header line of the CSV has a field without a name')
  const twice = trimmed.find((name, i) => trimmed.indexOf(name) !== i)
  if (twice !== undefined) throw new AldebaranError('BODY_INVALID', `the header line of the CSV names ${twice} twice`)
  if (fields !== undefined && !trimmed.some(name => fields.includes(name)))
    throw new AldebaranError('BODY_INVALID', `the first line of the CSV must name the fields: ${fields.join(', ')}`)
  return trimmed
}

function objectOf(names: readonly string[], record: readonly string[], cast: CsvCast): Record<string, unknown> {
  // fromEntries makes own properties of any name, __proto__ too.
  return Object.fromEntries(names.map((name, i) => [name, cast(name, record[i]!)]))
}

/**
 * How the fields of a schema are read from text: by their Avro types, or by `properties` of a JSON Schema. Where no
 * type is known, what is spelled as a JSON number or boolean becomes one.
 */
export function csvCast(schema: Schema<unknown>): CsvCast {
  if (schema.format !== 'avro' && schema.format !== 'json') {
    throw new AldebaranError(
      'CONTENT_TYPE_UNKNOWN',
      `a CSV holds records, and the values of this topic are ${schema.format}`,
    )
  }
  const definition: unknown = schema.definition === null ? null : JSON.parse(schema.definition)
  const kinds = schema.format === 'avro' ? avroKinds(definition) : jsonKinds(definition)
  const cast = (field: string, text: string) => castText(kinds.get(field) ?? 'unknown', text)
  return schema.format === 'avro' && kinds.size > 0 ? Object.assign(cast, { fields: [...kinds.keys()] }) : cast
}

type Kind = 'text' | 'number' | 'boolean' | 'json' | 'unknown' | `optional ${'text' | 'number' | 'boolean' | 'json'}`

function castText(kind: Kind, text: string): unknown {
  if (kind.startsWith('optional ')) return text === '' ? null : castText(kind.slice(9) as Kind, text)
  switch (kind) {
    case 'number':
      return asNumber(text)
    case 'boolean':
      return asBoolean(text)
    case 'json':
      return asJson(text)
    case 'unknown': {
      const number = asNumber(text)
      return typeof number === 'number' ? number : asBoolean(text)
    }
    default:
      return text
  }
}

/** What is no exact number stays text, for the schema to judge. */
function asNumber(text: string): unknown {
  if (!/^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$/.test(text)) return text
  const value = Number(text)
  return Number.isInteger(value) && !Number.isSafeInteger(value) ? text : value
}

function asBoolean(text: string): unknown {
  return text === 'true' ? true : text === 'false' ? false : text
}

function asJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}

const AVRO_KINDS: Readonly<Record<string, 'text' | 'number' | 'boolean' | 'json'>> = {
  boolean: 'boolean',
  int: 'number',
  long: 'number',
  float: 'number',
  double: 'number',
  record: 'json',
  array: 'json',
  map: 'json',
}

function avroKinds(definition: unknown): Map<string, Kind> {
  const fields = (definition as { fields?: { name: string; type: unknown }[] } | null)?.fields ?? []
  return new Map(fields.map(field => [field.name, avroKind(field.type)]))
}

function avroKind(type: unknown): Kind {
  if (typeof type === 'string') return AVRO_KINDS[type] ?? 'text'
  if (!Array.isArray(type)) return avroKind((type as { type: unknown }).type)
  const branches = type.filter(branch => branch !== 'null')
  const kind = branches.length === 1 ? avroKind(branches[0]) : 'json'
  return branches.length === type.length ? kind : (`optional ${kind}` as Kind)
}

function jsonKinds(definition: unknown): Map<string, Kind> {
  const properties = (definition as { properties?: Record<string, { type?: unknown }> } | null)?.properties ?? {}
  return new Map(Object.entries(properties).map(([name, { type }]) => [name, jsonKind(type)]))
}

function jsonKind(type: unknown): Kind {
  if (Array.isArray(type)) {
    const others = type.filter(one => one !== 'null')
    const kind = others.length === 1 ? jsonKind(others[0]) : 'unknown'
    return others.length < type.length && kind !== 'unknown' ? (`optional ${kind}` as Kind) : kind
  }
  if (type === 'integer' || type === 'number') return 'number'
  if (type === 'object' || type === 'array') return 'json'
  return type === 'string' ? 'text' : type === 'boolean' ? 'boolean' : 'unknown'
}
