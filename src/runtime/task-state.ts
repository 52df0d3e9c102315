import { AldebaranError } from '../errors.ts'
import type { Log } from '../log/contract.ts'
import type { TableNode } from '../pipeline/node.ts'
import { BatchCursor } from '../record/batch-cursor.ts'
import type { TaskTable } from '../state/contract.ts'
import { createTable } from '../state/table.ts'
import type { Clock } from '../time/clock.ts'
import { changelogOf } from './application.ts'
import type { Measures } from './measures.ts'
import { BatchRun } from './outputs.ts'
import type { TaskPlan } from './task-plan.ts'

const RESTORE_BYTES = 4 * 1024 * 1024

/** Every version of the rows of a table that was ever in use, and the one in use now. */
export interface RowVersions {
  current: number
  definitions: ReadonlyMap<number, string>
}

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
}

export function tableId(application: string, pipeline: string, table: string): string {
  return `${application}.${pipeline}.${table}`
}

/** The tables of a task as the log has them: memory tables are read back from their changelog. */
export function openStates(plan: TaskPlan, environment: StateEnvironment): TaskState[] {
  return plan.part.tables.map((node, i) => {
    const { log } = environment
    const { definition } = node
    const id = tableId(plan.application, plan.part.pipeline, definition.name)
    const versions = environment.versions.get(id)!
    const changelog = changelogOf(plan.application, plan.part.pipeline, definition.name)
    const table = createTable(definition, {
      schemaId: versions.current,
      schemas: versions.definitions,
      keyspace: `${id}/${plan.partition}`,
      store: log,
      charge: environment.charge,
      changelogRecords: environment.changelogRecords,
      expectedRows: definition.store === 'disk' ? 0 : expectedRows(log, changelog, plan.partition),
    })
    const index = plan.firstTable + i
    if (definition.store === 'disk') return { node, table, index, changelog: null, trimmed: 0 }
    restore(table, changelog, plan.partition, environment)
    return {
      node,
      table,
      index,
      changelog: new BatchRun(changelog, plan.partition),
      trimmed: log.partition(changelog, plan.partition).start,
    }
  })
}

/** A changelog holds at most about two records a row: so many rows are there at least, when it is full. */
function expectedRows(log: Log, changelog: string, partition: number): number {
  const { start, end } = log.partition(changelog, partition)
  return Math.ceil((end - start) / 2)
}

function restore(table: TaskTable, topic: string, partition: number, environment: StateEnvironment): void {
  const { log, clock, measures } = environment
  const begun = clock.monotonic()
  const reader = log.reader(topic, partition, 'earliest')
  const first = reader.position
  const cursor = new BatchCursor({ verified: true })
  while (reader.poll(RESTORE_BYTES)) {
    cursor.reset(reader.chunk, 0, reader.size)
    try {
      table.restore(cursor)
    } catch (error) {
      throw located(error, topic, partition, cursor.offset)
    }
  }
  measures.add('restoredRecords', reader.position - first)
  measures.add('restoreMs', clock.monotonic() - begun)
  reader.close()
}

/** What is wrong with a stored row, with the place where it lies. */
function located(error: unknown, topic: string, partition: number, offset: number): unknown {
  if (!(error instanceof AldebaranError) || error.fate !== 'corrupted') return error
  const details = { ...error.details, topic, partition, offset }
  return new AldebaranError(
    error.code,
    `${error.message}, at offset ${offset} of ${topic}/${partition}`,
    details,
    error,
  )
}
