import { type AvroType, takesNoBytes } from './avro-type.ts'
import { MAX_DEPTH } from './failures.ts'

/** Emits the code that passes over values the reader does not want. Part of the decoder's compiler. */
export class SkipSource {
  readonly #functions: string[]
  readonly #constant: (value: unknown) => string
  readonly #named = new Map<AvroType, string>()

  constructor(functions: string[], constant: (value: unknown) => string) {
    this.#functions = functions
    this.#constant = constant
  }

  value(type: AvroType): string {
    switch (type.kind) {
      case 'null':
        return ''
      case 'boolean':
        return 'p++'
      case 'int':
      case 'long':
      case 'bigint':
      case 'enum':
        return 'p = skipVarint(b, p, cursor)'
      case 'float':
        return 'p += 4'
      case 'double':
        return 'p += 8'
      case 'fixed':
        return `if (${type.size} > end - p) badLength(${type.size}, p, cursor, '')\np += ${type.size}`
      case 'string':
      case 'bytes':
        return `n = readLong(b, p, cursor)
p = cursor.position
if (n < 0 || n > end - p) badLength(n, p, cursor, '')
p += n`
      case 'union': {
        const cases = type.branches.map((branch, index) => `case ${index * 2}: { ${this.value(branch)}\nbreak }`)
        return `x = readVarint32(b, p, cursor)
p = cursor.position
switch (x) { ${cases.join('\n')}
default: malformed('no branch of the union has this index', p - 1, cursor) }`
      }
      default:
        return `p = ${this.#function(type)}(b, p, end, ${type.kind === 'record' ? 'depth + 1' : 'depth'})`
    }
  }

  #function(type: AvroType): string {
    const known = this.#named.get(type)
    if (known !== undefined) return known
    const name = `skip${this.#functions.length}`
    this.#named.set(type, name)
    const place = this.#functions.push('') - 1
    this.#functions[place] = `function ${name}(b, p, end, depth) {\nlet x = 0, n = 0\n${this.#body(type)}\nreturn p\n}`
    return name
  }

  #body(type: AvroType): string {
    if (type.kind === 'record') {
      return `if (depth > ${MAX_DEPTH}) malformed('records nest more than ${MAX_DEPTH} levels', p, cursor)
${type.fields.map(field => this.value(field.type)).join('\n')}`
    }
    const item = type.kind === 'array' ? type.items : type.kind === 'map' ? type.values : undefined
    if (item === undefined) return `malformed(${this.#constant(`a ${type.kind} cannot be skipped`)}, p, cursor)`
    const key = type.kind === 'map' ? `${this.value({ kind: 'string' })}\n` : ''
    const empty = key === '' && takesNoBytes(item)
    return `for (;;) {
  const count = readBlock(b, p, cursor, block, '')
  p = cursor.position
  if (count === 0) break
  if (block.end !== -1) { p = block.end; continue }
  checkCount(count, ${empty}, p, cursor, block, '')
  ${empty ? '' : `for (let i = 0; i < count; i++) { ${key}${this.value(item)} }`}
}`
  }
}
