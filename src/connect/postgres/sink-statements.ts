/** The statements of a sink. They are the same for a server and for the embedded PostgreSQL. */
import { AldebaranError } from '../../errors.ts'
import { quoteName, quoteTable } from './outbox-statements.ts'
import type { PlannedColumn } from './sink-columns.ts'

const POSITIONS_TABLE = 'aldebaran_positions'

export interface SinkNames {
  /** `name` or `schema.name`. */
  readonly table: string
  readonly columns: readonly PlannedColumn[]
  /** Names of columns. */
  readonly key: readonly string[]
  readonly mode: 'append' | 'upsert'
}

export type SinkStatements = ReturnType<typeof sinkStatements>

/**
 * A sink that PostgreSQL does not hear from any more loses its lock: its transaction or, from PostgreSQL 14 on, its
 * session ends within a minute.
 */
const SESSION = `SET SESSION idle_in_transaction_session_timeout = '60s'; SET SESSION tcp_keepalives_idle = 10;
  SET SESSION tcp_keepalives_interval = 5; SET SESSION tcp_keepalives_count = 3;
  SELECT set_config(name, '60s', false) FROM pg_settings WHERE name = 'idle_session_timeout'`

/** @throws AldebaranError OPTION_INVALID */
export function sinkStatements({ table: name, columns, key, mode }: SinkNames) {
  const table = quoteTable(name)
  const schema = name.includes('.') ? `${name.slice(0, name.indexOf('.'))}.` : ''
  const positions = quoteTable(schema + POSITIONS_TABLE)
  return {
    session: SESSION,
    lock: `SELECT pg_try_advisory_lock(hashtextextended('aldebaran sink ' || $1::text, 0)) AS held`,
    hasPositions: 'SELECT to_regclass($1::text) IS NOT NULL AS found',
    positionsName: positions,
    lockPositions: `SELECT pg_advisory_xact_lock(hashtextextended('${POSITIONS_TABLE}', 0))`,
    createPositions: `CREATE TABLE IF NOT EXISTS ${positions} (
  sink text NOT NULL,
  topic text NOT NULL,
  partition integer NOT NULL,
  "offset" bigint NOT NULL,
  updated_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (sink, topic, partition)
)`,
    /** Fails where the table, a column or a right is missing. */
    check: `INSERT INTO ${table} (${columns.map(one => one.sql)}) SELECT ${columns.map(one => one.sql)} FROM ${table} WHERE false`,
    beginPosition: `INSERT INTO ${positions} (sink, topic, partition, "offset") VALUES ($1, $2, $3, $4)
  ON CONFLICT DO NOTHING`,
    readPositions: `SELECT partition, "offset"::text AS "offset" FROM ${positions} WHERE sink = $1 AND topic = $2`,
    move: `UPDATE ${positions} SET "offset" = $5::bigint, updated_at = now()
  WHERE sink = $1 AND topic = $2 AND partition = $3 AND "offset" = $4::bigint`,
    insert: mode === 'append' ? append(table, columns) : upsert(table, columns, key),
    alive: 'SELECT 1',
  } as const
}

function append(table: string, columns: readonly PlannedColumn[]): string {
  return `INSERT INTO ${table} (${columns.map(one => one.sql)})
  SELECT ${columns.map(selected)} FROM unnest(${columns.map(parameter)}) AS sent (${columns.map(alias)})`
}

/**
 * Of rows with one key the last one of the batch counts: PostgreSQL refuses to change a row twice in one statement. In
 * the order of the key, in which others lock them too.
 */
function upsert(table: string, columns: readonly PlannedColumn[], key: readonly string[]): string {
  const keys = key.map(name => columns.findIndex(one => one.name === name))
  const missing = key.find((_, i) => keys[i] === -1)
  if (key.length === 0 || missing !== undefined) {
    const problem = missing === undefined ? "mode 'upsert' needs the columns of a unique key" : `no column ${missing}`
    throw new AldebaranError('OPTION_INVALID', `key: ${problem}`, { option: 'key' })
  }
  const rest = columns.filter(one => !key.includes(one.name))
  const change = rest.map(one => `${one.sql} = EXCLUDED.${one.sql}`)
  const by = keys.map(at => selected(columns[at]!, at))
  return `INSERT INTO ${table} (${columns.map(one => one.sql)})
  SELECT DISTINCT ON (${by}) ${columns.map(selected)}
  FROM unnest(${columns.map(parameter)}) WITH ORDINALITY AS sent (${columns.map(alias)}, number)
  ORDER BY ${by}, sent.number DESC
  ON CONFLICT (${key.map(name => quoteName('key', name))}) DO ${change.length === 0 ? 'NOTHING' : `UPDATE SET ${change}`}`
}

function alias(_: PlannedColumn, at: number): string {
  return `c${at}`
}

function selected({ type, sentType }: PlannedColumn, at: number): string {
  return type === sentType ? `sent.c${at}` : `sent.c${at}::${type}`
}

function parameter({ sentType }: PlannedColumn, at: number): string {
  return `$${at + 1}::text::${sentType}[]`
}
