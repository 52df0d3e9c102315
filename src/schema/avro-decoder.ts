/**
 * Compiles a decoder for values written with one Avro type and read as another (mostly the same one).
 *
 * 1. Nothing of a schema stands in the generated code but indexes, sizes and names that `parseAvro` has checked against
 *    Avro's grammar, quoted. Defaults and error paths are passed in as constants.
 * 2. Each byte is looked at once. Lengths and counts are compared with the bytes that are left before they are
 *    believed; everything else may read past the end and is found out by the last check, `position === end`.
 * 3. A record at the top is a reused view (avro-view.ts); what its getters return, and all nested values, may be kept.
 */
import { badLength, checkCount, copyBytes, readBlock, readDouble, readFloat } from './avro-binary.ts'
import { branchFor, fits, writerField } from './avro-resolution.ts'
import { SkipSource } from './avro-skip.ts'
import { type AvroType, branchName, copyOf, type RecordType, setEntry, takesNoBytes } from './avro-type.ts'
import { dressView, type Target, viewSource } from './avro-view.ts'
import { MAX_DEPTH, pathTo } from './failures.ts'
import { readText } from './utf8.ts'
import { malformed, readBigint, readLong, readVarint32, skipVarint, varintCursor } from './varint.ts'

/** Reads bytes of one schema; what it returns is valid until its next call, as `Schema.decode` says. */
export type Decode<T> = (bytes: Buffer, start: number, end: number) => T

export interface DecodeOptions {
  /** What to do with bytes after the value. Default: 'error'. */
  trailing?: 'error' | 'ignore'
}

const RUNTIME = {
  badLength,
  checkCount,
  copyBytes,
  copyOf,
  malformed,
  readBigint,
  readBlock,
  readDouble,
  readFloat,
  readLong,
  readText,
  readVarint32,
  setEntry,
  skipVarint,
}

const LOCALS = 'let x = 0, y = 0, n = 0'

export function compileDecoder<T>(writer: AvroType, reader: AvroType, options: DecodeOptions = {}): Decode<T> {
  return new DecoderSource().compile(writer, reader, options) as Decode<T>
}

class DecoderSource {
  readonly #constants: unknown[] = []
  readonly #functions: string[] = []
  readonly #named = new Map<AvroType, Map<AvroType, string>>()
  readonly #skip = new SkipSource(this.#functions, value => this.#constant(value))
  #temporaries = 0

  compile(writer: AvroType, reader: AvroType, options: DecodeOptions): unknown {
    let head = ''
    let code: string
    let result = 'result'
    if (writer.kind === 'record' && reader.kind === 'record' && fits(writer, reader)) {
      const view = viewSource(reader)
      head = view.head
      code = this.#fields(writer, reader, name => view.targets.get(name)!, '')
      result = 'view'
    } else code = this.#value(writer, reader, { take: value => `result = ${value}` }, '')
    const last = options.trailing === 'ignore' ? 'p > end' : 'p !== end'
    const source = `'use strict'
const { ${Object.keys(RUNTIME).join(', ')} } = runtime
const block = { end: -1, emptyItems: 0 }
${this.#constants.map((_, index) => `const k${index} = constants[${index}]`).join('\n')}
let source
${head}
${this.#functions.join('\n')}
return function decode(b, start, end) {
  if (end > b.length) throw new RangeError('the value ends outside the buffer')
  let p = start, result
  ${LOCALS}
  const depth = 0
  cursor.start = start
  cursor.end = end
  block.emptyItems = 0
  source = b
  ${code}
  if (${last}) malformed('bytes follow the value', p, cursor)
  return ${result}
}`
    const dress = (value: object) => dressView(value, reader)
    return new Function('runtime', 'cursor', 'constants', 'dress', source)(
      RUNTIME,
      varintCursor(),
      this.#constants,
      dress,
    )
  }

  #constant(value: unknown): string {
    const known = typeof value === 'string' ? this.#constants.indexOf(value) : -1
    return `k${known >= 0 ? known : this.#constants.push(value) - 1}`
  }

  #temporary(): string {
    return `v${this.#temporaries++}`
  }

  /** Reads the fields in the writer's order; those it does not have get their default. */
  #fields(writer: RecordType, reader: RecordType, target: (name: string) => Target, path: string): string {
    const sources = reader.fields.map(field => writerField(writer, field))
    const code: string[] = []
    for (const field of writer.fields) {
      const receivers = reader.fields.filter((_, index) => sources[index] === field)
      const receiver = receivers[0]
      if (receiver === undefined) code.push(this.#skip.value(field.type))
      else code.push(this.#value(field.type, receiver.type, target(receiver.name), pathTo(path, receiver.name)))
    }
    for (const [index, field] of reader.fields.entries()) {
      const source = sources[index]
      if (source !== undefined && reader.fields.findIndex((_, other) => sources[other] === source) === index) continue
      if (field.default === undefined)
        code.push(this.#fail(`the writer has no field ${field.name}`, pathTo(path, field.name)))
      else {
        const value = this.#constant(field.default)
        const mutable = typeof field.default === 'object' && field.default !== null
        code.push(target(field.name).take(mutable ? `copyOf(${value})` : value))
      }
    }
    return code.join('\n')
  }

  #fail(reason: string, path: string): string {
    return `malformed(${this.#constant(reason)}, p, cursor, ${this.#constant(path)})`
  }

  #value(writer: AvroType, reader: AvroType, target: Target, path: string): string {
    if (writer.kind === 'union') {
      const cases = writer.branches.map(
        (branch, index) => `case ${index * 2}: { ${this.#value(branch, reader, target, path)}\nbreak }`,
      )
      return `${RAW_INT}
switch (x) { ${cases.join('\n')}
default: malformed('no branch of the union has this index', p - 1, cursor, ${this.#constant(path)}) }`
    }
    if (reader.kind === 'union') {
      const branch = branchFor(writer, reader)
      if (branch === undefined) return this.#fail(`the reader has no branch for ${branchName(writer)}`, path)
      if (!reader.wrapped || branch.kind === 'null') return this.#value(writer, branch, target, path)
      return this.#value(writer, branch, { take: value => target.take(`{ "${branchName(branch)}": ${value} }`) }, path)
    }
    if (!fits(writer, reader))
      return this.#fail(`a value written as ${branchName(writer)} is no ${branchName(reader)}`, path)
    return this.#plain(writer, reader, target, path)
  }

  #plain(writer: AvroType, reader: AvroType, target: Target, path: string): string {
    switch (writer.kind) {
      case 'null':
        return target.take('null')
      case 'boolean':
        return `x = b[p++]
if (x > 1) malformed('a boolean is neither 0 nor 1', p - 1, cursor, ${this.#constant(path)})
${target.take('x === 1')}`
      case 'int': {
        const value = '(x >>> 1) ^ -(x & 1)'
        const promoted =
          reader.kind === 'bigint' ? `BigInt(${value})` : reader.kind === 'float' ? `Math.fround(${value})` : value
        return `${RAW_INT}\n${target.take(promoted)}`
      }
      case 'long':
      case 'bigint': {
        if (reader.kind === 'long') return `${LONG('y')}\n${target.take('y')}`
        const big = 'readBigint(b, p, cursor)'
        const value =
          reader.kind === 'bigint' ? big : reader.kind === 'float' ? `Math.fround(Number(${big}))` : `Number(${big})`
        return `${target.take(value)}\np = cursor.position`
      }
      case 'float':
        return `${target.take('readFloat(b, p)')}\np += 4`
      case 'double':
        return `${target.take('readDouble(b, p)')}\np += 8`
      case 'string':
      case 'bytes':
        return `${LONG('n')}
if (n < 0 || n > end - p) badLength(n, p, cursor, ${this.#constant(path)})
${this.#located(reader, 'p + n', target)}
p += n`
      case 'fixed':
        return `if (${writer.size} > end - p) badLength(${writer.size}, p, cursor, ${this.#constant(path)})
${this.#located(reader, `p + ${writer.size}`, target)}
p += ${writer.size}`
      case 'enum':
        return this.#enum(writer.symbols, reader, target, path)
      default: {
        const temporary = this.#temporary()
        const depth = writer.kind === 'record' ? 'depth + 1' : 'depth'
        return `const ${temporary} = ${this.#function(writer, reader, path)}(b, p, end, ${depth})
p = cursor.position
${target.take(temporary)}`
      }
    }
  }

  #located(reader: AvroType, to: string, target: Target): string {
    if (target.locate !== undefined) return target.locate('p', to)
    return target.take(`${reader.kind === 'string' ? 'readText' : 'copyBytes'}(b, p, ${to}, cursor.start)`)
  }

  #enum(written: readonly string[], reader: AvroType, target: Target, path: string): string {
    if (reader.kind !== 'enum') return this.#fail('an enum was written', path)
    const symbols = written.map(symbol => (reader.symbols.includes(symbol) ? symbol : reader.default))
    const known = symbols.includes(null)
      ? `if (y === null) malformed('the reader lacks this symbol of the enum', p - 1, cursor, ${this.#constant(path)})\n`
      : ''
    return `${RAW_INT}
if ((x & 1) === 1 || x >>> 1 >= ${written.length}) malformed('no symbol of the enum has this index', p - 1, cursor, ${this.#constant(path)})
y = ${this.#constant(symbols)}[x >>> 1]
${known}${target.take('y')}`
  }

  /** The function that reads a nested array, map or record; made once a pair, so that recursion ends. */
  #function(writer: AvroType, reader: AvroType, path: string): string {
    let readers = this.#named.get(writer)
    if (readers === undefined) {
      readers = new Map()
      this.#named.set(writer, readers)
    }
    const known = readers.get(reader)
    if (known !== undefined) return known
    const name = `read${this.#functions.length}`
    readers.set(reader, name)
    const place = this.#functions.push('') - 1
    this.#functions[place] = `function ${name}(b, p, end, depth) {\n${LOCALS}\n${this.#body(writer, reader, path)}\n}`
    return name
  }

  #body(writer: AvroType, reader: AvroType, path: string): string {
    if (writer.kind === 'record' && reader.kind === 'record') {
      const variables = new Map(reader.fields.map((field, index) => [field.name, `f${index}`]))
      const target = (field: string): Target => ({ take: value => `${variables.get(field)} = ${value}` })
      // The function serves every place where the record stands, so its paths begin with its name.
      const place = reader.name.slice(reader.name.lastIndexOf('.') + 1)
      return `if (depth > ${MAX_DEPTH}) malformed('records nest more than ${MAX_DEPTH} levels', p, cursor, ${this.#constant(path)})
${variables.size > 0 ? `let ${[...variables.values()].join(', ')}` : ''}
${this.#fields(writer, reader, target, place)}
cursor.position = p
return { ${[...variables].map(([field, variable]) => `"${field}": ${variable}`).join(', ')} }`
    }
    const where = this.#constant(path)
    if (writer.kind === 'array' && reader.kind === 'array') {
      const item = this.#value(writer.items, reader.items, { take: value => `list.push(${value})` }, `${path}[]`)
      return blocks('const list = []', takesNoBytes(writer.items), item, 'list', where)
    }
    if (writer.kind === 'map' && reader.kind === 'map') {
      const store = (value: string) => `if (key === '__proto__') setEntry(map, key, ${value}); else map[key] = ${value}`
      const entry = this.#value(writer.values, reader.values, { take: value => `held = ${value}` }, pathTo(path, '*'))
      const item = `${LONG('n')}
if (n < 0 || n > end - p) badLength(n, p, cursor, ${where})
const key = readText(b, p, p + n, cursor.start)
p += n
${entry}
${store('held')}`
      return blocks('const map = {}; let held', false, item, 'map', where)
    }
    return this.#fail('the types do not match', path)
  }
}

/** Sets `x` to the next varint as it is, 32 bits. */
const RAW_INT = `x = b[p++]
if (!(x < 128)) { x = readVarint32(b, p - 1, cursor); p = cursor.position }`

/** Sets a variable to the next long. */
const LONG = (variable: string) => `x = b[p++]
if (x < 128) ${variable} = (x >>> 1) ^ -(x & 1)
else { ${variable} = readLong(b, p - 1, cursor); p = cursor.position }`

/** The blocks of an array or a map: a count, the items, and again until a count of 0. */
function blocks(start: string, empty: boolean, item: string, result: string, where: string): string {
  return `${start}
for (;;) {
  const count = readBlock(b, p, cursor, block, ${where})
  p = cursor.position
  if (count === 0) break
  const stop = block.end
  checkCount(count, ${empty}, p, cursor, block, ${where})
  for (let i = 0; i < count; i++) { ${item} }
  if (stop !== -1 && p !== stop) malformed('a block has another size than it says', p, cursor, ${where})
}
cursor.position = p
return ${result}`
}
