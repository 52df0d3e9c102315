/**
 * The view object that a decoded record at the top is: made once a decoder, filled again by each decode.
 *
 * 1. Numbers, booleans, enums and nested values are plain properties. Of texts and bytes only the place is noted, in
 *    variables of the closure; their getter decodes on the first read and keeps the result until the next decode.
 * 2. All properties are its own, enumerable and writable; its prototype is Object's.
 * 3. It is built by a constructor of its own, field by field. An object literal with accessors is a slow (dictionary)
 *    object in V8, which halved the decode rate: 18 against 33 M records/s for five fields, one of them text.
 */
import { inspect } from 'node:util'
import { avroToJson } from './avro-json.ts'
import type { AvroType, RecordType } from './avro-type.ts'

/** Where an emitted value goes. */
export interface Target {
  /** The statement that takes the value of an expression. */
  take(expression: string): string
  /** The statement that takes a text or bytes at `[from, to)` undecoded; absent: decode at once. */
  locate?(from: string, to: string): string
}

/** The code that makes `view`, and for each field where its value goes. Needs `source` and `cursor` in scope. */
export function viewSource(type: RecordType): { head: string; targets: Map<string, Target> } {
  const variables: string[] = []
  const properties: string[] = []
  const targets = new Map<string, Target>()
  for (const [index, { name, type: fieldType }] of type.fields.entries()) {
    const decode = lazyDecode(fieldType)
    if (decode === undefined) {
      properties.push(`this.${name} = ${initialValue(fieldType)}`)
      targets.set(name, { take: value => `view.${name} = ${value}` })
      continue
    }
    const [from, to, cache] = [`from${index}`, `to${index}`, `cache${index}`]
    variables.push(`${from} = 0`, `${to} = 0`, `${cache} = null`)
    properties.push(`Object.defineProperty(this, '${name}', {
  get() { return ${cache} === undefined ? (${cache} = ${decode}(source, ${from}, ${to}, cursor.start)) : ${cache} },
  set(value) { ${cache} = value },
  enumerable: true, configurable: true })`)
    targets.set(name, {
      take: value => `${cache} = ${value}`,
      locate: (start, end) => `${from} = ${start}; ${to} = ${end}; ${cache} = undefined`,
    })
  }
  const head = `${variables.length > 0 ? `let ${variables.join(', ')}` : ''}
function View() { ${properties.join('\n')} }
View.prototype = Object.prototype
const view = new View()
dress(view)`
  return { head, targets }
}

/** Makes JSON.stringify and console.log show a view as the plain value. */
export function dressView(view: object, type: AvroType): void {
  const plain = { value: () => avroToJson(type, view), configurable: true, writable: true }
  if (!Object.hasOwn(view, 'toJSON')) Object.defineProperty(view, 'toJSON', plain)
  Object.defineProperty(view, inspect.custom, { value: () => ({ ...view }), configurable: true })
}

/** The function that decodes a located value of the type on its first read; undefined: it is decoded with the record. */
function lazyDecode(type: AvroType): 'readText' | 'copyBytes' | undefined {
  if (type.kind === 'union') {
    const kinds = type.wrapped ? [] : type.branches.map(lazyDecode).filter(decode => decode !== undefined)
    return kinds.length === 1 ? kinds[0] : undefined
  }
  return type.kind === 'string' ? 'readText' : type.kind === 'bytes' || type.kind === 'fixed' ? 'copyBytes' : undefined
}

/** What a property of the view holds first: it settles how V8 stores it. A fraction makes it store doubles in place. */
function initialValue(type: AvroType): string {
  switch (type.kind) {
    case 'int':
      return '0'
    case 'long':
    case 'float':
    case 'double':
      return '0.5'
    case 'boolean':
      return 'false'
    case 'enum':
      return "''"
    default:
      return 'null'
  }
}
