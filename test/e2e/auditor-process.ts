/** The auditor with alert channels, as `aldebaran run` starts it, in a process of its own. */
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout } from 'node:timers/promises'
import { aldebaran, type Outcome } from './command-here.ts'

const MAIN = join(import.meta.dirname, '../../src/cli/main.ts')
const ENTRY = join(import.meta.dirname, '../../apps/audit/entry.ts')
/** Between two looks, ms. */
const LOOK_MS = 20

/** A folder with a file of channels and the data: it outlives the processes. */
export class AuditorPlace implements AsyncDisposable {
  readonly #folder = mkdtempSync(join(tmpdir(), 'aldebaran-alerts-'))
  #last: AuditorProcess | null = null

  constructor(channels: readonly object[]) {
    this.configure(channels)
  }

  get data(): string {
    return dataIn(this.#folder)
  }

  /** From the next start on. */
  configure(channels: readonly object[]): void {
    writeFileSync(join(this.#folder, 'channels.json'), JSON.stringify({ channels }))
  }

  async start(): Promise<AuditorProcess> {
    this.#last = new AuditorProcess(this.#folder)
    await this.#last.ready()
    return this.#last
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#last?.kill()
    rmSync(this.#folder, { recursive: true, force: true })
  }
}

export class AuditorProcess {
  #url = ''
  readonly #child: ChildProcess
  readonly #exited: Promise<unknown[]>

  constructor(folder: string) {
    const own = ['--port', '0', '--data', dataIn(folder), '--durability', 'process', '--workers', '2']
    this.#child = spawn(process.execPath, [MAIN, 'run', ENTRY, ...own], {
      env: { ...process.env, AUDIT_DELTA_MS: '3600000', AUDIT_CHANNELS: join(folder, 'channels.json') },
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    this.#exited = once(this.#child, 'exit')
  }

  async ready(): Promise<void> {
    const line = once(createInterface({ input: this.#child.stdout! }), 'line')
    const early = this.#exited.then(([code]) => assert.fail(`the process ended with ${code} before it was ready`))
    early.catch(() => {})
    const [text] = await Promise.race([line, early])
    this.#url = (JSON.parse(text as string) as { url: string }).url
  }

  /** Orders that are bought with one share too many: an alert each. Resolves when that is durable. */
  async overbuy(ids: readonly string[]): Promise<void> {
    const trades = ids.flatMap(id => [
      { id, '#shares': 100, client: 'ACME', stock: 'XYZ' },
      { id: `p-${id}`, initial_order_id: id, '#shares': 101, client: 'ACME', stock: 'XYZ' },
    ])
    const input = trades.map(trade => JSON.stringify(trade)).join('\n')
    const { lines } = await this.ask(['produce', 'trades'], { input })
    assert.deepEqual(lines, [{ accepted: trades.length, rejected: 0 }])
  }

  ask(args: string[], options: { terminal?: boolean; input?: string } = {}): Promise<Outcome> {
    return aldebaran(args, { ...options, env: { ALDEBARAN_URL: this.#url } })
  }

  /** What `aldebaran alerts` says of a channel. */
  async channel(name: string): Promise<Record<string, unknown>> {
    const { lines } = await this.ask(['alerts'])
    return lines.find(({ destination }) => destination === name) ?? {}
  }

  async inDoubt(): Promise<{ event: string; order: string }[]> {
    const { lines } = await this.ask(['alerts', 'in-doubt', 'ls', '-n', '1000'])
    return lines.map(({ event, value }) => ({
      event: String(event),
      order: (value as { orderId: string }).orderId,
    }))
  }

  /** SIGKILL, now. */
  strike(): void {
    this.#child.kill('SIGKILL')
  }

  async kill(): Promise<void> {
    this.strike()
    await this.#exited
  }

  /** SIGTERM; returns the exit code. */
  async stop(): Promise<unknown> {
    this.#child.kill('SIGTERM')
    const [code] = await this.#exited
    return code
  }
}

function dataIn(folder: string): string {
  return join(folder, 'data')
}

/** Looks again and again. */
export async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) await setTimeout(LOOK_MS)
}
