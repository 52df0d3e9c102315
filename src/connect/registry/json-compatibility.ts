/**
 * Whether every document that one JSON Schema allows is allowed by another. It is not decidable for all of JSON Schema, so
 * what cannot be told is counted as an obstacle: nothing is called compatible that is not.
 *
 * Compared are types, `enum` and `const`, bounds of numbers, texts and lists, `pattern` and `multipleOf`, `properties`,
 * `required`, `additionalProperties`, `items` and `prefixItems`, references within the document and to those that were
 * registered with it, `allOf`, `anyOf`, `oneOf`. `patternProperties`, `not`, `if`, `contains`, `dependentRequired` and
 * their like must be equal, or absent from the reader. `format`, defaults and descriptions do not count.
 *
 * As with Confluent's registry a property that is new in the reader is an obstacle when the writer allows it with any
 * content; one that has become required is none when it has a default; and the branches of a `oneOf` are taken to exclude
 * each other.
 */
import { isDeepStrictEqual } from 'node:util'
import { describe, pathTo } from '../../schema/failures.ts'
import {
  EQUAL,
  hasDefault,
  isInteger,
  type JsonDocument,
  limitedType,
  list,
  merged,
  type Place,
  quantity,
  record,
  resolved,
  type Schema,
  tupleOf,
  typeOf,
  typesOf,
  valuesOf,
  withoutChoices,
} from './json-schema-parts.ts'

const EXCLUSIVE = { exclusiveMinimum: true, exclusiveMaximum: true }
const MOST_OBSTACLES = 20
const DEEPEST = 200
/** Pairs of schemas that are looked at: with choices in choices their number has no bound. */
const MOST_STEPS = 20_000
/** They say nothing of documents. */
const ANNOTATIONS = ['$ref', '$defs', 'definitions', 'title', 'description', 'default', 'examples', '$comment']
/** Limits where the reader must not ask for more than the writer, and where not for less. */
const LOWER = ['minimum', 'exclusiveMinimum', 'minLength', 'minItems', 'minProperties']
const UPPER = ['maximum', 'exclusiveMaximum', 'maxLength', 'maxItems', 'maxProperties']

/** Why documents of `writer` may be refused by `reader`, one sentence each; empty: none is. */
export function jsonObstacles(writer: JsonDocument, reader: JsonDocument): string[] {
  if (isDeepStrictEqual(writer, reader)) return []
  const comparison = new Comparison(new Map(), { left: MOST_STEPS })
  comparison.compare({ schema: writer.root, document: writer }, { schema: reader.root, document: reader }, '', 0)
  return comparison.found
}

class Comparison {
  readonly found: string[] = []
  /** Pairs under way or done: recursive schemas come back to themselves. */
  readonly #seen: Map<unknown, Set<unknown>>
  readonly #steps: { left: number }

  constructor(seen: Map<unknown, Set<unknown>>, steps: { left: number }) {
    this.#seen = seen
    this.#steps = steps
  }

  compare(writerPlace: Place, readerPlace: Place, path: string, depth: number): void {
    if (this.found.length >= MOST_OBSTACLES) return
    if (depth > DEEPEST || this.#steps.left-- <= 0) {
      this.#add(path, 'is too large to be compared')
      return
    }
    const beside = besideReference(readerPlace.schema)
    if (beside !== null) this.compare(writerPlace, { ...readerPlace, schema: beside }, path, depth + 1)
    const writer = resolved(writerPlace)
    const reader = resolved(readerPlace)
    if (writer === null || reader === null) this.#add(path, 'refers to a schema that is not known')
    else if (reader.schema === true || writer.schema === false || isDeepStrictEqual(reader.schema, {})) return
    else if (reader.schema === false) this.#add(path, 'is not allowed any longer')
    else if (!this.#isSeen(writer.schema, reader.schema)) this.#compareObjects(writer, reader, path, depth)
  }

  #compareObjects(from: Place, to: Place, path: string, depth: number): void {
    const writer: Schema = from.schema === true ? {} : (from.schema as Schema)
    const reader = to.schema as Schema
    if (this.#splitWriter(writer, from, to, path, depth)) return
    this.#choices(from, reader, to, path, depth)
    for (const part of list(reader.allOf)) this.compare(from, { ...to, schema: part }, path, depth + 1)
    const allOf = list(writer.allOf)
    if (allOf.length > 0) {
      this.#joined(writer, allOf, from, to, path, depth)
      return
    }
    this.#values(writer, reader, path)
    this.#limits(writer, reader, path)
    const types = typesOf(writer)
    if (types.includes('object')) this.#properties(writer, from, reader, to, path, depth)
    if (types.includes('array')) this.#items(writer, from, reader, to, path, depth)
  }

  /** A document of the writer is one of a branch: each branch must be readable. */
  #splitWriter(schema: Schema, writer: Place, reader: Place, path: string, depth: number): boolean {
    const { anyOf, oneOf, ...rest } = schema
    const branches = anyOf === undefined ? list(oneOf) : list(anyOf)
    if (branches.length === 0) return false
    const also = anyOf !== undefined && oneOf !== undefined ? { ...rest, oneOf } : rest
    for (const branch of branches) {
      const { $schema: _, $id: __, title: ___, description: ____, ...limits } = also as Schema
      const joined = Object.keys(limits).length === 0 ? branch : { ...limits, allOf: [...list(limits.allOf), branch] }
      this.compare({ ...writer, schema: joined }, reader, path, depth + 1)
    }
    return true
  }

  /** What fits several schemas is readable when what fits one of them is. */
  #joined(schema: Schema, parts: readonly unknown[], writer: Place, reader: Place, path: string, depth: number): void {
    const { allOf: _, ...own } = schema
    const tried = [...parts, merged([own, ...parts])].map(part => {
      const comparison = this.#trial()
      comparison.compare({ ...writer, schema: part }, withoutChoices(reader), path, depth + 1)
      return comparison.found
    })
    if (tried.every(found => found.length > 0)) this.found.push(...tried.at(-1)!)
  }

  /** Of the branches of the reader one must read all. */
  #choices(writer: Place, schema: Schema, reader: Place, path: string, depth: number): void {
    for (const choice of ['anyOf', 'oneOf'] as const) {
      const branches = list(schema[choice])
      if (branches.length === 0) continue
      const fits = branches.some(branch => {
        const comparison = this.#trial()
        comparison.compare(writer, { ...reader, schema: branch }, path, depth + 1)
        return comparison.found.length === 0
      })
      if (!fits) this.#add(path, `fits no branch of the reader's ${choice}`)
    }
  }

  #values(writer: Schema, reader: Schema, path: string): void {
    const wanted = valuesOf(reader)
    const given = valuesOf(writer)
    if (wanted !== null) {
      if (given === null) {
        this.#add(path, 'may have any value where the reader knows only some')
        return
      }
      const lost = given.filter(value => !wanted.some(known => isDeepStrictEqual(known, value)))
      if (lost.length > 0) this.#add(path, `may be ${lost.map(describe).join(', ')}, which the reader does not allow`)
      return
    }
    const allowed = typesOf(reader)
    const lost = typesOf(writer).filter(type => !allowed.includes(type))
    if (lost.length > 0) this.#add(path, `may be of type ${lost.join(', ')}, which the reader does not allow`)
    else if (isInteger(reader) && !isInteger(writer) && typesOf(writer).includes('number')) {
      this.#add(path, 'may be a number where the reader wants an integer')
    }
  }

  #limits(writer: Schema, reader: Schema, path: string): void {
    for (const name of LOWER) this.#limit(writer, reader, path, name, (given, wanted) => given >= wanted)
    for (const name of UPPER) this.#limit(writer, reader, path, name, (given, wanted) => given <= wanted)
    this.#limit(writer, reader, path, 'multipleOf', (given, wanted) => given % wanted === 0)
    if (reader.uniqueItems === true && writer.uniqueItems !== true) this.#add(path, 'may hold an item twice')
    for (const name of EQUAL) {
      if (reader[name] === undefined || isDeepStrictEqual(reader[name], writer[name])) continue
      this.#add(path, `has another ${name}, which is not compared further`)
    }
  }

  #limit(
    writer: Schema,
    reader: Schema,
    path: string,
    name: string,
    isWithin: (given: number, wanted: number) => boolean,
  ): void {
    const wanted = reader[name]
    if (typeof wanted !== 'number') return
    // A limit says something of one type only; `#values` has compared the types.
    const type = limitedType(name)
    if (!typesOf(writer).includes(type)) return
    const values = valuesOf(writer)?.filter(value => typeOf(value) === type)
    const given = writer[name]
    const fits =
      values === undefined
        ? typeof given === 'number' && isWithin(given, wanted)
        : values.every(value => isWithin(quantity(value), wanted) && !(name in EXCLUSIVE && value === wanted))
    if (!fits) this.#add(path, `is not within ${name} ${wanted}`)
  }

  #properties(writer: Schema, from: Place, reader: Schema, to: Place, path: string, depth: number): void {
    const given = record(writer.properties)
    const wanted = record(reader.properties)
    const others = writer.additionalProperties ?? true
    const required = list(writer.required)
    for (const name of list(reader.required)) {
      if (required.includes(name) || hasDefault(wanted.get(String(name)), to)) continue
      this.#add(pathTo(path, String(name)), 'is required and may be missing')
    }
    for (const [name, schema] of wanted) {
      const source = given.has(name) ? given.get(name) : others
      this.compare({ ...from, schema: source }, { ...to, schema }, pathTo(path, name), depth + 1)
    }
    const rest = reader.additionalProperties ?? true
    for (const [name, schema] of given) {
      if (!wanted.has(name)) this.compare({ ...from, schema }, { ...to, schema: rest }, pathTo(path, name), depth + 1)
    }
    const hasSamePatterns = isDeepStrictEqual(writer.patternProperties, reader.patternProperties)
    for (const [pattern, schema] of record(writer.patternProperties)) {
      // Which names the pattern fits is not looked at: any that the writer has no other schema for.
      const targets = [...wanted].filter(([name]) => !given.has(name)).map(([, target]) => target)
      for (const target of hasSamePatterns ? targets : [...targets, rest]) {
        this.compare({ ...from, schema }, { ...to, schema: target }, pathTo(path, pattern), depth + 1)
      }
    }
    this.compare({ ...from, schema: others }, { ...to, schema: rest }, pathTo(path, '*'), depth + 1)
  }

  #items(writer: Schema, from: Place, reader: Schema, to: Place, path: string, depth: number): void {
    const [given, givenRest] = tupleOf(writer)
    const [wanted, wantedRest] = tupleOf(reader)
    for (let i = 0; i < Math.max(given.length, wanted.length); i++) {
      const source = i < given.length ? given[i] : givenRest
      const target = i < wanted.length ? wanted[i] : wantedRest
      this.compare({ ...from, schema: source }, { ...to, schema: target }, `${path}[${i}]`, depth + 1)
    }
    this.compare({ ...from, schema: givenRest }, { ...to, schema: wantedRest }, `${path}[]`, depth + 1)
  }

  /** A comparison whose outcome may not count. What is under way is taken to be fine there too. */
  #trial(): Comparison {
    return new Comparison(new Map([...this.#seen].map(([writer, readers]) => [writer, new Set(readers)])), this.#steps)
  }

  #isSeen(writer: unknown, reader: unknown): boolean {
    if (typeof writer !== 'object') return false
    const before = this.#seen.get(writer)
    if (before?.has(reader)) return true
    if (before === undefined) this.#seen.set(writer, new Set([reader]))
    else before.add(reader)
    return false
  }

  #add(path: string, reason: string): void {
    const sentence = path === '' ? `the value ${reason}` : `${path} ${reason}`
    if (this.found.length < MOST_OBSTACLES && !this.found.includes(sentence)) this.found.push(sentence)
  }
}

/** What a schema says beside its `$ref`, or null: nothing. */
function besideReference(schema: unknown): Schema | null {
  if (typeof schema !== 'object' || schema === null || !('$ref' in schema)) return null
  const rest = Object.entries(schema).filter(([name]) => !ANNOTATIONS.includes(name))
  return rest.length === 0 ? null : Object.fromEntries(rest)
}
