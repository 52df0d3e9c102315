/** What belongs to the webhook notifier, and needs no process that runs. */
import type { Command } from 'commander'
import { packageModule } from '../package-files.ts'
import type { Session } from '../session.ts'

interface OutboxModule {
  readonly OUTBOX_TABLE: string
  webhookOutboxSql(table: string): string
}

export function define(command: Command, session: Session): void {
  command
    .command('outbox-sql')
    .description('print the SQL that makes its outbox in PostgreSQL; it may be run again')
    .option('--table <name>', 'name, or schema.name (default: webhooks_outbox)')
    .action((options: { table?: string }) => outboxSql(session, options))
}

async function outboxSql({ out }: Session, options: { table?: string }): Promise<void> {
  const module = (await import(packageModule('apps/webhooks/outbox').href)) as OutboxModule
  out.text(module.webhookOutboxSql(options.table ?? module.OUTBOX_TABLE).trimEnd())
}
