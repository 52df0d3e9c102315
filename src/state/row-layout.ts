/**
 * Where the fields, timers and key of a table's rows lie.
 *
 * All of a row lies side by side in one buffer that is seen through typed arrays of every element type, so that a
 * record costs one or two cache lines. (With a typed array for each field it costs a line a field: six writes to each
 * of a million random rows took 38 ns so, and 27 ns side by side; pre-images are one copy instead of one a field.)
 *
 * A row, largest elements first: longs and deadlines (8 bytes); header, key, ints, texts (offset and length in the
 * arena), timer links (4); large enums (2); small enums, booleans, null marks, flags (1). Row 0 is all zero: "no row".
 */
import { AldebaranError } from '../errors.ts'
import type { AvroDefinition } from '../schema/field-types.ts'
import type { TimerWords } from '../time/timer-wheel.ts'
import { compileValue, type ValueCodec } from './avro-value.ts'
import type { TableDefinition, TimerKind } from './contract.ts'
import { rowDefinition } from './evolution.ts'

/** `value`: anything without a column type, as its Avro bytes in the arena. */
export type ColumnKind =
  | 'int'
  | 'long'
  | 'bigint'
  | 'float'
  | 'double'
  | 'boolean'
  | 'enum'
  | 'string'
  | 'bytes'
  | 'fixed'
  | 'value'

export interface Column {
  readonly name: string
  readonly kind: ColumnKind
  readonly definition: AvroDefinition
  /** Index in elements of the column's own size; of a text its offset, its length is the next word. */
  at: number
  /** Byte index of the mark "is not null", or −1 when the field is never null. */
  present: number
  readonly optional: boolean
  /** Of an enum. */
  readonly symbols: readonly string[]
  /** Bytes of a fixed; 1 or 2 for an enum. */
  readonly size: number
  /** Of a `value`. */
  readonly codec: ValueCodec | null
  /** Read where the writer had no such field; undefined: the zero value. */
  readonly default: unknown
}

export interface TimerColumn {
  readonly name: string
  readonly kind: TimerKind
  readonly words: TimerWords
}

export interface RowLayout {
  /** The schema of the rows, as `rowDefinition` gives it. */
  readonly definition: string
  readonly columns: readonly Column[]
  readonly timers: readonly TimerColumn[]
  /** Columns whose bytes lie in the arena, and whether the keys do: every [offset, length] pair of a row. */
  readonly texts: readonly number[]
  /** 4-byte words of a row; even. */
  readonly stride: number
  /** Word: the epoch (savepoint) in which the row was first written. */
  readonly touched: number
  /** Word: memory tables, the changelog record of the row; disk tables, the unit that last changed it. */
  readonly latest: number
  /** Byte: see row-store.ts. */
  readonly flags: number
  /** Bytes of a key, or 0: of any length, in the arena. */
  readonly keyBytes: number
  /** Word: the key itself, or its offset in the arena, the length in the next word. */
  readonly key: number
}

const KEY_BYTES: Readonly<Record<string, number>> = { int32: 4, int64: 8, bigint64: 8, uuid: 16 }
const RESERVED = new Set(['exists', 'key', 'delete', 'constructor', '__proto__'])
const IDENTIFIER = /^[A-Za-z_][A-Za-z0-9_]*$/

/** @throws AldebaranError PIPELINE_INVALID for names that cannot be properties of a row, or types it cannot hold. */
export function planRow(definition: TableDefinition): RowLayout {
  const names = new Map<string, ValueCodec>()
  const taken = new Set<string>()
  const columns = Object.entries(definition.fields).map(([name, type]) => {
    checkName(definition.name, name, taken)
    return planColumn(name, type.definition, type.default, names)
  })
  const timerNames = Object.keys(definition.timers)
  for (const name of timerNames) checkName(definition.name, name, taken)

  let bytes = 0
  const take = (size: number, count = 1) => {
    const at = bytes / size
    bytes += size * count
    return at
  }
  for (const column of columns) if (elementBytes(column) === 8) column.at = take(8)
  const deadlines = timerNames.map(() => take(8))
  const touched = take(4)
  const latest = take(4)
  const keyBytes = KEY_BYTES[definition.key.format] ?? 0
  const key = take(4, keyBytes === 0 ? 2 : keyBytes / 4)
  const texts = keyBytes === 0 ? [key] : []
  for (const column of columns) {
    if (elementBytes(column) !== 4) continue
    const isText = isArena(column.kind)
    column.at = take(4, isText ? 2 : 1)
    if (isText) texts.push(column.at)
  }
  const links = timerNames.map(() => take(4, 3))
  for (const column of columns) if (elementBytes(column) === 2) column.at = take(2)
  for (const column of columns) if (elementBytes(column) === 1) column.at = take(1)
  for (const column of columns) if (column.optional) column.present = take(1)
  const flags = take(1)
  const stride = Math.ceil(bytes / 8) * 2

  const timers = timerNames.map((name, index) => ({
    name,
    kind: definition.timers[name]!,
    words: {
      stride,
      deadline: deadlines[index]!,
      sequence: links[index]!,
      next: links[index]! + 1,
      previous: links[index]! + 2,
    },
  }))
  return {
    definition: rowDefinition(definition),
    columns,
    timers,
    texts,
    stride,
    touched,
    latest,
    flags,
    keyBytes,
    key,
  }
}

/** Its bytes lie in the arena. */
export function isArena(kind: ColumnKind): boolean {
  return kind === 'string' || kind === 'bytes' || kind === 'fixed' || kind === 'value'
}

function elementBytes(column: Column): number {
  switch (column.kind) {
    case 'long':
    case 'double':
    case 'bigint':
      return 8
    case 'boolean':
      return 1
    case 'enum':
      return column.size
    default:
      return 4
  }
}

function checkName(table: string, name: string, taken: Set<string>): void {
  const reason = RESERVED.has(name)
    ? 'is a name of the row itself'
    : !IDENTIFIER.test(name)
      ? 'is not an Avro name (letters, digits and _, not beginning with a digit)'
      : taken.has(name)
        ? 'is the name of a field and of a timer'
        : ''
  if (reason !== '') {
    throw new AldebaranError('PIPELINE_INVALID', `'${name}' of table '${table}' ${reason}`, { table, field: name })
  }
  taken.add(name)
}

/** One field of a row, as the layout or a changelog's schema has it; places are not given yet. */
export function planColumn(
  name: string,
  definition: AvroDefinition,
  fallback: unknown,
  names: Map<string, ValueCodec>,
): Column {
  const optional =
    Array.isArray(definition) &&
    definition.length === 2 &&
    definition[0] === 'null' &&
    columnKind(definition[1]) !== 'value'
  const inner: AvroDefinition = optional ? (definition as readonly AvroDefinition[])[1]! : definition
  const kind = columnKind(inner)
  const attributes = inner as { symbols?: readonly string[]; size?: number }
  const symbols = kind === 'enum' ? attributes.symbols! : []
  // Compiled for every kind: it checks the definition, and makes named types known to later fields.
  const codec = compileValue(inner, names)
  return {
    name,
    kind,
    definition,
    at: -1,
    present: -1,
    optional,
    symbols,
    size: kind === 'enum' ? (symbols.length > 256 ? 2 : 1) : (attributes.size ?? 0),
    codec: kind === 'value' ? codec : null,
    default: fallback,
  }
}

function columnKind(definition: AvroDefinition | undefined): ColumnKind {
  if (typeof definition === 'string') {
    switch (definition) {
      case 'int':
      case 'long':
      case 'float':
      case 'double':
      case 'boolean':
      case 'string':
      case 'bytes':
        return definition
      default:
        return 'value'
    }
  }
  if (definition === undefined || Array.isArray(definition)) return 'value'
  const { type, aldebaran } = definition as { type: AvroDefinition; aldebaran?: unknown }
  if (type === 'enum' || type === 'fixed') return type
  if (type === 'long' && aldebaran === 'bigint') return 'bigint'
  return columnKind(type)
}
