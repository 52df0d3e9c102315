/**
 * Compiles the encoder of an Avro type.
 *
 * 1. The generated code holds indexes, sizes and names that `parseAvro` checked, quoted; defaults come as constants.
 * 2. Room is made before bytes are written: once for a run of fields of bounded size, and once for each text, list …
 * 3. A value that does not fit throws `Misfit` as soon as it is met; the caller then finds its path, off the fast way.
 * 4. Encoding that throws leaves the writer's position where it was.
 */
import { writeDouble, writeFloat } from './avro-binary.ts'
import { type AvroType, branchName, onlyKey, shapeOf, shapeOfValue, takesNoBytes, type UnionType } from './avro-type.ts'
import type { ByteWriter } from './byte-writer.ts'
import { MAX_DEPTH, MAX_EMPTY_ITEMS } from './failures.ts'
import { writeText } from './utf8.ts'
import { writeBigint, writeLong, writeVarint32 } from './varint.ts'

export type Encode<T> = (value: T, out: ByteWriter) => void

/** A value does not fit its type; which one is found by walking the value again. */
class Misfit extends Error {}

function misfit(): never {
  throw new Misfit('the value does not fit the schema')
}

const RUNTIME = {
  misfit,
  onlyKey,
  shapeOfValue,
  writeBigint,
  writeDouble,
  writeFloat,
  writeLong,
  writeText,
  writeVarint32,
}
const MAX_BIGINT = 2n ** 63n
/** Numbers from here on round to infinity in 32 bits: 2^128 − 2^103. */
const FLOAT_LIMIT = 2 ** 128 - 2 ** 103

/** `explain` gives the error to throw for a value that was refused. */
export function compileEncoder<T>(type: AvroType, explain: (value: T, cause: unknown) => unknown): Encode<T> {
  return new EncoderSource().compile(type, explain as (value: unknown, cause: unknown) => unknown) as Encode<T>
}

class EncoderSource {
  readonly #constants: unknown[] = []
  readonly #functions: string[] = []
  readonly #named = new Map<AvroType, string>()

  compile(type: AvroType, explain: (value: unknown, cause: unknown) => unknown): unknown {
    const first = isBounded(type) ? `${room(String(mostBytes(type)))}\n` : ''
    const code =
      type.kind === 'record' ? this.#fields(type.fields, 'value') : `${first}${this.#value(type, 'value', 0)}`
    const source = `'use strict'
const { ${Object.keys(RUNTIME).join(', ')} } = runtime
${this.#constants.map((_, index) => `const k${index} = constants[${index}]`).join('\n')}
let emptyItems = 0
${this.#functions.join('\n')}
return function encode(value, out) {
  const before = out.position
  try {
    let b = out.bytes, p = before, z = 0
    const depth = 0
    emptyItems = 0
    ${code}
    out.position = p
  } catch (error) {
    out.position = before
    throw explain(value, error)
  }
}`
    return new Function('runtime', 'explain', 'constants', source)(RUNTIME, explain, this.#constants)
  }

  #constant(value: unknown): string {
    return `k${this.#constants.push(value) - 1}`
  }

  #fields(fields: readonly { name: string; type: AvroType; default: unknown }[], record: string): string {
    // Bytes of the bounded fields that follow each field, up to the next unbounded one.
    const rests: number[] = []
    let rest = 0
    for (let i = fields.length - 1; i >= 0; i--) {
      rests[i] = rest
      rest = isBounded(fields[i]!.type) ? rest + mostBytes(fields[i]!.type) : 0
    }
    const code = [`if (typeof ${record} !== 'object' || ${record} === null) misfit()`]
    if (rest > 0) code.push(room(String(rest)))
    for (const [index, field] of fields.entries()) {
      const name = `g${index}`
      code.push(`let ${name} = ${record}.${field.name}`)
      if (field.default !== undefined)
        code.push(`if (${name} === undefined) ${name} = ${this.#constant(field.default)}`)
      code.push(this.#value(field.type, name, rests[index]!))
    }
    return code.join('\n')
  }

  /** Writes the variable `v`. A bounded type finds room made; an unbounded one makes room for `rest` bytes after it too. */
  #value(type: AvroType, v: string, rest: number): string {
    switch (type.kind) {
      case 'null':
        return `if (${v} !== null && ${v} !== undefined) misfit()`
      case 'boolean':
        return `if (typeof ${v} !== 'boolean') misfit()\nb[p++] = ${v} ? 1 : 0`
      case 'int':
        return `if ((${v} | 0) !== ${v}) misfit()\n${zigzag(v)}`
      case 'long':
        return `if ((${v} | 0) === ${v}) { ${zigzag(v)} }
else { p = writeLong(b, p, ${v}); if (p < 0) misfit() }`
      case 'bigint':
        return `if (typeof ${v} !== 'bigint' || ${v} >= ${MAX_BIGINT}n || ${v} < -${MAX_BIGINT}n) misfit()
p = writeBigint(b, p, ${v})`
      case 'float':
      case 'double':
        if (type.kind === 'double') return `if (typeof ${v} !== 'number') misfit()\nwriteDouble(b, p, ${v}); p += 8`
        // A finite number that 32 bits cannot carry would come back as infinity.
        return `if (typeof ${v} !== 'number') misfit()
writeFloat(b, p, ${v}); p += 4
if ((${v} >= ${FLOAT_LIMIT} || ${v} <= -${FLOAT_LIMIT}) && Number.isFinite(${v})) misfit()`
      case 'string':
        return `if (typeof ${v} !== 'string') misfit()
${room(`${v}.length * 3 + ${5 + rest}`)}
p = writeText(b, p, ${v})
if (p < 0) misfit()`
      case 'bytes':
        return `if (!(${v} instanceof Uint8Array)) misfit()
${room(`${v}.length + ${10 + rest}`)}
p = writeLong(b, p, ${v}.length)
b.set(${v}, p); p += ${v}.length`
      case 'fixed':
        return `if (!(${v} instanceof Uint8Array) || ${v}.length !== ${type.size}) misfit()
${room(String(type.size + rest))}
b.set(${v}, p); p += ${type.size}`
      case 'enum': {
        const cases = type.symbols.map((symbol, index) => `case "${symbol}": z = ${index * 2}; break`)
        return `switch (${v}) { ${cases.join('\n')}\ndefault: misfit() }
${RAW}`
      }
      case 'union':
        return this.#union(type, v, rest)
      default: {
        const depth = type.kind === 'record' ? 'depth + 1' : 'depth'
        return `out.position = p
${this.#function(type)}(${v}, out, ${depth})
b = out.bytes; p = out.position
${rest > 0 ? room(String(rest)) : ''}`
      }
    }
  }

  #union(type: UnionType, v: string, rest: number): string {
    const bounded = isBounded(type)
    const branches = type.branches.map((branch, index) => {
      const inner = type.wrapped && branch.kind !== 'null' ? `${v}w` : v
      const unwrap = inner === v ? '' : `const ${inner} = ${v}["${branchName(branch)}"]\n`
      const space = bounded ? '' : `${room(String(5 + (isBounded(branch) ? mostBytes(branch) + rest : 0)))}\n`
      const code = `${unwrap}${space}z = ${index * 2}\n${RAW}\n${this.#value(branch, inner, rest)}`
      return { branch, code }
    })
    if (type.wrapped) {
      const cases = branches.map(({ branch, code }) => `case "${branchName(branch)}": { ${code}\nbreak }`)
      return `switch (${v} === null || ${v} === undefined ? 'null' : onlyKey(${v})) { ${cases.join('\n')}\ndefault: misfit() }`
    }
    const cases = branches.map(({ branch, code }) => `if (${testOf(branch, v)}) { ${code} }`)
    return `${[...cases, 'misfit()'].join('\nelse ')}`
  }

  #function(type: AvroType): string {
    const known = this.#named.get(type)
    if (known !== undefined) return known
    const name = `write${this.#functions.length}`
    this.#named.set(type, name)
    const place = this.#functions.push('') - 1
    this.#functions[place] = `function ${name}(value, out, depth) {
let b = out.bytes, p = out.position, z = 0
${this.#body(type)}
out.position = p
}`
    return name
  }

  #body(type: AvroType): string {
    if (type.kind === 'record') {
      return `if (depth > ${MAX_DEPTH}) misfit()\n${this.#fields(type.fields, 'value')}`
    }
    if (type.kind === 'array') {
      const space = isBounded(type.items) ? room(String(mostBytes(type.items))) : ''
      const limit = takesNoBytes(type.items) ? `emptyItems += count; if (emptyItems > ${MAX_EMPTY_ITEMS}) misfit()` : ''
      return `if (!Array.isArray(value)) misfit()
const count = value.length
${limit}
${room('11')}
if (count > 0) p = writeLong(b, p, count)
for (let i = 0; i < count; i++) { const item = value[i]\n${space}\n${this.#value(type.items, 'item', 0)} }
${room('1')}
b[p++] = 0`
    }
    if (type.kind !== 'map') return 'misfit()'
    const space = isBounded(type.values) ? mostBytes(type.values) : 0
    return `if (shapeOfValue(value) !== 'object') misfit()
const keys = Object.keys(value)
${room('11')}
if (keys.length > 0) p = writeLong(b, p, keys.length)
for (let i = 0; i < keys.length; i++) { const key = keys[i], item = value[key]
${this.#value({ kind: 'string' }, 'key', space)}
${this.#value(type.values, 'item', 0)} }
${room('1')}
b[p++] = 0`
  }
}

const RAW = 'if (z >= 0 && z < 128) b[p++] = z; else p = writeVarint32(b, p, z)'

function zigzag(v: string): string {
  return `z = (${v} << 1) ^ (${v} >> 31)\n${RAW}`
}

/** Makes room for that many bytes at `p`. */
function room(count: string): string {
  return `if (p + ${count} > b.length) { out.position = p; out.ensure(${count}); b = out.bytes }`
}

/** The test that tells a branch of a bare union by the value's JavaScript type. */
function testOf(branch: AvroType, v: string): string {
  switch (shapeOf(branch)) {
    case 'null':
      return `${v} === null || ${v} === undefined`
    case 'array':
      return `Array.isArray(${v})`
    case 'bytes':
      return `${v} instanceof Uint8Array`
    case 'object':
      return `shapeOfValue(${v}) === 'object'`
    default:
      return `typeof ${v} === '${shapeOf(branch)}'`
  }
}

/** Types whose bytes have a small upper bound, so that a run of them needs one check. */
function isBounded(type: AvroType): boolean {
  if (type.kind === 'union') return type.branches.every(isBounded)
  return !['string', 'bytes', 'fixed', 'array', 'map', 'record'].includes(type.kind)
}

function mostBytes(type: AvroType): number {
  switch (type.kind) {
    case 'null':
      return 0
    case 'boolean':
      return 1
    case 'float':
      return 4
    case 'double':
      return 8
    case 'int':
    case 'enum':
      return 5
    case 'union':
      return 5 + Math.max(0, ...type.branches.map(mostBytes))
    default:
      return 10
  }
}
