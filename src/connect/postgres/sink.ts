import { AldebaranError } from '../../errors.ts'
import type { Topic } from '../../pipeline/topic.ts'
import { parseDuration, parseSize } from '../../pipeline/units.ts'
import type { Source } from '../../runtime/source.ts'
import { type Database, type DatabaseSession, type RunQuery, serverDatabase } from './database.ts'
import { loadPostgres } from './driver.ts'
import { pglite } from './pglite.ts'
import { planColumns, type SinkColumns } from './sink-columns.ts'
import type { SinkPlan, SinkRows } from './sink-plan.ts'
import { sinkStatements } from './sink-statements.ts'
import { SinkWriter } from './sink-writer.ts'

export interface SinkSettings<K, V> {
  /** Of the sink, within its application: with the name of that it is what its positions are found by. */
  name: string
  topic: Topic<K, V>
  /** postgres://user:password@host:port/database?sslmode=…; a primary, and not through a pooler of transactions. */
  url?: string
  /** Instead of `url`: PostgreSQL within this process, in this folder. */
  pglite?: string
  /** Instead of either: a database that others use too, as `pglite(folder)` or `serverDatabase(url)` gives it. */
  database?: Database
  /** `name` or `schema.name`, as it is in PostgreSQL: upper case counts. It must be there after `setup`. */
  table: string
  columns: SinkColumns<K, V>
  /** `append`: each record is a row more. `upsert`: it replaces the row with its `key`. */
  mode: 'append' | 'upsert'
  /** For `upsert`: columns that a unique index or the primary key is made of. */
  key?: readonly string[]
  /** What is written in one transaction, at most. */
  batch?: {
    /** Default 5000. */
    rows?: number
    /** Bytes of the records, which also is what all batches that fill may hold together. Default '8MB'. */
    bytes?: string | number
    /** No record waits longer for others to come. Default '1s'. */
    time?: string | number
  }
  /** Where it begins when the database has no position of it yet. Default 'earliest'. */
  from?: 'earliest' | 'latest'
  /** Makes what is missing; called at each connection, by the one that is to write. */
  setup?(session: DatabaseSession): Promise<void>
  /** Called before each transaction with the elements of its rows as text, by column. */
  prepare?(query: RunQuery, rows: SinkRows): Promise<void>
}

/**
 * Writes the records of a topic to a table of PostgreSQL, each exactly once: its position becomes durable in the
 * transaction of its row. Run it as one of the `sources` of an application. A record that PostgreSQL refuses becomes a
 * dead letter of the application, and the others go on.
 * @throws AldebaranError OPTION_INVALID, NAME_INVALID; PACKAGE_MISSING when it is started
 */
export function postgresSink<K, V>(settings: SinkSettings<K, V>): Source {
  const { name, topic, table, mode, key = [], batch = {}, from = 'earliest', setup, prepare } = settings
  const { rows = 5000, bytes = '8MB', time = '1s' } = batch
  if (!Number.isInteger(rows) || rows < 1 || rows > 100_000) {
    throw new AldebaranError('OPTION_INVALID', `batch.rows: ${rows} is not a whole number from 1 to 100000`, {
      option: 'batch',
    })
  }
  const columns = planColumns(settings.columns)
  const plan: SinkPlan = {
    name,
    topic,
    table,
    columns,
    from,
    database: databaseOf(settings),
    statements: sinkStatements({ table, columns, key, mode }),
    rows,
    bytes: parseSize(bytes, 'batch.bytes'),
    waitMs: parseDuration(time, 'batch.time'),
    setup: setup === undefined ? null : (session: DatabaseSession) => setup(session),
    prepare: prepare === undefined ? null : (query: RunQuery, sent: SinkRows) => prepare(query, sent),
  }
  return {
    name,
    async start(running, report) {
      if (settings.url !== undefined) await loadPostgres()
      return new SinkWriter(plan, running, report)
    },
  }
}

function databaseOf(settings: Pick<SinkSettings<unknown, unknown>, 'url' | 'pglite' | 'database'>): Database {
  const { url, pglite: folder, database } = settings
  if ([url, folder, database].filter(one => one !== undefined).length !== 1) {
    throw new AldebaranError('OPTION_INVALID', 'url, pglite, database: give one of them', { option: 'url' })
  }
  if (url !== undefined) return serverDatabase(url)
  return folder !== undefined ? pglite(folder) : database!
}
