import type { RowCopy, TableDefinition } from './contract.ts'
import { type AnyRow, compileRowClass, type RowClass } from './row-class.ts'
import { compileEncode, type EncodeRow } from './row-codec.ts'
import { planRow, type RowLayout } from './row-layout.ts'
import type { RowStore } from './row-store.ts'

/** What all tasks of a table share. */
export interface CompiledTable {
  readonly layout: RowLayout
  readonly Row: RowClass
  readonly encode: EncodeRow
}

/** One class a definition: a handler that runs for many tasks of a thread stays monomorphic. */
const compiled = new WeakMap<TableDefinition, CompiledTable>()

/** @throws AldebaranError PIPELINE_INVALID for fields that a row cannot have. */
export function compileTable(definition: TableDefinition): CompiledTable {
  let table = compiled.get(definition)
  if (table === undefined) {
    const layout = planRow(definition)
    table = { layout, Row: compileRowClass(layout), encode: compileEncode(layout) }
    compiled.set(definition, table)
  }
  return table
}

/** A plain copy of the row `view` shows. */
export function copyRow(s: RowStore, view: AnyRow): RowCopy {
  const fields: Record<string, unknown> = {}
  const timers: Record<string, number> = {}
  const values = view as unknown as Record<string, unknown>
  for (const column of s.layout.columns) fields[column.name] = values[column.name]
  for (const timer of s.layout.timers) {
    const deadline = values[timer.name] as number
    if (deadline !== 0) timers[timer.name] = deadline
  }
  return { key: view.key, fields, timers }
}
