/** An application of this repository as `aldebaran run` starts it: several processes on one Kafka cluster. */
import type { ChildProcess } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { ended, listening, spawnCommand } from './command-line.ts'

const APPLICATIONS = join(import.meta.dirname, '../../apps')
const LOOK_MS = 50

export abstract class CommandNodes implements AsyncDisposable {
  readonly bootstrap: string
  /** What each node gets, beside the environment of the test. */
  protected abstract readonly environment: NodeJS.ProcessEnv
  /** With the state of each node; removed at the end. */
  protected readonly folder: string
  readonly #entry: string
  readonly #nodes = new Map<string, { readonly child: ChildProcess; url: string }>()

  /** `application`: its folder below `apps`. */
  constructor(application: string, bootstrap: string) {
    this.bootstrap = bootstrap
    this.folder = mkdtempSync(join(tmpdir(), `aldebaran-${application}-nodes-`))
    this.#entry = join(APPLICATIONS, application, 'entry.ts')
  }

  get names(): string[] {
    return [...this.#nodes.keys()]
  }

  /** Resolves when it listens. */
  async start(name: string): Promise<void> {
    const log = `kafka://${this.bootstrap}?node=${name}&state=${join(this.folder, name)}`
    const child = spawnCommand(['run', this.#entry, '--log', log, '--port', '0', '--workers', '1'], this.environment)
    const node = { child, url: '' }
    // Also one that never listens is ended with the others.
    this.#nodes.set(name, node)
    node.url = await listening(child)
  }

  /** SIGKILL, now: it may be under way when this returns. */
  strike(name: string): void {
    this.#nodes.get(name)!.child.kill('SIGKILL')
  }

  /** SIGKILL. Resolves when it is gone. */
  async kill(name: string): Promise<void> {
    const { child } = this.#nodes.get(name)!
    this.#nodes.delete(name)
    await ended(child, 'SIGKILL')
  }

  /** Where it listens. */
  protected urlOf(name: string): string {
    return this.#nodes.get(name)!.url
  }

  /** Resolves when it holds; looks again and again. */
  async until(isSo: () => boolean | Promise<boolean>): Promise<void> {
    while (!(await isSo())) await setTimeout(LOOK_MS)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { child } of this.#nodes.values()) await ended(child, 'SIGKILL')
    rmSync(this.folder, { recursive: true, force: true })
  }
}
