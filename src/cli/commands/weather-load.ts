/** Load tests of a weather platform that runs. */
import { accessSync, constants, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import type { Command } from 'commander'
import { parseDuration } from '../../pipeline/units.ts'
import type { Api } from '../api.ts'
import { UsageError } from '../failure.ts'
import { wholeNumber } from '../option-values.ts'
import { packageModule } from '../package-files.ts'
import type { Session } from '../session.ts'
import { type LoadReport, loadReportShown, type Second, SecondLines, type Step } from './weather-load-view.ts'

/** What `apps/weather/load/index` exports. */
interface LoadModule {
  runConstant(settings: Settings & { rate: number; forMs: number }): Promise<Result>
  runRamp(
    settings: Settings & {
      from: number
      factor: number
      stepMs: number
      most: number
      onStep: (step: Step) => void
    },
  ): Promise<Result>
  chartOfRun(title: string, seconds: readonly Second[], marks?: readonly { second: number; label: string }[]): string
}

interface Settings {
  connect: (signal: AbortSignal) => Api
  signal: AbortSignal
  cities: number
  connections: number
  settleMs: number
  onSecond: (second: Second) => void
}

interface Result {
  report: LoadReport
  seconds: readonly Second[]
}

interface CommonOptions {
  cities: number
  connections: number
  settle: string
  chart?: string
}

interface ConstantOptions extends CommonOptions {
  rate: number
  for: string
}

interface RampOptions extends CommonOptions {
  from: number
  factor: string
  step: string
  most: number
}

export function defineLoad(command: Command, session: Session): void {
  command.description('load tests of a weather platform that runs: what it takes, how fast, and that nothing is lost')
  common(command.command('constant'))
    .description('send readings at one rate for a time')
    .option('--rate <readings>', 'a second; by default twice what 15,000 cities send', wholeNumber, 500)
    .option('--for <duration>', 'how long', '60s')
    .action((options: ConstantOptions) => constant(session, options))
  common(command.command('ramp'))
    .description('raise the rate until the platform does not keep up, then measure how it recovers')
    .option('--from <readings>', 'a second, to begin with', wholeNumber, 1000)
    .option('--factor <number>', 'each step is so many times faster', '1.5')
    .option('--step <duration>', 'how long a step takes', '5s')
    .option('--most <readings>', 'a second; go no higher', wholeNumber, 1_000_000)
    .action((options: RampOptions) => ramp(session, options))
}

function common(command: Command): Command {
  return command
    .option('--cities <count>', 'cities that send, under ids of their own', wholeNumber, 15_000)
    .option('--connections <count>', 'requests at a time', wholeNumber, 16)
    .option('--settle <duration>', 'what is not told of when so long nothing came is lost', '3m')
    .option('--chart <file>', 'draw the run as SVG')
}

async function constant(session: Session, options: ConstantOptions): Promise<void> {
  const { rate } = options
  const settings = { ...settingsOf(session, options), rate, forMs: parseDuration(options.for, '--for') }
  const { runConstant } = await load()
  const title = `Weather platform at ${rate} readings a second`
  await finish(session, options, title, [], await runConstant(settings))
}

async function ramp(session: Session, options: RampOptions): Promise<void> {
  const { from, most } = options
  const factor = Number(options.factor)
  if (!(factor > 1 && Number.isFinite(factor))) throw new UsageError('--factor: it is a number above 1')
  if (most < from) throw new UsageError('--most: it is less than --from')
  const stepMs = parseDuration(options.step, '--step')
  if (stepMs < 1000) throw new UsageError('--step: a step takes a second at least')
  const marks: { second: number; label: string }[] = []
  const settings = settingsOf(session, options)
  let second = 0
  const { out } = session
  const { runRamp } = await load()
  const result = await runRamp({
    ...settings,
    ...{ from, most, factor, stepMs },
    onSecond: one => {
      second = one.second
      settings.onSecond(one)
    },
    onStep: step => {
      if (!step.kept) marks.push({ second, label: 'not kept' })
      if (out.json) out.value({ kind: 'step', ...step })
    },
  })
  await finish(session, options, 'Weather platform up to its limit', marks, result)
}

function settingsOf(session: Session, { cities, connections, settle, chart }: CommonOptions): Settings {
  // Now, and not when the run is over.
  if (chart !== undefined) accessSync(dirname(chart), constants.W_OK)
  const { out, signal, surroundings } = session
  const { url } = session.api
  const lines = new SecondLines(surroundings.stderr.isTTY === true)
  return {
    ...{ signal, cities, connections },
    connect: until => session.apiAt(url, until),
    settleMs: parseDuration(settle, '--settle'),
    onSecond: second => {
      for (const line of lines.of(second)) out.note(line)
      if (out.json) out.value({ kind: 'second', ...second })
    },
  }
}

async function load(): Promise<LoadModule> {
  return (await import(packageModule('apps/weather/load/index').href)) as LoadModule
}

async function finish(
  session: Session,
  { chart }: CommonOptions,
  title: string,
  marks: readonly { second: number; label: string }[],
  { report, seconds }: Result,
): Promise<void> {
  const { out } = session
  const { lost, doubled, accepted, interrupted } = report
  const ok = (lost ?? 0) === 0 && doubled === 0 && (accepted > 0 || interrupted)
  out.properties({ kind: 'summary', ok, ...report }, loadReportShown(report))
  if (chart !== undefined) {
    const { chartOfRun } = await load()
    writeFileSync(chart, chartOfRun(title, seconds, marks))
    out.note(`wrote ${chart}`)
  }
  session.exitCode = ok ? (interrupted ? INTERRUPTED : 0) : 1
}

const INTERRUPTED = 130
