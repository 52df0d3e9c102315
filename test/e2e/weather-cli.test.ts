/** `aldebaran weather`, as it is called. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { aldebaran } from './command-here.ts'

const folder = mkdtempSync(join(tmpdir(), 'aldebaran-weather-cli-'))
after(() => rmSync(folder, { recursive: true, force: true }))

const READINGS = `humidity_pct,city,ts,temperature_f
50,B,2024-02-01T01:00:00Z,90
50,A,2024-02-01T02:00:00Z,90
50,A,2024-02-01T00:30:00Z,70
`

test('weather batch sorts what comes from standard input, and prints the result', async () => {
  const { code, out, err } = await aldebaran(['weather', 'batch', '-', '-', '--formula', 'nws', '--freq', '2h'], {
    input: READINGS,
  })
  assert.equal(err, '')
  assert.equal(code, 0)
  const [header, ...rows] = out.trimEnd().split('\n')
  assert.equal(header, 'city,ts,heat_index,rolling_heat_index')
  const cells = rows.map(row => row.split(','))
  assert.deepEqual(
    cells.map(row => row.slice(0, 2)),
    [
      ['A', '2024-02-01T00:30:00Z'],
      ['A', '2024-02-01T02:00:00Z'],
      ['B', '2024-02-01T01:00:00Z'],
    ],
  )
  const [first, second] = [Number(cells[0]![2]), Number(cells[1]![2])]
  // Below 80 °F the simple formula, above the regression.
  assert.ok(Math.abs(first - 69.0) < 0.1, `${first}`)
  assert.ok(Math.abs(second - 94.6) < 0.1, `${second}`)
  assert.ok(Math.abs(Number(cells[1]![3]) - (first + second) / 2) < 1e-9)
})

test('weather batch tells a bad line with its remedy, and leaves it out when asked to', async () => {
  const [input, output] = [join(folder, 'bad.csv'), join(folder, 'out.csv')]
  writeFileSync(input, `${READINGS}50,A,soon,70\n`)
  const refused = await aldebaran(['weather', 'batch', input, output])
  assert.equal(refused.code, 1)
  assert.match(refused.err, /bad\.csv: line 5, ts: 'soon' is no ISO 8601 time/)
  assert.match(refused.err, /--skip-bad/)
  assert.equal(existsSync(output), false)
  const taken = await aldebaran(['weather', 'batch', input, output, '--skip-bad'])
  assert.equal(taken.code, 0)
  assert.match(taken.err, /left out: line 5, ts: .*\n1 bad line was left out\n/)
  assert.equal(readFileSync(output, 'utf8').split('\n').length, 5)
})

test('weather batch reads a pipe with a name once, whatever its order', async () => {
  const [pipe, output] = [join(folder, 'pipe'), join(folder, 'from-pipe.csv')]
  execFileSync('mkfifo', [pipe])
  const running = aldebaran(['weather', 'batch', pipe, output])
  await writeFile(pipe, READINGS)
  const { code, err } = await running
  assert.equal(code, 0, err)
  const file = join(folder, 'from-file.csv')
  writeFileSync(join(folder, 'same.csv'), READINGS)
  await aldebaran(['weather', 'batch', join(folder, 'same.csv'), file])
  assert.equal(readFileSync(output, 'utf8'), readFileSync(file, 'utf8'))
})

test('weather batch refuses what it does not understand', async () => {
  assert.equal((await aldebaran(['weather', 'batch', '-', '-', '--formula', 'guess'])).code, 2)
  assert.match(
    (await aldebaran(['weather', 'batch', '-', '-', '--freq', 'soon'])).err,
    /--freq: 'soon' is not a duration/,
  )
  assert.match((await aldebaran(['weather', 'batch', join(folder, 'none.csv'), '-'])).err, /ENOENT/)
})

test('weather compare prints a table, and draws the chart', async () => {
  const out = join(folder, 'charts')
  const result = await aldebaran(['weather', 'compare', '--sizes', 'medium', '--out', out])
  const [line] = result.lines
  assert.ok(line)
  assert.deepEqual([line.size, line.rows, line.equal], ['medium', 721, true])
  assert.equal(result.code, line.ok ? 0 : 1)
  assert.deepEqual(readdirSync(out).sort(), ['heat-index-comparison.png', 'heat-index-comparison.svg'])
  const unknown = await aldebaran(['weather', 'compare', '--sizes', 'huge', '--out', out])
  assert.equal(unknown.code, 2)
  assert.match(unknown.err, /there is no huge/)
})
