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
import { countText } from '../show-values.ts'

/** What is used of what `apps/weather/load/index` exports. */
export interface LoadModule {
  runConstant(settings: Settings & { rate: number; forMs: number }): Promise<Result>
  runRamp(settings: Settings & RampLimits & { onStep: (step: Step) => void }): Promise<Result>
  chartOfRun(title: string, seconds: readonly Second[], marks: readonly Mark[]): string
  readonly LoadView: new (settings: { isTable: boolean; countText: (count: number) => string }) => LoadView
}

interface Settings {
  connect: (signal: AbortSignal) => Api
  signal: AbortSignal
  cities: number
  connections: number
  settleMs: number
  onSecond: (second: Second) => void
}

interface RampLimits {
  from: number
  factor: number
  stepMs: number
  most: number
}

interface Result {
  report: Report
  seconds: readonly Second[]
}

/** The application's own, of which only this is looked at here; so are the two below. */
interface Second {
  second: number
}

interface Step {
  kept: boolean
}

interface Report {
  accepted: number
  lost: number | null
  doubled: number
  interrupted: boolean
}

interface Mark {
  second: number
  label: string
}

interface LoadView {
  linesOf(second: Second): string[]
  summaryOf(report: Report): Record<string, unknown>
}

/** A run that may begin. */
interface Prepared {
  module: LoadModule
  view: LoadView
  settings: Settings
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
  const prepared = await prepare(session, options)
  const forMs = parseDuration(options.for, '--for')
  const result = await prepared.module.runConstant({ ...prepared.settings, rate, forMs })
  finish(session, options, prepared, `Weather platform at ${rate} readings a second`, [], result)
}

async function ramp(session: Session, options: RampOptions): Promise<void> {
  const { from, most } = options
  const factor = Number(options.factor)
  if (!(factor > 1 && Number.isFinite(factor))) throw new UsageError('--factor: it is a number above 1')
  if (most < from) throw new UsageError('--most: it is less than --from')
  const stepMs = parseDuration(options.step, '--step')
  if (stepMs < 1000) throw new UsageError('--step: a step takes a second at least')
  const prepared = await prepare(session, options)
  const { module, settings } = prepared
  const marks: Mark[] = []
  let second = 0
  const { out } = session
  const result = await module.runRamp({
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
  finish(session, options, prepared, 'Weather platform up to its limit', marks, result)
}

async function prepare(session: Session, options: CommonOptions): Promise<Prepared> {
  const { cities, connections, settle, chart } = options
  // Now, and not when the run is over.
  if (chart !== undefined) accessSync(dirname(chart), constants.W_OK)
  const settleMs = parseDuration(settle, '--settle')
  const { out, signal, surroundings } = session
  const { url } = session.api
  const module = (await import(packageModule('apps/weather/load/index').href)) as LoadModule
  const view = new module.LoadView({ isTable: surroundings.stderr.isTTY === true, countText })
  const settings: Settings = {
    ...{ signal, cities, connections, settleMs },
    connect: until => session.apiAt(url, until),
    onSecond: second => {
      for (const line of view.linesOf(second)) out.note(line)
      if (out.json) out.value({ kind: 'second', ...second })
    },
  }
  return { module, view, settings }
}

function finish(
  session: Session,
  { chart }: CommonOptions,
  { module, view }: Prepared,
  title: string,
  marks: readonly Mark[],
  { report, seconds }: Result,
): void {
  const { out } = session
  const { lost, doubled, accepted, interrupted } = report
  const ok = (lost ?? 0) === 0 && doubled === 0 && (accepted > 0 || interrupted)
  out.properties({ kind: 'summary', ok, ...report }, view.summaryOf(report))
  if (chart !== undefined) {
    writeFileSync(chart, module.chartOfRun(title, seconds, marks))
    out.note(`wrote ${chart}`)
  }
  session.exitCode = ok ? (interrupted ? INTERRUPTED : 0) : 1
}

const INTERRUPTED = 130
