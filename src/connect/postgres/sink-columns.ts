/**
 * How the values of a row become text that PostgreSQL reads: each column of a batch is sent as one array.
 * (PostgreSQL's documentation, 8.15.2: array value input)
 */
import { AldebaranError } from '../../errors.ts'
import { quoteName } from './outbox-statements.ts'

/** A record as a sink sees it. `value` is valid until the function returns: keep its fields, and not itself. */
export interface SinkRecord<K, V> {
  readonly key: K | null
  readonly value: V
  readonly partition: number
  readonly offset: number
  /** ms since 1970 */
  readonly timestamp: number
}

export interface SinkColumn<K, V> {
  /** As PostgreSQL calls it: 'text', 'double precision', 'timestamptz', 'numeric(10,2)', 'jsonb', 'text[]' … */
  readonly type: string
  /**
   * What the row gets: null, a string, number, bigint or boolean, a Date or ms since 1970 for times, bytes for bytea, and
   * anything that JSON takes for json and jsonb. What it throws makes a dead letter of the record. Default: the field
   * of the value that has the name of the column.
   */
  readonly from?: (record: SinkRecord<K, V>) => unknown
}

export type SinkColumns<K, V> = Readonly<Record<string, SinkColumn<K, V>>>

/** A column as the sink uses it. */
export interface PlannedColumn {
  readonly name: string
  /** Quoted. */
  readonly sql: string
  readonly type: string
  /** The type of the elements that are sent. */
  readonly sentType: string
  readonly from: (record: SinkRecord<unknown, unknown>) => unknown
  /** One element of an array. @throws AldebaranError VALUE_INVALID */
  readonly encode: (value: unknown, column: string) => string
}

const TYPE = /^[a-z][a-z0-9_. ]*(?:\(\d+(?:, ?\d+)?\))?(?: with(?:out)? time zone)?(?:\[\])?$/i
const NUMBERS =
  /^(?:smallint|integer|int|int2|int4|int8|bigint|real|float|float4|float8|double precision|numeric|decimal)\b/i
const TIMES = /^(?:timestamptz|timestamp|date)\b/i
const NULL = 'NULL'
const SPECIAL = /[\\"\0]/
/** Of what PostgreSQL reads in the ISO format with four digits of a year, ms. */
const FIRST_MS = Date.parse('0001-01-01T00:00:00Z')
const LAST_MS = Date.parse('9999-12-31T23:59:59.999Z')

/** @throws AldebaranError OPTION_INVALID */
export function planColumns<K, V>(columns: SinkColumns<K, V>): PlannedColumn[] {
  const planned = Object.entries(columns).map(([name, { type, from }]): PlannedColumn => {
    if (!TYPE.test(type)) {
      throw new AldebaranError('OPTION_INVALID', `columns: '${type}' of ${name} is no type`, { option: 'columns' })
    }
    return {
      name,
      sql: quoteName('columns', name),
      type,
      // An array of arrays would come apart: such values are sent as text.
      sentType: type.endsWith('[]') ? 'text' : type,
      from: (from ?? (({ value }) => (value as Record<string, unknown>)[name])) as PlannedColumn['from'],
      encode: encoderOf(type),
    }
  })
  if (planned.length === 0) {
    throw new AldebaranError('OPTION_INVALID', 'columns: there is none', { option: 'columns' })
  }
  return planned
}

function encoderOf(type: string): PlannedColumn['encode'] {
  if (type.endsWith('[]')) return encodeArray
  if (NUMBERS.test(type)) return encodeNumber
  if (TIMES.test(type)) return encodeTime
  if (/^jsonb?$/i.test(type)) return encodeJson
  if (/^bytea$/i.test(type)) return encodeBytes
  return encodeText
}

function encodeNumber(value: unknown, column: string): string {
  if (typeof value === 'number') return String(value)
  return encodeText(value, column)
}

function encodeTime(value: unknown, column: string): string {
  const ms = typeof value === 'number' ? value : value instanceof Date ? value.getTime() : null
  if (ms === null) return encodeText(value, column)
  if (!(ms >= FIRST_MS && ms <= LAST_MS)) throw invalid(column, `${ms} is no time between the years 1 and 9999`)
  return `"${new Date(ms).toISOString()}"`
}

function encodeJson(value: unknown, column: string): string {
  if (value === undefined) return NULL
  const text = JSON.stringify(value)
  if (text === undefined) throw invalid(column, `a ${typeof value} is no JSON`)
  return quoteElement(text, column)
}

function encodeBytes(value: unknown, column: string): string {
  if (!(value instanceof Uint8Array)) return encodeText(value, column)
  return `"\\\\x${Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('hex')}"`
}

function encodeArray(value: unknown, column: string): string {
  if (!Array.isArray(value)) return encodeText(value, column)
  return quoteElement(`{${value.map(one => encodeText(one, column)).join(',')}}`, column)
}

function encodeText(value: unknown, column: string): string {
  switch (typeof value) {
    case 'string':
      return quoteElement(value, column)
    case 'number':
    case 'bigint':
    case 'boolean':
      return String(value)
    case 'undefined':
      return NULL
    case 'object':
      if (value === null) return NULL
      if (value instanceof Date) return encodeTime(value, column)
  }
  throw invalid(column, `a value of type ${typeof value} does not fit`)
}

function quoteElement(text: string, column: string): string {
  if (!SPECIAL.test(text)) return `"${text}"`
  if (text.includes('\0')) throw invalid(column, 'PostgreSQL keeps no character with code 0 in a text')
  return `"${text.replace(/[\\"]/g, '\\$&')}"`
}

function invalid(column: string, problem: string): AldebaranError {
  return new AldebaranError('VALUE_INVALID', `column ${column}: ${problem}`, { column })
}
