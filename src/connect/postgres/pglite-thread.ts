/** The thread of an embedded PostgreSQL: WebAssembly that computes would hold up whoever shares a thread with it. */
import { parentPort, workerData } from 'node:worker_threads'
import { PGlite } from '@electric-sql/pglite'
import type { PgliteAnswer, PgliteRequest } from './pglite.ts'

async function main(folder: string): Promise<void> {
  const port = parentPort
  if (port === null) return
  const database = await PGlite.create(folder).catch((error: unknown) => {
    port.postMessage({ id: 0, error: told(error) } satisfies PgliteAnswer)
    return null
  })
  if (database === null) return
  port.postMessage({ id: 0, rows: [], rowCount: null } satisfies PgliteAnswer)
  // Those who ask wait for the answer before they ask again, so requests follow each other.
  port.on('message', (request: PgliteRequest) => {
    void answer(database, request).then(found => {
      port.postMessage(found)
      if (request.text === null) port.close()
    })
  })
}

async function answer(database: PGlite, { id, text, values }: PgliteRequest): Promise<PgliteAnswer> {
  try {
    if (text === null) {
      await database.close()
      return { id, rows: [], rowCount: null }
    }
    if (values.length === 0) {
      const last = (await database.exec(text)).at(-1)
      return { id, rows: last?.rows ?? [], rowCount: last?.affectedRows ?? null }
    }
    const { rows, affectedRows } = await database.query(text, [...values])
    return { id, rows: rows as object[], rowCount: affectedRows ?? null }
  } catch (error) {
    return { id, error: told(error) }
  }
}

function told(error: unknown): { message: string; code: string; routine: string } {
  const { message, code, routine } = (error ?? {}) as { message?: unknown; code?: unknown; routine?: unknown }
  return {
    message: String(message ?? error),
    code: typeof code === 'string' ? code : '',
    routine: typeof routine === 'string' ? routine : '',
  }
}

void main((workerData as { folder: string }).folder)
