/** Restores a million books of the auditor on Kafka: from the changelog alone, with a copy of it, and after kill -9. */
import { type ChildProcess, fork } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { cpSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connectLog } from '../src/log/client.ts'
import { openKafka } from '../src/log/kafka/host.ts'
import { parseKafkaLocation } from '../src/log/kafka/location.ts'
import { baseOffsetOf, batchLength, recordCountOf } from '../src/record/batch-header.ts'
import { changelogOf } from '../src/runtime/application.ts'
import { kafkaCluster } from '../test/servers/kafka.ts'
import { parseOptions, result } from './measure.ts'
import type { RestoreAnswer, RestoreCommand } from './restore-process.ts'

const OPTIONS = {
  engine: { kind: 'text', default: 'kafka', choices: ['kafka'] },
  rows: { kind: 'number', default: 1_000_000, min: 1000 },
  /** Of the rows, between two restarts. */
  changed: { kind: 'number', default: 5, min: 0, max: 100 },
  workers: { kind: 'number', default: 1, min: 1 },
  partitions: { kind: 'number', default: 4, min: 1 },
  /** A broker that runs. Default: one of the benchmark's own. */
  bootstrap: { kind: 'text', default: '' },
} as const

type RestoreOptions = ReturnType<typeof parseOptions<typeof OPTIONS>>

const DAY_MS = 24 * 3_600_000
const POLL_BYTES = 1024 * 1024

export async function bench(args: string[]): Promise<void> {
  const options = parseOptions(args, OPTIONS)
  if (options.bootstrap !== '') return await restores(options.bootstrap, options)
  await using broker = await kafkaCluster({ brokers: 1 })
  await restores(broker.bootstrap, options)
}

async function restores(bootstrap: string, options: RestoreOptions): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'aldebaran-bench-'))
  const runs = new Restores(bootstrap, folder, options)
  try {
    await runs.withoutCopy()
    await runs.withCopies()
  } finally {
    await runs.end()
    rmSync(folder, { recursive: true, force: true })
  }
}

class Restores {
  readonly #bootstrap: string
  readonly #folder: string
  readonly #options: RestoreOptions
  readonly #run = `restore-${randomUUID().slice(0, 8)}`
  #auditor: Auditor | null = null

  constructor(bootstrap: string, folder: string, options: RestoreOptions) {
    this.#bootstrap = bootstrap
    this.#folder = folder
    this.#options = options
  }

  async withoutCopy(): Promise<void> {
    const { rows } = this.#options
    const auditor = await this.#start('')
    await auditor.ask({ kind: 'requests', from: 1, to: rows })
    await auditor.stop()
    const { first } = await this.#start('')
    this.#tell('no copy', first, first.restoredRecords)
    await this.#auditor!.stop()
  }

  async withCopies(): Promise<void> {
    const { rows, changed } = this.#options
    const purchases: RestoreCommand = { kind: 'purchases', from: 1, to: Math.round((rows * changed) / 100) }
    const state = join(this.#folder, 'node')
    let auditor = await this.#start(state)
    this.#tell('no copy yet', auditor.first, auditor.first.restoredRecords)
    await auditor.ask(purchases)
    await auditor.stop()

    auditor = await this.#restart(state, 'copy')
    await auditor.ask(purchases)
    await auditor.kill()

    auditor = await this.#restart(state, 'copy, after kill -9')
    await auditor.stop()

    // While it is away, another one changes the rows.
    auditor = await this.#start('')
    await auditor.ask(purchases)
    await auditor.stop()
    await this.#restart(state, 'copy, after others changed rows')
    await this.#auditor!.stop()
  }

  async end(): Promise<void> {
    await this.#auditor?.kill()
  }

  async #restart(state: string, how: string): Promise<Auditor> {
    const fetched = await this.#fetchedRecords(state)
    const auditor = await this.#start(state)
    this.#tell(how, auditor.first, fetched)
    return auditor
  }

  async #start(state: string): Promise<Auditor> {
    const { workers, partitions } = this.#options
    this.#auditor = await Auditor.start([this.#bootstrap, String(workers), state], {
      AUDIT_IDS: 'integer',
      AUDIT_DELTA_MS: String(DAY_MS),
      AUDIT_PARTITIONS: String(partitions),
      AUDIT_NAME: this.#run,
      ...Object.fromEntries(
        ['TRADES', 'REQUESTS', 'PURCHASES', 'ALERTS'].map(name => [`AUDIT_${name}`, `${this.#run}.${name}`]),
      ),
    })
    return this.#auditor
  }

  #tell(
    how: string,
    { rows, changelog, changelogBytes, restoredRecords, restoreMs, busyMs }: RestoreAnswer,
    fetched: number,
  ): void {
    const { workers, partitions } = this.#options
    result({
      bench: 'restore',
      engine: 'kafka',
      how,
      workers,
      partitions,
      n: rows,
      missing: this.#options.rows - rows,
      records: restoredRecords,
      fetched_records: fetched,
      changelog_offsets: changelog.reduce((sum, { start, end }) => sum + end - start, 0),
      changelog_mb: Math.round(changelogBytes / 2 ** 20),
      seconds: restoreMs / 1000,
      busy_seconds: Number((busyMs / workers / 1000).toFixed(3)),
      rate: Math.round(restoredRecords / (restoreMs / 1000)),
    })
    if (rows !== this.#options.rows) process.exitCode = 1
  }

  /** Records that a restart reads from Kafka: told by reading the changelogs with a copy of the copies. */
  async #fetchedRecords(state: string): Promise<number> {
    const copies = mkdtempSync(join(this.#folder, 'copies-'))
    cpSync(join(state, 'copies'), copies, { recursive: true })
    const copied = new Map<number, number>()
    const host = await openKafka({
      bootstrap: parseKafkaLocation(`kafka://${this.#bootstrap}`, {}).bootstrap,
      node: randomUUID(),
      copies,
      report: (_level, _message, { partition, to }) => copied.set(Number(partition), Number(to)),
    })
    try {
      const log = connectLog(host.workerAddress(0))
      const found: { partition: number; offset: number; records: number }[] = []
      for (let partition = 0; partition < this.#options.partitions; partition++) {
        const reader = log.reader(changelogOf(this.#run, 'audit', 'books'), partition, 'earliest')
        while (reader.position < reader.end()) {
          if (!reader.poll(POLL_BYTES)) {
            await log.changed(100)
            continue
          }
          const { chunk, size } = reader
          for (let at = 0; at < size; at += batchLength(chunk, at)) {
            found.push({ partition, offset: baseOffsetOf(chunk, at), records: recordCountOf(chunk, at) })
          }
        }
        reader.close()
      }
      await log.close()
      // Everything was told by then.
      await host.close()
      return found
        .filter(({ partition, offset }) => offset >= (copied.get(partition) ?? 0))
        .reduce((sum, { records }) => sum + records, 0)
    } finally {
      await host.close()
      rmSync(copies, { recursive: true, force: true })
    }
  }
}

class Auditor {
  readonly #child: ChildProcess
  /** What it said when it was ready. */
  readonly first: RestoreAnswer

  private constructor(child: ChildProcess, first: RestoreAnswer) {
    this.#child = child
    this.first = first
  }

  static async start(args: readonly string[], environment: Record<string, string>): Promise<Auditor> {
    const child = fork(new URL('./restore-process.ts', import.meta.url), args, {
      env: { ...process.env, ...environment },
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    })
    return new Auditor(child, await answerOf(child))
  }

  ask(command: RestoreCommand): Promise<RestoreAnswer> {
    const answer = answerOf(this.#child)
    this.#child.send(command)
    return answer
  }

  async kill(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return
    const exited = once(this.#child, 'exit')
    this.#child.kill('SIGKILL')
    await exited
  }

  async stop(): Promise<void> {
    const exited = once(this.#child, 'exit')
    this.#child.send({ kind: 'stop' } satisfies RestoreCommand)
    await exited
  }
}

async function answerOf(child: ChildProcess): Promise<RestoreAnswer> {
  const heard = new AbortController()
  const ended = once(child, 'exit', { signal: heard.signal }).then(([code, signal]) => {
    throw new Error(`the auditor ended: ${code ?? signal}`)
  })
  try {
    const [answer] = await Promise.race([once(child, 'message', { signal: heard.signal }), ended])
    return answer as RestoreAnswer
  } finally {
    heard.abort()
    ended.catch(() => {})
  }
}
