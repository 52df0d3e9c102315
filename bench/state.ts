/** The state of the auditor: memory of a million open books, restore after kill -9, changelog, an hour of orders. */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseOptions, result } from './measure.ts'
import type { StateAnswer, StateCommand } from './state-process.ts'

const OPTIONS = {
  rows: { kind: 'number', default: 1_000_000, min: 1000 },
  rewrites: { kind: 'number', default: 10, min: 1 },
  workers: { kind: 'number', default: 1, min: 1 },
  /** Messages of the part that looks for growth. An hour of 5,000 a second. */
  hour: { kind: 'number', default: 18_000_000, min: 1000 },
} as const

export async function bench(args: string[]): Promise<void> {
  const { rows, rewrites, workers, hour } = parseOptions(args, OPTIONS)
  const common = { engine: 'embedded', guarantee: 'exactly-once, process', workers }
  await inFolder(async folder => {
    let auditor = await Auditor.start(folder, workers, 24 * 3_600_000)
    const empty = auditor.first
    const open = await auditor.ask({ kind: 'requests', orders: rows })
    result({
      bench: 'state-memory',
      ...common,
      n: open.rows,
      rss_mb: Math.round(open.rssMb),
      rss_anonymous_mb: Math.round(open.anonymousMb),
      empty_rss_anonymous_mb: Math.round(empty.anonymousMb),
      table_mb: Math.round(open.tableBytes / 2 ** 20),
      table_bytes_a_row: Math.round(open.tableBytes / open.rows),
    })
    await auditor.kill()
    auditor = await Auditor.start(folder, workers, 24 * 3_600_000)
    const restored = auditor.first
    result({
      bench: 'state-restore',
      ...common,
      n: restored.rows,
      records: restored.restoredRecords,
      seconds: Number((restored.restoreMs / workers / 1000).toFixed(3)),
      rate: Math.round(restored.restoredRecords / (restored.restoreMs / workers / 1000)),
      missing: rows - restored.rows,
      rss_mb: Math.round(restored.rssMb),
      rss_anonymous_mb: Math.round(restored.anonymousMb),
    })
    const rewritten = await auditor.ask({ kind: 'purchases', orders: rows, rounds: rewrites })
    result({
      bench: 'state-changelog',
      ...common,
      n: rows * rewrites,
      rows: rewritten.rows,
      changelog_records: rewritten.changelogRecords,
      changelog_mb: Math.round(rewritten.changelogBytes / 2 ** 20),
      worst_records_a_row: Number(rewritten.worstRatio.toFixed(3)),
      rss_mb: Math.round(rewritten.rssMb),
      rss_anonymous_mb: Math.round(rewritten.anonymousMb),
    })
    await auditor.stop()
  })
  await inFolder(async folder => {
    const auditor = await Auditor.start(folder, workers, 1000)
    const begun = performance.now()
    const anonymous: number[] = []
    let last = auditor.first
    const parts = 6
    for (let part = 0; part < parts; part++) {
      last = await auditor.ask({ kind: 'workload', messages: Math.round(hour / parts), seed: part + 1 })
      anonymous.push(Math.round(last.anonymousMb))
    }
    result({
      bench: 'state-hour',
      ...common,
      n: hour,
      seconds: Number(((performance.now() - begun) / 1000).toFixed(1)),
      rss_anonymous_mb: anonymous,
      rows_at_end: last.rows,
      changelog_mb: Math.round(last.changelogBytes / 2 ** 20),
    })
    await auditor.stop()
  })
}

async function inFolder(work: (folder: string) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'aldebaran-bench-'))
  try {
    await work(folder)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

class Auditor {
  readonly #child: ChildProcess
  /** What it said when it was ready. */
  readonly first: StateAnswer

  private constructor(child: ChildProcess, first: StateAnswer) {
    this.#child = child
    this.first = first
  }

  static async start(folder: string, workers: number, deltaMs: number): Promise<Auditor> {
    const child = fork(new URL('./state-process.ts', import.meta.url), [folder, String(workers)], {
      env: { ...process.env, AUDIT_IDS: 'integer', AUDIT_DELTA_MS: String(deltaMs), AUDIT_PARTITIONS: '4' },
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    })
    return new Auditor(child, await answerOf(child))
  }

  ask(command: StateCommand): Promise<StateAnswer> {
    const answer = answerOf(this.#child)
    this.#child.send(command)
    return answer
  }

  async kill(): Promise<void> {
    const exited = once(this.#child, 'exit')
    this.#child.kill('SIGKILL')
    await exited
  }

  async stop(): Promise<void> {
    const exited = once(this.#child, 'exit')
    this.#child.send({ kind: 'stop' } satisfies StateCommand)
    await exited
  }
}

async function answerOf(child: ChildProcess): Promise<StateAnswer> {
  const ended = once(child, 'exit').then(([code, signal]) => {
    throw new Error(`the auditor ended: ${code ?? signal}`)
  })
  const [answer] = await Promise.race([once(child, 'message'), ended])
  return answer as StateAnswer
}
