/** What every benchmark needs: the cost of the process, percentiles, options, and results as JSON lines. */
import { AldebaranError } from '../src/errors.ts'

/** CPU time this process has used so far, all threads, user and system, in seconds. Take the difference of two. */
export function cpuSeconds(): number {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1e6
}

/** The most memory this process has held so far, in MB of 1024² bytes. */
export function peakRssMb(): number {
  return process.resourceUsage().maxRSS / 1024
}

export interface Percentiles {
  readonly count: number
  readonly min: number
  readonly p50: number
  readonly p95: number
  readonly p99: number
  readonly p999: number
  readonly max: number
  readonly mean: number
}

/**
 * Percentiles by nearest rank: each is a value that was measured, none is interpolated.
 * @param sorted the measurements in ascending order, at least one
 * @throws AldebaranError OPTION_INVALID when there are none or they are not sorted
 */
export function percentiles(sorted: Float64Array): Percentiles {
  const count = sorted.length
  if (count === 0) throw new AldebaranError('OPTION_INVALID', 'percentiles of no measurements')
  let sum = 0
  for (let i = 0; i < count; i++) {
    if (i > 0 && sorted[i]! < sorted[i - 1]!) {
      throw new AldebaranError('OPTION_INVALID', `measurement ${i} is smaller than the one before: sort them first`)
    }
    sum += sorted[i]!
  }
  const rank = (share: number): number => sorted[Math.max(0, Math.ceil(share * count) - 1)]!
  return {
    count,
    min: sorted[0]!,
    p50: rank(0.5),
    p95: rank(0.95),
    p99: rank(0.99),
    p999: rank(0.999),
    max: sorted[count - 1]!,
    mean: sum / count,
  }
}

/**
 * Prints a result as one JSON line on stdout; nothing else a benchmark tells belongs there.
 * @throws AldebaranError OPTION_INVALID when a number is not finite: JSON would make null of it
 */
export function result(fields: Readonly<Record<string, unknown>>): void {
  const line = JSON.stringify(fields, (name, value: unknown) => {
    if (typeof value === 'number' && !Number.isFinite(value)) {
      throw new AldebaranError('OPTION_INVALID', `the result ${name} is ${value}`)
    }
    return value
  })
  process.stdout.write(`${line}\n`)
}

export type OptionSpec =
  | { readonly kind: 'number'; readonly default: number; readonly min?: number; readonly max?: number }
  | { readonly kind: 'text'; readonly default: string; readonly choices?: readonly string[] }
  | { readonly kind: 'flag' }

type OptionValue<Spec extends OptionSpec> = Spec extends { kind: 'number' }
  ? number
  : Spec extends { kind: 'flag' }
    ? boolean
    : string

export type Options<Specs extends Readonly<Record<string, OptionSpec>>> = {
  readonly [Name in keyof Specs]: OptionValue<Specs[Name]>
}

/**
 * Reads `--name value`, `--name=value` and `--flag`. The name `batchSize` is written `--batch-size`; numbers may be
 * written 1_000_000 or 1e6.
 * @throws AldebaranError OPTION_INVALID for an unknown option, a missing value, or one that does not fit
 */
export function parseOptions<const Specs extends Readonly<Record<string, OptionSpec>>>(
  args: readonly string[],
  specs: Specs,
): Options<Specs> {
  const values: Record<string, number | string | boolean> = {}
  for (const [name, spec] of Object.entries(specs)) values[name] = spec.kind === 'flag' ? false : spec.default
  const names = new Map(Object.keys(specs).map(name => [flagOf(name), name]))
  for (let at = 0; at < args.length; at++) {
    const [flag = '', ...rest] = args[at]!.split('=')
    const name = names.get(flag)
    const spec = name === undefined ? undefined : specs[name]
    if (name === undefined || spec === undefined) throw invalid(`there is no option ${flag}: ${known(names)}`)
    const inline = rest.length > 0 ? rest.join('=') : undefined
    if (spec.kind === 'flag') {
      if (inline !== undefined) throw invalid(`${flag} takes no value`)
      values[name] = true
      continue
    }
    const text = inline ?? args[++at]
    if (text === undefined || (inline === undefined && text.startsWith('--'))) throw invalid(`${flag} needs a value`)
    values[name] = spec.kind === 'number' ? numberOf(flag, text, spec) : textOf(flag, text, spec)
  }
  return values as Options<Specs>
}

function numberOf(flag: string, text: string, spec: { readonly min?: number; readonly max?: number }): number {
  const value = /^-?\d[\d_]*(\.\d+)?(e\d+)?$/i.test(text) ? Number(text.replaceAll('_', '')) : Number.NaN
  if (Number.isNaN(value)) throw invalid(`${flag} needs a number, not ${text}`)
  if (value < (spec.min ?? -Infinity)) throw invalid(`${flag} is at least ${spec.min}, not ${text}`)
  if (value > (spec.max ?? Infinity)) throw invalid(`${flag} is at most ${spec.max}, not ${text}`)
  return value
}

function textOf(flag: string, text: string, spec: { readonly choices?: readonly string[] }): string {
  if (spec.choices && !spec.choices.includes(text)) {
    throw invalid(`${flag} is one of ${spec.choices.join(', ')}, not ${text}`)
  }
  return text
}

function flagOf(name: string): string {
  return `--${name.replace(/[A-Z]/g, letter => `-${letter.toLowerCase()}`)}`
}

function known(names: ReadonlyMap<string, string>): string {
  return names.size === 0 ? 'this benchmark has none' : `there are ${[...names.keys()].join(', ')}`
}

function invalid(message: string): AldebaranError {
  return new AldebaranError('OPTION_INVALID', message)
}
