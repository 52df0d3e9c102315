import type { Command } from 'commander'
import type { TableInfo, TableRow } from '../api-shapes.ts'
import { wholeNumber } from '../option-values.ts'
import type { Session } from '../session.ts'
import { countText, sizeText, timeText } from '../show-values.ts'
import { plain } from '../text-table.ts'

interface ScanOptions {
  from?: string
  to?: string
  limit: number
}

export function define(command: Command, session: Session): void {
  command
    .command('ls', { isDefault: true })
    .description('list them')
    .action(() => list(session))
  command
    .command('get')
    .description('the row of one key')
    .argument('<pipeline>')
    .argument('<table>')
    .argument('<key>')
    .action((pipeline: string, table: string, key: string) => get(session, pipeline, table, key))
  command
    .command('scan')
    .description('rows in the order of their keys')
    .argument('<pipeline>')
    .argument('<table>')
    .option('--from <key>', 'the first key')
    .option('--to <key>', 'where to stop: this key is not included')
    .option('-n, --limit <count>', 'how many, at most 1000', wholeNumber, 100)
    .action((pipeline: string, table: string, options: ScanOptions) => scan(session, pipeline, table, options))
}

async function list({ api, out }: Session): Promise<void> {
  const { tables } = await api.get<{ tables: TableInfo[] }>('/tables')
  out.rows(
    [
      { header: 'PIPELINE', cell: table => table.pipeline },
      { header: 'TABLE', cell: table => table.table },
      { header: 'ROWS', cell: table => countText(table.rows), right: true },
      { header: 'SIZE', cell: table => sizeText(table.bytes), right: true },
    ],
    tables,
    'No pipeline keeps a table.',
  )
}

async function get({ api, out }: Session, pipeline: string, table: string, key: string): Promise<void> {
  const row = await api.get<TableRow>(`${pathOf(pipeline, table)}/rows/${encodeURIComponent(key)}`)
  out.properties(row, flat(row))
}

async function scan({ api, out }: Session, pipeline: string, table: string, options: ScanOptions): Promise<void> {
  const { from, to, limit } = options
  const { rows } = await api.get<{ rows: TableRow[] }>(`${pathOf(pipeline, table)}/rows`, { from, to, limit })
  const first = flat(rows[0] ?? { key: null, fields: {}, timers: {} })
  out.rows<TableRow>(
    Object.keys(first).map(name => ({
      header: plain(name).toUpperCase(),
      cell: row => flat(row)[name],
      right: typeof first[name] === 'number',
      flexible: true,
    })),
    rows,
    'There is no such row.',
  )
}

function pathOf(pipeline: string, table: string): string {
  return `/tables/${encodeURIComponent(pipeline)}/${encodeURIComponent(table)}`
}

/** Key, fields and deadlines beside each other. */
function flat(row: TableRow): Record<string, unknown> {
  const timers = Object.entries(row.timers).map(([name, ms]) => [name, timeText(ms)])
  return { key: row.key, ...row.fields, ...Object.fromEntries(timers) }
}
