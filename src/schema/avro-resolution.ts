/**
 * Which values of one schema another can read (specification 1.12, "Schema Resolution"). Names match when their last
 * parts are equal, or the reader has the writer's name as an alias.
 */
import { type AvroType, branchName, type RecordField, type RecordType, type UnionType } from './avro-type.ts'
import { pathTo } from './failures.ts'

const PROMOTIONS: Readonly<Record<string, readonly string[]>> = {
  int: ['long', 'bigint', 'float', 'double'],
  long: ['bigint', 'float', 'double'],
  bigint: ['long', 'float', 'double'],
  float: ['double'],
  string: ['bytes'],
  bytes: ['string'],
}

/** Whether two types that are no unions fit by kind and name, without looking inside. */
export function fits(writer: AvroType, reader: AvroType): boolean {
  return isSame(writer, reader) || (PROMOTIONS[writer.kind]?.includes(reader.kind) ?? false)
}

function isSame(writer: AvroType, reader: AvroType): boolean {
  if (writer.kind !== reader.kind) return false
  if (writer.kind === 'fixed' && reader.kind === 'fixed' && writer.size !== reader.size) return false
  if ('name' in writer && 'name' in reader) {
    return (
      lastPart(writer.name) === lastPart(reader.name) ||
      reader.aliases.some(alias => alias === writer.name || (!alias.includes('.') && alias === lastPart(writer.name)))
    )
  }
  return true
}

/** The branch of the reader's union that values of `writer` become: one of the same type, else the first that fits. */
export function branchFor(writer: AvroType, reader: UnionType): AvroType | undefined {
  return (
    reader.branches.find(
      branch =>
        branch === writer ||
        ('name' in branch && 'name' in writer && branch.kind === writer.kind && branch.name === writer.name),
    ) ??
    reader.branches.find(branch => isSame(writer, branch)) ??
    reader.branches.find(branch => fits(writer, branch))
  )
}

/** The field of the writer that fills a field of the reader. */
export function writerField(writer: RecordType, field: RecordField): RecordField | undefined {
  return (
    writer.fields.find(candidate => candidate.name === field.name) ??
    writer.fields.find(candidate => field.aliases.includes(candidate.name))
  )
}

export interface Obstacle {
  readonly path: string
  readonly reason: string
  /** No value at all can be read, not only those with this branch or symbol. */
  readonly always: boolean
}

/** Why values of `writer` cannot be read as `reader`; empty: all can. */
export function obstacles(writer: AvroType, reader: AvroType): Obstacle[] {
  const found: Obstacle[] = []
  compare(writer, reader, '', true, new Map(), found)
  return found
}

function compare(
  writer: AvroType,
  reader: AvroType,
  path: string,
  always: boolean,
  seen: Map<AvroType, Set<AvroType>>,
  found: Obstacle[],
): void {
  if (writer.kind === 'union') {
    // With one branch besides null, that branch is the value.
    const values = writer.branches.filter(branch => branch.kind !== 'null').length
    for (const branch of writer.branches) {
      compare(branch, reader, path, always && values === 1 && branch.kind !== 'null', seen, found)
    }
    return
  }
  if (reader.kind === 'union') {
    const branch = branchFor(writer, reader)
    if (branch === undefined) {
      found.push({
        path,
        always,
        reason: `is written as ${branchName(writer)}, which is no branch of the reader's union`,
      })
    } else compare(writer, branch, path, always, seen, found)
    return
  }
  if (!fits(writer, reader)) {
    const size = (type: AvroType) => (type.kind === 'fixed' ? ` of ${type.size} bytes` : '')
    found.push({
      path,
      always,
      reason: `is written as ${kindAndName(writer)}${size(writer)} and cannot be read as ${kindAndName(reader)}${size(reader)}`,
    })
    return
  }
  if (writer.kind === 'array' && reader.kind === 'array') {
    compare(writer.items, reader.items, `${path}[]`, always, seen, found)
  } else if (writer.kind === 'map' && reader.kind === 'map') {
    compare(writer.values, reader.values, pathTo(path, '*'), always, seen, found)
  } else if (writer.kind === 'enum' && reader.kind === 'enum') {
    const missing = reader.default === null ? writer.symbols.filter(symbol => !reader.symbols.includes(symbol)) : []
    if (missing.length > 0) {
      found.push({ path, always: false, reason: `lost the symbols ${missing.join(', ')} and has no default symbol` })
    }
  } else if (writer.kind === 'record' && reader.kind === 'record') {
    const before = seen.get(writer)
    if (before?.has(reader)) return
    if (before === undefined) seen.set(writer, new Set([reader]))
    else before.add(reader)
    for (const field of reader.fields) {
      const source = writerField(writer, field)
      const fieldPath = pathTo(path, field.name)
      if (source !== undefined) compare(source.type, field.type, fieldPath, always, seen, found)
      else if (field.default === undefined) {
        found.push({ path: fieldPath, always, reason: 'is not written and has no default' })
      }
    }
  }
}

function kindAndName(type: AvroType): string {
  return 'name' in type ? `${type.kind} ${type.name}` : branchName(type)
}

function lastPart(name: string): string {
  return name.slice(name.lastIndexOf('.') + 1)
}
