import { AldebaranError } from '../../errors.ts'
import type { Topic } from '../../pipeline/topic.ts'
import { parseDuration } from '../../pipeline/units.ts'
import type { Source } from '../../runtime/source.ts'
import type { Running } from '../../runtime/start.ts'
import { parsePostgresUrl } from './connection-url.ts'
import { loadPostgres } from './driver.ts'
import type { OutboxRecord, OutboxRow } from './outbox-record.ts'
import { channelOf, outboxStatements } from './outbox-statements.ts'
import { OutboxRelay } from './relay.ts'

export interface OutboxSettings<K, V> {
  /** Of the source, within its application. Default 'outbox'. */
  name?: string
  /** postgres://user:password@host:port/database?sslmode=…; a primary, and not through a pooler of transactions. */
  url: string
  /** `name` or `schema.name`, as it is in PostgreSQL: upper case counts. Beside it lies `…_rejected`. */
  table: string
  to: Topic<K, V>
  /**
   * Makes a record of a row; called again for a row whose batch failed. What it throws puts the row aside, unless it
   * is an error whose fate is `retry`.
   */
  record(row: OutboxRow, running: Running): OutboxRecord<K, V> | Promise<OutboxRecord<K, V>>
  /** Column with a whole number that no two rows share, which grows. Default 'seq'. */
  sequence?: string
  /** Column with the time of a row, for the age of what waits; it may be missing. Default 'created_at'. */
  time?: string
  /** Channel of NOTIFY. Default: the name of the table, without its schema. */
  channel?: string
  /** Rows of one transaction, at most. Fewer are taken when they are large. Default 500. */
  batch?: number
  /** It looks so often when no NOTIFY comes. Default '1s'. */
  poll?: string | number
  /** How the tables are made, told when they are not there. */
  setup?: string
}

const SETUP = 'outboxSql() of aldebaran/postgres makes what belongs to an outbox'

/**
 * A table that your own transactions write to: what they commit becomes records, and is deleted.
 * A crash between the two makes the same records again: see to it that repetitions can be told by an id of the row.
 * @throws AldebaranError OPTION_INVALID; PACKAGE_MISSING when it is started
 */
export function postgresOutbox<K, V>(settings: OutboxSettings<K, V>): Source {
  const { name = 'outbox', table, to, sequence = 'seq', time = 'created_at', channel = channelOf(table) } = settings
  const { batch = 500, poll = '1s', setup = SETUP } = settings
  if (!Number.isInteger(batch) || batch < 1 || batch > 10_000) {
    throw new AldebaranError('OPTION_INVALID', `batch: ${batch} is not a whole number from 1 to 10000`, {
      option: 'batch',
    })
  }
  const plan = {
    name,
    table,
    time,
    sequence,
    setup,
    batch,
    address: parsePostgresUrl(settings.url),
    statements: outboxStatements({ table, sequence, channel }),
    pollMs: parseDuration(poll, 'poll'),
    make: async (row: OutboxRow, running: Running) => settings.record(row, running),
    topic: to,
  }
  return {
    name,
    async start(running, report) {
      await loadPostgres()
      return new OutboxRelay(plan, running, report)
    },
  }
}
