/** The load tests of the weather platform against one that runs, and against some that do not do what they should. */
import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { type Application, embedded, type Running, run } from 'aldebaran'
import { app as audit } from '../../apps/audit/entry.ts'
import { type LoadReport, type RampReport, runConstant, type Second, type Step } from '../../apps/weather/load/index.ts'
import { app } from '../../apps/weather/load/test/application.ts'
import { app as faulty } from '../../apps/weather/load/test/faulty-application.ts'
import { Api } from '../../src/cli/api.ts'
import { aldebaran, type Outcome } from './command-here.ts'

const PLATFORM = '../../apps/weather/load/test/application.ts'
const FAULTY = '../../apps/weather/load/test/faulty-application.ts'
const TOKEN = 'a-token-of-the-load-test'

let folder = ''
before(() => {
  folder = mkdtempSync(join(tmpdir(), 'aldebaran-weather-load-'))
})
after(() => rmSync(folder, { recursive: true, force: true }))

interface Start {
  tokens?: string[]
  port?: number
  bodyLimit?: string
  log?: string
}

async function start(application: Application, module: string, settings: Start = {}): Promise<Running> {
  const { log = mkdtempSync(join(folder, 'log-')), ...http } = settings
  return await run(application, {
    log: embedded(log, { durability: 'process' }),
    http: { port: 0, tokens: [], console: false, ...http },
    entry: new URL(module, import.meta.url),
    workers: 1,
    signals: false,
    report: () => {},
  })
}

type Summary = LoadReport & Partial<RampReport> & { ok: boolean }

function told({ lines, err }: Outcome): { summary: Summary; seconds: Second[]; steps: Step[] } {
  const of = (kind: string): unknown[] => lines.filter(line => line.kind === kind)
  assert.equal(of('summary').length, 1, err)
  return {
    summary: of('summary')[0] as Summary,
    seconds: of('second') as Second[],
    steps: of('step') as Step[],
  }
}

describe('against a platform that runs', () => {
  let running: Running
  before(async () => {
    running = await start(app, PLATFORM, { tokens: [TOKEN] })
  })
  after(() => running.stop())

  const load = (...args: string[]): Promise<Outcome> =>
    aldebaran(['weather', 'load', ...args, '--token', TOKEN], { env: { ALDEBARAN_URL: running.url! } })

  test('every reading of a constant load is told of once, and the run is drawn', async () => {
    const chart = join(folder, 'constant.svg')
    const outcome = await load('constant', '--rate', '100', '--for', '4s', '--cities', '37', '--chart', chart)
    const { summary, seconds } = told(outcome)
    assert.equal(outcome.code, 0, outcome.err)
    assert.ok(summary.sent > 0)
    assert.deepEqual([summary.accepted, summary.refused, summary.lost, summary.doubled], [summary.sent, 0, 0, 0])
    assert.equal(summary.told + summary.late, summary.accepted)
    assert.ok(summary.forecasts > 0 && summary.ingestMs!.max >= summary.ingestMs!.p50)
    assert.ok(seconds.length > 0)
    assert.deepEqual(
      seconds.map(one => one.second),
      seconds.map((_, i) => i + 1),
    )
    assert.equal(outcome.err.match(/ accepted of /g)!.length, seconds.length)
    assert.match(readFileSync(chart, 'utf8'), /^<svg [\s\S]*at 100 readings a second[\s\S]*<\/svg>\n$/)
  })

  test('a ramp goes up to the highest rate that it is allowed, and nothing is lost', async () => {
    const args = ['--from', '40', '--factor', '2', '--most', '80', '--step', '1s', '--cities', '10']
    const outcome = await load('ramp', ...args)
    const { summary, steps } = told(outcome)
    assert.equal(outcome.code, 0, outcome.err)
    assert.equal(steps[0]!.rate, 40)
    assert.deepEqual([summary.lost, summary.doubled], [0, 0])
    assert.equal(summary.steps!.length, steps.length)
    // A machine that is busy with other things may be at its limit even here.
    if (summary.limitedBy === null) assert.deepEqual([steps.length, summary.recoverySeconds], [2, null])
    else assert.ok((summary.limit ?? 0) < 80)
  })

  test('an interruption ends it with what is known by then', async () => {
    const interrupt = new AbortController()
    const { report, seconds } = await runConstant({
      connect: signal => new Api(running.url!, TOKEN, signal),
      signal: interrupt.signal,
      rate: 50,
      cities: 5,
      forMs: 3_600_000,
      onSecond: () => interrupt.abort(),
    })
    assert.ok(seconds.length >= 1)
    assert.deepEqual([report.interrupted, report.lost, report.doubled], [true, null, 0])
    assert.ok(report.sent > 0)
    assert.equal(report.accepted, report.sent)
    assert.ok(report.outstanding > 0)
  })

  test('a load without the token is told that credentials are needed', async () => {
    const { code, err } = await aldebaran(['weather', 'load', 'constant'], { env: { ALDEBARAN_URL: running.url! } })
    assert.equal(code, 1)
    assert.match(err, /UNAUTHORIZED/)
  })
})

test('what is lost and what is told twice fails the run; late readings and dead letters do not', async () => {
  const running = await start(faulty, FAULTY)
  try {
    const url = ['--url', running.url!]
    const load = ['weather', 'load', 'constant', ...url, '--rate', '100', '--for', '2s', '--settle', '5s']
    const all = await aldebaran([...load, '--cities', '10'])
    const { summary } = told(all)
    assert.equal(all.code, 1)
    assert.equal(summary.ok, false)
    // City 0 is lost and city 1 doubled; they sent as much as the others, but for the last round.
    const share = Math.floor(summary.accepted / 10)
    for (const count of [summary.lost!, summary.doubled, summary.late, summary.deadLetters]) {
      assert.ok(count === share || count === share + 1, `${count} of ${summary.accepted}`)
    }
    assert.equal(summary.told + summary.late + summary.deadLetters, summary.accepted - summary.lost! + summary.doubled)
  } finally {
    await running.stop()
  }
})

test('the platform may stop and start meanwhile: nothing that it took is lost, nothing is told twice', async () => {
  const log = mkdtempSync(join(folder, 'log-'))
  let running = await start(app, PLATFORM, { log })
  const url = running.url!
  const restart = async (): Promise<void> => {
    await running.stop()
    running = await start(app, PLATFORM, { log, port: Number(new URL(url).port) })
  }
  let restarted: Promise<void> | null = null
  try {
    const { report } = await runConstant({
      connect: signal => new Api(url, null, signal),
      signal: new AbortController().signal,
      rate: 100,
      cities: 7,
      forMs: 4000,
      onSecond: () => {
        restarted ??= restart()
      },
    })
    await restarted
    assert.ok(restarted !== null && report.accepted > 0)
    assert.equal(report.accepted + report.refused, report.sent)
    assert.deepEqual([report.lost, report.doubled], [0, 0])
  } finally {
    await running.stop()
  }
})

test('what is refused is told by its code, and a run that got nothing through fails', async () => {
  const running = await start(app, PLATFORM, { bodyLimit: '20B' })
  try {
    const args = ['--url', running.url!, '--rate', '200', '--for', '1s']
    const outcome = await aldebaran(['weather', 'load', 'constant', ...args], { terminal: true })
    assert.equal(outcome.code, 1)
    assert.match(outcome.out, /^accepted +0, 0 a second$/m)
    assert.match(outcome.out, /^refused +(\d+): BODY_TOO_LARGE \1$/m)
    assert.match(outcome.out, /^lost +0$/m)
  } finally {
    await running.stop()
  }
})

test('who does not listen, and who is not the weather platform, is told as such', async () => {
  const other = await start(audit, '../../apps/audit/entry.ts')
  try {
    const { code, err } = await aldebaran(['weather', 'load', 'constant', '--url', other.url!])
    assert.equal(code, 1)
    assert.match(err, /is not the weather platform.*heat-index-calculation-job[\s\S]*APPLICATION_OTHER/)
  } finally {
    await other.stop()
  }
  const nobody = await aldebaran(['weather', 'load', 'ramp', '--url', other.url!])
  assert.equal(nobody.code, 1)
  assert.match(nobody.err, /SERVER_UNREACHABLE/)
})

test('a command line that means nothing is refused', async () => {
  for (const [args, message] of [
    [['constant', '--rate', '0'], /--rate/],
    [['constant', '--for', 'soon'], /--for/],
    [['ramp', '--factor', '1'], /--factor/],
    [['ramp', '--most', '10'], /--most/],
    [['ramp', '--step', '10ms'], /--step/],
    [['constant', '--chart', '/nowhere/at/all/chart.svg'], /ENOENT/],
  ] as const) {
    const { code, err } = await aldebaran(['weather', 'load', ...args])
    assert.notEqual(code, 0)
    assert.match(err, message)
  }
})
