/** Every command against a process that runs. */
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { after, before, describe, test } from 'node:test'
import { explain } from '../../apps/audit/explain.ts'
import { Api } from '../../src/cli/api.ts'
import { aldebaran, first } from './command-here.ts'

const MAIN = join(import.meta.dirname, '../../src/cli/main.ts')
const ENTRY = join(import.meta.dirname, '../../apps/audit/entry.ts')

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

  test('alerts: an auditor without channels says so', async () => {
    for (const args of [['alerts'], ['alerts', 'in-doubt'], ['alerts', 'in-doubt', 'drop', 'all', '--yes']]) {
      const { code, lines, err } = await ask(args)
      assert.deepEqual({ code, lines }, { code: 0, lines: [] })
      assert.match(err, /Alerts go to no channel: .*AUDIT_CHANNELS/)
    }
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
