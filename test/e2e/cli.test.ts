import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { Readable, Writable } from 'node:stream'
import { after, before, describe, test } from 'node:test'
import { deflateRawSync } from 'node:zlib'
import { explain, tell } from '../../apps/audit/explain.ts'
import { Api } from '../../src/cli/api.ts'
import { avroFileBlocks } from '../../src/cli/avro-file.ts'
import { readEvents, type ServerEvent } from '../../src/cli/event-stream.ts'
import { csvRecords, jsonRecords, ndjsonRecords } from '../../src/cli/input-records.ts'
import { runCommandLine } from '../../src/cli/program.ts'
import { plain, textTable, widthOf } from '../../src/cli/text-table.ts'

const MAIN = join(import.meta.dirname, '../../src/cli/main.ts')
const ENTRY = join(import.meta.dirname, '../../apps/audit/entry.ts')

class Captured extends Writable {
  text = ''
  isTTY = false
  columns = 80

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.text += chunk.toString()
    done()
  }
}

interface Outcome {
  code: number
  out: string
  err: string
  /** stdout as JSON lines. */
  lines: Record<string, unknown>[]
}

async function aldebaran(
  args: string[],
  options: { terminal?: boolean; env?: NodeJS.ProcessEnv; input?: string } = {},
): Promise<Outcome> {
  const stdout = new Captured()
  const stderr = new Captured()
  stdout.isTTY = options.terminal ?? false
  const code = await runCommandLine(args, {
    stdin: Readable.from([Buffer.from(options.input ?? '')]),
    stdout,
    stderr,
    env: { NO_COLOR: '1', ...options.env },
    on: () => {},
    off: () => {},
    exit: () => {},
  })
  const json = stdout.text.startsWith('{') ? stdout.text.trimEnd().split('\n') : []
  return { code, out: stdout.text, err: stderr.text, lines: json.map(line => JSON.parse(line)) }
}

function first({ lines }: { lines: Record<string, unknown>[] }): Record<string, unknown> {
  assert.ok(lines[0])
  return lines[0]
}

describe('the command line', () => {
  test('without a command, help is shown and the exit code is that of a wrong usage', async () => {
    const { code, out } = await aldebaran([])
    assert.equal(code, 2)
    assert.match(out, /Usage: aldebaran/)
  })

  test('--help names every command, and loads none', async () => {
    const { code, out } = await aldebaran(['--help'])
    assert.equal(code, 0)
    for (const name of [
      'up',
      'run',
      'topics',
      'tail',
      'produce',
      'lag',
      'table',
      'dlq',
      'cluster',
      'reset',
      'mirror',
      'audit',
      'doctor',
    ]) {
      assert.match(out, new RegExp(`^  ${name} `, 'm'))
    }
  })

  test('the help of a command has its options, whichever way it is asked for', async () => {
    for (const args of [
      ['help', 'tail'],
      ['tail', '--help'],
      ['--url', 'http://x', 'tail', '-h'],
    ]) {
      const { code, out } = await aldebaran(args)
      assert.equal(code, 0, args.join(' '))
      assert.match(out, /--follow/, args.join(' '))
    }
  })

  test('a misspelled command is told the nearest one', async () => {
    const { code, err, out } = await aldebaran(['topcis'])
    assert.equal(code, 2)
    assert.equal(out, '')
    assert.match(err, /unknown command 'topcis' \(Did you mean topics\?\)\n.*\(USAGE\)\n$/)
  })

  test('--version is that of the package', async () => {
    const { code, out } = await aldebaran(['--version'])
    assert.equal(code, 0)
    assert.match(out, /^\d+\.\d+\.\d+\n$/)
  })

  test('an error is one line, a remedy and a code; JSON with --json; a stack with --verbose alone', async () => {
    const url = ['--url', 'http://127.0.0.1:9']
    const told = await aldebaran([...url, 'lag'])
    assert.equal(told.code, 1)
    assert.match(told.err, /^aldebaran: nothing answers at .*\n {2}Start it .*\(SERVER_UNREACHABLE\)\n$/)
    const json = await aldebaran([...url, 'lag', '--json'])
    assert.equal(JSON.parse(json.err).error.code, 'SERVER_UNREACHABLE')
    const verbose = await aldebaran([...url, '--verbose', 'lag'])
    assert.match(verbose.err, /\n {4}at /)
  })

  test('wrong options are refused before anything is asked', async () => {
    for (const args of [
      ['tail', 'alerts', '--limit', '0'],
      ['up', '--port', '70000'],
      ['up', '--durability', 'paper'],
      ['dlq', 'replay'],
      ['dlq', 'replay', '1', '--all'],
      ['dlq', 'purge', '1', '--code', 'X'],
      ['dlq', 'show', 'x'],
      ['produce', 'trades', 'what.bin'],
      ['lag', '--url', 'ftp://x'],
    ]) {
      const { code, err } = await aldebaran(args)
      assert.equal(code, 2, args.join(' '))
      assert.match(err, /\(USAGE\)/)
    }
  })

  test('a module that is not there is told as such', async () => {
    const { code, err } = await aldebaran(['run', './no-such-module.ts'])
    assert.equal(code, 1)
    assert.match(err, /there is no module .*no-such-module\.ts\n.*\(NOT_FOUND\)/)
  })
})

describe('with a process that runs', () => {
  let folder = ''
  let server: ChildProcess
  let exited: Promise<unknown[]>
  let url = ''
  const ask = (args: string[], options: Parameters<typeof aldebaran>[1] = {}) =>
    aldebaran(args, { ...options, env: { ALDEBARAN_URL: url } })

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'aldebaran-cli-'))
    const args = [MAIN, 'run', ENTRY, '--port', '0', '--data', join(folder, 'data'), '--durability', 'process']
    server = spawn(process.execPath, args, {
      env: { ...process.env, AUDIT_IDS: 'text', AUDIT_DELTA_MS: '600000' },
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    exited = once(server, 'exit')
    const line = once(createInterface({ input: server.stdout! }), 'line').then(([text]) => text as string)
    const early = exited.then(([code]) => assert.fail(`the process ended with ${code} before it was ready`))
    early.catch(() => {})
    const started = JSON.parse(await Promise.race([line, early])) as { application: string; url: string }
    assert.equal(started.application, 'audit')
    url = started.url
    const trades = [
      { id: 'o-1', '#shares': 100, client: 'ACME', stock: 'XYZ' },
      { id: 'p-1', initial_order_id: 'o-1', '#shares': 60, client: 'ACME', stock: 'XYZ' },
      { id: 'p-2', initial_order_id: 'o-1', '#shares': 70, client: 'ACME', stock: 'XYZ' },
      { id: 'p-3', initial_order_id: 'o-1', '#shares': -7, client: 'ACME', stock: 'XYZ' },
    ]
    const input = trades.map(trade => JSON.stringify(trade)).join('\n')
    const { code, lines } = await ask(['produce', 'trades', '--key', 'k'], { input })
    assert.deepEqual({ code, lines }, { code: 0, lines: [{ accepted: 4, rejected: 0 }] })
    // Ends when there is an alert, and a dead letter: from there on everything holds still.
    await ask(['tail', 'alerts', '--from', 'earliest', '--follow', '--limit', '1'])
    await ask(['tail', 'audit.dead-letters', '--from', 'earliest', '--follow', '--limit', '1'])
  })

  after(async () => {
    server.kill('SIGKILL')
    await exited
    rmSync(folder, { recursive: true, force: true })
  })

  test('topics: a line of JSON each, or a table on a terminal', async () => {
    const { code, lines } = await ask(['topics'])
    assert.equal(code, 0)
    assert.ok(lines.some(topic => topic.name === 'trades' && topic.records === 4))
    const table = await ask(['topics'], { terminal: true })
    assert.match(table.out, /^TOPIC +PARTITIONS +RECORDS/)
    assert.match(table.out, /^trades +4 +4 /m)
    const json = await ask(['topics', '--json'], { terminal: true })
    assert.deepEqual(json.lines, lines)
    const internal = await ask(['topics', '--internal'])
    assert.ok(internal.lines.length > lines.length)
  })

  test('topics show: partitions and schemas; an unknown topic is an error', async () => {
    const { out } = await ask(['topics', 'show', 'purchases'], { terminal: true })
    assert.match(out, /^retention +7 d$/m)
    assert.match(out, /^value +avro .*"Purchase"/m)
    assert.match(out, /^PARTITION +START +END/m)
    const missing = await ask(['topics', 'show', 'nope'])
    assert.equal(missing.code, 1)
    assert.match(missing.err, /\(TOPIC_UNKNOWN\)/)
  })

  test('tail: newest, from a place, and of a key', async () => {
    const newest = await ask(['tail', 'purchases', '-n', '1'])
    assert.equal((first(newest).value as { id: string }).id, 'p-2')
    const all = await ask(['tail', 'purchases', '--from', 'earliest'])
    assert.deepEqual(
      all.lines.map(record => (record.value as { id: string }).id),
      ['p-1', 'p-2'],
    )
    const other = await ask(['tail', 'purchases', '--key', 'o-2'])
    assert.deepEqual(other, { code: 0, out: '', err: '', lines: [] })
    const shown = await ask(['tail', 'purchases', '-n', '1'], { terminal: true })
    assert.match(shown.out, /^\d{4}-\d\d-\d\d .*Z \d:1 {2}o-1 {2}id "p-2" {2}orderId "o-1" {2}shares 70/)
  })

  test('lag: every partition of every reader, and nothing is left to do', async () => {
    const { lines } = await ask(['lag'])
    assert.equal(lines.length, 12)
    assert.ok(lines.every(one => one.lag === 0))
  })

  test('table: list, get, scan', async () => {
    assert.deepEqual(
      (await ask(['table'])).lines.map(({ pipeline, table, rows }) => ({ pipeline, table, rows })),
      [{ pipeline: 'audit', table: 'books', rows: 1 }],
    )
    const { lines } = await ask(['table', 'get', 'audit', 'books', 'o-1'])
    assert.equal((first({ lines }).fields as { state: string }).state, 'CLOSED')
    assert.equal((await ask(['table', 'get', 'audit', 'books', 'o-2'])).code, 1)
    const scan = await ask(['table', 'scan', 'audit', 'books'], { terminal: true })
    assert.match(scan.out, /^KEY +STATE.*\no-1 +CLOSED/)
  })

  test('audit explain: the story in sentences, and as JSON', async () => {
    const { code, out } = await ask(['audit', 'explain', 'o-1'], { terminal: true })
    assert.equal(code, 0)
    assert.match(out, /^ACME requested 100 shares of XYZ with order o-1 at /)
    assert.match(out, /130 shares were bought in 2 purchases: 30 more than requested\./)
    assert.match(out, /Reported OVERBOUGHT: .* with purchase p-2 at /)
    const { lines } = await ask(['audit', 'explain', 'o-1'])
    assert.deepEqual(
      (first({ lines }).events as { what: string; sum: number }[]).map(({ what, sum }) => [what, sum]),
      [
        ['request', 0],
        ['purchase', 60],
        ['purchase', 130],
        ['OVERBOUGHT', 130],
      ],
    )
    const story = await explain(new Api(url, null, new AbortController().signal), 'o-1')
    assert.equal(story.book?.state, 'CLOSED')
    assert.match(story.book?.until ?? '', /^\d{4}-.*Z$/)
    const unknown = await ask(['audit', 'explain', 'o-2'], { terminal: true })
    assert.equal(unknown.code, 1)
    assert.match(unknown.out, /^Nothing is known of order o-2/)
  })

  test('dlq: list, show, replay once, purge', async () => {
    const list = await ask(['dlq'])
    assert.equal(list.lines.length, 1)
    const offset = String(list.lines[0]?.offset)
    const shown = await ask(['dlq', 'show', offset], { terminal: true })
    assert.match(shown.out, /^code +VALUE_INVALID$/m)
    assert.match(shown.out, /^source +trades \d:3$/m)
    const replayed = await ask(['dlq', 'replay', offset], { terminal: true })
    assert.equal(replayed.out, '1 replayed\n')
    const again = await ask(['dlq', 'replay', offset], { terminal: true })
    assert.equal(again.out, `0 replayed\n${offset} was replayed already\n`)
    assert.equal((await ask(['dlq', '--state', 'replayed'])).lines.length, 1)
    assert.equal((await ask(['dlq', 'purge', '--all', '--code', 'NO_SUCH_CODE'])).lines[0]?.changed, 0)
  })

  test('produce: some refused are told with their lines, all refused too', async () => {
    const some = await ask(['produce', 'trades', '--key', 'later'], {
      input: '{"id":"x"}\n\nnonsense\n',
      terminal: true,
    })
    assert.equal(some.code, 1)
    assert.match(some.err, /^line 3: .*\(BODY_INVALID\)$/m)
    assert.equal(some.out, '1 accepted, 1 refused\n')
    const file = join(folder, 'alerts.csv')
    writeFileSync(file, 'orderId,kind\r\n"o\n1",OVERBOUGHT\r\no-2,NOTHING\r\n')
    const all = await ask(['produce', 'alerts', file], { terminal: true })
    assert.equal(all.code, 1)
    assert.match(all.err, /^line 2: /m)
    assert.match(all.err, /^line 4: /m)
    assert.equal(all.out, '0 accepted, 2 refused\n')
  })

  test('doctor: finds the process and its store, every batch sound; a folder that is no store is told', async () => {
    const { code, lines } = await ask(['doctor', '--data', join(folder, 'data'), '--deep'])
    const problems = lines.filter(line => line.ok === false)
    // The machine that runs the tests may be short of memory or disk; everything else is ours.
    assert.deepEqual(
      problems.filter(line => line.check !== 'memory' && line.check !== 'disk'),
      [],
    )
    assert.equal(code, problems.length === 0 ? 0 : 1)
    const found = lines.map(line => line.found).join('\n')
    assert.match(found, new RegExp(`Aldebaran runs at ${url}`))
    assert.match(found, new RegExp(`owned by process ${server.pid} `))
    assert.match(found, /: all sound/)

    const broken = join(folder, 'broken')
    writeFileSync(join(folder, 'store.mdb'), 'not a store')
    const damaged = await ask(['doctor', '--data', folder])
    assert.equal(damaged.code, 1)
    assert.ok(damaged.lines.some(line => String(line.check).startsWith('store') && line.ok === false))
    rmSync(join(folder, 'store.mdb'))
    assert.ok((await ask(['doctor', '--data', broken])).lines.some(line => String(line.found).startsWith('none in')))
  })

  test('a reader of the output that has enough ends the command quietly', async () => {
    const child = spawn(process.execPath, [MAIN, 'tail', 'purchases', '--from', 'earliest', '--follow', '--url', url])
    const ended = once(child, 'exit')
    let errors = ''
    child.stderr.on('data', chunk => {
      errors += chunk
    })
    await once(child.stdout, 'data')
    child.stdout.destroy()
    const input = '{"id":"p-9","orderId":"o-9","shares":1,"stock":"A","ts":1}'
    assert.equal((await ask(['produce', 'purchases'], { input })).code, 0)
    assert.deepEqual(await ended, [0, null])
    assert.equal(errors, '')
  })

  test('Ctrl-C ends a tail, and then the process, with code 0', async () => {
    const child = spawn(process.execPath, [MAIN, 'tail', 'purchases', '--from', 'earliest', '--follow', '--url', url])
    const ended = once(child, 'exit')
    await once(child.stdout, 'data')
    child.kill('SIGINT')
    assert.deepEqual(await ended, [0, null])
    server.kill('SIGINT')
    assert.deepEqual(await exited, [0, null])
  })
})

describe('cutting input into records', () => {
  test('NDJSON: lines that are not blank, with their numbers', () => {
    assert.deepEqual(
      [...ndjsonRecords('1\r\n\n {"a":2} \n3')],
      [
        { text: '1', line: 1 },
        { text: '{"a":2}', line: 3 },
        { text: '3', line: 4 },
      ],
    )
  })

  test('JSON: the elements as they are written, or the one value', () => {
    assert.deepEqual(
      [...jsonRecords(' [\n{"a": "],\\"",\n"b": [1, {"c": 2}]},\n12345678901234567890 ]\n')],
      [
        { text: '{"a": "],\\"", "b": [1, {"c": 2}]}', line: 2 },
        { text: '12345678901234567890', line: 4 },
      ],
    )
    assert.deepEqual([...jsonRecords('{"a":\n1}')], [{ text: '{"a": 1}', line: 1 }])
    assert.deepEqual([...jsonRecords('[]')], [])
    assert.deepEqual([...jsonRecords('  ')], [])
    for (const bad of ['[1, 2', '[1] 2', '[1,,2]']) assert.throws(() => [...jsonRecords(bad)], { code: 'BODY_INVALID' })
  })

  test('CSV: rows may hold line ends within quotes', () => {
    const { header, rows } = csvRecords('a,b\r\n1,"x\r\ny ""q"""\r\n\r\n2,z')
    assert.equal(header, 'a,b')
    assert.deepEqual(
      [...rows],
      [
        { text: '1,"x\r\ny ""q"""', line: 2 },
        { text: '2,z', line: 5 },
      ],
    )
  })

  test('Avro files: every value of every block, compressed or not; damage is told', () => {
    const sync = Buffer.alloc(16, 7)
    const entry = (key: string, value: string) =>
      Buffer.concat([zigzag(key.length), Buffer.from(key), zigzag(value.length), Buffer.from(value)])
    const file = (codec: string, ...blocks: Buffer[]) =>
      Buffer.concat([
        Buffer.from('Obj\x01'),
        zigzag(2),
        entry('avro.schema', '{"type":"record","name":"R","fields":[{"name":"n","type":"long"}]}'),
        entry('avro.codec', codec),
        zigzag(0),
        sync,
        ...blocks.flatMap(block => [zigzag(2), zigzag(block.length), block, sync]),
      ])
    const values = Buffer.concat([zigzag(300), zigzag(-1)])
    assert.deepEqual(
      [...avroFileBlocks(file('null', values, values))],
      [
        [{ n: 300 }, { n: -1 }],
        [{ n: 300 }, { n: -1 }],
      ],
    )
    assert.deepEqual([...avroFileBlocks(file('deflate', deflateRawSync(values)))], [[{ n: 300 }, { n: -1 }]])
    for (const bad of [file('null', values).subarray(0, -1), file('nonesuch', values), file('null', zigzag(1))]) {
      assert.throws(() => [...avroFileBlocks(bad)], { code: 'VALUE_UNDECODABLE' })
    }
  })
})

describe('text tables', () => {
  test('numbers stand at the right, and flexible columns give way to the width', () => {
    const rows = [
      { name: 'a', n: 5, why: 'long '.repeat(20) },
      { name: '表', n: 1000, why: 'short' },
    ]
    const text = textTable<(typeof rows)[number]>(
      [
        { header: 'NAME', cell: row => row.name },
        { header: 'N', cell: row => row.n, right: true },
        { header: 'WHY', cell: row => row.why, flexible: true },
      ],
      rows,
      40,
      header => header,
    )
    assert.equal(text, 'NAME     N  WHY\na        5  long long long long long lo…\n表    1000  short\n')
  })

  test('a value cannot command the terminal', () => {
    assert.equal(plain('\u001b[2Jred\u001b[31m\r\nx\u202e'), 'red··x·')
    assert.equal(widthOf('a表e\u0301'), 4)
  })
})

test('server-sent events are told apart however the bytes are cut', async () => {
  const text = ': hello\r\nid: 1\r\nevent: record\r\ndata: {"a":\r\ndata: "é"}\r\n\r\nid: 2\n\ndata: x\n\ndata: lost'
  const bytes = Buffer.from(text)
  for (const size of [1, 2, 5, bytes.length]) {
    const chunks: Uint8Array[] = []
    for (let at = 0; at < bytes.length; at += size) chunks.push(Uint8Array.from(bytes.subarray(at, at + size)))
    const found: ServerEvent[] = []
    for await (const event of readEvents(ReadableStream.from(chunks))) found.push(event)
    assert.deepEqual(found, [
      { id: '1', event: 'record', data: '{"a":\n"é"}' },
      { id: '2', event: 'message', data: 'x' },
    ])
  }
})

test('the story of an order nobody requested', () => {
  const purchases = [{ id: 1, shares: 5, stock: 'XYZ', ts: 1_000_000 }]
  const alerts = [{ kind: 'NO_REQUEST' as const, requested: 0, purchased: 5, ts: 1_000_000 }]
  const { sentences } = tell('o-3', { requests: [], purchases, alerts, book: null })
  assert.deepEqual(sentences, [
    'No request for order o-3 is in the log.',
    '5 shares were bought in one purchase, though nobody had asked for them.',
    'Reported NO_REQUEST: 5 shares were bought, the first with purchase 1 at 1970-01-01T00:00:01.000Z, and no request came in time.',
    'There is no book of it now: it was forgotten after its time.',
  ])
})

function zigzag(value: number): Buffer {
  const bytes: number[] = []
  let rest = value < 0 ? -2 * value - 1 : 2 * value
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) + 128)
  return Buffer.from([...bytes, rest])
}
