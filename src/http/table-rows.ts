import { AldebaranError } from '../errors.ts'
import { partitionOf } from '../record/partitioner.ts'
import type { TableQuery } from '../runtime/queries.ts'
import type { Running } from '../runtime/start.ts'
import type { RowCopy } from '../state/contract.ts'
import { encoded, keyBytesFromText, keyToText, plain } from './codec.ts'
import type { SiteTable } from './site.ts'

export interface RowView {
  key: unknown
  partition: number
  fields: unknown
  /** Deadlines of the timers that are set, ms since 1970. */
  timers: Record<string, number>
}

/** A worker that is busy with a long handler answers late; a client waits no longer than this, ms. */
const ANSWER_MS = 5000

/** The row of a key written as text; null: there is none. */
export async function getRow(table: SiteTable, keyText: string): Promise<RowView | null> {
  const { pipeline, partitions, node, running } = table
  const key = keyBytesFromText(node.definition.key, keyText)
  const partition = partitionOf(key, 0, key.length, partitions)
  const query: TableQuery = { kind: 'get', pipeline, table: node.definition.name, partition, key }
  const [row] = await ask(running, query)
  return row === undefined ? null : viewRow(table, partition, row)
}

/** Rows of all partitions with from ≤ key < to, in the byte order of their keys. `next`: the key to go on from, or null. */
export async function scanRows(
  table: SiteTable,
  fromText: string | undefined,
  toText: string | undefined,
  limit: number,
): Promise<{ rows: RowView[]; next: string | null }> {
  const { pipeline, partitions, node, running } = table
  const { name, key } = node.definition
  const from = fromText === undefined ? null : keyBytesFromText(key, fromText)
  const to = toText === undefined ? null : keyBytesFromText(key, toText)
  const parts = await Promise.all(
    Array.from({ length: partitions }, async (_, partition) => {
      const query: TableQuery = { kind: 'scan', pipeline, table: name, partition, from, to, limit: limit + 1 }
      const rows = await ask(running, query)
      return rows.map(row => ({ partition, row, bytes: encoded(key, row.key) }))
    }),
  )
  const all = parts.flat().sort((a, b) => a.bytes.compare(b.bytes))
  const after = all[limit]
  return {
    rows: all.slice(0, limit).map(({ partition, row }) => viewRow(table, partition, row)),
    next: after === undefined ? null : keyToText(key, after.row.key),
  }
}

/** @throws AldebaranError BUSY */
export async function ask(running: Running, query: TableQuery): Promise<RowCopy[]> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      reject(new AldebaranError('BUSY', `the worker of partition ${query.partition} did not answer in ${ANSWER_MS} ms`))
    }, ANSWER_MS)
  })
  try {
    const rows = await Promise.race([running.query(query), late])
    if (rows !== undefined) return rows
    throw new AldebaranError('BUSY', `the rows of partition ${query.partition} are being restored`, {
      partition: query.partition,
    })
  } finally {
    clearTimeout(timer)
  }
}

function viewRow(table: SiteTable, partition: number, row: RowCopy): RowView {
  return { key: table.node.definition.key.toJson(row.key), partition, fields: plain(row.fields), timers: row.timers }
}
