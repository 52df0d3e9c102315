import type { Log } from '../log/contract.ts'
import type { TableNode } from '../pipeline/node.ts'
import type { TaskTable } from '../state/contract.ts'
import { createTable } from '../state/table.ts'
import type { Clock } from '../time/clock.ts'
import { changelogOf } from './application.ts'
import type { Measures } from './measures.ts'
import { BatchRun } from './outputs.ts'
import { type RowVersions, tableId } from './row-versions.ts'
import type { TaskPlan } from './task-plan.ts'

export interface StateEnvironment {
  log: Log
  clock: Clock
  measures: Measures
  /** By `tableId`. */
  versions: ReadonlyMap<string, RowVersions>
  charge: (bytes: number, always?: boolean) => void
  changelogRecords: number
}

/** One table of a task, with the way its changes go. */
export interface TaskState {
  readonly node: TableNode
  readonly table: TaskTable
  /** Its number among the tables of all tasks. */
  readonly index: number
  /** Null for a disk table: its rows are written with the commit. */
  readonly changelog: BatchRun | null
  /** The changelog is trimmed up to this offset. */
  trimmed: number
  /** Gives its memory back to the budget. */
  release(): void
}

/** Makes a table of a task: a memory table is empty, and is restored by a Replica; a disk table has its rows. */
export function openState(plan: TaskPlan, node: TableNode, environment: StateEnvironment): TaskState {
  const { log } = environment
  const { definition } = node
  const isDisk = definition.store === 'disk'
  const id = tableId(plan.application, plan.part.pipeline, definition.name)
  const versions = environment.versions.get(id)!
  const changelog = changelogOf(plan.application, plan.part.pipeline, definition.name)
  let charged = 0
  const charge = (bytes: number, always?: boolean): void => {
    environment.charge(bytes, always)
    charged += bytes
  }
  const release = (): void => charge(-charged)
  try {
    const table = createTable(definition, {
      schemaId: versions.current,
      schemas: versions.definitions,
      keyspace: `${id}/${plan.partition}`,
      store: log,
      charge,
      changelogRecords: environment.changelogRecords,
      expectedRows: isDisk ? 0 : expectedRows(log, changelog, plan.partition),
    })
    return {
      node,
      table,
      index: plan.firstTable + plan.part.tables.indexOf(node),
      changelog: isDisk ? null : new BatchRun(changelog, plan.partition),
      trimmed: isDisk ? 0 : log.partition(changelog, plan.partition).start,
      release,
    }
  } catch (error) {
    release()
    throw error
  }
}

/** A changelog holds at most about two records a row: so many rows are there at least, when it is full. */
function expectedRows(log: Log, changelog: string, partition: number): number {
  const { start, end } = log.partition(changelog, partition)
  return Math.ceil((end - start) / 2)
}
