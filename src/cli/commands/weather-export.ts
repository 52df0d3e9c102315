/** Forecasts that were stored, as a file: from their database, or from a weather platform that runs. */
import type { Writable } from 'node:stream'
import type { Command } from 'commander'
import { Interrupted, UsageError } from '../failure.ts'
import { packageModule } from '../package-files.ts'
import type { Session } from '../session.ts'

type Format = 'csv' | 'parquet'

/** What is used of what `apps/weather/store/index` exports. */
export interface StoreModule {
  time(name: string, value: unknown): number | undefined
  databaseChunks(settings: {
    url: string | null
    environment: NodeJS.ProcessEnv
    from: number
    to: number
    format: Format
  }): AsyncGenerator<Uint8Array, number>
  writeChunks<R>(chunks: AsyncGenerator<Uint8Array, R>, path: string | Writable, signal: AbortSignal): Promise<R>
}

interface ExportOptions {
  from?: string
  to?: string
  /** Of the program. */
  url?: string
}

export function defineExport(command: Command, session: Session): void {
  command
    .description('stored forecasts of a time as a file, by time and city')
    .argument('<out>', '.csv, .csv.gz or .parquet; - is standard output, as CSV')
    .option('--from <time>', 'windows that start then or later: 2024-07-01, 2024-07-01T12:00:00Z, or ms since 1970')
    .option('--to <time>', 'windows that start before')
    .addHelpText(
      'after',
      `
Where from: the database of WEATHER_DATABASE_URL, WEATHER_READ_URLS or WEATHER_DATABASE_FOLDER; with --url postgres://…
that one; with --url http://… a weather platform that runs.`,
    )
    .action((out: string, _: ExportOptions, self: Command) => exportTo(session, out, self.optsWithGlobals()))
}

async function exportTo(session: Session, path: string, options: ExportOptions): Promise<void> {
  const format = formatOf(path)
  const { surroundings, signal, out } = session
  const { time, databaseChunks, writeChunks } = (await import(
    packageModule('apps/weather/store/index').href
  )) as StoreModule
  const from = time('--from', options.from)
  const to = time('--to', options.to)
  if (from !== undefined && to !== undefined && from >= to) throw new UsageError('--from: it is not before --to')
  const { url = null } = options
  const isDatabase = url === null || /^postgres(?:ql)?:/.test(url)
  const chunks: AsyncGenerator<Uint8Array, number | undefined> = isDatabase
    ? databaseChunks({
        ...{ url, format, environment: surroundings.env },
        from: from ?? Number.NEGATIVE_INFINITY,
        to: to ?? Number.POSITIVE_INFINITY,
      })
    : session.api.bytes('/weather/export', { from, to, format })
  try {
    const rows = await writeChunks(chunks, path === '-' ? surroundings.stdout : path, signal)
    const what = rows === undefined ? 'forecasts' : `${rows} forecast${rows === 1 ? '' : 's'}`
    if (path !== '-') out.note(`wrote ${what} to ${path}`)
  } catch (error) {
    throw signal.aborted ? new Interrupted() : error
  }
}

function formatOf(path: string): Format {
  if (path.endsWith('.parquet')) return 'parquet'
  if (path === '-' || /\.csv(?:\.gz)?$/.test(path)) return 'csv'
  throw new UsageError(`'${path}': name a file in .csv, .csv.gz or .parquet, or - for standard output`)
}
