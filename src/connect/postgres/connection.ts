/**
 * One connection to PostgreSQL, for one who needs it to stay the same: it holds a lock and listens.
 *
 * 1. Once it is lost, every call fails, and with what it was lost by.
 * 2. No call waits for ever: PostgreSQL ends a statement, and when it does not, the statement fails here.
 */
import { Socket } from 'node:net'
import type { Client, QueryResult } from 'pg'
import type { PostgresAddress } from './connection-url.ts'
import { loadPostgres } from './driver.ts'
import { connectionConfig } from './pool.ts'
import { postgresError } from './postgres-error.ts'

/** Of one statement, ms. */
const STATEMENT_MS = 30_000
/** For a farewell, ms. */
const GOODBYE_MS = 1000

export class PostgresConnection {
  readonly #address: PostgresAddress
  readonly #client: Client
  readonly #socket: Socket
  #lost: unknown = null

  private constructor(address: PostgresAddress, client: Client, socket: Socket) {
    this.#address = address
    this.#client = client
    this.#socket = socket
  }

  /** `heard` is called with each notification, and when the connection is lost. @throws AldebaranError POSTGRES_… */
  static async open(address: PostgresAddress, name: string, heard: () => void): Promise<PostgresConnection> {
    const { Client } = await loadPostgres()
    const socket = new Socket()
    const config = connectionConfig(address, name, STATEMENT_MS)
    const client = new Client({ ...config, stream: () => socket })
    const connection = new PostgresConnection(address, client, socket)
    const lose = (error: unknown): void => {
      connection.#lost ??= error
      heard()
    }
    client.on('error', lose)
    client.on('end', () => lose(new Error('the connection was closed')))
    client.on('notification', heard)
    try {
      await client.connect()
    } catch (error) {
      socket.destroy()
      throw postgresError(error, address)
    }
    return connection
  }

  /** @throws AldebaranError POSTGRES_UNAVAILABLE, POSTGRES_REFUSED */
  async query<R extends object>(text: string, values: readonly unknown[] = []): Promise<QueryResult<R>> {
    try {
      if (this.#lost !== null) throw this.#lost
      // Without values several statements may be in one text.
      return await (values.length === 0 ? this.#client.query<R>(text) : this.#client.query<R>(text, [...values]))
    } catch (error) {
      throw postgresError(error, this.#address)
    }
  }

  /** What is under way fails. */
  destroy(): void {
    this.#socket.destroy()
  }

  async close(): Promise<void> {
    const late = setTimeout(() => this.destroy(), GOODBYE_MS)
    await this.#client.end().catch(() => {})
    clearTimeout(late)
    this.destroy()
  }
}
