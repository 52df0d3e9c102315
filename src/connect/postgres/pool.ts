import type { PoolConfig } from 'pg'
import { AldebaranError } from '../../errors.ts'
import { type PostgresAddress, parsePostgresUrl } from './connection-url.ts'
import { loadPostgres } from './driver.ts'
import { postgresError } from './postgres-error.ts'

export interface PoolSettings {
  /** Connections at most. Default 4. */
  max?: number
  /** As PostgreSQL lists the connections. Default 'aldebaran'. */
  applicationName?: string
  /** Of one statement, ms. PostgreSQL ends it then; the connection is given up when no answer comes. Default 15000. */
  statementTimeout?: number
}

/** Connections to one database, made when they are needed and made again when they are lost. */
export interface PostgresPool {
  /**
   * One statement, in a transaction of its own; resolves with its rows.
   * @throws AldebaranError POSTGRES_UNAVAILABLE, after which the same may succeed; POSTGRES_REFUSED
   */
  query<R extends object>(text: string, values?: readonly unknown[]): Promise<R[]>
  /** Resolves when what is under way has ended. */
  close(): Promise<void>
}

/** For a connection, and for a turn on one of those there are; ms. */
const CONNECT_MS = 10_000
const KEEP_ALIVE_MS = 10_000
const IDLE_MS = 30_000
/** PostgreSQL ends a statement first, and says so. */
const ANSWER_MARGIN_MS = 5000
const LOCK_MS = 10_000

/**
 * Connects to nothing yet. Settings are checked before the first await.
 * @throws AldebaranError OPTION_INVALID, PACKAGE_MISSING
 */
export async function openPool(url: string, settings: PoolSettings = {}): Promise<PostgresPool> {
  const { max = 4, applicationName = 'aldebaran', statementTimeout = 15_000 } = settings
  const address = parsePostgresUrl(url)
  checkNumber('max', max)
  checkNumber('statementTimeout', statementTimeout)
  const { Pool } = await loadPostgres()
  const pool = new Pool({
    ...connectionConfig(address, applicationName, statementTimeout),
    max,
    idleTimeoutMillis: IDLE_MS,
    allowExitOnIdle: true,
  })
  // A connection that is lost while nobody uses it: the next statement gets another one.
  pool.on('error', () => {})
  return {
    async query<R extends object>(text: string, values: readonly unknown[] = []): Promise<R[]> {
      try {
        const { rows } = await pool.query<R>(text, [...values])
        return rows
      } catch (error) {
        throw postgresError(error, address)
      }
    },
    close: () => pool.end(),
  }
}

/** What every connection is made with, so that none waits for ever. */
export function connectionConfig(address: PostgresAddress, applicationName: string, statementMs: number) {
  const { host, port, user, password, database, ssl } = address
  return {
    ...(host === undefined ? {} : { host }),
    ...(port === undefined ? {} : { port }),
    ...(user === undefined ? {} : { user }),
    ...(password === undefined ? {} : { password }),
    ...(database === undefined ? {} : { database }),
    ssl,
    application_name: applicationName,
    connectionTimeoutMillis: CONNECT_MS,
    keepAlive: true,
    keepAliveInitialDelayMillis: KEEP_ALIVE_MS,
    statement_timeout: statementMs,
    lock_timeout: LOCK_MS,
    query_timeout: statementMs + ANSWER_MARGIN_MS,
  } satisfies PoolConfig
}

function checkNumber(option: string, value: number): void {
  if (Number.isInteger(value) && value >= 1) return
  throw new AldebaranError('OPTION_INVALID', `${option}: ${value} is not a whole number from 1`, { option })
}
