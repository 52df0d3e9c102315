import assert from 'node:assert/strict'
import {
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough, Readable } from 'node:stream'
import { after, test } from 'node:test'
import { gunzipSync, gzipSync } from 'node:zlib'
import { AldebaranError } from 'aldebaran'
import fc from 'fast-check'
import { asyncBufferFromFile, parquetReadObjects } from 'hyparquet'
import { type BatchSettings, baselineHeatIndexes, runBatch } from './index.ts'

const folder = mkdtempSync(join(tmpdir(), 'aldebaran-batch-test-'))
after(() => rmSync(folder, { recursive: true, force: true }))

const HEADER = 'city,ts,temperature_f,humidity_pct\n'
const RESULT = 'city,ts,heat_index,rolling_heat_index\n'
const IN = join(folder, 'in.csv')
const OUT = join(folder, 'out.csv')

async function outputOf(text: string | Buffer, settings: Partial<BatchSettings> = {}): Promise<string> {
  writeFileSync(IN, text)
  await runBatch({ input: IN, output: OUT, ...settings })
  return readFileSync(OUT, 'utf8')
}

/** From one stream to another, in pieces of so many bytes. */
async function piped(text: string, size: number, settings: Partial<BatchSettings> = {}): Promise<string> {
  const bytes = Buffer.from(text)
  const pieces = Array.from({ length: Math.ceil(bytes.length / size) }, (_, i) =>
    bytes.subarray(i * size, (i + 1) * size),
  )
  const output = new PassThrough({ highWaterMark: 1 << 30 })
  await runBatch({ input: Readable.from(pieces, { objectMode: true }), output, ...settings })
  output.end()
  return Buffer.concat(await output.toArray()).toString()
}

async function refused(text: string, settings: Partial<BatchSettings> = {}): Promise<AldebaranError> {
  try {
    await outputOf(text, settings)
  } catch (error) {
    assert.ok(error instanceof AldebaranError, String(error))
    assert.equal(error.code, 'LINE_INVALID')
    return error
  }
  throw new assert.AssertionError({ message: 'it was taken' })
}

test('missing values give empty cells, and count in no mean', async () => {
  const text = await outputOf(
    `${HEADER}A,2024-02-01T00:00:00Z,,50\nA,2024-02-01T00:30:00Z,90,50\nA,2024-02-01T01:00:00Z,NaN,50\nA,2024-02-01T02:00:00Z,90,\n`,
  )
  const value = baselineHeatIndexes(
    { city: ['A'], time: Float64Array.of(0), temperature: Float64Array.of(90), humidity: Float64Array.of(50) },
    0,
  ).heatIndex[0]
  assert.equal(
    text,
    `${RESULT}A,2024-02-01T00:00:00Z,,\nA,2024-02-01T00:30:00Z,${value},${value}\nA,2024-02-01T01:00:00Z,,${value}\nA,2024-02-01T02:00:00Z,,\n`,
  )
})

test('columns in any order, quotes, CRLF, a byte order mark, blank lines and a missing last line end are read', async () => {
  const plain = await outputOf(`${HEADER}"a ""b"", c",2024-02-01T00:00:00Z,90,50\nd,2024-02-01T00:00:00.25Z,91,50.5\n`)
  assert.match(plain, /^"a ""b"", c",2024-02-01T00:00:00Z,/m)
  assert.match(plain, /^d,2024-02-01T00:00:00\.25Z,/m)
  const other = await outputOf(
    '\ufeff"humidity_pct",extra,ts,city,temperature_f\r\n50,"x,\ny",2024-02-01 00:00:00,"a ""b"", c",9e1\r\n\r\n"50.5",,"2024-02-01T02:00:00.250+02:00",d,+91.0',
  )
  assert.equal(other, plain)
})

test('what is written does not depend on how the bytes come, nor on the way through memory or disk', async () => {
  const cities = ['EWR', 'JFK', 'x,y', 'Łódź', 'a"b']
  const row = fc.tuple(
    fc.constantFrom(...cities),
    fc.integer({ min: 0, max: 300 }),
    fc.option(fc.double({ min: -20, max: 120, noNaN: true })),
    fc.option(fc.double({ min: 0, max: 100, noNaN: true })),
  )
  await fc.assert(
    fc.asyncProperty(fc.array(row, { maxLength: 60 }), fc.integer({ min: 1, max: 200 }), async (rows, size) => {
      const lines = rows.map(([city, minute, temperature, humidity]) => {
        const time = new Date(Date.UTC(2024, 1, 1) + minute * 60_000).toISOString()
        return `"${city.replaceAll('"', '""')}",${time},${temperature ?? ''},${humidity ?? ''}\n`
      })
      const text = HEADER + lines.join('')
      const want = await outputOf(text)
      assert.equal(await piped(text, size), want)
      const baseline = (await outputOf(text, { baseline: true })).split('\n')
      for (const [i, line] of want.split('\n').entries()) assertNear(line, baseline[i]!)
    }),
    { numRuns: 60 },
  )
})

function assertNear(line: string, other: string): void {
  const [a, b] = [line, other].map(text => /^(.*?),?([^,]*)$/.exec(text)!.slice(1)) as [string[], string[]]
  assert.equal(a[0], b[0])
  assert.equal(a[1] === '', b[1] === '')
  assert.ok(line === other || Math.abs(Number(a[1]) - Number(b[1])) <= 1e-9, `${line} is not ${other}`)
}

/** Many rows in no order, some of them twice. */
function shuffled(rows: number): string {
  let state = 1
  const lines: string[] = []
  for (let i = 0; i < rows; i++) {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0
    const time = new Date(Date.UTC(2024, 1, 1) + (state % 5000) * 60_000).toISOString()
    lines.push(`city${(state >>> 8) % 97},${time},${60 + (i % 50)},${20 + (state % 800) / 10}\n`)
  }
  return HEADER + lines.join('')
}

test('more rows than memory holds are sorted through temporary files, which nothing is left of', async () => {
  const text = shuffled(30_000)
  const want = await outputOf(text)
  assert.equal(want.split('\n').length, 30_002)
  // Other tests use the usual one at the same time.
  const temporary = join(folder, 'temporary')
  mkdirSync(temporary)
  const usual = process.env.TMPDIR
  process.env.TMPDIR = temporary
  // One pass of merging, then several.
  for (const memory of [500_000, 50_000]) {
    const report = await runBatch({ input: IN, output: OUT, memory })
    assert.ok(report.runs >= (memory === 50_000 ? 20 : 2), `${report.runs} runs`)
    assert.equal(report.rows, 30_000)
    assert.ok(readFileSync(OUT, 'utf8') === want, `other rows with ${memory} bytes`)
  }
  if (usual === undefined) delete process.env.TMPDIR
  else process.env.TMPDIR = usual
  assert.deepEqual(readdirSync(temporary), [])
})

test('sorted input streams with --sorted, and a row out of order is told', async () => {
  const text = await outputOf(shuffled(3000))
  const rows = text.split('\n').slice(1, -1)
  const sorted = HEADER + rows.map(row => `${row.split(',').slice(0, 2).join(',')},90,50\n`).join('')
  assert.equal(await piped(sorted, 1000, { sorted: true }), await outputOf(sorted))
  const error = await refused(`${HEADER}B,2024-02-01,90,50\nA,2024-02-01,90,50\n`, { sorted: true })
  assert.match(error.message, /line 3: it belongs before the line above/)
})

test('packed files are read and written by their names', async () => {
  const want = await outputOf(shuffled(20_000))
  const [packedIn, packedOut] = [join(folder, 'in.csv.gz'), join(folder, 'out.csv.gz')]
  writeFileSync(packedIn, gzipSync(readFileSync(IN)))
  await runBatch({ input: packedIn, output: packedOut })
  assert.ok(gunzipSync(readFileSync(packedOut)).toString() === want)
  writeFileSync(packedIn, 'not packed')
  await assert.rejects(runBatch({ input: packedIn, output: packedOut }), { code: 'Z_DATA_ERROR' })
})

test('Parquet holds the same rows, with timestamps and nulls', async () => {
  const path = join(folder, 'out.parquet')
  writeFileSync(IN, `${HEADER}A,2024-02-01T00:00:00.000001Z,90,50\nB,2024-02-01T00:00:00Z,,50\n`)
  await runBatch({ input: IN, output: path })
  const file = await asyncBufferFromFile(path)
  const rows = await parquetReadObjects({ file, parsers: { timestampFromMicroseconds: (micros: bigint) => micros } })
  const [first, second] = rows
  assert.equal(rows.length, 2)
  const micros = BigInt(Date.UTC(2024, 1, 1)) * 1000n
  assert.deepEqual(first, {
    city: 'A',
    ts: micros + 1n,
    heat_index: first!.heat_index,
    rolling_heat_index: first!.heat_index,
  })
  assert.ok(Math.abs(Number(first!.heat_index) - 94.597) < 0.001)
  assert.deepEqual(second, { city: 'B', ts: micros, heat_index: null, rolling_heat_index: null })
})

test('a bad line is told with its number and column, and leaves no file behind', async () => {
  const good = 'A,2024-02-01T00:00:00Z,90,50\n'
  for (const [line, message, column] of [
    ['A,yesterday,90,50\n', /line 3, ts: 'yesterday' is no ISO 8601 time/, 'ts'],
    ['A,2024-02-01T00:00:00Z,warm,50\n', /line 3, temperature_f: 'warm' is no number/, 'temperature_f'],
    ['A,2024-02-01T00:00:00Z,90,1e999\n', /line 3, humidity_pct: '1e999' is no number/, 'humidity_pct'],
    [',2024-02-01T00:00:00Z,90,50\n', /line 3, city: it is empty/, 'city'],
    ['A,2024-02-01T00:00:00Z,90\n', /line 3: it has 3 fields, and the header 4/, null],
    ['A,2024-02-01T00:00:00Z,90,50,1\n', /line 3: it has more fields than the 4 of the header/, null],
    ['"A"x,2024-02-01T00:00:00Z,90,50\n', /line 3: something follows the quote/, null],
    ['"A,2024-02-01T00:00:00Z,90,50\n', /line 3: a quote is not closed/, null],
  ] as const) {
    rmSync(OUT, { force: true })
    const error = await refused(HEADER + good + line + good)
    assert.match(error.message, message)
    assert.deepEqual(error.details, { line: 3, column })
    assert.match(error.remedy, /--skip-bad/)
    assert.deepEqual(
      readdirSync(folder).filter(name => name.startsWith('out.csv.') && name.endsWith('.part')),
      [],
    )
    const told: string[] = []
    const text = await outputOf(HEADER + good + line + good, { onBadLine: message => told.push(message) })
    assert.equal(text.split('\n').length, 4, line)
    assert.equal(told.length, 1)
    assert.match(told[0]!, message)
  }
})

test('a header that lacks a column, or has it twice, is told', async () => {
  assert.match((await refused('')).message, /line 1, city: the header has no such column/)
  assert.match(
    (await refused('city,ts,temperature_f\n')).message,
    /line 1, humidity_pct: the header has no such column/,
  )
  const twice = 'city,ts,temperature_f,humidity_pct,ts\n'
  assert.match((await refused(twice)).message, /line 1, ts: the header has that column twice/)
  assert.equal(await outputOf(HEADER), RESULT)
})

test('rows longer than the buffer are taken, and line numbers count line ends within quotes', async () => {
  const long = 'x'.repeat(3 << 20)
  const error = await refused(`${HEADER}"${long}\n\n",2024-02-01,90,50\nA,never,90,50\n`)
  assert.match(error.message, /line 5, ts: 'never'/)
})

test('a line longer than 16 MB is refused, and left out like other bad ones', async () => {
  const long = Buffer.alloc(40 << 20, 120)
  const csv = Buffer.concat([
    Buffer.from(`${HEADER}A,2024-02-01,90,50\n`),
    long,
    Buffer.from('\nB,2024-02-01,90,50\nB,x,90,50\n'),
  ])
  writeFileSync(IN, csv)
  await assert.rejects(runBatch({ input: IN, output: OUT }), /line 3: it is longer than 16 MB/)
  const told: string[] = []
  const { rows, skipped } = await runBatch({ input: IN, output: OUT, onBadLine: message => told.push(message) })
  assert.deepEqual([rows, skipped], [2, 2])
  assert.match(told[1]!, /line 5, ts/)
  writeFileSync(IN, long)
  await assert.rejects(runBatch({ input: IN, output: OUT, onBadLine: () => {} }), /line 1: it is longer than 16 MB/)
})

test('a packed file that is none, or not all there, is told by its name', async () => {
  const input = join(folder, 'readings.csv.gz')
  const packed = gzipSync(`${HEADER}A,2024-02-01,90,50\n`)
  for (const [bytes, code] of [
    [Buffer.from(HEADER), 'Z_DATA_ERROR'],
    [packed.subarray(0, 40), 'Z_BUF_ERROR'],
  ] as const) {
    writeFileSync(input, bytes)
    await assert.rejects(runBatch({ input, output: OUT }), { code, message: /readings\.csv\.gz: / })
  }
})

test('a file behind a name in /dev, as that of standard output, keeps what it holds', async () => {
  const log = join(folder, 'log.csv')
  writeFileSync(log, 'before\n')
  writeFileSync(IN, `${HEADER}A,2024-02-01,,50\n`)
  const file = openSync(log, 'a')
  await runBatch({ input: IN, output: `/dev/fd/${file}` })
  writeSync(file, 'after\n')
  closeSync(file)
  assert.equal(readFileSync(log, 'utf8'), `before\n${RESULT}A,2024-02-01T00:00:00Z,,\nafter\n`)
})

test('an interruption ends it, and leaves neither the file nor a part of it', async () => {
  const controller = new AbortController()
  const input = new PassThrough()
  input.write(HEADER)
  const output = join(folder, 'interrupted.csv')
  const running = runBatch({ input, output, signal: controller.signal })
  controller.abort(new Error('enough'))
  await assert.rejects(running, /enough/)
  assert.deepEqual(
    readdirSync(folder).filter(name => name.startsWith('interrupted')),
    [],
  )
})
