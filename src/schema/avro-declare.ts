import { defaultToJson } from './avro-default.ts'
import { pathTo } from './failures.ts'
import type { AvroDefinition } from './field-types.ts'

type Attributes = { readonly type: AvroDefinition; readonly [attribute: string]: unknown }

/** Names that `t.enum` makes up: they count up over the process, so that they would differ from run to run. */
const MADE_UP = /^Enum\d+$/

/**
 * The definition that `t` fields give, made into one Avro accepts and that is the same in every run: enums without a
 * name are called after their field, a named type used again is referred to by its name, defaults are Avro's JSON.
 */
export function declared(definition: AvroDefinition): AvroDefinition {
  return declare(definition, '', new Map())
}

function declare(definition: AvroDefinition, hint: string, named: Map<string, string>): AvroDefinition {
  if (typeof definition === 'string') return definition
  if (Array.isArray(definition)) return definition.map(branch => declare(branch, hint, named))
  const attributes = definition as Attributes
  switch (attributes.type) {
    case 'array':
      return { ...attributes, items: declare(attributes.items as AvroDefinition, hint, named) }
    case 'map':
      return { ...attributes, values: declare(attributes.values as AvroDefinition, hint, named) }
    case 'record':
    case 'enum':
    case 'fixed':
      break
    default:
      return definition
  }
  const text = JSON.stringify(attributes, (_, value) => (typeof value === 'bigint' ? `${value}n` : value))
  const name = MADE_UP.test(String(attributes.name)) ? freeName(hint, named) : String(attributes.name)
  // A second, different type of this name is left as it is: parsing tells.
  if (named.get(name) === text) return name
  named.set(name, text)
  if (attributes.type !== 'record') return { ...attributes, name }
  const fields = (attributes.fields as readonly Record<string, unknown>[]).map(field => {
    const type = declare(field.type as AvroDefinition, `${name.replaceAll('.', '_')}_${field.name}`, named)
    if (!('default' in field)) return { ...field, type }
    return { ...field, type, default: defaultToJson(field.default, pathTo(name, String(field.name))) }
  })
  return { ...attributes, fields }
}

function freeName(hint: string, named: Map<string, string>): string {
  let name = hint === '' ? 'Enum' : hint
  for (let i = 2; named.has(name); i++) name = `${hint}_${i}`
  return name
}
