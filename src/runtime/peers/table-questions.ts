/** Questions for rows that another node has: put there, and answered here. */
import { AldebaranError } from '../../errors.ts'
import type { RowCopy } from '../../state/contract.ts'
import type { TableQuery } from '../queries.ts'
import { type Endpoint, isCount, isRecord, isText } from './peer-info.ts'
import type { PeerMesh } from './peer-mesh.ts'

/**
 * The rows as the other node has them; undefined: it has no such table now.
 * @throws AldebaranError BUSY: it cannot be asked now; or what it failed with.
 */
export async function askRows(
  mesh: Pick<PeerMesh, 'ask'>,
  target: Endpoint | string,
  query: TableQuery,
  timeoutMs: number,
): Promise<RowCopy[] | undefined> {
  const rows = await mesh.ask(target, { rows: query }, timeoutMs)
  if (rows !== undefined && !Array.isArray(rows)) {
    throw new AldebaranError('INTERNAL', 'another node answered something that are no rows')
  }
  return rows as RowCopy[] | undefined
}

/** For the `answer` of a mesh: null when that is no question for rows. */
export function answerRows(
  question: unknown,
  query: (query: TableQuery) => Promise<RowCopy[] | undefined>,
): Promise<RowCopy[] | undefined> | null {
  const parsed = isRecord(question) ? parseQuery(question.rows) : null
  return parsed === null ? null : query(parsed)
}

function parseQuery(value: unknown): TableQuery | null {
  if (!isRecord(value)) return null
  const { kind, pipeline, table, partition, key, from, to, limit } = value
  if (!isText(pipeline) || !isText(table) || !isCount(partition)) return null
  if (kind === 'get') return isBytes(key) ? { kind, pipeline, table, partition, key } : null
  if (kind !== 'scan' || !isBound(from) || !isBound(to) || !isCount(limit)) return null
  return { kind, pipeline, table, partition, from, to, limit }
}

function isBytes(value: unknown): value is Uint8Array {
  return value instanceof Uint8Array
}

function isBound(value: unknown): value is Uint8Array | null {
  return value === null || isBytes(value)
}
