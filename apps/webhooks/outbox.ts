/**
 * Events from a table of PostgreSQL that the user's own transactions write to:
 *
 * WEBHOOKS_OUTBOX_URL            of the database: postgres://user:password@host/database?sslmode=… (default none)
 * WEBHOOKS_OUTBOX_TABLE          `aldebaran webhooks outbox-sql` prints how it is made (default webhooks_outbox)
 */
import type { Running, Source } from 'aldebaran'
import { type OutboxRecord, type OutboxRow, outboxSql, postgresOutbox } from 'aldebaran/postgres'
import type { Webhooks } from './app.ts'
import { Directory } from './directory.ts'
import { named } from './environment.ts'
import { checkAccount, parseEvents } from './input.ts'
import { Publisher, recordOf } from './publisher.ts'

export const OUTBOX_TABLE = 'webhooks_outbox'

/** None if WEBHOOKS_OUTBOX_URL is not set. @throws AldebaranError OPTION_INVALID */
export function outboxFromEnvironment(
  webhooks: Webhooks,
  environment: Readonly<Record<string, string | undefined>>,
): Source[] {
  const { WEBHOOKS_OUTBOX_URL: url, WEBHOOKS_OUTBOX_TABLE: table } = environment
  if (!url) return []
  const variables = { url: 'WEBHOOKS_OUTBOX_URL', table: 'WEBHOOKS_OUTBOX_TABLE' }
  return [named(variables, () => webhookOutbox(webhooks, url, table || OUTBOX_TABLE))]
}

/** @throws AldebaranError OPTION_INVALID */
export function webhookOutbox(webhooks: Webhooks, url: string, table: string): Source {
  let publisher: { running: Running; publisher: Publisher } | null = null
  return postgresOutbox<string, Uint8Array>({
    url,
    table,
    to: webhooks.events,
    setup: "'aldebaran webhooks outbox-sql' prints the SQL that makes it",
    record: async (row, running) => {
      if (publisher?.running !== running) {
        publisher = { running, publisher: new Publisher(webhooks, running, new Directory(webhooks, running)) }
      }
      return await eventOf(row, publisher.publisher)
    },
  })
}

/** Checked as what comes over HTTP. @throws AldebaranError VALUE_INVALID, BODY_TOO_LARGE */
async function eventOf(row: OutboxRow, publisher: Publisher): Promise<OutboxRecord<string, Uint8Array>> {
  const { id = null, account, type, data, created_at: time } = row
  const key = checkAccount(typeof account === 'string' ? account : '')
  const timestamp = time instanceof Date ? time.toISOString() : time
  const events = parseEvents({ id, type, data, timestamp }, undefined, Date.now())
  await publisher.check(key, events)
  const [event] = events
  return recordOf(key, id as string, event!.type, event!.payload)
}

/** SQL that makes the table and what belongs to it; it may be run again. @throws AldebaranError OPTION_INVALID */
export function webhookOutboxSql(table: string): string {
  const rest = outboxSql(table)
  const quoted = table
    .split('.')
    .map(part => `"${part}"`)
    .join('.')
  return `-- Events for the webhook notifier: INSERT them in the transaction that they tell of.
CREATE TABLE IF NOT EXISTS ${quoted} (
  seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  -- Stays the same over all tries: an endpoint gets an id once.
  id text NOT NULL DEFAULT gen_random_uuid()::text,
  account text NOT NULL,
  type text NOT NULL,
  data jsonb NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now()
);

${rest}`
}
