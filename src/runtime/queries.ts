import { LIVE_DESTINATIONS } from '../delivery/delivery.ts'
import { asBuffer } from '../record/as-buffer.ts'
import type { RowCopy, TaskTable } from '../state/contract.ts'
import { LIVE_EVENTS, liveEvents } from './live-events.ts'
import type { TaskWorker } from './worker.ts'

/** A question to the worker that owns a partition of a table. Keys are bytes of the table's key schema. */
export type TableQuery =
  | { kind: 'get'; pipeline: string; table: string; partition: number; key: Uint8Array }
  | {
      kind: 'scan'
      pipeline: string
      table: string
      partition: number
      from: Uint8Array | null
      to: Uint8Array | null
      limit: number
    }

/** The tasks' parts of a table that this worker has: of one partition, or of all. */
export function findTables(worker: TaskWorker, pipeline: string, table: string, partition?: number): TaskTable[] {
  return worker.tasks
    .filter(({ plan }) => plan.part.pipeline === pipeline && plan.partition === (partition ?? plan.partition))
    .flatMap(task => task.states)
    .filter(state => state.node.definition.name === table)
    .map(state => state.table)
}

/** Every row of a table that this worker has, in byte order of the keys within a partition. */
export function allRows(worker: TaskWorker, pipeline: string, table: string): RowCopy[] {
  return findTables(worker, pipeline, table).flatMap(one => one.scan(undefined, undefined, Number.MAX_SAFE_INTEGER))
}

/** Answers from the rows as the last processed record left them; undefined: the table is not here (now). */
export function answerQuery(worker: TaskWorker, query: TableQuery): RowCopy[] | undefined {
  if (query.table === LIVE_DESTINATIONS || query.table === LIVE_EVENTS) return answerLive(worker, query)
  const table = findTables(worker, query.pipeline, query.table, query.partition)[0]
  if (table === undefined) return undefined
  if (query.kind === 'get') {
    const key = asBuffer(query.key)
    const row = table.get(key, 0, key.length)
    return row === undefined ? [] : [row]
  }
  return table.scan(
    query.from === null ? undefined : asBuffer(query.from),
    query.to === null ? undefined : asBuffer(query.to),
    query.limit,
  )
}

/** What a delivery has in memory. */
function answerLive(worker: TaskWorker, query: TableQuery): RowCopy[] | undefined {
  const { pipeline, partition } = query
  const task = worker.tasks.find(({ plan }) => plan.part.pipeline === pipeline && plan.partition === partition)
  if (!task?.courier) return undefined
  if (query.table === LIVE_EVENTS) {
    return query.kind === 'get' ? liveEvents(task.courier, asBuffer(query.key).toString()) : undefined
  }
  if (query.kind !== 'scan') return undefined
  const textOf = (bytes: Uint8Array | null): string | null => (bytes === null ? null : asBuffer(bytes).toString())
  return task.courier.destinations.list(textOf(query.from) ?? '', textOf(query.to), query.limit)
}
