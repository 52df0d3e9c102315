/** A dead letter whose record is corrected before it is replayed. */
import { describe, invalid } from '../schema/failures.ts'
import type { Schema } from '../schema/schema.ts'
import { encoded } from './codec.ts'
import type { Letter } from './dead-letter.ts'

/** What the record has instead of its own; what is undefined stays. Key, partition and timestamp always do. */
export interface LetterEdit {
  /** As the schema of the topic has it in JSON. */
  readonly value: unknown
  /** Instead of `value`: the bytes as they are, which are checked by the schema all the same. */
  readonly bytes: Buffer | undefined
  /** Of each name the text, or null: the header is taken away. Others stay. */
  readonly headers: Readonly<Record<string, string | null>>
}

const FIELDS = ['value', 'valueBase64', 'headers']
/** Where a record belongs is not for editing. */
const RESERVED = /^aldebaran[.-]/
const BASE64 = /^[A-Za-z0-9+/]*={0,2}$/

/** @throws AldebaranError VALUE_INVALID */
export function parseEdit(json: unknown): LetterEdit {
  if (typeof json !== 'object' || json === null || Array.isArray(json)) {
    throw invalid('edit', `must be an object with a value or headers, not ${describe(json)}`)
  }
  const other = Object.keys(json).find(name => !FIELDS.includes(name))
  if (other !== undefined) throw invalid(`edit.${other}`, `is none of ${FIELDS.join(', ')}`)
  const { value, valueBase64, headers } = json as Record<string, unknown>
  if (value === undefined && valueBase64 === undefined && headers === undefined) {
    throw invalid('edit', `must have one of ${FIELDS.join(', ')}`)
  }
  if (value !== undefined && valueBase64 !== undefined) throw invalid('edit', 'has value and valueBase64: give one')
  if (valueBase64 !== undefined && (typeof valueBase64 !== 'string' || !BASE64.test(valueBase64))) {
    throw invalid('edit.valueBase64', 'must be base64')
  }
  const bytes = valueBase64 === undefined ? undefined : Buffer.from(valueBase64, 'base64')
  return { value, bytes, headers: headers === undefined ? {} : parseHeaders(headers) }
}

/** @throws AldebaranError VALUE_INVALID, VALUE_UNDECODABLE: it does not fit the schema */
export function editLetter(letter: Letter, { value, bytes, headers }: LetterEdit, schema: Schema<unknown>): Letter {
  if (bytes !== undefined) schema.decode(bytes, 0, bytes.length)
  const changed = bytes ?? (value === undefined ? letter.value : encoded(schema, schema.fromJson(value)))
  const kept = letter.headers.filter(({ key }) => !Object.hasOwn(headers, key))
  const given = Object.entries(headers).flatMap(([key, text]) =>
    text === null ? [] : [{ key, value: Buffer.from(text) }],
  )
  return { ...letter, value: changed, headers: [...kept, ...given] }
}

function parseHeaders(json: unknown): Record<string, string | null> {
  if (typeof json !== 'object' || json === null || Array.isArray(json)) {
    throw invalid('edit.headers', `must be an object, not ${describe(json)}`)
  }
  for (const [name, text] of Object.entries(json)) {
    const path = `edit.headers.${name}`
    if (RESERVED.test(name)) throw invalid(path, 'says where the record belongs, and stays as it is')
    if (text !== null && (typeof text !== 'string' || !text.isWellFormed())) {
      throw invalid(path, `must be text, or null to take it away, not ${describe(text)}`)
    }
  }
  return json as Record<string, string | null>
}
