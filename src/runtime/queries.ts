import type { RowCopy } from '../state/contract.ts'
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

/** Answers from the rows as the last processed record left them; undefined: the table is not here (now). */
export function answerQuery(worker: TaskWorker, query: TableQuery): RowCopy[] | undefined {
  const task = worker.tasks.find(
    one =>
      one.plan.part.pipeline === query.pipeline &&
      one.plan.partition === query.partition &&
      one.states.some(state => state.node.definition.name === query.table),
  )
  const table = task?.states.find(state => state.node.definition.name === query.table)?.table
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

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}
