/** The statements of an outbox: of the relay, and those that make what it needs. */
import { AldebaranError } from '../../errors.ts'

export interface OutboxNames {
  /** `name` or `schema.name`, as it is in PostgreSQL: upper case counts. */
  readonly table: string
  /** Column with a whole number that no two rows share, which grows. */
  readonly sequence: string
  /** Channel of NOTIFY. */
  readonly channel: string
}

export type OutboxStatements = ReturnType<typeof outboxStatements>

/** What is put behind the name of the table. */
const REJECTED = '_rejected'
/** What PostgreSQL cuts names to, in bytes. */
const LONGEST_NAME = 63
const NAME = /^[A-Za-z_][A-Za-z0-9_$]*$/
/** A relay that PostgreSQL does not hear from any more loses its lock within half a minute. */
const SESSION = `SET SESSION idle_in_transaction_session_timeout = '60s'; SET SESSION tcp_keepalives_idle = 10;
  SET SESSION tcp_keepalives_interval = 5; SET SESSION tcp_keepalives_count = 3`

/** @throws AldebaranError OPTION_INVALID */
export function outboxStatements({ table: name, sequence, channel }: OutboxNames) {
  const table = quoteTable(name)
  const rejected = quoteTable(name + REJECTED)
  const seq = quoteName('sequence', sequence)
  return {
    session: SESSION,
    listen: `LISTEN ${quoteName('channel', channel)}`,
    // By the identity of the table, however its name is written. Asked again and again: a statement that waits for a
    // lock would keep VACUUM from its work.
    lock: `SELECT pg_try_advisory_lock(hashtextextended('aldebaran outbox', $1::text::regclass::oid::bigint)) AS held`,
    lockValues: [table],
    /** Fail where a table, a column or a right is missing. */
    checks: [
      `SELECT ${seq} FROM ${table} LIMIT 0 FOR UPDATE`,
      `DELETE FROM ${table} WHERE false`,
      `INSERT INTO ${rejected} (seq, record, code, error) SELECT 0, NULL, NULL, NULL WHERE false`,
    ],
    begin: 'BEGIN ISOLATION LEVEL READ COMMITTED',
    select: `SELECT * FROM ${table} ORDER BY ${seq} LIMIT $1 FOR UPDATE SKIP LOCKED`,
    reject: `INSERT INTO ${rejected} (seq, record, code, error)
      SELECT o.${seq}, to_jsonb(o), bad.code, bad.error
      FROM unnest($1::bigint[], $2::text[], $3::text[]) AS bad (seq, code, error)
      JOIN ${table} AS o ON o.${seq} = bad.seq`,
    delete: `DELETE FROM ${table} WHERE ${seq} = ANY ($1::bigint[])`,
    commit: 'COMMIT',
    rollback: 'ROLLBACK',
  } as const
}

/**
 * SQL for what an outbox needs beside its table: the table of rejected rows, and the trigger that tells of new ones.
 * It may be run again. `table`: `name` or `schema.name`.
 * @throws AldebaranError OPTION_INVALID
 */
export function outboxSql(table: string): string {
  const quoted = quoteTable(table)
  const rejected = quoteTable(table + REJECTED)
  const wake = quoteTable(`${table}_wake`)
  const trigger = quoteName('table', `${lastPart(table)}_wake`)
  return `-- What could not be sent, and why. Nobody but you deletes from it.
CREATE TABLE IF NOT EXISTS ${rejected} (
  seq bigint NOT NULL,
  record jsonb NOT NULL,
  code text NOT NULL,
  error text NOT NULL,
  rejected_at timestamptz NOT NULL DEFAULT now()
);

-- Wakes the relay when a transaction with new rows commits. Without it, it looks once a second.
CREATE OR REPLACE FUNCTION ${wake}() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_notify('${channelOf(table)}', '');
  RETURN NULL;
END $$;
DROP TRIGGER IF EXISTS ${trigger} ON ${quoted};
CREATE TRIGGER ${trigger} AFTER INSERT ON ${quoted} FOR EACH STATEMENT EXECUTE FUNCTION ${wake}();
`
}

/** A table as it stands in SQL. `name`: `name` or `schema.name`. @throws AldebaranError OPTION_INVALID */
export function quoteTable(name: string): string {
  const parts = name.split('.')
  if (parts.length > 2) throw invalid('table', name)
  return parts.map(part => quoteName('table', part)).join('.')
}

/** The channel of NOTIFY that goes with a table: its name, without the schema. */
export function channelOf(table: string): string {
  return lastPart(table)
}

function lastPart(table: string): string {
  return table.slice(table.lastIndexOf('.') + 1)
}

/** A name as it stands in SQL. @throws AldebaranError OPTION_INVALID */
export function quoteName(option: string, name: string): string {
  if (!NAME.test(name)) throw invalid(option, name)
  if (name.length > LONGEST_NAME) {
    throw new AldebaranError('OPTION_INVALID', `${option}: '${name}' has more than ${LONGEST_NAME} characters`, {
      option,
    })
  }
  return `"${name}"`
}

function invalid(option: string, name: string): AldebaranError {
  return new AldebaranError(
    'OPTION_INVALID',
    `${option}: '${name}' is no name of letters, digits, _ and $ that begins with a letter or _`,
    { option },
  )
}
