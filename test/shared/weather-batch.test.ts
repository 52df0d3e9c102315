/** The batch against pandas on real weather and on hard input, and the formulas against the reference table. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { gunzipSync } from 'node:zlib'
import { runBatch } from '../../apps/weather/batch/index.ts'
import { FORMULAS, heatIndexOf } from '../../apps/weather/heat-index.ts'

const SHARED = new URL('../../../shared/', import.meta.url)
const PEER = fileURLToPath(new URL('peers/heat-index/heat_index_pandas.py', SHARED))
const PACKAGES = ['pandas==3.1.1', 'numpy==2.4.6']

/** Why it failed, or null. */
async function run(command: string, args: string[]): Promise<string | null> {
  const env = { ...process.env, PYTHONDONTWRITEBYTECODE: '1' }
  const child = spawn(command, args, { stdio: ['ignore', 'ignore', 'pipe'], env })
  let errors = ''
  child.stderr.on('data', chunk => {
    errors += chunk
  })
  return await new Promise(resolve => {
    child.on('error', error => resolve(error.message))
    child.on('close', code => resolve(code === 0 ? null : `${command} ended with ${code}: ${errors.slice(-2000)}`))
  })
}

/** Gaps, several readings of one time, missing values, rows in no order. */
function hardReadings(): string {
  let state = 7
  const next = (n: number): number => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor((state / 2 ** 32) * n)
  }
  const lines = ['ts,humidity_pct,city,temperature_f\n']
  for (let i = 0; i < 20_000; i++) {
    const time = new Date(Date.UTC(2024, 1, 1) + next(40_000) * 60_000).toISOString()
    const cell = (value: number): string => (next(10) === 0 ? '' : String(value))
    lines.push(`${time.slice(0, 19)}Z,${cell(next(10_000) / 100)},c${next(12)},${cell(next(20_000) / 150 - 10)}\n`)
  }
  return lines.join('')
}

async function rowsOf(path: string): Promise<string[][]> {
  const [, ...lines] = (await readFile(path, 'utf8')).trimEnd().split('\n')
  return lines.map(line => line.split(','))
}

test('the result is that of pandas to 1e-9, with equal nulls', async context => {
  const folder = await mkdtemp(join(tmpdir(), 'aldebaran-pandas-'))
  try {
    const python = join(folder, 'venv', process.platform === 'win32' ? 'Scripts/python.exe' : 'bin/python')
    const missing =
      (await run('python3', ['-m', 'venv', join(folder, 'venv')])) ??
      (await run(python, ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', ...PACKAGES]))
    if (missing !== null) {
      assert.equal(process.env.CI, undefined, missing)
      context.skip(`pandas cannot be had: ${missing}`)
      return
    }
    const weather = new URL('../../apps/weather/data/weather.csv.gz', import.meta.url)
    const inputs = { weather: gunzipSync(await readFile(weather)).toString(), hard: hardReadings() }
    for (const [name, text] of Object.entries(inputs)) {
      const [input, ours, theirs] = [name, `${name}-ours`, `${name}-theirs`].map(one => join(folder, `${one}.csv`)) as [
        string,
        string,
        string,
      ]
      await writeFile(input, text)
      for (const hours of [1, 24]) {
        await runBatch({ input, output: ours, freq: hours * 3_600_000 })
        assert.equal(await run(python, [PEER, input, theirs, '--freq', `${hours}h`]), null)
        const [got, want] = [await rowsOf(ours), await rowsOf(theirs)]
        assert.equal(got.length, want.length)
        assert.ok(got.length >= 20_000)
        for (const [i, [city, ts, heatIndex, rolling]] of got.entries()) {
          const expected = want[i]!
          assert.deepEqual([city, ts], expected.slice(0, 2))
          for (const [value, other] of [
            [heatIndex, expected[2]],
            [rolling, expected[3]],
          ] as [string, string][]) {
            assert.equal(value === '', other === '', `${name}, row ${i}`)
            assert.ok(Math.abs(Number(value) - Number(other)) <= 1e-9, `${name}, row ${i}: ${value}, not ${other}`)
          }
        }
      }
    }
  } finally {
    await rm(folder, { recursive: true })
  }
})

test('nws agrees with the reference table but for the two rows that leave its adjustment out, where the regression does', async () => {
  const [, ...lines] = (await readFile(new URL('data/heat-index-reference.csv', SHARED), 'utf8')).trimEnd().split('\n')
  const rows = lines.map(line => {
    const [temperature, humidity, heatIndex, tolerance, kind] = line.split(',')
    return {
      kind,
      values: [temperature, humidity, heatIndex, tolerance].map(Number) as [number, number, number, number],
    }
  })
  assert.equal(rows.length, 32)
  const failing = Object.fromEntries(
    FORMULAS.map(formula => [
      formula,
      rows.filter(({ values: [temperature, humidity, heatIndex, tolerance] }) => {
        const off = Math.abs(heatIndexOf(formula)(temperature, humidity) - heatIndex)
        return off > tolerance + 1e-9
      }),
    ]),
  )
  assert.deepEqual(
    failing.nws!.map(row => row.kind),
    ['noaa_chart_unadjusted', 'noaa_chart_unadjusted'],
  )
  const kinds = failing.regression!.map(row => row.kind)
  assert.ok(!kinds.includes('noaa_chart_unadjusted') && !kinds.includes('regression'), kinds.join())
})
