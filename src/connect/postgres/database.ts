/** A database of PostgreSQL, wherever it runs: a server, or within this process. What uses it does not know which. */

import { PostgresConnection } from './connection.ts'
import { parsePostgresUrl } from './connection-url.ts'

export interface QueryRows<R extends object> {
  readonly rows: R[]
  /** Rows that the statement changed; null: it is none that does. */
  readonly rowCount: number | null
}

/** Runs a statement. Without values several may be in one text. */
export type RunQuery = <R extends object>(text: string, values?: readonly unknown[]) => Promise<QueryRows<R>>

/** One session, with its locks and settings. Once it is lost, every call fails. Calls follow each other. */
export interface DatabaseSession {
  /** @throws AldebaranError POSTGRES_UNAVAILABLE, POSTGRES_REFUSED */
  readonly query: RunQuery
  /** Commits what `work` did, or nothing of it when it throws; nobody else's statement comes between. */
  transaction<T>(work: (query: RunQuery) => Promise<T>): Promise<T>
  /** What is under way fails. */
  destroy(): void
  close(): Promise<void>
}

export interface Database {
  /** For messages: without a password. */
  readonly label: string
  /** `lost` is called when the session is. @throws AldebaranError POSTGRES_…, PACKAGE_MISSING */
  connect(name: string, lost: () => void): Promise<DatabaseSession>
}

/**
 * A server, by its address: postgres://user:password@host:port/database?sslmode=… `option`: what the address is called
 * where it was given. Nothing is connected yet.
 * @throws AldebaranError OPTION_INVALID
 */
export function serverDatabase(url: string, option = 'url'): Database {
  const address = parsePostgresUrl(url, option)
  return {
    label: address.label,
    connect: async (name, lost) => new ServerSession(await PostgresConnection.open(address, name, lost)),
  }
}

class ServerSession implements DatabaseSession {
  readonly #connection: PostgresConnection
  readonly query: RunQuery

  constructor(connection: PostgresConnection) {
    this.#connection = connection
    this.query = (text, values) => connection.query(text, values)
  }

  async transaction<T>(work: (query: RunQuery) => Promise<T>): Promise<T> {
    return await inTransaction(this.query, work)
  }

  destroy(): void {
    this.#connection.destroy()
  }

  close(): Promise<void> {
    return this.#connection.close()
  }
}

/** What fails is told, and not what undoing it may fail with: a connection that is gone has undone it. */
export async function inTransaction<T>(query: RunQuery, work: (query: RunQuery) => Promise<T>): Promise<T> {
  await query('BEGIN ISOLATION LEVEL READ COMMITTED')
  let result: T
  try {
    result = await work(query)
    await query('COMMIT')
  } catch (error) {
    await query('ROLLBACK').catch(() => {})
    throw error
  }
  return result
}
