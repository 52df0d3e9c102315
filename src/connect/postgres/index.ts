/** PostgreSQL: the outbox, a table that your own transactions write to. It is `aldebaran/postgres`. */
export { type OutboxSettings, postgresOutbox } from './outbox.ts'
export type { OutboxRecord, OutboxRow } from './outbox-record.ts'
export { outboxSql } from './outbox-statements.ts'
export { openPool, type PoolSettings, type PostgresPool } from './pool.ts'
