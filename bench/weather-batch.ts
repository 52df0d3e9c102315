/** Heat index of a file, whole commands CSV to CSV: ours, pandas and polars side by side. Needs ../shared and Python. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, existsSync, mkdtempSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { SeededRandom } from '../src/testing/random.ts'
import { parseOptions, result } from './measure.ts'

const ROOT = join(import.meta.dirname, '..')
const PEER = join(ROOT, '..', 'shared', 'peers', 'heat-index', 'heat_index_pandas.py')
const PACKAGES = ['pandas==3.1.1', 'polars==2.1.0', 'numpy==2.4.6']
const VENV = join(tmpdir(), 'aldebaran-bench-weather-venv')
const PROGRAMS = ['aldebaran', 'pandas', 'polars'] as const
type Program = (typeof PROGRAMS)[number]
/** One day of a city at one minute, both ends included; by the number of cities. */
const DATASETS = { large: 1, 'large-x100': 100 } as const
type Dataset = keyof typeof DATASETS
const MINUTE_MS = 60_000
const ROWS = 1441
/** °F: sums are added up in another order. */
const TOLERANCE = 1e-9

/** Options: --runs N (of each command), --python PATH (one that has pandas and polars). */
export async function bench(args: string[]): Promise<void> {
  const { runs, python: given } = parseOptions(args, {
    runs: { kind: 'number', default: 5, min: 1 },
    python: { kind: 'text', default: '' },
  })
  const python = existsSync(PEER) ? await pythonOf(given) : null
  if (python === null) return
  const folder = mkdtempSync(join(tmpdir(), 'aldebaran-bench-weather-'))
  try {
    const medians = new Map<string, number>()
    for (const dataset of Object.keys(DATASETS) as Dataset[]) {
      const input = join(folder, `${dataset}.csv`)
      writeDataset(input, DATASETS[dataset])
      const seconds = new Map<Program, number[]>(PROGRAMS.map(program => [program, []]))
      // Round by round, so that a busy moment of the machine meets all of them. The first one only warms the caches.
      for (let run = 0; run <= runs; run++) {
        for (const program of PROGRAMS) {
          const taken = await timed(program, python, input, outputOf(folder, dataset, program))
          if (run === 0) continue
          seconds.get(program)!.push(taken)
          result({ bench: 'weather-batch', dataset, program, run, seconds: taken })
        }
      }
      for (const program of PROGRAMS) {
        const median = medianOf(seconds.get(program)!)
        medians.set(`${dataset} ${program}`, median)
        result({ bench: 'weather-batch', dataset, program, runs, medianSeconds: median })
      }
    }
    for (const dataset of Object.keys(DATASETS) as Dataset[]) {
      const ours = medians.get(`${dataset} aldebaran`)!
      const difference = largestDifference(outputOf(folder, dataset, 'aldebaran'), outputOf(folder, dataset, 'pandas'))
      if (!(difference <= TOLERANCE)) process.exitCode = 1
      result({
        bench: 'weather-batch',
        dataset,
        rows: DATASETS[dataset] * ROWS,
        equalToPandas: difference <= TOLERANCE,
        largestDifference: Number.isFinite(difference) ? difference : null,
        timesFasterThanPandas: medians.get(`${dataset} pandas`)! / ours,
        timesFasterThanPolars: medians.get(`${dataset} polars`)! / ours,
      })
    }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

function outputOf(folder: string, dataset: Dataset, program: Program): string {
  return join(folder, `${dataset}-${program}.csv`)
}

async function timed(program: Program, python: string, input: string, output: string): Promise<number> {
  const begun = performance.now()
  const failure =
    program === 'aldebaran'
      ? await run(join(ROOT, 'bin', 'aldebaran'), ['weather', 'batch', input, output])
      : await run(python, [PEER, input, output, '--impl', program])
  if (failure !== null) throw new Error(`${program}: ${failure}`)
  return (performance.now() - begun) / 1000
}

/** A Python with the peers' packages; null: there is none, and why is told. */
async function pythonOf(given: string): Promise<string | null> {
  const python = given || join(VENV, 'bin', 'python')
  const works = ['-c', 'import pandas, polars']
  if (existsSync(python) && (await run(python, works)) === null) return python
  if (given !== '') return missing(`${given} has no pandas and polars: ${given} -m pip install ${PACKAGES.join(' ')}`)
  process.stderr.write(`installing ${PACKAGES.join(', ')} in ${VENV}, once\n`)
  const failure =
    (await run('python3', ['-m', 'venv', VENV])) ??
    (await run(python, ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', ...PACKAGES]))
  return failure === null
    ? python
    : missing(`pandas and polars cannot be had (${failure}): name a Python with --python`)
}

function missing(why: string): null {
  process.stderr.write(`nothing was measured: ${why}\n`)
  process.exitCode = 1
  return null
}

/** Why it failed, or null. */
async function run(command: string, args: readonly string[]): Promise<string | null> {
  const env = { ...process.env, PYTHONDONTWRITEBYTECODE: '1' }
  const child = spawn(command, args, { stdio: ['ignore', 'ignore', 'pipe'], env })
  let errors = ''
  child.stderr.on('data', chunk => {
    errors += chunk
  })
  try {
    const [code] = (await once(child, 'close')) as [number | null]
    return code === 0 ? null : `it ended with ${code}: ${errors.trim().slice(-500)}`
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}

function writeDataset(path: string, cities: number): void {
  const random = new SeededRandom(42)
  const uniform = (): number => random.below(1e9) / 1e9 + random.below(1e6) / 1e15
  const file = openSync(path, 'w')
  writeSync(file, 'city,ts,temperature_f,humidity_pct\n')
  for (let city = 0; city < cities; city++) {
    const name = `city${String(city).padStart(5, '0')}`
    let text = ''
    for (let row = 0; row < ROWS; row++) {
      const time = new Date(Date.UTC(2024, 1, 1) + row * MINUTE_MS).toISOString().replace('.000', '')
      text += `${name},${time},${60 + 50 * uniform()},${20 + 80 * uniform()}\n`
    }
    writeSync(file, text)
  }
  closeSync(file)
}

/** Between two results; infinite when they have other rows or other missing values. */
function largestDifference(ours: string, theirs: string): number {
  const [a, b] = [ours, theirs].map(path => readFileSync(path, 'utf8').trimEnd().split('\n').slice(1)) as [
    string[],
    string[],
  ]
  if (a.length !== b.length) return Number.POSITIVE_INFINITY
  let largest = 0
  for (const [i, line] of a.entries()) {
    const [one, other] = [line.split(','), b[i]!.split(',')]
    if (one[0] !== other[0] || one[1] !== other[1]) return Number.POSITIVE_INFINITY
    for (const column of [2, 3]) {
      if ((one[column] === '') !== (other[column] === '')) return Number.POSITIVE_INFINITY
      largest = Math.max(largest, Math.abs(Number(one[column]) - Number(other[column])))
    }
  }
  return largest
}

function medianOf(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1]!
}
