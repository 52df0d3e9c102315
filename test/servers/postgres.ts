/**
 * Real PostgreSQL for tests.
 *
 * 1. One server is shared by all test files of a run of `npm test`; a file that is run by plain `node --test` starts its
 *    own. Each test has a database of its own there.
 * 2. A server that a test stops or kills is its own.
 */
import { randomBytes } from 'node:crypto'
import { Client } from 'pg'
import { findOrInstallPostgres, type Postgres } from './postgres-installation.ts'
import { type PostgresOptions, PostgresServer } from './postgres-process.ts'
import type { SharedServer } from './shared-server.ts'

/** Set by `npm test`: the address of the shared server, and the installation, so that no file looks for it again. */
const VARIABLE = 'ALDEBARAN_TEST_POSTGRES'

interface Shared {
  url: string
  postgres: Postgres
}

let shared: Promise<Shared> | null = null

/** An empty database of the shared server, with a superuser. */
export async function postgresDatabase(): Promise<{ url: string; drop(): Promise<void> }> {
  shared ??= given() ?? startShared()
  const { url } = await shared
  const name = `test_${randomBytes(6).toString('hex')}`
  await execute(url, `CREATE DATABASE ${name}`)
  return {
    url: url.replace(/\/postgres$/, `/${name}`),
    drop: () => execute(url, `DROP DATABASE ${name} WITH (FORCE)`),
  }
}

/** A server of the test's own, which it ends. */
export async function postgresServer(options: PostgresOptions = {}): Promise<PostgresServer> {
  return PostgresServer.start((await given())?.postgres ?? findOrInstallPostgres(), options)
}

/** For serve.ts: the server of a whole run. */
export async function servePostgres(): Promise<SharedServer> {
  const postgres = findOrInstallPostgres()
  const server = await PostgresServer.start(postgres)
  const found: Shared = { url: server.url, postgres }
  return { environment: { [VARIABLE]: JSON.stringify(found) }, end: () => server.end() }
}

function given(): Promise<Shared> | null {
  const text = process.env[VARIABLE]
  return text === undefined ? null : Promise.resolve(JSON.parse(text) as Shared)
}

async function startShared(): Promise<Shared> {
  const postgres = findOrInstallPostgres()
  return { url: (await PostgresServer.start(postgres)).url, postgres }
}

async function execute(url: string, statement: string): Promise<void> {
  const client = new Client({ connectionString: url })
  await client.connect()
  try {
    await client.query(statement)
  } finally {
    await client.end()
  }
}
