/**
 * What may change in the row of a table whose changelog has rows of an older form: a field may be added (it takes its
 * default, without one the zero value), removed, reordered; an int may become a long, a long a float or double, a type
 * optional; enums may get symbols; a nested record follows Avro's rules, with a default for every added field.
 * Names of types do not matter.
 */
import { AldebaranError } from '../errors.ts'
import type { AvroDefinition } from '../schema/field-types.ts'
import { compileValue, readBlocks, type ValueCodec } from './avro-value.ts'
import type { TableDefinition } from './contract.ts'
import type { ValueInput } from './value-input.ts'

/** The schema of a table's rows as text: fields, then timers as longs. What changelog values are written with. */
export function rowDefinition(definition: TableDefinition): string {
  const fields = Object.entries(definition.fields).map(([name, type]) => ({ name, type: type.definition }))
  const timers = Object.keys(definition.timers).map(name => ({ name, type: { type: 'long', aldebaran: 'timer' } }))
  return JSON.stringify({ type: 'record', name: 'Row', fields: [...fields, ...timers] }, (_, value: unknown) =>
    typeof value === 'bigint' ? value.toString() : value instanceof Uint8Array ? latin1(value) : value,
  )
}

function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('latin1')
}

export interface WrittenField {
  readonly name: string
  readonly type: AvroDefinition
}

/** The fields of a row's schema, in the order of their bytes. */
export function writtenFields(definition: string): WrittenField[] {
  return (JSON.parse(definition) as { fields: WrittenField[] }).fields
}

/** Why rows of the old form cannot be read as rows of the new one; empty: they can. Both as `rowDefinition` gives them. */
export function checkRowEvolution(oldDefinition: string, newDefinition: string): string[] {
  const oldNames = new Map<string, ValueCodec>()
  const newNames = new Map<string, ValueCodec>()
  const oldFields = writtenFields(oldDefinition)
  const written = new Map(oldFields.map(field => [field.name, compileValue(field.type, oldNames)] as const))
  const reasons: string[] = []
  for (const { name, type } of writtenFields(newDefinition)) {
    const reader = compileValue(type, newNames)
    const writer = written.get(name)
    if (writer === undefined) continue
    reasons.push(...differences(writer, reader, name))
    const before = encodedBy(oldFields.find(field => field.name === name)!.type)
    if (before !== encodedBy(type)) reasons.push(`${name}: values of one schema cannot become those of another`)
  }
  return reasons
}

/** The schema whose values a column holds as bytes, or undefined. */
function encodedBy(type: AvroDefinition): unknown {
  const parts: readonly AvroDefinition[] = Array.isArray(type) ? type : [type]
  return parts.flatMap(part => (typeof part === 'object' && 'encodes' in part ? [part.encodes] : []))[0]
}

const PROMOTIONS: Readonly<Record<string, readonly string[]>> = {
  int: ['long', 'bigint', 'float', 'double'],
  long: ['bigint', 'float', 'double'],
  float: ['double'],
  string: ['bytes'],
  bytes: ['string'],
}

/** Why values of the writer's type cannot be read as the reader's. `within`: pairs being compared, for recursive types. */
export function differences(
  writer: ValueCodec,
  reader: ValueCodec,
  path: string,
  within: readonly (readonly [ValueCodec, ValueCodec])[] = [],
): string[] {
  if (within.some(pair => pair[0] === writer && pair[1] === reader)) return []
  const pairs = [...within, [writer, reader] as const]
  const from = writer.type
  const to = reader.type
  if (from.kind === 'union') return from.parts.flatMap(part => differences(part, reader, path, pairs))
  if (to.kind === 'union') {
    return to.parts.some(part => differences(writer, part, path, pairs).length === 0)
      ? []
      : [`${path}: ${from.kind} is not one of ${to.parts.map(part => part.type.kind).join(', ')}`]
  }
  if (from.kind !== to.kind) {
    return PROMOTIONS[from.kind]?.includes(to.kind) ? [] : [`${path}: ${from.kind} cannot become ${to.kind}`]
  }
  switch (to.kind) {
    case 'enum': {
      const missing = from.symbols.filter(symbol => !to.symbols.includes(symbol))
      return missing.length === 0 ? [] : [`${path}: the symbols ${missing.join(', ')} are gone`]
    }
    case 'fixed':
      return from.size === to.size ? [] : [`${path}: fixed of ${from.size} bytes cannot become one of ${to.size}`]
    case 'array':
    case 'map':
      return differences(from.parts[0]!, to.parts[0]!, `${path}[]`, pairs)
    case 'record':
      return to.fields.flatMap(field => {
        const written = from.fields.find(other => other.name === field.name)
        if (written !== undefined) return differences(written.codec, field.codec, `${path}.${field.name}`, pairs)
        return field.default === undefined ? [`${path}.${field.name}: a new field of a record needs a default`] : []
      })
    default:
      return []
  }
}

/** Reads a value of the writer's type as one of the reader's; `differences` found none. */
export function resolve(writer: ValueCodec, reader: ValueCodec, input: ValueInput): unknown {
  const from = writer.type
  let to = reader.type
  if (from.kind === 'union') {
    const part = from.parts[input.int()]
    if (part === undefined) throw new AldebaranError('VALUE_UNDECODABLE', 'a union has no such branch')
    return resolve(part, reader, input)
  }
  let target = reader
  if (to.kind === 'union') {
    const same = to.parts.find(part => part.type.kind === from.kind && differences(writer, part, '').length === 0)
    target = same ?? to.parts.find(part => differences(writer, part, '').length === 0)!
    to = target.type
  }
  switch (from.kind) {
    case 'array': {
      const items: unknown[] = []
      readBlocks(input, () => items.push(resolve(from.parts[0]!, to.parts[0]!, input)))
      return items
    }
    case 'map': {
      const entries: [string, unknown][] = []
      readBlocks(input, () => entries.push([input.text(), resolve(from.parts[0]!, to.parts[0]!, input)]))
      return Object.fromEntries(entries)
    }
    case 'record': {
      const values: Record<string, unknown> = {}
      for (const field of from.fields) {
        const wanted = to.fields.find(other => other.name === field.name)
        if (wanted === undefined) field.codec.read(input)
        else values[field.name] = resolve(field.codec, wanted.codec, input)
      }
      for (const field of to.fields) if (!(field.name in values)) values[field.name] = field.default
      return values
    }
    default:
      return promote(writer.read(input), from.kind, to.kind)
  }
}

function promote(value: unknown, from: string, to: string): unknown {
  if (to === 'bigint' && typeof value === 'number') return BigInt(value)
  if (from === 'string' && to === 'bytes') return Buffer.from(value as string)
  if (from === 'bytes' && to === 'string') return (value as Buffer).toString()
  return value
}
