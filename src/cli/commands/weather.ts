/** What belongs to the weather platform: files in, files out; what it stored; and load tests of one that runs. */
import type { Readable, Writable } from 'node:stream'
import { type Command, Option } from 'commander'
import { Interrupted, UsageError } from '../failure.ts'
import { packageModule } from '../package-files.ts'
import type { Session } from '../session.ts'
import type { Column } from '../text-table.ts'
import { defineExport } from './weather-export.ts'
import { defineLoad } from './weather-load.ts'

const FORMULAS = ['regression', 'nws'] as const

interface BatchOptions {
  freq: string
  formula: (typeof FORMULAS)[number]
  memory: string
  sorted: boolean
  baseline: boolean
  skipBad: boolean
}

/** What is used of what `apps/weather/batch/index` exports. */
export interface BatchModule {
  runBatch(
    settings: Pick<BatchOptions, 'formula' | 'sorted' | 'baseline'> & {
      input: string | Readable
      output: string | Writable
      freq: number
      memory: number
      onBadLine?: (message: string) => void
      signal: AbortSignal
    },
  ): Promise<{ skipped: number }>
}

type Size = 'small' | 'medium' | 'large'

/** What is used of what `apps/weather/compare/index` exports. Of a comparison only `ok` is looked at here. */
export interface CompareModule<Comparison extends { ok: boolean } = { ok: boolean }> {
  isSize(text: string): text is Size
  compareImplementations(settings: { sizes: readonly Size[]; signal: AbortSignal }): Promise<Comparison[]>
  writeCharts(comparisons: readonly Comparison[], folder: string): Promise<string[]>
  readonly COMPARISON_COLUMNS: readonly Column<Comparison>[]
}

/** Bad lines that are told one by one. */
const TOLD_LINES = 5

export function define(command: Command, session: Session): void {
  command
    .command('batch')
    .description('the heat index of a file of readings, and its rolling mean per city')
    .argument('<in>', 'CSV with city, ts, temperature_f, humidity_pct; .gz is unpacked; - is standard input')
    .argument('<out>', 'CSV with city, ts, heat_index, rolling_heat_index; .parquet, .gz; - is standard output')
    .option('--freq <duration>', 'width of the window, both ends included', '1h')
    .addOption(new Option('--formula <name>', 'of the heat index').choices(FORMULAS).default('regression'))
    .option('--skip-bad', 'leave bad lines out, and count them', false)
    .option('--sorted', 'the input is sorted by city and ts: stream it, also from and to a pipe', false)
    .option('--memory <size>', 'for sorting; what is more goes to temporary files', '256MB')
    .option('--baseline', 'row by row, with everything in memory: slow, to compare with', false)
    .action((input: string, output: string, options: BatchOptions) => batch(session, input, output, options))
  command
    .command('compare')
    .description('compare the optimised implementation with the one row by row: results, times, chart')
    .option('--sizes <names>', 'of small, medium, large', 'small,medium,large')
    .option('--out <folder>', 'where to put heat-index-comparison.svg and .png', '.')
    .action((options: { sizes: string; out: string }) => compare(session, options))
  defineExport(command.command('export'), session)
  defineLoad(command.command('load'), session)
}

async function batch(session: Session, input: string, output: string, options: BatchOptions): Promise<void> {
  const { surroundings, signal, out } = session
  const { freq, memory, skipBad, ...rest } = options
  const [{ parseDuration, parseSize }, { runBatch }] = await Promise.all([
    import('../../pipeline/units.ts'),
    import(packageModule('apps/weather/batch/index').href) as Promise<BatchModule>,
  ])
  let told = 0
  const onBadLine = (message: string): void => {
    if (++told <= TOLD_LINES) out.note(`left out: ${message}`)
  }
  try {
    const { skipped } = await runBatch({
      ...rest,
      input: input === '-' ? surroundings.stdin : input,
      output: output === '-' ? surroundings.stdout : output,
      freq: parseDuration(freq, '--freq'),
      memory: parseSize(memory, '--memory'),
      signal,
      ...(skipBad && { onBadLine }),
    })
    if (skipped > 0) out.note(`${skipped} bad ${skipped === 1 ? 'line was' : 'lines were'} left out`)
  } catch (error) {
    throw signal.aborted ? new Interrupted() : error
  }
}

async function compare(session: Session, options: { sizes: string; out: string }): Promise<void> {
  const { out, signal } = session
  const { isSize, compareImplementations, writeCharts, COMPARISON_COLUMNS } = (await import(
    packageModule('apps/weather/compare/index').href
  )) as CompareModule
  const sizes = options.sizes.split(',').map(text => {
    const size = text.trim()
    if (!isSize(size)) throw new UsageError(`--sizes: there is no ${size}, only small, medium and large`)
    return size
  })
  const comparisons = await compareImplementations({ sizes, signal })
  if (signal.aborted) throw new Interrupted()
  out.rows(COMPARISON_COLUMNS, comparisons, '')
  for (const file of await writeCharts(comparisons, options.out)) out.note(`wrote ${file}`)
  if (comparisons.some(one => !one.ok)) session.exitCode = 1
}
