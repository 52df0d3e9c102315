import type { LocalTable, Log } from '../log/contract.ts'
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
  report: (level: 'info' | 'warn' | 'error', message: string, details: Record<string, unknown>) => void
}

/** Rows of a disk table are written with the commit where the log can hold them. */
export function hasChangelog(log: Log, store: 'memory' | 'disk'): boolean {
  return store === 'memory' || !log.capabilities.tables
}

/** One table of a task, with the way its changes go. */
export interface TaskState {
  readonly node: TableNode
  readonly table: TaskTable
  /** Its number among the tables of all tasks. */
  readonly index: number
  /** Null: its rows are written with the commit. */
  readonly changelog: BatchRun | null
  /** The changelog is trimmed up to this offset. */
  trimmed: number
  /** Gives its memory back to the budget. */
  release(): void
}

/**
 * Makes a table of a task: a memory table is empty, and is restored by a Replica; a disk table has the rows that are on
 * this machine, or none when it `beginsAnew`, and is brought up to date by a Replica where it has a changelog.
 */
export function openState(
  plan: TaskPlan,
  node: TableNode,
  environment: StateEnvironment,
  beginsAnew = false,
): TaskState {
  const { log } = environment
  const { definition } = node
  const isFollowed = hasChangelog(log, definition.store)
  const id = tableId(plan.application, plan.part.pipeline, definition.name)
  const versions = environment.versions.get(id)!
  const changelog = changelogOf(plan.application, plan.part.pipeline, definition.name)
  let charged = 0
  const charge = (bytes: number, always?: boolean): void => {
    environment.charge(bytes, always)
    charged += bytes
  }
  const range = isFollowed ? log.partition(changelog, plan.partition) : { start: 0, end: 0 }
  const isLocal = isFollowed && definition.store === 'disk'
  const local = isLocal ? openLocal(plan, node, changelog, beginsAnew ? null : range, environment) : null
  const release = (): void => {
    charge(-charged)
    local?.release()
  }
  try {
    const table = createTable(definition, {
      schemaId: versions.current,
      schemas: versions.definitions,
      keyspace: `${id}/${plan.partition}`,
      store: log,
      charge,
      changelogRecords: environment.changelogRecords,
      // A changelog holds at most about two records a row: so many rows are there at least, when it is full.
      expectedRows: isLocal ? 0 : Math.ceil((range.end - range.start) / 2),
      ...(local === null ? {} : { local }),
      now: () => environment.clock.now(),
      ...(definition.cacheRows === undefined ? {} : { cacheRows: definition.cacheRows }),
    })
    return {
      node,
      table,
      index: plan.firstTable + plan.part.tables.indexOf(node),
      changelog: isFollowed ? new BatchRun(changelog, plan.partition) : null,
      trimmed: range.start,
      release,
    }
  } catch (error) {
    release()
    throw error
  }
}

function openLocal(
  { id, partition }: TaskPlan,
  { definition }: TableNode,
  changelog: string,
  range: { start: number; end: number } | null,
  { log, report }: StateEnvironment,
): LocalTable {
  // Which deadlines are listed in the store depends on the timers that the table has.
  const local = log.localTables!.open(changelog, partition, JSON.stringify(Object.keys(definition.timers)), range)
  if (local.reason !== null) {
    const details = { task: id, table: definition.name, reason: local.reason }
    report('warn', 'the rows of a disk table on this machine are not used; they are read from the changelog', details)
  }
  return local
}
