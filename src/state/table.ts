import { AldebaranError } from '../errors.ts'
import type { TableDefinition, TaskTable } from './contract.ts'
import { DiskTable } from './disk-table.ts'
import { LocalDiskTable } from './local-disk-table.ts'
import { MemoryTable } from './memory-table.ts'
import type { TableOptions } from './table-options.ts'

/**
 * Makes the state of one task.
 * @throws AldebaranError PIPELINE_INVALID for fields or timers that a row cannot have; SCHEMA_INCOMPATIBLE when rows
 *   of one of the schemas cannot be read; OPTION_INVALID for a disk table without a store.
 */
export function createTable(definition: TableDefinition, options: TableOptions): TaskTable {
  if (definition.store === 'memory') return new MemoryTable(definition, options)
  const { store, keyspace, local } = options
  if (local !== undefined) return new LocalDiskTable(definition, options, local)
  if (store === undefined || keyspace === undefined) {
    throw new AldebaranError('OPTION_INVALID', `disk table '${definition.name}' needs a store and a keyspace`)
  }
  return new DiskTable(definition, options, store, keyspace)
}
