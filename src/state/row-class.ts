/**
 * The row object of a table: a class with an accessor for each field and timer, compiled from the layout, so that
 * `row.count++` is a few instructions on typed arrays.
 *
 * A setter checks the value, then that the row was touched since the savepoint (one comparison), then writes. The
 * class is made once a definition and thread: handlers see one class for all tasks of a table.
 */

import type { Fields } from '../schema/field-types.ts'
import { misfit } from './avro-value.ts'
import type { Row, Timers } from './contract.ts'
import type { Column, RowLayout } from './row-layout.ts'
import type { RowStore } from './row-store.ts'

export type AnyRow = Row<unknown, Fields, Timers>
export type RowClass = new (store: RowStore) => AnyRow

export function compileRowClass(layout: RowLayout): RowClass {
  const members = layout.columns.map((column, index) => accessor(layout, column, index))
  for (const [index, timer] of layout.timers.entries()) {
    const { stride, deadline } = timer.words
    members.push(`
  get ${timer.name}() {
    const s = this.#store
    return s.f64[s.row * ${stride / 2} + ${deadline}]
  }
  set ${timer.name}(value) {
    if (!Number.isSafeInteger(value) || value < 0) throw misfit('${timer.name}', 'ms since 1970, or 0 for none', value)
    const s = this.#store
    if (value === 0 && s.f64[s.row * ${stride / 2} + ${deadline}] === 0) return
    ${touch(layout)}
    s.setTimer(${index}, row, value)
  }`)
  }
  const source = `'use strict'
return class Row {
  #store
  constructor(store) { this.#store = store }
  get exists() { return this.#store.exists }
  get key() {
    const s = this.#store
    return s.definition.key.decode(s.keySource, s.keyStart, s.keyEnd)
  }
  delete() { this.#store.delete() }
${members.join('\n')}
}`
  const build = new Function('misfit', 'columns', source) as (
    fail: typeof misfit,
    columns: readonly Column[],
  ) => RowClass
  return build(misfit, layout.columns)
}

function touch(layout: RowLayout): string {
  return `let row = s.row
    if (s.i32[row * ${layout.stride} + ${layout.touched}] !== s.epoch) row = s.touch()`
}

function accessor(layout: RowLayout, column: Column, index: number): string {
  const { name, optional, present } = column
  const mark = `s.u8[row * ${layout.stride * 4} + ${present}]`
  const { zero, read, check, expected, write } = accessOf(layout, column, index)
  return `
  get ${name}() {
    const s = this.#store
    const row = s.row
    ${optional ? `if (${mark} === 0) return null` : ''}
    ${read}
  }
  set ${name}(value) {
    ${
      optional
        ? `if (value === null || value === undefined) {
      const s = this.#store
      ${touch(layout)}
      ${mark} = 0
      ${zero}
      return
    }`
        : ''
    }
    ${check === '' ? '' : `if (${check}) throw misfit('${name}', ${expected}, value)`}
    const s = this.#store
    ${touch(layout)}
    ${write}
    ${optional ? `${mark} = 1` : ''}
  }`
}

interface Access {
  /** Statement that makes the field of `row` zero. */
  zero: string
  /** Statements that end in a return. */
  read: string
  /** Expression that is true for a `value` that does not fit; '': the write checks. */
  check: string
  /** Source text of an expression: what the field takes. */
  expected: string
  write: string
}

/** The places of a column in row `row` of store `s`, as source text. */
export function placeOf(layout: RowLayout, column: Column): string {
  const { at, kind, size } = column
  switch (kind) {
    case 'long':
    case 'double':
      return `s.f64[row * ${layout.stride / 2} + ${at}]`
    case 'bigint':
      return `s.i64[row * ${layout.stride / 2} + ${at}]`
    case 'float':
      return `s.f32[row * ${layout.stride} + ${at}]`
    case 'boolean':
      return `s.u8[row * ${layout.stride * 4} + ${at}]`
    case 'enum':
      return size === 1 ? `s.u8[row * ${layout.stride * 4} + ${at}]` : `s.u16[row * ${layout.stride * 2} + ${at}]`
    default:
      return `s.i32[row * ${layout.stride} + ${at}]`
  }
}

function accessOf(layout: RowLayout, column: Column, index: number): Access {
  const place = placeOf(layout, column)
  const number = (check: string, expected: string, value = 'value'): Access => ({
    zero: `${place} = 0`,
    read: `return ${place}`,
    check,
    expected: `'${expected}'`,
    write: `${place} = ${value}`,
  })
  const word = `row * ${layout.stride} + ${column.at}`
  const text = (empty: string, full: string, check: string, expected: string, write: string): Access => ({
    zero: `s.putBytes(${word}, s.u8, 0, 0)`,
    read: `const length = s.i32[${word} + 1]
    if (length === 0) return ${empty}
    const start = s.u32[${word}]
    return ${full}`,
    check,
    expected,
    write,
  })
  const copy = 'Buffer.from(s.arena.bytes.subarray(start, start + length))'
  const writeBytes = `s.putBytes(${word}, value, 0, value.length)`
  switch (column.kind) {
    case 'int':
      return number('value !== (value | 0)', 'a 32-bit integer')
    case 'long':
      // Adding 0 turns −0, which Avro's long does not know, into 0.
      return number('!Number.isSafeInteger(value)', 'an integer within ±(2^53 − 1)', 'value + 0')
    case 'float':
    case 'double':
      return number("typeof value !== 'number'", 'a number')
    case 'bigint':
      return {
        ...number("typeof value !== 'bigint' || BigInt.asIntN(64, value) !== value", 'a 64-bit bigint'),
        zero: `${place} = 0n`,
      }
    case 'boolean':
      return {
        ...number("typeof value !== 'boolean'", 'true or false', 'value ? 1 : 0'),
        read: `return ${place} !== 0`,
      }
    case 'enum': {
      const code = column.symbols.map((symbol, at) => `case ${JSON.stringify(symbol)}: code = ${at}; break`).join('\n')
      return {
        zero: `${place} = 0`,
        read: `return columns[${index}].symbols[${place}]`,
        check: '',
        expected: '',
        write: `let code = 0
    switch (value) {
      ${code}
      default: throw misfit('${column.name}', 'one of ' + columns[${index}].symbols.join(', '), value)
    }
    ${place} = code`,
      }
    }
    case 'string':
      return text(
        "''",
        "s.arena.bytes.toString('utf8', start, start + length)",
        "typeof value !== 'string'",
        "'a string'",
        `s.putText(${word}, value)`,
      )
    case 'bytes':
      return text('Buffer.alloc(0)', copy, '!(value instanceof Uint8Array)', "'a Uint8Array'", writeBytes)
    case 'fixed':
      return text(
        `Buffer.alloc(${column.size})`,
        copy,
        `!(value instanceof Uint8Array) || value.length !== ${column.size}`,
        `'${column.size} bytes'`,
        writeBytes,
      )
    case 'value':
      return text(
        `columns[${index}].codec.zero()`,
        `s.readValue(columns[${index}].codec, start, length)`,
        '',
        '',
        `s.putValue(${word}, columns[${index}].codec, value, '${column.name}')`,
      )
  }
}
