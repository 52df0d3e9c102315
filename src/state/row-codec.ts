/**
 * Rows as changelog values, read and written straight from and to the columns by compiled code.
 *
 * A value is the id of its schema (an unsigned varint), then the fields and the timers (as longs, 0 for none) in Avro
 * binary, as `rowDefinition` has them.
 */
import { AldebaranError } from '../errors.ts'
import type { ByteWriter } from '../schema/byte-writer.ts'
import { readVarint32, writeBigint, writeInt, writeLong, writeVarint32 } from '../schema/varint.ts'
import { copyBytes } from './arena.ts'
import { compileValue, type ValueCodec } from './avro-value.ts'
import { differences, resolve, writtenFields } from './evolution.ts'
import type { AnyRow } from './row-class.ts'
import { placeOf } from './row-class.ts'
import { type Column, isArena, planColumn, type RowLayout } from './row-layout.ts'
import type { RowStore } from './row-store.ts'
import { ValueInput } from './value-input.ts'

/** Appends the value of a row to `out`. */
export type EncodeRow = (s: RowStore, row: number, schemaId: number, out: ByteWriter) => void
/** Sets every field and timer of a used row from the bytes after the schema id. `view` shows rows by `s.row`. */
export type DecodeRow = (s: RowStore, row: number, input: ValueInput, view: AnyRow) => void

export function compileEncode(layout: RowLayout): EncodeRow {
  const lengths = layout.columns
    .filter(column => isArena(column.kind))
    .map(column => ` + s.i32[row * ${layout.stride} + ${column.at + 1}]`)
  const zeros = layout.columns.map(column => zeroBytes(column))
  const spare = 5 + layout.timers.length * 10 + zeros.reduce((sum, zero) => sum + 12 + zero.length, 0)
  const fields = layout.columns.map((column, index) => {
    const write = encodeColumn(layout, column, index)
    if (!column.optional) return write
    const mark = `s.u8[row * ${layout.stride * 4} + ${column.present}]`
    return `if (${mark} === 0) bytes[at++] = 0
  else {
    bytes[at++] = 2
    ${write}
  }`
  })
  const timers = layout.timers.map(
    ({ words }) => `at = writeLong(bytes, at, s.f64[row * ${layout.stride / 2} + ${words.deadline}])`,
  )
  const source = `'use strict'
return function encodeRow(s, row, schemaId, out) {
  out.ensure(${spare}${lengths.join('')})
  const bytes = out.bytes
  let at = writeVarint32(bytes, out.position, schemaId)
  ${[...fields, ...timers].join('\n  ')}
  out.position = at
}`
  const names = ['writeVarint32', 'writeInt', 'writeLong', 'writeBigint', 'copyBytes', 'zeros']
  const build = new Function(...names, source) as (...parts: unknown[]) => EncodeRow
  return build(writeVarint32, writeInt, writeLong, writeBigint, copyBytes, zeros)
}

/** What a column without bytes in the arena is written as: nothing in it, or the zero value. */
function zeroBytes(column: Column): Buffer {
  if (column.kind === 'fixed') return Buffer.alloc(column.size)
  if (column.codec === null) return Buffer.alloc(0)
  const bytes = Buffer.alloc(0)
  const out = { bytes, position: 0, ensure: (count: number) => ensureRoom(out, count) }
  column.codec.write(column.codec.zero(), out as ByteWriter, column.name)
  return out.bytes.subarray(0, out.position)
}

function ensureRoom(out: { bytes: Buffer; position: number }, count: number): void {
  out.bytes = Buffer.concat([out.bytes.subarray(0, out.position), Buffer.alloc(count)])
}

function encodeColumn(layout: RowLayout, column: Column, index: number): string {
  const place = placeOf(layout, column)
  switch (column.kind) {
    case 'int':
    case 'enum':
      return `at = writeInt(bytes, at, ${place})`
    case 'long':
      return `at = writeLong(bytes, at, ${place})`
    case 'bigint':
      return `at = writeBigint(bytes, at, ${place})`
    case 'boolean':
      return `bytes[at++] = ${place}`
    case 'float':
    case 'double': {
      // The row has the bytes as Avro wants them: little-endian IEEE 754.
      const size = column.kind === 'float' ? 4 : 8
      const from = `row * ${layout.stride * 4} + ${column.at * size}`
      return `for (let from = ${from}, end = from + ${size}; from < end;) bytes[at++] = s.u8[from++]`
    }
    default: {
      const word = `row * ${layout.stride} + ${column.at}`
      const isCounted = column.kind === 'string' || column.kind === 'bytes'
      return `{
    const length = s.i32[${word} + 1]
    ${isCounted ? 'at = writeInt(bytes, at, length)' : ''}
    if (length > 0) {
      const start = s.u32[${word}]
      copyBytes(s.arena.bytes, start, start + length, bytes, at)
      at += length
    } ${isCounted ? '' : `else { bytes.set(zeros[${index}], at); at += ${zeroBytes(column).length} }`}
  }`
    }
  }
}

/**
 * Code that reads rows written with the schema `definition` into rows of this layout.
 * @throws AldebaranError SCHEMA_INCOMPATIBLE with the reasons when that cannot be.
 */
export function compileDecode(layout: RowLayout, definition: string): DecodeRow {
  const names = new Map<string, ValueCodec>()
  const readerNames = new Map<string, ValueCodec>()
  const readers = new Map(layout.columns.map(column => [column.name, compileValue(fieldType(column), readerNames)]))
  const parts: unknown[] = []
  const part = (value: unknown) => `parts[${parts.push(value) - 1}]`
  const statements: string[] = []
  const reasons: string[] = []
  const seen = new Set<string>()
  const isSame = definition === layout.definition
  for (const { name, type } of writtenFields(definition)) {
    const writer = compileValue(type, names)
    const written = planColumn(name, type, undefined, names)
    const timer = layout.timers.findIndex(other => other.name === name)
    const column = layout.columns.find(other => other.name === name)
    seen.add(name)
    if (timer !== -1) {
      if (written.kind !== 'long' && written.kind !== 'int')
        reasons.push(`${name}: ${written.kind} cannot become a timer`)
      statements.push(`s.setTimer(${timer}, row, Math.max(0, input.long()))`)
    } else if (column === undefined) {
      statements.push(`${part(writer)}.read(input)`)
    } else {
      reasons.push(...differences(writer, readers.get(name)!, name))
      statements.push(
        decodeColumn(layout, column, written, isSame, part) ??
          `view.${name} = resolve(${part(writer)}, ${part(readers.get(name))}, input)`,
      )
    }
  }
  if (reasons.length > 0) {
    throw new AldebaranError('SCHEMA_INCOMPATIBLE', `stored rows cannot be read: ${reasons.join('; ')}`)
  }
  for (const column of layout.columns) {
    if (seen.has(column.name)) continue
    const value = column.default ?? (column.optional ? null : readers.get(column.name)!.zero())
    statements.push(`view.${column.name} = ${part(value)}`)
  }
  for (const [index, timer] of layout.timers.entries()) {
    if (!seen.has(timer.name)) statements.push(`s.setTimer(${index}, row, 0)`)
  }
  const source = `'use strict'
return function decodeRow(s, row, input, view) {
  ${statements.join('\n  ')}
}`
  const build = new Function('parts', 'resolve', 'noSymbol', source) as (...values: unknown[]) => DecodeRow
  return build(parts, resolve, noSymbol)
}

function fieldType(column: Column) {
  return column.optional ? (['null', column.definition] as const) : column.definition
}

function noSymbol(name: string): AldebaranError {
  return new AldebaranError('VALUE_UNDECODABLE', `enum '${name}' has no such symbol`)
}

/** Straight into the column, or undefined where it takes a value in between. */
function decodeColumn(
  layout: RowLayout,
  column: Column,
  written: Column,
  isSame: boolean,
  part: (value: unknown) => string,
): string | undefined {
  const read = readColumn(layout, column, written, isSame, part)
  if (read === undefined || (written.optional && !column.optional)) return undefined
  if (!column.optional) return read
  const mark = `s.u8[row * ${layout.stride * 4} + ${column.present}]`
  if (!written.optional) return `${mark} = 1\n  ${read}`
  const zero = isArena(column.kind)
    ? `s.putBytes(row * ${layout.stride} + ${column.at}, input.bytes, 0, 0)`
    : `${placeOf(layout, column)} = ${column.kind === 'bigint' ? '0n' : '0'}`
  return `if (input.int() === 0) { ${mark} = 0; ${zero} } else { ${mark} = 1; ${read} }`
}

function readColumn(
  layout: RowLayout,
  column: Column,
  written: Column,
  isSame: boolean,
  part: (value: unknown) => string,
): string | undefined {
  const place = placeOf(layout, column)
  const word = `row * ${layout.stride} + ${column.at}`
  const isInteger = written.kind === 'int' || written.kind === 'long'
  const isCounted = written.kind === 'string' || written.kind === 'bytes'
  switch (column.kind) {
    case 'int':
      return written.kind === 'int' ? `${place} = input.int()` : undefined
    case 'long':
      return isInteger ? `${place} = input.long()` : undefined
    case 'bigint':
      return isInteger || written.kind === 'bigint' ? `${place} = input.bigint()` : undefined
    case 'float':
    case 'double':
      if (isInteger) return `${place} = input.long()`
      return written.kind === 'float' || written.kind === 'double' ? `${place} = input.${written.kind}()` : undefined
    case 'boolean':
      return written.kind === 'boolean' ? `${place} = input.bytes[input.take(1)] & 1` : undefined
    case 'enum': {
      if (written.kind !== 'enum') return undefined
      const codes = part(written.symbols.map(symbol => column.symbols.indexOf(symbol)))
      return `{
    const code = ${codes}[input.int()]
    if (code === undefined) throw noSymbol('${column.name}')
    ${place} = code
  }`
    }
    case 'string':
    case 'bytes':
      return isCounted
        ? `{ const n = input.long(), from = input.take(n); s.putBytes(${word}, input.bytes, from, from + n) }`
        : undefined
    case 'fixed':
      if (written.kind !== 'fixed' || written.size !== column.size) return undefined
      return `{ const from = input.take(${column.size}); s.putBytes(${word}, input.bytes, from, from + ${column.size}) }`
    case 'value':
      // Only where the whole definitions are alike, since a type may be defined by an earlier field.
      if (!isSame || written.codec === null) return undefined
      return `{
    const from = input.position
    ${part(written.codec)}.read(input)
    s.putBytes(${word}, input.bytes, from, input.position)
  }`
  }
}

/** Decodes values by the schema id they begin with. */
export class RowDecoder {
  readonly #layout: RowLayout
  readonly #schemas: ReadonlyMap<number, string>
  readonly #decoders = new Map<number, DecodeRow>()
  readonly #input = new ValueInput()
  readonly #name: string
  #lastId = -1
  #last: DecodeRow | null = null

  /** @throws AldebaranError SCHEMA_INCOMPATIBLE when one of the schemas cannot be read as a row of this layout. */
  constructor(name: string, layout: RowLayout, schemas: ReadonlyMap<number, string>) {
    this.#name = name
    this.#layout = layout
    this.#schemas = schemas
    for (const id of schemas.keys()) this.#find(id)
  }

  /** Returns where the row's bytes ended: a disk table has more behind them. */
  decode(s: RowStore, row: number, bytes: Buffer, start: number, end: number, view: AnyRow): number {
    const input = this.#input
    input.reset(bytes, start, end)
    const id = readVarint32(bytes, start, input)
    const decode = id === this.#lastId ? this.#last! : this.#find(id)
    try {
      decode(s, row, input, view)
    } catch (error) {
      if (error instanceof AldebaranError && error.code === 'VALUE_UNDECODABLE')
        throw this.damaged(error.message, error)
      throw error
    }
    if (input.position > end) throw this.damaged('it ends in the middle of a field')
    return input.position
  }

  /** The id of the schema that a row was written with. */
  schemaOf(bytes: Buffer, start: number, end: number): number {
    const input = this.#input
    input.reset(bytes, start, end)
    return readVarint32(bytes, start, input)
  }

  /** @throws AldebaranError SCHEMA_INCOMPATIBLE when the schema is not known. */
  require(schemaId: number): void {
    if (schemaId !== this.#lastId) this.#find(schemaId)
  }

  damaged(reason: string, cause?: unknown): AldebaranError {
    const message = `a stored row of table '${this.#name}' cannot be read: ${reason}`
    return new AldebaranError('STORE_DAMAGED', message, { table: this.#name }, cause)
  }

  #find(id: number): DecodeRow {
    let decode = this.#decoders.get(id)
    if (decode === undefined) {
      const definition = this.#schemas.get(id)
      if (definition === undefined) {
        throw new AldebaranError('SCHEMA_INCOMPATIBLE', `table '${this.#name}' has rows of unknown schema id ${id}`, {
          table: this.#name,
          schemaId: id,
        })
      }
      decode = compileDecode(this.#layout, definition)
      this.#decoders.set(id, decode)
    }
    this.#lastId = id
    this.#last = decode
    return decode
  }
}
